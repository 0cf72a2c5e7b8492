"""Where the rules are found: in the top-level folder `rules/`, installed as `nnlint.rules`. The engine walks that package and
never names a rule.

The package has a table of what is known of each rule without its file (`nnlint.catalogue_table`): with it a file is loaded when
its rule is asked about a run, or for its page. Where the table tells of other files than there are, all files are loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from nnlint.catalogue_table import forget_files, listed_rules
from nnlint.program import PROGRAM_RULES
from nnlint.report import InternalError
from nnlint.rule import Rule

CATALOGUE = "nnlint.rules"


class CatalogueMissing(Exception):
    """The rules are not installed beside the engine."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the catalogue and of the program, by code. Raises CatalogueMissing where the rules are not installed."""
    rules = [*PROGRAM_RULES, *(entry for entry in _loaded() if isinstance(entry, Rule))]
    return tuple(sorted(rules, key=lambda rule: rule.code))


@cache
def loaded_rules() -> tuple[Rule, ...]:
    """The same, as their files declare them: what the table is made of."""
    rules = [*PROGRAM_RULES, *(entry for entry in _rules_of_files(_catalogue()) if isinstance(entry, Rule))]
    return tuple(sorted(rules, key=lambda rule: rule.code))


@cache
def unloadable() -> tuple[InternalError, ...]:
    """What is wrong with those files of the catalogue that give no rule."""
    return tuple(entry for entry in _loaded() if isinstance(entry, InternalError))


@cache
def rules_by_code() -> dict[str, Rule]:
    """The catalogue keyed by code."""
    return {rule.code: rule for rule in all_rules()}


def forget() -> None:
    """Lets the catalogue be read anew."""
    for function in (_loaded, all_rules, loaded_rules, unloadable, rules_by_code):
        function.cache_clear()
    forget_files()


@cache
def _loaded() -> tuple[Rule | InternalError, ...]:
    return tuple(_catalogue_rules())


def _catalogue_rules() -> Iterator[Rule | InternalError]:
    """The rules of the table, or of each file, or why there is none: one that fails costs none of the others."""
    catalogue = _catalogue()
    listed = listed_rules(catalogue)
    if listed and {rule.module for rule in listed} == _modules(catalogue):
        yield from listed
    else:
        yield from _rules_of_files(catalogue)


def _catalogue() -> ModuleType:
    try:
        return importlib.import_module(CATALOGUE)
    except ModuleNotFoundError as error:
        raise CatalogueMissing(
            f"{CATALOGUE} is not installed: nnlint was imported from a source folder; run `pip install -e .` there"
        ) from error


def _modules(catalogue: ModuleType) -> set[str]:
    """The names of all modules in the folders of the catalogue: `pkgutil` takes ten times as long."""
    found: set[str] = set()
    waiting = [(folder, catalogue.__name__) for folder in catalogue.__path__]
    while waiting:
        folder, package = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - hundreds of entries at each start
                if suffix == ".py" and stem != "__init__":
                    found.add(f"{package}.{stem}")
                elif stem.isidentifier() and stem != "__pycache__" and entry.is_dir():
                    waiting.append((entry.path, f"{package}.{stem}"))
    return found


def _rules_of_files(catalogue: ModuleType) -> Iterator[Rule | InternalError]:
    import pkgutil

    topics: list[InternalError] = []
    names: dict[str, str] = {}

    def keep(topic: str) -> None:
        topics.append(_failure(topic, "these rules cannot be loaded", sys.exc_info()[1]))

    for info in pkgutil.walk_packages(catalogue.__path__, f"{CATALOGUE}.", onerror=keep):
        if not info.ispkg:
            yield _rule_of(info.name, names)
    yield from topics


def _rule_of(module: str, names: dict[str, str]) -> Rule | InternalError:
    """The rule of a module; `names` are those of the rules so far by code, and get its own."""
    what = "this rule cannot be loaded"
    try:
        rule = importlib.import_module(module).rule
    except (Exception, SystemExit) as error:
        return _failure(module, what, error)
    if not isinstance(rule, Rule):
        return InternalError(_file(module), None, f"{what}: its `rule` is no Rule")
    if rule.code in names:
        return InternalError(_file(module), None, f"{what}: its code {rule.code} is that of {names[rule.code]}")
    names[rule.code] = rule.name
    return rule


def _failure(module: str, what: str, error: BaseException | None) -> InternalError:
    file = _file(module)
    text = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return InternalError(file, _line(module, error), f"{what}: {reason}")


def _line(module: str, error: BaseException | None) -> int | None:
    """The line of the module's file that an import stopped at."""
    origin = _origin(module)
    if isinstance(error, SyntaxError) and error.filename == origin:
        return error.lineno
    import traceback

    frames = traceback.extract_tb(error.__traceback__) if error else ()
    lines = [frame.lineno for frame in frames if frame.filename == origin]
    return lines[-1] if lines else None


def _file(module: str) -> str:
    from nnlint.reading.files import shown_path

    origin = _origin(module)
    return shown_path(origin) if origin else module


def _origin(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return spec.origin if spec else None
