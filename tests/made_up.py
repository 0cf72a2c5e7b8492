"""A catalogue of made-up faults: each is a word that stands in the text.

The pipeline around the rules is tested with them, so that these tests hold whatever the real rules find.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from nnlint.events import Run
from nnlint.finding import Applicability, Edit, Fix, Place, Severity
from nnlint.reading.disk import DISK, Disk
from nnlint.report import Note
from nnlint.rule import Problem, Rule
from nnlint.source import Source
from nnlint.static.syntax import SyntaxProblem, Unparsable, parse


@dataclass
class TextRun(Run):
    """A run that knows nothing but the text."""

    source: Source = field(default_factory=lambda: Source("", ""))


@dataclass
class Project:
    """Stands in for the abstract run: one run for every source that parses, two where it says TWICE."""

    sources: Sequence[Source]
    together: Sequence[Source] = ()
    trees: dict[str, ast.Module] = field(default_factory=dict)
    broken: list[SyntaxProblem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    idle: Collection[str] = ()
    disk: Disk = DISK

    def runs(self) -> Iterator[Run]:
        """The runs in order; fails where a text says CRASH."""
        for source in self.sources:
            try:
                parse(source.text)
            except Unparsable as error:
                place = source.place(error.line, error.column, error.line, error.column + 1)
                self.broken.append(SyntaxProblem(place, error.message))
                continue
            if "CRASH" in source.text:
                raise RuntimeError("the abstract run lost its way")
            if "NOTED" in source.text:
                self.notes.append(Note(source.path, 1, "the loop was cut short"))
            for _ in range(2 if "TWICE" in source.text else 1):
                yield TextRun(source.path, source=source)


@dataclass(frozen=True)
class At:
    """A place."""

    place: Place


def finds(word: str, replacement: str | None, applicability: Applicability) -> Callable[[Run], Iterator[Problem]]:
    """A check that flags a word, and mends it by the replacement."""

    def check(run: Run) -> Iterator[Problem]:
        assert isinstance(run, TextRun)
        for number, line in enumerate(run.source.text.split("\n"), 1):
            for found in re.finditer(word, line):
                place = run.source.place(number, found.start() + 1, number, found.end() + 1)
                edits = (Edit(place, replacement),) if replacement is not None else ()
                fix = Fix(applicability, f"replace {word}", edits) if edits else None
                yield Problem(At(place), f"{word} spoils the training", fix=fix, help=f"replace {word}")

    return check


def raises(run: Run) -> Iterator[Problem]:
    """A check that fails where the text says RAISE, and in which somebody interrupts the run where it says INTERRUPT."""
    assert isinstance(run, TextRun)
    if "INTERRUPT" in run.source.text:
        raise KeyboardInterrupt
    if "RAISE" in run.source.text:
        raise LookupError("no such tensor")
    yield from ()


def _rule(code: str, name: str, check: Callable[[Run], Iterator[Problem]], severity: Severity, default: bool) -> Rule:
    module = f"nnlint.rules.made_up.{name}"
    return Rule(module, f"{name} is made up.\n", check, code, severity, since="0.1", default=default)


SAFE, UNSAFE = Applicability.SAFE, Applicability.UNSAFE
ERROR, WARNING, ADVICE = Severity.ERROR, Severity.WARNING, Severity.ADVICE
RULES = (
    _rule("NN101", "plain_fault", finds("FAULT", "MENDED", SAFE), ERROR, True),
    _rule("NN102", "risky_fault", finds("RISKY", "SOUND", UNSAFE), WARNING, True),
    _rule("NN103", "mild_fault", finds("MILD", None, SAFE), ADVICE, True),
    _rule("NN104", "rare_fault", finds("RARE", None, SAFE), ERROR, False),
    _rule("NN201", "raising_rule", raises, ERROR, True),
    _rule("NN202", "badly_mended_fault", finds("TORN", "((", SAFE), ERROR, True),
    _rule("NN203", "chained_fault", finds("FIRST", "FAULT", SAFE), ERROR, True),
    _rule("NN204", "unsettled_fault", finds("TURN", "TURN", SAFE), ERROR, True),
    _rule("NN206", "slight_fault", finds("SLIGHT", "BETTER", SAFE), ADVICE, True),
    _rule("NN205", "foreign_fault", finds("LATIN", "\N{GREEK SMALL LETTER ALPHA}", SAFE), ERROR, True),
)
