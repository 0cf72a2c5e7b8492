"""What is known of the rules without loading their files: the table in the catalogue's package, which `nnlint.docs` writes.

Loading the files of all rules, and the facts that they ask for, takes longer than to lint a script; a script asks few of them.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from nnlint.finding import Applicability, Severity
from nnlint.needs import Needs
from nnlint.rule import Rule
from nnlint.words import Group

Row = tuple[str, str, str, str, bool, str, tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Module, code, severity, since, default, fix, words (names of groups), needs."""


class FromFile:
    """An attribute of a listed rule that stands in its file alone."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, rule: Rule, owner: type) -> Any:
        return getattr(_in_file(rule.module), self.name)


class ListedRule(Rule):
    """A rule of the table. Its file is loaded when something is asked that the table does not tell."""

    page: Any = FromFile()
    check: Any = FromFile()
    witness: Any = FromFile()
    undecidable: Any = FromFile()
    trains: Any = FromFile()
    shows_in_other_rows: Any = FromFile()

    def __init__(self, row: Row, groups: dict[str, Group]) -> None:
        module, code, severity, since, default, fix, words, needs = row
        known = {
            "module": module,
            "code": code,
            "severity": Severity(severity),
            "since": since,
            "default": default,
            "fix": Applicability(fix) if fix else None,
            "words": tuple(groups[name] for name in words),
            "needs": tuple(map(frozenset, needs)),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)


@cache
def _in_file(module: str) -> Rule:
    rule: Rule = importlib.import_module(module).rule
    return rule


def load_files(rules: Iterable[Rule]) -> None:
    """Loads the files of these rules, as far as that is possible: what fails is told where the rule is asked."""
    for rule in rules:
        with contextlib.suppress(Exception, SystemExit):
            getattr(rule, "check")  # noqa: B009 - a listed rule takes it from its file


def forget_files() -> None:
    """Lets the files be read anew."""
    _in_file.cache_clear()


def listed_rules(catalogue: ModuleType) -> list[Rule]:
    """The rules of the table of a package; none where it has no table."""
    groups = {name: frozenset(words.split()) for name, words in getattr(catalogue, "GROUPS", {}).items()}
    return [ListedRule((f"{catalogue.__name__}.{row[0]}", *row[1:]), groups) for row in getattr(catalogue, "RULES", ())]


def table(rules: Sequence[Rule], introduction: str) -> str:
    """The text of a package with the table of these rules. A group of words is named by the first rule that has it."""
    names: dict[Group, str] = {}
    for rule in rules:
        for number, group in enumerate(rule.words, 1):
            names.setdefault(group, f"{rule.code}.{number}")
    lines = ["GROUPS = {", *(f"    {name!r}: {_spaced(group)!r}," for group, name in names.items()), "}", "RULES = ("]
    lines += [f"    {_row(rule, names)!r}," for rule in rules]
    return "\n".join([introduction, *lines, ")", ""]).replace("'", '"')


def _row(rule: Rule, names: dict[Group, str]) -> Row:
    return (
        ".".join(rule.module.split(".")[-2:]),
        rule.code,
        rule.severity.value,
        rule.since,
        rule.default,
        rule.fix.value if rule.fix else "",
        tuple(names[group] for group in rule.words),
        tuple(_sorted(rule.needs)),
    )


def _sorted(wanted: Needs) -> Iterator[tuple[str, ...]]:
    return (tuple(sorted(group)) for group in wanted)


def _spaced(words: Iterable[str]) -> str:
    return " ".join(sorted(words))
