"""The numbers an optimizer is made with: where they were written, and whether they are the ones it trains with."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

from nnlint.events import OptimizerMade, Run
from nnlint.facts.callers import is_always_given
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import (
    Constant,
    Data,
    Entries,
    Items,
    Optimizer,
    Site,
    Value,
    alternatives,
    number,
)

POSITIONS = {"lr": 1, "momentum": 2, "betas": 2}
"""Where torch's optimizers take what may be given by position: SGD the momentum, Adam and its kin the betas."""

EXPLAINS = regex(r"\b(?:larger?|higher?|bigger|good|best|tuned|works|recommend\w*|papers?|suggest\w*)\b", re.I)
DOUBTS = regex(r"\b(?:too|bug|fault\w*|wrong|fixme|todo|not)\b", re.I)
"""What a comment beside a number says where it was chosen with care, and where its author doubts it."""


@dataclass(frozen=True)
class Setting:
    """A number that an optimizer is given.

    `at` is the place to report: the argument in the constructor's call, or the default that the number comes from.
    `tried` are the values that a search loop gives it in turn, the number among them; `default` says that the number is the
    default of an option or a settings class. `kinds` are those of all optimizers that are given it: one default may serve
    several, of which the user picks one.
    """

    at: Site
    value: float
    tried: tuple[float, ...]
    default: bool
    written: Site | None
    kinds: frozenset[str]


def settings(run: Run, made: OptimizerMade, name: str) -> Iterator[Setting]:
    """The numbers given for an option such as "lr", for the whole optimizer and for each of its parameter groups."""
    optimizer = made.optimizer
    if not isinstance(optimizer, Optimizer):
        return
    value = optimizer.arguments.get(name)
    known = [each for each in alternatives(value) if isinstance(each, Constant)]
    if known and len(known) == len(alternatives(value)) and all(number(each) is not None for each in known):
        usual = min(known, key=lambda each: abs(math.log10(abs(number(each) or 0.0) or 1e-30) + 3))
        yield _setting(run, made, usual, _argument(optimizer.at, name), name)
    if isinstance(value, Items) and value.kind != "set":
        for each in value.items:
            if isinstance(each, Constant) and number(each) is not None:
                yield _setting(run, made, each, _argument(optimizer.at, name), name)
    for group in _groups(optimizer.arguments.get("params")):
        constant = group.entries.get(name)
        if isinstance(constant, Constant) and number(constant) is not None:
            yield _setting(run, made, constant, None, name)


def is_never_used(run: Run, setting: Setting) -> bool:
    """Whether the number is the default of a parameter that everybody who calls the function gives another value.

    All files of the project are looked through for that: to be asked of what is about to be reported.
    """
    written = setting.written if setting.default else None
    function = written.statement if isinstance(written, CodeSite) else None
    if not isinstance(written, CodeSite) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    holder = edits.holder_of(written)
    is_constructor = function.name == "__init__" and isinstance(holder, ast.ClassDef)
    return is_always_given(
        run, function, getattr(holder, "name", "") if is_constructor else function.name, written.node
    )


def is_explained(setting: Setting) -> bool:
    """Whether a comment beside the number says that it is meant to be so large, or was found to be good."""
    site = setting.written if isinstance(setting.written, CodeSite) else setting.at
    line = getattr(site.node, "end_lineno", 0) if isinstance(site, CodeSite) else 0
    if not isinstance(site, CodeSite) or not line:
        return False
    comment = site.module.lines[line - 1].partition("#")[2]
    return EXPLAINS.search(comment) is not None and DOUBTS.search(comment) is None


def _setting(run: Run, made: OptimizerMade, constant: Constant, argument: Site | None, name: str) -> Setting:
    tried = _tried(made, constant)
    place, default = place_of_number(constant, made.at, argument, may_be_default=len(tried) == 1)
    kinds = frozenset(_kinds_given(run, constant, name)) if default else frozenset()
    return Setting(place, number(constant) or 0.0, tried, default, constant.at, kinds | _kind(made.optimizer))


def place_of_number(
    constant: Constant, at: Site, argument: Site | None, may_be_default: bool = True
) -> tuple[Site, bool]:
    """Where to report a number that the call at a site is given, and whether that is the default of an option or of settings.

    Such a default is reported where it is written; any other number as the argument, or where it stands in the call.
    """
    written = constant.at
    if written is not None and may_be_default and _is_default(constant, at):
        return written, True
    if argument is not None:
        return argument, False
    return (written if written is not None and _is_inside(written, at) else at), False


def _kinds_given(run: Run, constant: Constant, name: str) -> Iterator[str]:
    """The kinds of all optimizers that are given the number written at the same place."""
    for other in run.events(OptimizerMade):
        if isinstance(other.optimizer, Optimizer):
            for value in alternatives(other.optimizer.arguments.get(name)):
                if isinstance(value, Constant) and value.at is not None and _same_place(value.at, constant.at):
                    yield other.optimizer.kind


def _same_place(first: Site | None, second: Site | None) -> bool:
    return first is second or (
        isinstance(first, CodeSite) and isinstance(second, CodeSite) and first.node is second.node
    )


def _kind(optimizer: Value) -> frozenset[str]:
    return frozenset({optimizer.kind}) if isinstance(optimizer, Optimizer) else frozenset()


def _argument(site: Site | None, name: str) -> Site | None:
    """The argument of that name in the constructor's call, with its name."""
    if not isinstance(site, CodeSite) or not isinstance(site.node, ast.Call):
        return None
    for keyword in site.node.keywords:
        if keyword.arg == name:
            return CodeSite(site.module, keyword, site.statement, site.function)
    position = POSITIONS.get(name)
    if position is None or position >= len(site.node.args):
        return None
    return CodeSite(site.module, site.node.args[position], site.statement, site.function)


def _groups(value: Value | None) -> Iterator[Entries]:
    for each in value.items if isinstance(value, Items) else ():
        if isinstance(each, Entries) and "params" in each.entries:
            yield each


def _is_inside(site: Site, around: Site) -> bool:
    if not isinstance(site, CodeSite) or not isinstance(around, CodeSite) or site.module is not around.module:
        return False
    first, last = getattr(around.node, "lineno", 0), getattr(around.node, "end_lineno", 0) or 0
    return first <= getattr(site.node, "lineno", 0) <= last


def _is_default(constant: Constant, made_at: Site) -> bool:
    """Whether the number is an option's default, or stands in settings: not in the call, nor simply under a name."""
    written = constant.at
    if not isinstance(written, CodeSite) or _is_inside(written, made_at):
        return False
    if constant.overridable:
        return True
    statement = written.statement
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    if isinstance(edits.holder_of(written), ast.ClassDef):
        return True
    around = [node for node in ast.walk(statement.value) if isinstance(node, (ast.Dict, ast.Call))]
    return any(written.node is each for node in around for each in ast.walk(node))


def _tried(made: OptimizerMade, constant: Constant) -> tuple[float, ...]:
    """The values that the loops around give the number, if it is drawn from a list of them; else itself."""
    for iteration in made.iterations:
        for values in _lists_in(iteration.loop.over):
            if any(each is constant for each in values):
                known = [number(each) for each in values]
                return tuple(each for each in known if each is not None)
    return (number(constant) or 0.0,)


def _lists_in(over: Value | None) -> Iterator[list[Value]]:
    """The lists that a loop draws from: of `zip` and `product`, each of theirs; of rows of numbers, each column."""
    if isinstance(over, Items):
        yield over.items
        rows = [each.items for each in over.items if isinstance(each, Items)]
        if all(isinstance(each, Constant) for row in rows for each in row):
            yield from ([*column] for column in zip(*rows, strict=False))
    elif isinstance(over, Data) and over.operation in ("zip", "enumerate", "progress", "iter", "list"):
        for inner in over.inputs:
            yield from _lists_in(inner)
