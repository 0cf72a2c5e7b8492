"""What identifies the condition of a branch, so that two tests of one condition are known to agree."""

from __future__ import annotations

from collections.abc import Hashable

from nnlint.values import Constant, Data, Value

COMPUTED = frozenset({"compare", "modulo", "add", "subtract", "multiply", "floor_divide", "not", "length", "negative"})
"""Operations whose result depends on their inputs alone: the same inputs give the same condition."""

DEEPEST_KEY = 8


DENIALS = {"IsNot": "Is", "NotEq": "Eq", "NotIn": "In", "GtE": "Lt", "LtE": "Gt"}
"""Comparisons that hold where another does not."""


def test_key(value: Value) -> tuple[Hashable, bool]:
    """A key that equal conditions share, whatever names they go by, and whether this one holds where the key's does not.

    A value that nothing is known of stands for itself, not by its `id`, which a later value may get when this one is gone: two
    conditions would be taken for one.
    """
    if isinstance(value, Data) and value.operation == "compare" and value.name in DENIALS:
        return ("compare", DENIALS[value.name], *(_key(each, DEEPEST_KEY) for each in value.inputs)), True
    return _key(value, DEEPEST_KEY), False


def _key(value: Value, depth: int) -> Hashable:
    if isinstance(value, Constant):
        return value if value.overridable else repr(value.value)
    if isinstance(value, Data) and value.operation in COMPUTED and depth:
        return (value.operation, value.name, *(_key(each, depth - 1) for each in value.inputs))
    return value
