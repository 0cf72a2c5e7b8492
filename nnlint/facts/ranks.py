"""How many dimensions an array has, and whether its last one is 1, as far as the code tells.

`nnlint.facts.shapes` knows sizes, and takes what it does not know to be small; here, what is not known stays unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from nnlint.facts.calls import called_name
from nnlint.facts.identity import is_locator
from nnlint.facts.index_keys import CONDITIONS, change_by_key, takes_one
from nnlint.facts.rewards import is_reward_of_one
from nnlint.facts.shapes import FILLED, shape_of
from nnlint.graph import ancestors, kept_while_settled
from nnlint.operations import ACTIVATIONS, NORMALIZATIONS
from nnlint.static.objects import CodeSite
from nnlint.values import (
    NONE,
    RESHAPED_KEY,
    Constant,
    Data,
    Either,
    Instance,
    Items,
    Loader,
    Value,
    alternatives,
    number,
)

KEEPING = (
    ACTIVATIONS
    | NORMALIZATIONS
    | frozenset(
        "output to clone detach identity contiguous values numpy dropout alpha_dropout softmax log_softmax softmin log exp sqrt "
        "square abs clamp negative power round sign linear pad flip upsample pool transpose transformer normalize parameter "
        "scaled unscaled compare".split()
    )
    | {"train split", "test split"}
)
"""Operations whose result has as many dimensions as their first input."""

ELEMENTWISE = frozenset("add subtract multiply divide maximum minimum".split())
REDUCING = frozenset("mean sum std var norm prod argmax".split())
PAIRS = frozenset({"max", "min", "topk"})
NUMBERS = frozenset({"length", "item", "counter"})
ONE_DIMENSIONAL = frozenset({"arange", "linspace", "randperm"})
ELEMENTWISE_CALLS = frozenset(
    "sin cos tan asin acos atan arcsin arccos arctan sinh cosh floor ceil trunc reciprocal rsqrt log1p expm1 erf cbrt "
    "float32 float64".split()
)
LIKE_ANOTHER = frozenset({"view_as", "reshape_as", "expand_as", "resize_as"})
FRAMES = frozenset({"pandas.read_csv", "pandas.read_excel", "pandas.read_table", "pandas.DataFrame"})
SETS = ("sklearn.datasets.make_", "sklearn.datasets.load_", "sklearn.datasets.fetch_")
DEEPEST = 60

Known = dict[Data, "int | None"]


def rank_of(value: Value | None) -> int | None:
    """The number of dimensions; 0 for a number, None where it is not known."""
    return _rank(value, kept_while_settled(rank_of), DEEPEST)


def _rank(value: Value | None, known: Known, depth: int) -> int | None:
    if isinstance(value, Constant):
        return 0 if number(value) is not None else None
    if isinstance(value, Either) and depth:
        ranks = {_rank(each, known, depth - 1) for each in value.alternatives if each is not NONE}
        return ranks.pop() if len(ranks) == 1 else None
    if isinstance(value, Items) and depth:
        inner = _rank(value.items[0], known, depth - 1) if value.items else None
        return None if inner is None else inner + 1
    if not isinstance(value, Data) or not depth:
        return None
    if is_reshaped(value):
        return None
    if value not in known:
        known[value] = None
        known[value] = _rank_of_data(value, known, depth - 1)
    return known[value]


def is_reshaped(data: Data) -> bool:
    """Whether the shape was changed in place: `x.resize_(n, 1)`, `x.shape = (n, 1)`."""
    return RESHAPED_KEY in data.parts or isinstance(data.parts.get("shape"), Items)


def _rank_of_data(data: Data, known: Known, depth: int) -> int | None:
    if data.operation in FILLED:
        shape = shape_of(data)
        return None if shape is None else len(shape)
    if data.operation in NUMBERS:
        return _rank(data.inputs[0], known, depth) if data.inputs and spelled(data) == "tolist" else 0
    if data.operation in ONE_DIMENSIONAL:
        return 1
    if data.operation == "call" and data.name in FRAMES:
        return 2
    if not data.inputs:
        return None
    combined = data.inputs if data.operation == "where" else operands(data)
    if combined:
        ranks = [_rank(each, known, depth) for each in combined]
        return None if None in ranks else max(each for each in ranks if each is not None)
    pair = _pair_of(data)
    if pair is not None:
        return _of_pair(pair, known, depth)
    fixed = _rank_by_layer(data)
    if fixed is not None:
        return fixed
    first = _rank(data.inputs[0], known, depth)
    if data.operation == "output" and first is not None and _is_of_earlier_call(data):
        return None
    if data.operation in KEEPING or _is_elementwise_call(data) or (first == 2 and _keeps_table(data)):
        return first
    own = OWN.get(data.operation)
    return None if own is None else own(data, first, known, depth)


def _is_of_earlier_call(output: Data) -> bool:
    """Whether the graph inside is that of an earlier call of the network, on something else: other dimensions, maybe."""
    given = {id(each) for each in output.inputs[2:] if isinstance(each, Data)}
    return bool(given) and given.isdisjoint(map(id, ancestors(output.inputs[0])))


def _pair_of(data: Data) -> Data | None:
    """Of values or positions, the `max`, `min` or `topk` along a dimension that gives both as a pair."""
    first = data.inputs[0]
    if (
        not isinstance(first, Data)
        or first.operation not in PAIRS
        or (first.operation != "topk" and "dim" not in first.options)
    ):
        return None
    is_part = data.operation == "index" and len(data.inputs) > 1 and number(data.inputs[1]) in (0, 1)
    return first if is_part or data.operation == "values" or data.name in ("values", "indices") else None


def _of_pair(pair: Data, known: Known, depth: int) -> int | None:
    rank = _rank(pair.inputs[0], known, depth)
    return rank if rank is None or pair.operation == "topk" or _keeps(pair) else rank - 1


def operands(data: Data) -> tuple[Value, ...]:
    """The arrays that an operation combines number by number, as `torch.min(a, b)` does, too; none of any other operation."""
    if data.operation in ELEMENTWISE:
        return data.inputs
    other = data.options.get("dim") if data.operation in ("min", "max") else None
    is_array = isinstance(other, Data) and other.operation not in NUMBERS
    return (data.inputs[0], other) if is_array and other is not None and data.inputs else ()


TABLE_METHODS = frozenset(
    "append merge join reset_index set_index sort_values sort_index dropna fillna drop_duplicates sample head tail ffill bfill "
    "interpolate shift diff replace rename".split()
)


def _keeps_table(data: Data) -> bool:
    """Whether pandas makes a table of a table: by a method that adds, leaves out or orders rows, or by a condition for rows."""
    if data.operation == "rest":
        return True
    if data.operation == "index" and len(data.inputs) > 1:
        key = data.inputs[1]
        return isinstance(key, Data) and key.operation in CONDITIONS and rank_of(key) == 1
    return data.operation == "method" and data.name in TABLE_METHODS


def _is_elementwise_call(data: Data) -> bool:
    return data.operation in ("call", "method") and data.name.rpartition(".")[2] in ELEMENTWISE_CALLS


def _rank_by_layer(data: Data) -> int | None:
    """What a module or function says by its name: `Conv2d`, `BatchNorm2d`, `max_pool1d`, `LSTM`."""
    name = data.layer.kind if data.layer is not None else spelled(data)
    if data.operation == "recurrent":
        return 2 if name.endswith("Cell") else 3
    if data.operation in ("convolution", "transposed_convolution", "pool", "batch_norm") and name[-1:] in "dD":
        dimensions = name[-2:-1]
        if dimensions.isdigit() and not (data.operation == "batch_norm" and dimensions == "1"):
            return int(dimensions) + 2
    return None


def spelled(data: Data) -> str:
    """The name of the function or method that made the data, as the code has it."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


# Operations that change the number of dimensions

Rule = Callable[[Data, "int | None", Known, int], "int | None"]


def _made(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    """Of `tensor(x)` and `array(x)`; `Tensor(5)` has five elements."""
    is_size = isinstance(data.inputs[0], Constant) and spelled(data).endswith("Tensor")
    return 1 if is_size else first


def _viewed(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    if spelled(data) in LIKE_ANOTHER:
        return _rank(data.inputs[1], known, depth) if len(data.inputs) > 1 else None
    sizes = sizes_of(data)
    return None if sizes is None else len(sizes)


def sizes_of(data: Data) -> list[Value] | None:
    """The sizes given to a view, one by one; None where their number is not known."""
    sizes = list(data.inputs[1:])
    if not sizes:
        given = data.options.get("shape") or data.options.get("size")
        sizes = [] if given is None else [given]
    if len(sizes) == 1 and isinstance(sizes[0], Items):
        return None if sizes[0].open else list(sizes[0].items)
    if len(sizes) == 1 and number(sizes[0]) is None:
        return None
    return sizes or None


def _flattened(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    start = (
        data.layer.arguments.get("start_dim", Constant(1)) if data.layer is not None else data.options.get("start_dim")
    )
    if start is None:
        start = data.inputs[1] if len(data.inputs) > 1 else Constant(0)
    position = number(start)
    return None if position is None or position < 0 or "end_dim" in data.options else int(position) + 1


def _squeezed(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    if first is None or not ends_in_one(data.inputs[0]):
        return None
    dimension = dimension_given(data)
    if dimension is None:
        return first - 1 if first == 2 else None
    position = number(dimension)
    return first - 1 if position in (-1, first - 1) else None


def dimension_given(data: Data) -> Value | None:
    """The dimension that an operation is told to work on; None where it is told none."""
    if data.layer is not None:
        return data.layer.arguments.get("dim")
    return data.options.get("dim") or (data.inputs[1] if len(data.inputs) > 1 else None)


def _unsqueezed(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    return None if first is None else first + 1


def _permuted(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    sizes = sizes_of(data)
    return first if sizes is None else len(sizes)


MAKES_TABLES = frozenset({"column_stack", "vstack", "row_stack"})
"""Functions that make rows or columns of what has one dimension, before they join them. (`np.c_` is none: it is not called.)"""


def _joined(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    inner = data.inputs[0].items[0] if isinstance(data.inputs[0], Items) and data.inputs[0].items else None
    rank = _rank(inner, known, depth)
    if rank is None:
        return None
    if data.operation == "stack":
        return rank + 1
    return max(rank, 2) if called_name(data) in MAKES_TABLES else rank


def _reduced(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    if _keeps(data):
        return first
    dimension = dimension_given(data)
    if dimension is None or dimension is NONE or (isinstance(dimension, Constant) and dimension.value is None):
        return 0
    if number(dimension) is not None:
        return None if first is None else first - 1
    known_dimensions = isinstance(dimension, Items) and not dimension.open
    return (
        first - len(dimension.items)
        if first is not None and isinstance(dimension, Items) and known_dimensions
        else None
    )


def _keeps(data: Data) -> bool:
    return any(data.option(name) is True for name in ("keepdim", "keepdims"))


def _product(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    second = _rank(data.inputs[1], known, depth) if len(data.inputs) == 2 else None
    if first is None or second is None or not (0 < first <= 2 and 0 < second <= 2) or spelled(data) == "einsum":
        return None
    return first + second - 2


def _gathered(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    """Of `x.gather(1, positions)`, which has the shape of the positions."""
    if spelled(data) not in ("gather", "take_along_dim"):
        return None
    return _rank(_positions(data), known, depth)


def _positions(data: Data) -> Value | None:
    return data.options.get("index") or (data.inputs[2] if len(data.inputs) > 2 else None)


def _extreme(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    """Of `max` and `min` without a dimension; along one, they give a pair."""
    return 0 if not data.options and len(data.inputs) == 1 else None


def _part(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    whole, key = data.inputs[0], data.inputs[1] if len(data.inputs) > 1 else NONE
    if isinstance(whole, Data) and whole.operation == "call" and whole.name.startswith(SETS):
        return {0: 2, 1: 1}.get(int(number(key) or 0)) if number(key) is not None else None
    if is_reward_of_one(data):
        return 0
    is_located = isinstance(whole, Data) and is_locator(whole)
    if is_located:
        first = 2
    if isinstance(key, Constant) and isinstance(key.value, str):
        return 1 if first == 2 else None
    keys = key.items if isinstance(key, Items) and key.kind == "tuple" else [key]
    rank = first
    for each in keys:
        change = change_by_key(each, by_label=is_located)
        if change is None and len(keys) == 1 and _rank(each, known, depth) == 1:
            change = 0  # rows that are drawn, or that a condition holds for
        rank = None if rank is None or change is None else rank + change
    return rank


def _attribute(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    whole = data.inputs[0]
    if isinstance(whole, Data) and whole.operation == "call" and whole.name.startswith(SETS):
        return {"data": 2, "target": 1}.get(data.name)
    return first if data.name in ("T", "data", "grad", "values") else None


def _drawn(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    return None if not first else first - 1


def _of_batch(data: Data, first: int | None, known: Known, depth: int) -> int | None:
    """A part of a batch: of a TensorDataset it has the dimensions of the whole, of a sample one more."""
    batch = data.inputs[1] if len(data.inputs) > 1 else None
    loader = batch.inputs[0] if isinstance(batch, Data) and batch.inputs else None
    if first is None or not isinstance(loader, Loader) or loader.arguments.get("batch_size") is NONE:
        return None
    dataset = loader.dataset
    while isinstance(dataset, Data) and dataset.operation != "dataset" and dataset.inputs:
        dataset = dataset.inputs[0]
    return first + 1 if isinstance(dataset, Instance) else first


OWN: dict[str, Rule] = {
    **dict.fromkeys(("tensor", "array"), _made),
    **dict.fromkeys(("view", "reshape", "expand"), _viewed),
    **dict.fromkeys(("concatenate", "stack"), _joined),
    **dict.fromkeys(REDUCING, _reduced),
    **dict.fromkeys(("embedding", "one_hot", "unsqueeze"), _unsqueezed),
    **dict.fromkeys(("max", "min"), _extreme),
    "gather": _gathered,
    "flatten": _flattened,
    "squeeze": _squeezed,
    "permute": _permuted,
    "matmul": _product,
    "index": _part,
    "attribute": _attribute,
    "element": _drawn,
    "batch part": _of_batch,
}
"""How the others find their number of dimensions, given that of their first input."""


# The last dimension

SAME_LAST = (
    (KEEPING - {"linear", "transpose", "pool", "upsample", "pad", "output", "transformer", "values"})
    | {"tensor", "array", "output", "values"}
    | {"batch part", "train split", "test split"}
)


def ends_in_one(value: Value | None, depth: int = DEEPEST) -> bool:
    """Whether the last dimension of an array is known to be 1."""
    found = [_ends_in_one(each, depth) for each in alternatives(value) if each is not NONE]
    return bool(found) and all(found)


def _ends_in_one(value: Value, depth: int) -> bool:
    if not isinstance(value, Data) or not depth or is_reshaped(value):
        return False
    if value.operation == "linear":
        return value.width == 1
    if value.operation in ("view", "reshape"):
        sizes = sizes_of(value)
        return sizes is not None and len(sizes) > 1 and number(sizes[-1]) == 1
    if value.operation == "unsqueeze":
        return _adds_last(value)
    if value.operation in JOINING:
        return _joins_columns(value, depth)
    if value.operation in FILLED:
        shape = shape_of(value)
        return bool(shape) and shape is not None and len(shape) > 1 and shape[-1] == 1
    if value.operation == "gather":
        return spelled(value) in ("gather", "take_along_dim") and ends_in_one(_positions(value), depth - 1)
    pair = _pair_of(value) if value.inputs else None
    if pair is not None:
        return _keeps(pair) and number(pair.options.get("dim")) in (-1, (rank_of(pair.inputs[0]) or 0) - 1)
    if value.operation in REDUCING and _keeps(value):
        dimension = dimension_given(value)
        rank = rank_of(value.inputs[0]) if value.inputs else None
        return dimension is not None and number(dimension) in (-1, None if rank is None else rank - 1)
    if value.operation == "index" and len(value.inputs) > 1:
        return _keeps_one_column(value)
    if value.operation == "matmul" and len(value.inputs) == 2:
        return rank_of(value.inputs[1]) in (2, 3) and ends_in_one(value.inputs[1], depth - 1)
    combined = operands(value)
    if combined:
        arrays = [each for each in combined if rank_of(each) != 0 and not _is_single(each)]
        return bool(arrays) and all(ends_in_one(each, depth - 1) for each in arrays)
    keeps = value.operation in SAME_LAST or _is_elementwise_call(value)
    return keeps and bool(value.inputs) and ends_in_one(value.inputs[0], depth - 1)


JOINING = frozenset({"stack", "concatenate"})


def _joins_columns(data: Data, depth: int) -> bool:
    """Whether arrays that end in one are put on top of each other; of vectors, `stack` alone keeps the last dimension."""
    parts = data.inputs[0] if data.inputs else None
    if not isinstance(parts, Items) or not parts.items or number(dimension_given(data) or Constant(0)) != 0:
        return False
    if called_name(data) not in ("stack", "cat", "concat", "concatenate", "vstack"):
        return False
    least = 1 if data.operation == "stack" else 2
    return all(ends_in_one(each, depth - 1) and (rank_of(each) or least) >= least for each in parts.items)


def _is_single(value: Value) -> bool:
    """Whether it is a vector of one number, such as a bias: added to an array, it changes nothing of its shape."""
    return isinstance(value, Data) and value.operation in FILLED and shape_of(value) == (1,)


def _adds_last(data: Data) -> bool:
    dimension = dimension_given(data)
    rank = rank_of(data.inputs[0]) if data.inputs else None
    position = None if dimension is None else number(dimension)
    return position == -1 or (rank is not None and position == rank and rank > 0)


def _keeps_one_column(data: Data) -> bool:
    """Of `y[:, None]`, `x[:, :1]`, `x[:, [3]]`, `x[:, 2:3]` and rows of a column."""
    key = data.inputs[1]
    keys = key.items if isinstance(key, Items) and key.kind == "tuple" else [key]
    whole = data.inputs[0]
    rank = 2 if isinstance(whole, Data) and is_locator(whole) else rank_of(whole)
    last = keys[-1]
    if isinstance(last, Constant) and last.value is None:
        return len(keys) > 1 and rank == len(keys) - 1
    if rank is None or len(keys) < rank:
        is_rows = len(keys) == 1 and isinstance(last, Data) and last.operation in ("slice", "randperm", "index")
        return is_rows and ends_in_one(data.inputs[0])
    if isinstance(last, Items):
        return last.kind == "list" and len(last.items) == 1 and len(keys) > 1
    return isinstance(last, Data) and len(keys) > 1 and takes_one(last)
