"""What functions and classes that nothing calls expect for parameters that are None where they are left out.

`def __init__(self, model, optimizer=None)` with `self.optimizer.step()` further down, and no test for None anywhere, is always
called with an optimizer: run with its default, it would show nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, Function
from nnlint.static.parameters import symbolic_argument
from nnlint.values import NONE

TESTING = (ast.If, ast.While, ast.IfExp, ast.Assert)


def expected_arguments(machine: Machine, function: Function) -> Arguments:
    """Arguments for the parameters of a function that it takes for more than their default, None."""
    names = _left_out(function)
    return _given(machine, function, names & _needed(function.node) if names else names)


def expected_by_class(machine: Machine, cls: Class) -> Arguments:
    """The same for a constructor, whose class uses the parameters as attributes of its own, too."""
    constructor = cls.find("__init__")
    names = _left_out(constructor) if isinstance(constructor, Function) and constructor.owner is cls else frozenset()
    if not names or not isinstance(constructor, Function):
        return Arguments()
    held = {name: _attributes_of(constructor, name) for name in names}
    needed, in_class = _needed(constructor.node), _needed(cls.node, of_attributes=True)
    tested = _tested(cls.node, of_attributes=True) | _tested(constructor.node)
    taken = {
        name
        for name in names
        if (name in needed or held[name] & in_class) and not tested.intersection({name}, held[name])
    }
    return _given(machine, constructor, taken)


def _given(machine: Machine, function: Function, names: set[str] | frozenset[str]) -> Arguments:
    arguments = function.node.args
    parameters = [each for each in (*arguments.args, *arguments.kwonlyargs) if each.arg in names]
    return Arguments(keywords={each.arg: symbolic_argument(machine, function, each) for each in parameters})


def _left_out(function: Function) -> frozenset[str]:
    return frozenset(name for name, default in function.defaults.items() if default is NONE)


def _attributes_of(constructor: Function, name: str) -> set[str]:
    """The attributes that are set to the parameter as it is."""
    return {
        target.attr
        for node in ast.walk(constructor.node)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }


def _needed(scope: ast.AST, of_attributes: bool = False) -> set[str]:
    """The names, or the attributes of `self`, that are called, or asked for attributes, and never tested."""
    kind = ast.Attribute if of_attributes else ast.Name
    found = {
        _name(used)
        for node in ast.walk(scope)
        for used in _objects(node)
        if isinstance(used, kind) and (not of_attributes or _is_own(used))
    }
    return found - _tested(scope, of_attributes)


def _objects(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Attribute):
        yield node.value
    elif isinstance(node, ast.Call):
        yield node.func


def _tested(scope: ast.AST, of_attributes: bool = False) -> set[str]:
    """The names, or attributes, that a condition asks about, or that are set to something else."""
    found: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, TESTING):
            found.update(map(_name, _leaves(node.test)))
        elif isinstance(node, (ast.BoolOp, ast.Compare)):
            found.update(map(_name, _leaves(node)))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not of_attributes:
            found.add(node.id)
    return found


def _leaves(test: ast.expr) -> Iterator[ast.expr]:
    if isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _leaves(value)
    elif isinstance(test, ast.UnaryOp):
        yield from _leaves(test.operand)
    elif isinstance(test, ast.Compare):
        yield test.left
        yield from test.comparators
    else:
        yield test


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
