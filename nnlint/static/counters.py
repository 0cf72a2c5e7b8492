"""Counters of loops: of a pass is known whether it is the first, and so where its counter begins or is past that."""

from __future__ import annotations

import ast

from nnlint.static.machine import Machine
from nnlint.values import Constant, Data, Value, number

PASS_KEY = "<pass>"

AT_FIRST = {"Eq": True, "LtE": True, "GtE": True, "NotEq": False, "Gt": False, "Lt": False}
"""How the counter of a first pass compares with the number where the loop begins to count."""

LATER = {"Eq": False, "LtE": False, "Lt": False, "NotEq": True, "Gt": True, "GtE": True}
"""The same of a later pass."""


def drawn(machine: Machine, over: Data, passed: int, node: ast.AST) -> Data:
    """What a loop over a range or an enumeration counts in this pass; the first is number 0."""
    return machine.data("counter", (over,), node, options={PASS_KEY: Constant(passed)})


def compared(machine: Machine, comparison: Data) -> bool | None:
    """Whether the comparison of a counter with the number where its loop begins holds in this pass.

    Any other comparison is None: the second pass stands for all later ones.
    """
    counter = comparison.inputs[0]
    if not isinstance(counter, Data) or counter.operation != "counter" or len(comparison.inputs) != 2:
        return None
    passed, over, other = number(counter.options.get(PASS_KEY)), counter.inputs[:1], number(comparison.inputs[1])
    if passed is None or other is None or not isinstance(over[0], Data) or other != start_of(over[0]):
        return None
    machine.told_apart.add(over[0])
    return (LATER if passed else AT_FIRST).get(comparison.name)


def is_told_apart(machine: Machine, over: Value | None) -> bool:
    """Whether the first pass over it says nothing of the second, because a test of its counter has told them apart."""
    while isinstance(over, Data):
        if over in machine.told_apart:
            return True
        over = next(iter(over.inputs), None)
    return False


def start_of(over: Data) -> int | None:
    """Where a range or an enumeration begins to count; None where that is not known, and where it counts down."""
    if over.operation == "enumerate":
        start = over.options.get("start")
    else:
        start = over.inputs[0] if len(over.inputs) > 1 else None
        if len(over.inputs) > 2 and (number(over.inputs[2]) or 0) <= 0:
            return None
    known = 0 if start is None else number(start)
    return None if known is None else int(known)
