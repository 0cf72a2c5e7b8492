"""Where the rules are found: in the top-level folder `rules/`, installed as `nnlint.rules`. The engine walks that package and
never names a rule."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from nnlint.program import PROGRAM_RULES
from nnlint.rule import Rule

CATALOGUE = "nnlint.rules"


class CatalogueMissing(Exception):
    """The rules are not installed beside the engine."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the catalogue and of the program, by code. Raises CatalogueMissing where the rules are not installed."""
    rules = [*_catalogue_rules(), *PROGRAM_RULES]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def _catalogue_rules() -> Iterator[Rule]:
    try:
        catalogue = importlib.import_module(CATALOGUE)
    except ModuleNotFoundError as error:
        raise CatalogueMissing(
            f"{CATALOGUE} is not installed: nnlint was imported from a source folder; run `pip install -e .` there"
        ) from error
    for info in pkgutil.walk_packages(catalogue.__path__, f"{CATALOGUE}."):
        if not info.ispkg:
            yield importlib.import_module(info.name).rule


@cache
def rules_by_code() -> dict[str, Rule]:
    """The catalogue keyed by code."""
    return {rule.code: rule for rule in all_rules()}
