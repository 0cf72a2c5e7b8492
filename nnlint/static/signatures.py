"""Whether a callable can take the arguments of a call: of several that a name may hold, one that would raise is not meant."""

from __future__ import annotations

import ast

from nnlint.static.arguments import Arguments
from nnlint.static.objects import Bound, Class, Function
from nnlint.values import Instance, Value


def takes(callee: Value, given: Arguments) -> bool:
    """Whether a call with these arguments fits the callable's parameters. What is not known takes anything."""
    function, is_bound = _called(callee)
    if given.open or function is None or function.decorators:
        return True
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args][is_bound:]
    if len(given.positional) > len(positional) and arguments.vararg is None:
        return False
    names = {each.arg for each in (*positional, *arguments.kwonlyargs)}
    if arguments.kwarg is None and not given.keywords.keys() <= names:
        return False
    filled = {*given.keywords, *(each.arg for each in positional[: len(given.positional)])}
    return all(name in filled for name in _required(positional, arguments))


def _required(positional: list[ast.arg], arguments: ast.arguments) -> list[str]:
    without_default = positional[: max(0, len(positional) - len(arguments.defaults))]
    keyword_only = [
        each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    return [each.arg for each in (*without_default, *keyword_only)]


def _called(callee: Value) -> tuple[Function | None, bool]:
    """The function that a call enters, and whether its first parameter is already bound."""
    if isinstance(callee, Function):
        return callee, False
    if isinstance(callee, Bound):
        owner = callee.receiver.cls if isinstance(callee.receiver, Instance) else None
        method = callee.function or (owner.find(callee.name) if isinstance(owner, Class) else None)
        return (method, method.kind != "static") if isinstance(method, Function) else (None, True)
    if isinstance(callee, Instance):
        found = callee.cls.find("forward" if callee.is_network else "__call__")
        return (found if isinstance(found, Function) else None), True
    if isinstance(callee, Class):
        found = callee.find("__init__")
        return (found if isinstance(found, Function) else None), True
    return None, False
