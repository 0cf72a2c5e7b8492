"""How many rows arrays and data sets have, where the code fixes it: constructors, slices, splits, `__len__`."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

from nnlint.facts.shapes import shape_of
from nnlint.operations import ACTIVATIONS
from nnlint.static.objects import Function
from nnlint.values import Constant, Data, Either, Instance, Items, Value, number

KEEPS_ROWS = ACTIVATIONS | frozenset(
    "to clone values array tensor numpy detach identity contiguous exp log sqrt square abs clamp negative power sign round "
    "scaled unscaled".split()
)
"""Operations whose result has a row for each of their input's."""

BINARY = frozenset({"add", "subtract", "multiply", "divide"})
ELEMENTWISE_CALLS = frozenset({"sin", "cos", "tan", "float32", "float64"})
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "add": lambda first, second: first + second,
    "subtract": lambda first, second: first - second,
    "multiply": lambda first, second: first * second,
    "divide": lambda first, second: first / second,
    "floor_divide": lambda first, second: first // second,
}
DEEPEST = 24


def length_of(value: Value | None, depth: int = DEEPEST) -> int | None:
    """The number of rows of an array, or of samples of a data set; None where it is not known."""
    if not depth:
        return None
    if isinstance(value, Either):
        found = {length_of(each, depth - 1) for each in value.alternatives}
        return found.pop() if len(found) == 1 else None
    if isinstance(value, Instance):
        return _own_length(value, depth)
    if isinstance(value, Items):
        return None if value.open else len(value.items)
    return _length_of_data(value, depth) if isinstance(value, Data) else None


def _length_of_data(value: Data, depth: int) -> int | None:
    if not value.inputs:
        return None
    first, rest = value.inputs[0], value.inputs[1:]
    if value.operation in ("train split", "test split"):
        return _split_length(value, length_of(first, depth - 1))
    if value.operation == "dataset" or value.operation in BINARY:
        known = [length_of(each, depth - 1) for each in value.inputs]
        return max((each for each in known if each is not None), default=None)
    if value.operation in KEEPS_ROWS or (
        value.operation == "call" and value.name.rpartition(".")[2] in ELEMENTWISE_CALLS
    ):
        return length_of(first, depth - 1)
    if value.operation == "unsqueeze":
        position = number(rest[0]) if rest else value.option("dim")
        return 1 if position == 0 else None if position is None else length_of(first, depth - 1)
    if value.operation in ("view", "reshape"):
        return _reshaped(first, rest, depth)
    if value.operation in ("linspace", "arange", "range"):
        return _counted(value)
    if value.operation == "index" and rest:
        return _indexed(value, first, rest[0], depth)
    shape = shape_of(value)
    return shape[0] if shape and isinstance(shape[0], int) else None


def _reshaped(first: Value, sizes: tuple[Value, ...], depth: int) -> int | None:
    if len(sizes) == 1 and isinstance(sizes[0], Items):
        sizes = tuple(sizes[0].items)
    known = [number(size) for size in sizes]
    if known and known[0] is not None and known[0] > 0:
        return int(known[0])
    is_column = known == [-1, 1] and isinstance(first, Data) and first.operation in ("linspace", "arange")
    return length_of(first, depth - 1) if is_column else None


def _counted(value: Data) -> int | None:
    if value.operation == "linspace":
        count = value.inputs[2] if len(value.inputs) > 2 else value.options.get("steps") or value.options.get("num")
        known = number(count)
        return None if known is None else int(known)
    bounds = [number(each) for each in value.inputs]
    if any(bound is None for bound in bounds) or len(bounds) > 2:
        return None
    numbers = [bound for bound in bounds if bound is not None]
    return max(0, math.ceil(numbers[-1] - (numbers[0] if len(numbers) > 1 else 0)))


def _indexed(value: Data, first: Value, key: Value, depth: int) -> int | None:
    """The rows of `x[:300]`, `x[i:i + 1]`, `x[:, 2]` and of a `Subset`."""
    if value.name == "Subset":
        return length_of(key, depth - 1)
    if isinstance(key, Items) and key.kind == "tuple" and key.items:
        key = key.items[0]
    if not isinstance(key, Data) or key.operation != "slice":
        return None
    lower, upper, step = key.inputs
    if _is_next(lower, upper):
        return 1
    bounds = [bound.value if isinstance(bound, Constant) else number_of(bound) for bound in (lower, upper)]
    whole = length_of(first, depth - 1)
    given = [each for each, bound in zip((lower, upper), bounds, strict=True) if bound is None and not _is_none(each)]
    if whole is None or given or not _is_none(step):
        return None
    return len(range(whole)[slice(*(None if bound is None else int(bound) for bound in bounds))])


def _is_none(value: Value) -> bool:
    return isinstance(value, Constant) and value.value is None


def _is_next(lower: Value, upper: Value) -> bool:
    """Whether it is the slice `i:i + 1`."""
    return (
        isinstance(upper, Data)
        and upper.operation == "add"
        and upper.inputs[0] is lower
        and number(upper.inputs[1]) == 1
    )


def _split_length(split: Data, whole: int | None) -> int | None:
    """The length of one part of `random_split` or `train_test_split`."""
    given = number_of(split.options.get("length"))
    if given is not None:
        return int(given) if given >= 1 else _share(whole, given)
    tested, trained = number_of(split.options.get("test_size")), number_of(split.options.get("train_size"))
    if whole is None or split.name != "train_test_split" or ("train_size" in split.options and trained is None):
        return None
    if "test_size" in split.options and tested is None:
        return None
    if tested is None and trained is not None:
        kept = int(trained) if trained >= 1 else math.floor(trained * whole)
        return kept if split.operation == "train split" else whole - kept
    tested = 0.25 if tested is None else tested
    left_out = int(tested) if tested >= 1 else math.ceil(tested * whole)
    return left_out if split.operation == "test split" else whole - left_out if trained is None else None


def _share(whole: int | None, fraction: float) -> int | None:
    """The floor of a share; None where rounding, or the rest that goes to the first part, would matter."""
    share = None if whole is None else whole * fraction
    return round(share) if share is not None and abs(share - round(share)) < 1e-6 else None


def number_of(value: Value | None, depth: int = DEEPEST) -> float | None:
    """A number that is known, or follows from known lengths: `int(0.8 * len(dataset))`."""
    known = number(value)
    if known is not None or not isinstance(value, Data) or not depth or not value.inputs:
        return known
    if value.operation == "length":
        return length_of(value.inputs[0], depth - 1)
    if value.operation == "item":
        inner = number_of(value.inputs[0], depth - 1)
        return None if inner is None else math.floor(inner)
    if value.operation in ARITHMETIC and len(value.inputs) == 2:
        first, second = (number_of(each, depth - 1) for each in value.inputs)
        if first is None or second is None or (value.operation in ("divide", "floor_divide") and second == 0):
            return None
        return ARITHMETIC[value.operation](first, second)
    return None


def _own_length(instance: Instance, depth: int) -> int | None:
    """What `__len__` returns, where it is a number, or the length of one of the object's own arrays."""
    method = instance.cls.find("__len__")
    node = method.node if isinstance(method, Function) else None
    statement = node.body[-1] if isinstance(node, ast.FunctionDef) else None
    returned = statement.value if isinstance(statement, ast.Return) else None
    if isinstance(returned, ast.Constant):
        return returned.value if isinstance(returned.value, int) else None
    if (
        isinstance(returned, ast.Call)
        and isinstance(returned.func, ast.Name)
        and returned.func.id == "len"
        and returned.args
    ):
        return length_of(_held(instance, returned.args[0]), depth - 1)
    if (
        isinstance(returned, ast.Subscript)
        and isinstance(returned.value, ast.Attribute)
        and returned.value.attr == "shape"
    ):
        first = isinstance(returned.slice, ast.Constant) and returned.slice.value == 0
        return length_of(_held(instance, returned.value.value), depth - 1) if first else None
    known = number_of(_held(instance, returned), depth - 1)
    return None if known is None else int(known)


def _held(instance: Instance, node: ast.expr | None) -> Value | None:
    """What `self.name` holds."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return instance.attributes.get(node.attr) if isinstance(node, ast.Attribute) and is_own else None
