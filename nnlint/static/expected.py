"""What functions and classes that nothing calls expect for parameters that are None where they are left out.

`def __init__(self, model, optimizer=None)` with `self.optimizer.step()` further down, and no test for None anywhere, is always
called with an optimizer: run with its default, it would show nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from typing import NamedTuple

from nnlint.garbage import remembered
from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, Function
from nnlint.static.parameters import symbolic_argument
from nnlint.values import NONE, Either

MOST_SCOPES = 50
TESTING = (ast.If, ast.While, ast.IfExp, ast.Assert)


def expected_arguments(machine: Machine, function: Function) -> Arguments:
    """Arguments for the parameters of a function that it takes for more than their default, None."""
    names = _left_out(function)
    if not names:
        return Arguments()
    uses = _uses(function.node)
    given = _given(machine, function, names & uses.objects - uses.tested - uses.stored)
    for name, value in _given(machine, function, (names & uses.tested) - uses.stored).keywords.items():
        given.keywords[name] = Either((NONE, value))
    return given


def expected_by_class(machine: Machine, cls: Class) -> Arguments:
    """The same for a constructor, whose class uses the parameters as attributes of its own, too."""
    constructor = cls.find("__init__")
    names = _left_out(constructor) if isinstance(constructor, Function) and constructor.owner is cls else frozenset()
    if not names or not isinstance(constructor, Function):
        return Arguments()
    held = _attributes(constructor, names)
    inside, whole = _uses(constructor.node), _uses(cls.node)
    needed, attributes = inside.objects - inside.tested - inside.stored, whole.own - whole.tested
    tested = whole.tested | inside.stored
    taken = {
        name
        for name in names
        if (name in needed or held[name] & attributes) and not tested.intersection({name}, held[name])
    }
    return _given(machine, constructor, taken)


def _given(machine: Machine, function: Function, names: Set[str]) -> Arguments:
    arguments = function.node.args
    parameters = [each for each in (*arguments.args, *arguments.kwonlyargs) if each.arg in names]
    return Arguments(keywords={each.arg: symbolic_argument(machine, function, each) for each in parameters})


def _left_out(function: Function) -> frozenset[str]:
    return frozenset(name for name, default in function.defaults.items() if default is NONE)


def _attributes(constructor: Function, names: Set[str]) -> dict[str, set[str]]:
    """The attributes that are set to each of the parameters as it is."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for node in ast.walk(constructor.node):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in found:
            found[node.value.id].update(each.attr for each in node.targets if isinstance(each, ast.Attribute))
    return found


class Uses(NamedTuple):
    """What code does with names and with attributes of `self`.

    `objects` are the names, and `own` the attributes, that are called or asked for attributes; `tested` are names and attributes
    that a condition asks about, and `stored` the names that are set.
    """

    objects: set[str]
    own: set[str]
    tested: set[str]
    stored: set[str]


@remembered(MOST_SCOPES)
def _uses(scope: ast.AST) -> Uses:
    found = Uses(set(), set(), set(), set())
    for node in ast.walk(scope):
        if isinstance(node, (ast.Attribute, ast.Call)):
            used = node.value if isinstance(node, ast.Attribute) else node.func
            if isinstance(used, ast.Name):
                found.objects.add(used.id)
            elif isinstance(used, ast.Attribute) and isinstance(used.value, ast.Name) and used.value.id == "self":
                found.own.add(used.attr)
        elif isinstance(node, TESTING):
            found.tested.update(map(_name, _leaves(node.test)))
        elif isinstance(node, (ast.BoolOp, ast.Compare)):
            found.tested.update(map(_name, _leaves(node)))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.stored.add(node.id)
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


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
