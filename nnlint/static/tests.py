"""What identifies the condition of a branch, so that two tests of one condition are known to agree."""

from __future__ import annotations

import ast
from collections.abc import Hashable

from nnlint.static.machine import Machine
from nnlint.values import Constant, Data, Value

LASTING = frozenset({"argument", "name", "attribute", "index", "call"})
"""Operations whose result stays one value as long as nobody assigns a new one."""


def test_key(machine: Machine, node: ast.expr, value: Value) -> Hashable | None:
    """A key that equal conditions share; None where that cannot be told. A negated test has no key of its own."""
    if isinstance(value, Data) and value.operation in LASTING:
        return id(value)
    if isinstance(value, Data) and value.operation == "compare" and isinstance(node, ast.Compare):
        return _comparison_key(node, value) or _text_key(machine, node)
    if isinstance(node, (ast.Compare, ast.Call, ast.BoolOp, ast.Name, ast.Attribute)):
        return _text_key(machine, node)
    return None


def _comparison_key(node: ast.Compare, value: Data) -> Hashable | None:
    parts: list[Hashable] = []
    for operand in value.inputs:
        if isinstance(operand, Constant):
            parts.append(repr(operand.value))
        elif isinstance(operand, Data) and operand.operation in LASTING:
            parts.append(id(operand))
        else:
            return None
    return (type(node.ops[0]).__name__, *parts)


def _text_key(machine: Machine, node: ast.expr) -> Hashable:
    """The condition's text, in this activation and this iteration: names may change with both."""
    iteration = id(machine.iterations[-1]) if machine.iterations else 0
    return (id(machine.frame), iteration, ast.dump(node))
