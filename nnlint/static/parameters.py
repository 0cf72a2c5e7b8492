"""Parameters: their defaults, the arguments of a call that they take, and what stands for one that nobody passed."""

from __future__ import annotations

import ast
from typing import Any

from nnlint.static.arguments import Arguments
from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.machine import Machine, Space
from nnlint.static.objects import CodeSite, Function
from nnlint.values import Constant, Data, Entries, Items, Value


def defaults_of(machine: Machine, arguments: ast.arguments) -> dict[str, Value]:
    """The default values of parameters, as they stand at the definition."""
    found: dict[str, Value] = {}
    positional = [*arguments.posonlyargs, *arguments.args]
    for parameter, default in zip(positional[::-1], arguments.defaults[::-1], strict=False):
        found[parameter.arg] = machine.evaluate(default)
    for parameter, expression in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if expression is not None:
            found[parameter.arg] = machine.evaluate(expression)
    return found


def bind_parameters(
    machine: Machine, function: Function, given: Arguments, node: ast.AST, receiver: Value | None = None
) -> Space:
    """The local names with which a function's body starts."""
    arguments = function.node.args
    values = given.positional if receiver is None else [receiver, *given.positional]
    positional = [*arguments.posonlyargs, *arguments.args] if arguments.posonlyargs else arguments.args
    space: Space = {parameter.arg: value for parameter, value in zip(positional, values, strict=False)}
    if arguments.vararg is not None:
        space[arguments.vararg.arg] = Items(values[len(positional) :], "tuple", given.open)
    extra = _bind_keywords(space, positional, arguments.kwonlyargs, given) if given.keywords else {}
    if arguments.kwarg is not None:
        space[arguments.kwarg.arg] = Entries(extra, given.open)
    for parameter in (*positional, *arguments.kwonlyargs):
        if parameter.arg not in space:
            space[parameter.arg] = _missing_argument(machine, function, parameter, given.open)
    return space


def _bind_keywords(
    space: Space, positional: list[ast.arg], keyword_only: list[ast.arg], given: Arguments
) -> dict[Any, Value]:
    """Bind what is passed by name. Returns what no parameter takes."""
    known = {parameter.arg for parameter in (*positional, *keyword_only)}
    extra: dict[Any, Value] = {}
    for name, value in given.keywords.items():
        (space if name in known else extra)[name] = value
    return extra


def _missing_argument(machine: Machine, function: Function, parameter: ast.arg, is_open: bool) -> Value:
    default = function.defaults.get(parameter.arg)
    if default is not None and not is_open:
        return default
    if function.decorators:
        option = knowledge.decorated_options(function.decorators).get(parameter.arg)
        if option is not None:
            return option
    return symbolic_argument(machine, function, parameter)


def symbolic_argument(machine: Machine, function: Function, parameter: ast.arg) -> Value:
    """An argument that nobody passed: data that keeps its name, or a number that a caller may replace."""
    default = function.defaults.get(parameter.arg)
    if (
        isinstance(default, Constant)
        and isinstance(default.value, (int, float))
        and not isinstance(default.value, bool)
    ):
        return Constant(default.value, default.at, overridable=True)
    site = CodeSite(function.module, parameter, None, function.node)
    return Data("argument", (), site, name=parameter.arg)
