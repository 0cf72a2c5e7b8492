"""What the parts of an index take away from the dimensions of an array, or add to them."""

from __future__ import annotations

from nnlint.facts.folds import picks_fold
from nnlint.values import NONE, Constant, Data, Items, Value, number

NUMBERS = frozenset({"length", "item", "counter"})
ARITHMETIC = frozenset("add subtract multiply divide maximum minimum".split())
CONDITIONS = frozenset({"compare", "and", "or", "not", "invert"})
DRAWS_MANY = frozenset({"numpy.random.choice", "random.sample", "random.choices"})
"""Functions whose second argument is how many they draw."""

DEEPEST_NUMBER = 8


def change_by_key(key: Value, by_label: bool = False) -> int | None:
    """How a part of an index changes the number of dimensions: a number, or a label, takes one away, `None` adds one."""
    if isinstance(key, Constant):
        if by_label and isinstance(key.value, str):
            return -1
        return 1 if key.value is None else -1 if number(key) is not None else None
    if isinstance(key, Items):
        return 0 if key.kind == "list" else None
    if not isinstance(key, Data):
        return None
    if by_label and key.operation in CONDITIONS:
        return 0
    by_list = key.operation in ("randperm", "slice", "arange") or _draws_many(key)
    by_list = by_list or (key.operation == "index" and (_is_of_permutation(key) or picks_fold(key)))
    return 0 if by_list else -1 if _is_number(key, DEEPEST_NUMBER) else None


def takes_one(key: Data) -> bool:
    """Whether a slice takes one of a dimension, and keeps it: `2:3`, `:1`, `-1:`."""
    if key.operation != "slice" or len(key.inputs) < 2:
        return False
    lower, upper = (number(each) for each in key.inputs[:2])
    if key.inputs[1] is NONE or (isinstance(key.inputs[1], Constant) and key.inputs[1].value is None):
        return lower == -1
    return upper is not None and upper - (lower or 0.0) == 1


def draws_rows(key: Value) -> bool:
    """Whether a key picks several rows at random."""
    return isinstance(key, Data) and (key.operation in ("randperm", "random") or _draws_many(key))


def _draws_many(key: Data) -> bool:
    """Whether it is a draw of several: `np.random.choice(n, 32)`, `random.sample(rows, 32)`."""
    return key.operation == "call" and key.name in DRAWS_MANY and (len(key.inputs) > 1 or "size" in key.options)


def _is_number(key: Value, depth: int) -> bool:
    """Whether it is one number: of a counter and constants, by arithmetic."""
    if not isinstance(key, Data):
        return number(key) is not None
    if key.operation == "method" and key.name == "index":
        return True  # where something stands in a list
    if key.operation in ARITHMETIC and depth:
        return all(_is_number(each, depth - 1) for each in key.inputs)
    return key.operation in NUMBERS


def _is_of_permutation(key: Data) -> bool:
    whole = key.inputs[0]
    is_slice = len(key.inputs) > 1 and isinstance(key.inputs[1], Data) and key.inputs[1].operation == "slice"
    return isinstance(whole, Data) and whole.operation in ("randperm", "arange") and is_slice
