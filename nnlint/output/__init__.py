"""What a run says, in every format: findings in, text out, one file per format.

Nothing here prints, reads a file or decides an exit status. A format's module is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.records import dataclass, field

if TYPE_CHECKING:
    from nnlint.report import Note, Report
    from nnlint.rule import Rule


@dataclass(frozen=True)
class Presentation:
    """How a report is shown, for those formats that a person reads.

    `width` is the number of columns to fit into, 0 where there is no terminal and nothing is to be wrapped; `fixed` is
    the number of findings that `--fix` has just mended; `encoding` is that of the output; `base` is the root of the
    repository, to which the formats for other programs make their paths relative.
    """

    colour: bool = False
    width: int = 0
    statistics: bool = False
    quiet: bool = False
    fixed: int = 0
    encoding: str = "utf-8"
    base: Path = field(default_factory=Path.cwd)


Formatter = Callable[["Report", Presentation], Iterator[str]]
"""Gives a text in pieces, so that the text of many findings is never there as a whole."""


def _format(name: str) -> Formatter:
    def render(report: Report, presentation: Presentation) -> Iterator[str]:
        formatter: Formatter = importlib.import_module(f"nnlint.output.{name}").render
        return map(_encodable, formatter(report, presentation))

    return render


def _encodable(text: str) -> str:
    """`text` with lone surrogates, as undecodable file names hold them, escaped: valid in JSON, harmless elsewhere."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


FORMATS: dict[str, Formatter] = {
    name: _format(name) for name in ("text", "concise", "json", "github", "sarif", "gitlab", "junit")
}


def explain(rule: Rule, colour: bool, width: int, as_json: bool = False) -> str:
    """The page of a rule, laid out for a terminal of `width` columns (0: not wrapped), or a JSON object."""
    from nnlint.output import pages

    return pages.rule_as_json(rule) if as_json else pages.page(rule, colour, width)


def list_rules(rules: Iterable[Rule], as_json: bool, width: int = 0) -> str:
    """These rules: a table that fits into `width` columns (0: not wrapped), or a JSON list of objects."""
    from nnlint.output import pages

    return pages.rules_as_json(rules) if as_json else pages.rules_as_table(rules, width)


def describe_notes(notes: Iterable[Note]) -> str:
    """What `--verbose` adds, a line for each: what was cut short, skipped or not followed, and why."""
    from nnlint.output.failures import note_lines

    return "".join(f"{line}\n" for line in note_lines(notes))
