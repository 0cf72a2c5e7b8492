"""What decorators make of functions and classes."""

from __future__ import annotations

import ast

from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.recording import under_decorator
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, External, Function, Native, Partial
from nnlint.values import Data, Either, Instance, Value

NOT_KNOWN = Data("gradient switch", (Data("unknown"),))
"""As a decorator: whether the function records gradients is not known."""


def decorated(machine: Machine, function: Function, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
    """The function as its name is bound: wrapped by its decorators where their source is at hand."""
    value: Value = function
    for decorator in reversed(function.decorators):
        if isinstance(decorator, (Function, Class, Partial, Native)):
            made = machine.call(decorator, Arguments([value]), node)
            value = _wrapped(made, value)
    return value


def _wrapped(made: Value, value: Value) -> Value:
    """What a decorator returned, where that may stand for what it was given."""
    if isinstance(made, (Function, Native, Partial, Instance)):
        return made
    if (
        isinstance(made, Either)
        and isinstance(value, Function)
        and all(_is_same(each, value) for each in made.alternatives)
    ):
        return under_decorator(value, NOT_KNOWN)
    return value


def _is_same(made: Value, function: Function) -> bool:
    return isinstance(made, Function) and made.node is function.node


def has_fields(cls: Class) -> bool:
    """Whether the class is a dataclass, a NamedTuple or the like: its fields are its constructor's parameters."""
    for decorator in cls.decorators:
        name = decorator.name if isinstance(decorator, (External, Data)) else ""
        if name.rpartition(".")[2] in ("dataclass", "define", "s", "attrs", "frozen"):
            return True
    return any(base.rpartition(".")[2] in ("NamedTuple", "BaseModel", "TypedDict") for base in cls.external_bases())
