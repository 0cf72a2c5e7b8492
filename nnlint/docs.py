"""`python -m nnlint.docs`: writes rules/README.md from the rules' own pages, and the table in rules/__init__.py from what they
declare; `--check` says whether these are stale."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnlint.catalogue import CATALOGUE, loaded_rules
from nnlint.catalogue_table import table
from nnlint.program import PROGRAM_RULES
from nnlint.rule import Rule

_INTRODUCTION = """\
# The rules

Written by `python -m nnlint.docs` from the docstrings of the rules; change those, not this file.

`nnlint --explain CODE` prints the same pages in a terminal. Under *witness*, `run` means that `--verify` can confirm the fault by
a short run, `-` that no run could decide, and the page says why. The figures show one of the rule's fixtures, run as written
and with that finding alone mended, on the same data with the same seed.
"""

_PACKAGE = '''\
"""The rules, one file each: see README.md beside this file.

The tables are what is known of them without these files. Written by `python -m nnlint.docs`: change the rules, not this file.
"""

# ruff: noqa: E501
# fmt: off
'''


def catalogue_package(rules: Sequence[Rule]) -> str:
    """The package's own file: a table of the rules that have files."""
    return table([rule for rule in rules if rule not in PROGRAM_RULES], _PACKAGE)


def catalogue_page(rules: Sequence[Rule]) -> str:
    """The Markdown file: a table of all rules, then a section for each, whose anchor is that of its `url`."""
    sections = ("\n".join(_section(rule)) for rule in rules)
    return "\n".join([_INTRODUCTION, *_table(rules), "", *sections])


def _table(rules: Sequence[Rule]) -> Iterator[str]:
    yield "| code | name | topic | severity | default | fix | witness | what it finds |"
    yield "|---|---|---|---|---|---|---|---|"
    for rule in rules:
        name = f"[{rule.name}](#{rule.url.partition('#')[2]})"
        default = "on" if rule.default else "off"
        title = rule.title.replace("|", "\\|")
        fix = rule.fix.value if rule.fix else "-"
        witness = "run" if rule.witness else "-"
        topic = rule.topic.replace("_", " ")
        yield f"| {rule.code} | {name} | {topic} | {rule.severity.value} | {default} | {fix} | {witness} | {title} |"


def _section(rule: Rule) -> Iterator[str]:
    yield f"## {rule.code} {rule.name}\n"
    fenced = False
    for line in (rule.page or "").strip().splitlines():
        fenced ^= line.startswith("```")
        yield f"#{line}" if line.startswith("#") and not fenced else line
    yield ""
    if figure_file(rule).is_file():
        name = figure_file(rule).relative_to(readme().parent).as_posix()
        yield f"![What the fault does to a small run, as written and mended]({name})\n"


def figure_file(rule: Rule) -> Path:
    """Where the reference figure of a rule lies, if it has one: the fixtures' runs are drawn by `python -m tests.gallery`."""
    return readme().parent / "gallery" / f"{rule.code}.svg"


def readme() -> Path:
    """Where the page belongs: in the folder of the installed catalogue."""
    return Path(next(iter(importlib.import_module(CATALOGUE).__path__))) / "README.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files and return 0; with `--check` write nothing, and return 1 where one is stale or missing."""
    parser = argparse.ArgumentParser(prog="python -m nnlint.docs", description="Write what follows from the rules.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is stale")
    options = parser.parse_args(arguments)
    rules = loaded_rules()
    texts = {readme(): catalogue_page(rules), readme().with_name("__init__.py"): catalogue_package(rules)}
    if not options.check:
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8", newline="\n")
        return 0
    stale = [file for file, text in texts.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        print(f"{file} is stale: run python -m nnlint.docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
