"""Which values are the same data: two expressions that read one array in one way, whatever copies and views lie between."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from nnlint.graph import stored_parts
from nnlint.lazy import regex
from nnlint.operations import REDUCTIONS
from nnlint.values import Constant, Data, Either, Items, Value

COPIES = frozenset(
    "view reshape squeeze unsqueeze flatten contiguous to clone values tensor array numpy detach identity item expand "
    "transpose permute".split()
)
"""Operations whose result holds the same numbers as their first input, all of them."""

PARTS = frozenset({"index", "batch part", "train split", "test split", "element", "gather", "rest"})
"""Operations whose result holds some of the numbers of their first input."""

REPEATABLE = REDUCTIONS | frozenset(
    "index rest attribute abs square sqrt power subtract add multiply divide negative concatenate length ptp std_mean "
    "var_mean slice exp log".split()
)
"""Operations that give the same result for the same inputs."""

LOCATORS = frozenset({"loc", "iloc", "at", "iat"})

ALLOCATED = frozenset({"zeros", "ones", "full"})
"""Operations that make an array of constants, often to be filled later."""

READERS = regex(r"^(?:pandas\.read_\w+|numpy\.(?:load|loadtxt|genfromtxt))$")
"""Functions that give the same data each time they read the same file."""

DEEPEST_KEY = 12
LARGEST_KEY = 200
WORDS = regex(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def same_data(first: Value, second: Value) -> bool:
    """Whether two values are certainly the same data."""
    return key_of(first) == key_of(second)


def key_of(value: Value | None) -> Hashable:
    """A key that values share which are certainly the same data."""
    return _key(value, DEEPEST_KEY, [LARGEST_KEY])


def _key(value: Value | None, depth: int, room: list[int]) -> Hashable:
    """The key as long as there is room for it: equal expressions take equal room."""
    value = uncopied(value)
    room[0] -= 1
    if isinstance(value, Constant):
        return ("constant", repr(value.value))
    if not depth or room[0] < 0:
        return id(value)
    if isinstance(value, Items) and not value.open:
        return ("items", *(_key(item, depth - 1, room) for item in value.items))
    if isinstance(value, Data) and (value.operation in REPEATABLE or _is_reading(value)):
        inputs = (*value.inputs[:1], *(_only_item(each) for each in value.inputs[1:]))
        options = tuple((name, _key(option, depth - 1, room)) for name, option in sorted(value.options.items()))
        return (value.operation, value.name, options, *(_key(each, depth - 1, room) for each in inputs))
    return id(value)


def _is_reading(data: Data) -> bool:
    return data.operation == "call" and bool(data.inputs) and READERS.match(data.name) is not None


def _only_item(key: Value) -> Value:
    """The name in a list of one: `frame[["price"]]` has the numbers of `frame["price"]`."""
    is_list_of_one = isinstance(key, Items) and key.kind == "list" and len(key.items) == 1 and not key.open
    return key.items[0] if isinstance(key, Items) and is_list_of_one else key


def uncopied(value: Value | None) -> Value | None:
    """What a value is a copy or view of."""
    while isinstance(value, Data) and value.inputs and (value.operation in COPIES or is_locator(value)):
        value = value.inputs[0]
    return value


def is_locator(data: Data) -> bool:
    """Whether it is `frame.loc` or the like, by which parts of a frame are picked."""
    return data.operation == "attribute" and data.name in LOCATORS


def filling_of(data: Data) -> tuple[Value, ...]:
    """What was stored in an array after it was allocated: item by item, column by column, in a loop."""
    return stored_parts(data) if data.operation in ALLOCATED else ()


def wholes(value: Value) -> Iterator[Value]:
    """The value without copies, then the arrays and frames that it is a part of, nearest first."""
    for _ in range(DEEPEST_KEY):
        current = uncopied(value)
        if current is None or isinstance(current, Either):
            return
        yield current
        if not isinstance(current, Data) or current.operation not in PARTS or not current.inputs:
            return
        value = current.inputs[0]


def is_part_of(part: Value, whole: Value) -> bool:
    """Whether the first value is the second, or a part of it."""
    wanted = key_of(whole)
    return any(key_of(each) == wanted for each in wholes(part))


def label_of(value: Value | None) -> str:
    """The name under which the code holds a value, or the array that it is a part of: weak evidence of its role."""
    if value is None:
        return ""
    for each in (value, *wholes(value)):
        if isinstance(each, Data) and (
            each.bound or (each.operation in ("argument", "name", "attribute") and each.name)
        ):
            return each.bound or each.name
    return ""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: `X_train`, `trainX` and `x_train` have two each."""
    return tuple(word.lower() for word in WORDS.findall(name))
