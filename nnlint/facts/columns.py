"""Which arrays are columns for sure: several rows of one number each, though how many dimensions there are is not known."""

from __future__ import annotations

from nnlint.facts.ranks import KEEPING, dimension_given, ends_in_one, operands, rank_of
from nnlint.values import Data, Either, Items, Value, number

MAKES = frozenset({"tensor", "array", "to"})
DEEPEST = 30


def has_rows(value: Value, depth: int = DEEPEST) -> bool:
    """Whether there are at least two dimensions: what a linear layer makes of several inputs, stacked one by one."""
    rank = rank_of(value)
    if rank is not None or not depth:
        return rank is not None and rank > 1
    if isinstance(value, Either):
        return all(has_rows(each, depth - 1) for each in value.alternatives)
    if not isinstance(value, Data) or not value.inputs:
        return False
    first = value.inputs[0]
    combined = operands(value)
    if combined:
        return any(has_rows(each, depth - 1) for each in combined)
    if value.operation == "output":  # what is inside may be the graph of an earlier call, on something else
        return _keeps_rows(first, depth) and any(
            has_rows(each, depth - 1) or _is_several(each, depth) for each in value.inputs[2:]
        )
    if value.operation == "stack":
        return isinstance(first, Items) and bool(first.items) and all(map(ends_in_one, first.items))
    if value.operation == "concatenate":
        return isinstance(first, Items) and bool(first.items) and all(has_rows(each, depth - 1) for each in first.items)
    if value.operation == "linear" and _takes_several(value):
        return _is_several(first, depth) or has_rows(first, depth - 1)
    return (value.operation in KEEPING or value.operation in MAKES) and has_rows(first, depth - 1)


def _keeps_rows(value: Value, depth: int) -> bool:
    """Whether a network's answer is that of a linear layer with several inputs, one row for each row that it is given."""
    current = value
    for _ in range(depth):
        if not isinstance(current, Data) or not current.inputs:
            return False
        if current.operation == "linear" and _takes_several(current):
            return True
        if current.operation not in KEEPING:
            return False
        current = current.inputs[0]
    return False


def _takes_several(data: Data) -> bool:
    """Whether a linear layer is given more than one number a row: what it is given has a dimension for them."""
    features = data.layer.number("in_features") if data.layer is not None else None
    return features is not None and features > 1


def _is_several(value: Value, depth: int) -> bool:
    """Whether what a layer with several inputs is given is one row after the other: `unsqueeze(0)` of one, a list that grows."""
    current = value
    for _ in range(depth):
        if isinstance(current, Items):
            return current.open
        if not isinstance(current, Data) or not current.inputs:
            return False
        if current.operation == "unsqueeze":
            return number(dimension_given(current)) == 0
        if current.operation not in MAKES and current.operation not in KEEPING and current.operation != "stack":
            return False
        current = current.inputs[0]
    return False
