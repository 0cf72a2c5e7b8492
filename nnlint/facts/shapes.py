"""The shapes of arrays, as far as the code tells: from constructors, literals, products of matrices, sums and broadcasting.

A size is a number, or a key that stands for one that is not known ("as many as x has rows"); None where nothing is known of it.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable

from nnlint.facts.identity import COPIES, key_of, uncopied
from nnlint.operations import ACTIVATIONS, REDUCTIONS
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Either, Items, Value, number

Size = Hashable
Shape = tuple[Size, ...]

FILLED = frozenset({"zeros", "ones", "full", "random"})
"""Operations that make an array of a given shape."""

ELEMENTWISE = ACTIVATIONS | frozenset(
    "add subtract multiply divide power negative exp log sqrt square abs clamp maximum minimum where compare sign".split()
)
TAKES_SIZES = frozenset({"zeros", "ones", "empty", "full", "rand", "randn"})
TAKES_SIZE_LAST = frozenset({"laplace", "normal", "randint", "uniform"})
"""Functions of numpy that are given two numbers, and then how many to draw."""
SCALARS = frozenset({"length", "item", "counter"})
SAME_SHAPE = frozenset("to clone values numpy detach identity contiguous array tensor parameter".split())
FOLLOWS_FIRST = SAME_SHAPE | REDUCTIONS | {"matmul", "transpose", "index"}
"""Operations whose result has a shape that follows from that of the first input."""

COMPUTED = ELEMENTWISE | COPIES | {"matmul"}
DEEPEST = 40
DEEPEST_ROWS = 10


def shape_of(value: Value | None) -> Shape | None:
    """The shape of an array; None where not even the number of its dimensions is known."""
    return _shape(value, {}, DEEPEST)


Known = dict[int, "Shape | None"]
"""The shapes of the data that were already looked at, by identity."""


def _shape(value: Value | None, known: Known, depth: int) -> Shape | None:
    if isinstance(value, Constant):
        return ()
    if isinstance(value, Either) and depth:
        shapes = {_shape(each, known, depth - 1) for each in value.alternatives}
        return shapes.pop() if len(shapes) == 1 else None
    if not isinstance(value, Data) or not depth:
        return _literal(value)
    if id(value) not in known:
        known[id(value)] = _shape_of_data(value, known, depth - 1)
    return known[id(value)]


def _shape_of_data(value: Data, known: Known, depth: int) -> Shape | None:
    assigned = value.parts.get("shape")
    if isinstance(assigned, Items):
        return tuple(size_of(each) for each in assigned.items)
    if value.operation in FILLED:
        return _filled(value)
    if value.operation in SCALARS:
        return ()
    if value.operation in ELEMENTWISE:
        before = _shape(value.inputs[0], known, depth) if value.inputs and _is_in_place(value) else None
        return before or _broadcast([_shape(each, known, depth) for each in value.inputs])
    if not value.inputs or value.operation not in FOLLOWS_FIRST:
        return None
    first = _shape(value.inputs[0], known, depth)
    if value.operation in SAME_SHAPE:
        return None if isinstance(value.inputs[0], Constant) else first
    if value.operation == "matmul" and len(value.inputs) == 2:
        return _product(first, _shape(value.inputs[1], known, depth))
    if value.operation == "transpose" and len(value.inputs) == 1:
        return None if first is None else first[::-1]
    if value.operation in REDUCTIONS:
        return _reduced(value, first)
    return _part(value, first) if value.operation == "index" else None


def _is_in_place(value: Data) -> bool:
    """Whether it is `a += b`: an array keeps its shape, only a number takes that of what is added."""
    return isinstance(value.at, CodeSite) and isinstance(value.at.node, ast.AugAssign)


def _literal(value: Value | None) -> Shape | None:
    if not isinstance(value, Items) or value.open or not value.items:
        return None
    inner = shape_of(value.items[0])
    return None if inner is None else (len(value.items), *inner)


def _filled(data: Data) -> Shape | None:
    """The shape given to a constructor: a tuple, or sizes one by one where the function takes them so."""
    spelled = _spelled(data)
    if spelled.endswith("_like"):
        return shape_of(data.inputs[0]) if data.inputs else None
    given = data.options.get("size") or data.options.get("shape")
    if given is None:
        given = next((each for each in data.inputs if isinstance(each, Items)), None)
    if given is None and spelled in TAKES_SIZE_LAST and len(_positional(data)) == 3:
        given = data.inputs[-1]
        if number(given) is None and not isinstance(given, Items) and measured_by(given) is None:
            return None  # one size, or a tuple of them
    if given is None and spelled not in TAKES_SIZES:
        return None
    if given is None:
        sizes = data.inputs[:1] if spelled == "full" else data.inputs
        if len(sizes) == 1 and isinstance(sizes[0], Data) and sizes[0].name == "shape":
            return _shape_of_other(sizes[0])
        return tuple(size_of(each) for each in sizes if isinstance(each, Data) or number(each) is not None)
    if isinstance(given, Items):
        return None if given.open else tuple(size_of(each) for each in given.items)
    if isinstance(given, Data) and given.name == "shape":
        return _shape_of_other(given)
    return (size_of(given),)


def _shape_of_other(sizes: Data) -> Shape | None:
    """Of `other.shape` the shape of that array; None where a variable of this name holds any sizes."""
    return shape_of(sizes.inputs[0]) if sizes.operation == "attribute" and sizes.inputs else None


def _spelled(data: Data) -> str:
    """The function's name, as the code has it."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _positional(data: Data) -> list[ast.expr]:
    node = data.at.node if isinstance(data.at, CodeSite) else None
    given = node.args if isinstance(node, ast.Call) else []
    return [] if any(isinstance(each, ast.Starred) for each in given) else given


def size_of(value: Value) -> Size:
    """The size that a value stands for: a number where it is known, else a key."""
    known = number(value)
    if known is not None:
        return int(known)
    if isinstance(value, Data):
        return _rows_of_array(value) or ("value", key_of(value))
    return None


def _rows_of_array(value: Data) -> Size:
    """Of `len(x)`, `x.shape[0]` and `x.size(0)`, that size of x; None where the value is none of them."""
    measured = measured_by(value)
    return None if measured is None else dimension_of(*measured)


def measured_by(value: Value) -> tuple[Value, int] | None:
    """The array and its dimension that `len(x)`, `x.shape[0]` and `x.size(0)` tell of; None where the value is none of them."""
    if not isinstance(value, Data):
        return None
    if value.operation == "length" and value.inputs:
        return value.inputs[0], 0
    if value.operation not in ("index", "method") or len(value.inputs) < 2:
        return None
    position = number(value.inputs[1])
    if position is None:
        return None
    if value.operation == "method":
        return (value.inputs[0], int(position)) if value.name == "size" else None
    sizes = _all_sizes(value.inputs[0])
    is_from_end = position < 0 and sizes is not value.inputs[0]
    return (sizes.inputs[0], int(position)) if sizes is not None and not is_from_end else None


def _all_sizes(value: Value) -> Data | None:
    """The `x.shape` or `x.size()` that is indexed: itself, as a list, or the front of it.

    `x.size[1]` is asked of a picture of Pillow's, whose width comes first.
    """
    while isinstance(value, Data) and value.inputs and (value.operation in ("list", "tuple") or _is_front(value)):
        value = value.inputs[0]
    if not isinstance(value, Data) or not value.inputs:
        return None
    is_whole = value.name == "shape" or (value.name == "size" and value.operation == "method")
    return value if is_whole else None


def _is_front(value: Data) -> bool:
    """Whether it is a slice from the start: `x.shape[:2]`."""
    key = value.inputs[1] if value.operation == "index" and len(value.inputs) > 1 else None
    if not isinstance(key, Data) or key.operation != "slice" or not key.inputs:
        return False
    lower, _, step = (*key.inputs, NONE, NONE)[:3]
    return number(lower) in (None, 0) and isinstance(lower, Constant) and number(step) in (None, 1)


def dimension_of(array: Value, position: int) -> Size:
    """The size of one dimension of an array."""
    shape = shape_of(array)
    if shape is not None and -len(shape) <= position < len(shape) and shape[position] is not None:
        return shape[position]
    return ("size", key_of(array), position)


def _product(first: Shape | None, second: Shape | None) -> Shape | None:
    if first is not None and len(first) == 1:
        return () if second is not None and len(second) == 1 else None if second is None else second[1:]
    if second is not None and len(second) == 1:
        return None if first is None else first[:-1]
    rows = first[0] if first and len(first) == 2 else None
    columns = second[-1] if second and len(second) == 2 else None
    return (rows, columns) if first is not None and second is not None else None


def _reduced(data: Data, inner: Shape | None) -> Shape | None:
    dimension, keeps = data.options.get("dim"), data.options.get("keepdims") or data.options.get("keepdim")
    kept = isinstance(keeps, Constant) and keeps.value is True
    if dimension is None or (isinstance(dimension, Constant) and dimension.value is None):
        return () if not kept else None if inner is None else tuple(1 for _ in inner)
    position = number(dimension)
    if inner is None or position is None or not -len(inner) <= position < len(inner):
        return None
    at = int(position) % len(inner)
    return (*inner[:at], *((1,) if kept else ()), *inner[at + 1 :])


def _broadcast(shapes: list[Shape | None]) -> Shape | None:
    """The shape of an elementwise result. What is not known is taken to be no larger than what is."""
    known = [shape for shape in shapes if shape is not None]
    if not known or (len(known) < len(shapes) and max(len(shape) for shape in known) < 2):
        return None
    longest = max(len(shape) for shape in known)
    padded = [(1,) * (longest - len(shape)) + shape for shape in known]
    return tuple(_larger(sizes) for sizes in zip(*padded, strict=True))


def _larger(sizes: tuple[Size, ...]) -> Size:
    for size in sizes:
        if size != 1:
            return size
    return 1


def _part(data: Data, inner: Shape | None) -> Shape | None:
    if not inner or len(data.inputs) < 2:
        return None
    keys = (
        data.inputs[1].items
        if isinstance(data.inputs[1], Items) and data.inputs[1].kind == "tuple"
        else [data.inputs[1]]
    )
    if len(keys) > len(inner):
        return None
    sizes: list[Size] = []
    for key, size in zip(keys, inner, strict=False):
        if isinstance(key, Data) and key.operation == "slice":
            sizes.append(_slice_size(key, size))
        elif isinstance(key, Items):
            sizes.append(None if key.open else len(key.items))
        elif number(key) is None:
            return None
    return (*sizes, *inner[len(keys) :])


def _slice_size(key: Data, size: Size) -> Size:
    bounds = [each.value if isinstance(each, Constant) else each for each in key.inputs[:2]]
    lower, upper = [bound if isinstance(bound, int) else None for bound in bounds]
    if bounds != [lower, upper]:
        return None
    if lower in (None, 0) and upper is None:
        return size
    return len(range(size)[lower:upper]) if isinstance(size, int) else None


def broadcast(first: Shape, second: Shape) -> Shape | None:
    """The shape of an elementwise operation over both."""
    return _broadcast([first, second])


def rows_of(value: Value, depth: int = DEEPEST_ROWS) -> Size:
    """How many rows an array has: the number, or a key for it."""
    shape = shape_of(value)
    if shape is not None:
        return shape[0] if shape else 1
    inner = uncopied(value)
    if isinstance(inner, Data) and inner.operation == "matmul" and depth:
        return rows_of(inner.inputs[0], depth - 1)
    if isinstance(inner, Data) and inner.operation in ELEMENTWISE and depth:
        arrays = [each for each in inner.inputs if isinstance(each, Data) and each.operation in COMPUTED]
        sizes = (rows_of(each, depth - 1) for each in arrays)
        return next((size for size in sizes if size not in (None, 1)), None)
    return None if inner is None else ("size", key_of(inner), 0)
