"""Questions about where data came from: walks over the graph of operations behind a value."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from nnlint.operations import TRANSPARENT
from nnlint.values import (
    FILLED_KEY,
    HOLDERS,
    NONE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Parameters,
    State,
    Value,
)

LEAVES = frozenset({Constant, Instance, Layer, Parameters, type(None)})
"""What most walks come upon beside data, and what no data lie behind: told apart by one look."""

MADE_TO_SIZE = frozenset({"zeros", "ones", "random", "randperm"})
"""Operations that are given sizes, or something of the same size, and take no number from what they are given."""

DRAWN_AROUND = frozenset({"normal", "uniform"})
"""Functions that draw around the numbers that they are given."""

MOST_VISITED = 4000
MOST_PEELED = 200
MOST_OF_AN_UPDATE = 60
"""Operations between a gradient and the parameter it changes: a hand-written rule of update takes a dozen."""


def ancestors(value: Value | None, stop: Callable[[Data], bool] | None = None) -> Iterator[Data]:
    """All data that a value was made from, itself first, each once; not beyond data for which `stop` holds.

    What only tells a new tensor its size is nothing that it was made from.
    """
    return ancestors_of_all((value,), stop)


def ancestors_of_all(
    values: Sequence[Value | None], stop: Callable[[Data], bool] | None = None, filled: bool = False
) -> Iterator[Data]:
    """All data that any of the values was made from, as `ancestors` gives them, each once.

    Where arrays may be `filled`, what was stored in them, item by item, counts as well.
    """
    return islice(_all_behind(values, stop, filled), MOST_VISITED * len(values))


def _all_behind(values: Sequence[Value | None], stop: Callable[[Data], bool] | None, filled: bool) -> Iterator[Data]:
    settled = _settled.get()
    origins = _Origins() if settled is None else settled.origins
    pending = data_in(values)
    seen: set[Data] = set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        if filled and current.parts:
            pending += data_in(stored_parts(current))
        if stop is None or not stop(current):
            pending += origins[current]


class _Origins(dict[Data, list[Data]]):
    """The data that other data were made from at once, in the order in which they were given; gathered when asked for."""

    def __missing__(self, data: Data) -> list[Data]:
        given = (*data.inputs, *data.options.values()) if data.options else data.inputs
        is_sized = data.operation in MADE_TO_SIZE and not _is_drawn_around(data)
        found = self[data] = [] if is_sized else data_in(given)
        return found


def data_in(values: Iterable[Value | None]) -> list[Data]:
    """The data among values, in the order in which they stand in tuples, lists, dicts and alternatives."""
    found: list[Data] = []
    for value in values:
        if isinstance(value, Data):
            found.append(value)
        elif type(value) in HOLDERS:
            found += _data_held(value)
    return found


def _data_held(container: Value | None) -> list[Data]:
    found: list[Data] = []
    seen: set[int] = set()
    pending = [container]
    while pending and len(seen) < MOST_VISITED:
        current = pending.pop()
        if isinstance(current, Data):
            found.append(current)
        elif type(current) in HOLDERS and id(current) not in seen:
            seen.add(id(current))
            pending += reversed(_held(current))
    return found


def _held(container: Value | None) -> Sequence[Value]:
    if isinstance(container, Either):
        return container.alternatives
    if isinstance(container, Items):
        return container.items
    return tuple(container.entries.values()) if isinstance(container, Entries) else ()


def _is_drawn_around(data: Data) -> bool:
    function = getattr(getattr(data.at, "node", None), "func", None)
    return getattr(function, "attr", getattr(function, "id", "")) in DRAWN_AROUND


def stored_parts(data: Data) -> tuple[Value, ...]:
    """What was stored in parts of the data: in columns, slices, items."""
    return tuple(part for key, part in data.parts.items() if _is_stored(key, part, data))


def _is_stored(key: Hashable, part: Value, data: Data) -> bool:
    if key == FILLED_KEY:
        return True
    if not isinstance(key, tuple) or key[0] not in ("index", "slice"):
        return False
    return key[0] == "slice" or not _is_read_from(data, key[1], part)


def _is_read_from(data: Data, key: Hashable, part: Value) -> bool:
    """Whether a part is what was read there, kept for the next read: not another part that was moved there."""
    if not isinstance(part, Data) or part.operation != "index" or len(part.inputs) != 2 or part.inputs[0] is not data:
        return False
    place = part.inputs[1]
    return isinstance(place, Constant) and place.value == key


def is_from_data_set(data: Data) -> bool:
    """Whether it is one of scikit-learn's data sets, or an array of one."""
    while data.operation in ("attribute", "index", "detach") and data.inputs and isinstance(data.inputs[0], Data):
        data = data.inputs[0]
    return data.operation == "call" and data.name.startswith("sklearn.datasets.")


STATE_TENSOR = "state tensor"
"""The operation of a tensor taken out of a `state_dict()`."""


def live_state(value: Value) -> Value:
    """The state of which a tensor is a live part, or the value itself: a `detach()` is a view, a `clone()` a copy."""
    current = value
    while isinstance(current, Data) and current.operation in (STATE_TENSOR, "detach", "identity") and current.inputs:
        current = current.inputs[0]
    return current if isinstance(current, State) else value


def sources(value: Value | None, through: Callable[[Data], bool]) -> list[Value]:
    """What a value is, once the operations for which `through` holds are peeled off: one value for each path.

    An operation is peeled to its first input, except concatenations, which are all of theirs.
    """
    found: list[Value] = []
    pending: list[Value | None] = [value]
    budget = MOST_PEELED
    while pending:
        current = pending.pop()
        budget -= 1
        if budget < 0:
            return [Data("unknown")]
        if isinstance(current, Either):
            pending.extend(current.alternatives)
        elif isinstance(current, Data) and current.inputs and through(current):
            pending.extend(_peeled(current))
        elif current is not None and not any(current is other for other in found):
            found.append(current)
    return found


def _peeled(data: Data) -> tuple[Value, ...]:
    first = data.inputs[0]
    return tuple(first.items) if isinstance(first, Items) and first.items else (first,)


def is_transparent(data: Data) -> bool:
    """Whether the operation keeps every number it is given: a view, a copy, a move, a network's output."""
    return data.operation in TRANSPARENT


def content(value: Value | None) -> list[Value]:
    """What a value holds, views and moves peeled off; one value for each path."""
    return sources(value, is_transparent)


def networks_behind(value: Value | None) -> Iterator[Value]:
    """The networks and lone layers whose parameters a value depends on, nearest first, not beyond a detach."""
    for data in ancestors(value, stop=cuts_graph):
        if data.operation == "output":
            network = data.inputs[1]
        elif data.layer is not None:
            network = data.layer
        else:
            continue
        if not cuts_graph(data):
            yield network


def has_network_behind(value: Value | None) -> bool:
    """Whether gradients of a value would reach a network or a lone layer."""
    return next(networks_behind(value), None) is not None


LOOKS = frozenset(
    "shape size ndim ndimension dim dtype device numel nelement layout is_cuda requires_grad grad_fn".split()
)
"""What tells about a tensor without its numbers."""

CUTS = frozenset({"detach", "item", "numpy", "argmax", "compare", "length"}) | LOOKS
READS = frozenset({"attribute", "method"})


def cuts_graph(data: Data) -> bool:
    """Whether gradients stop at this operation."""
    return data.gradient is False or data.operation in CUTS or (data.operation in READS and data.name in LOOKS)


def has_graph(data: Data) -> bool | None:
    """Whether gradients were recorded for computed data: None where no network's output is behind them."""
    if data.gradient is False:
        return False
    outputs = (each for each in ancestors(data, stop=cuts_graph) if each.operation == "output" and not cuts_graph(each))
    return True if any(each.gradient for each in outputs) else None


def only_looks(data: Data) -> bool:
    """Whether the data tell about a tensor without its numbers: its size, its type."""
    return data.operation in LOOKS or (data.operation in READS and data.name in LOOKS)


class _Settled:
    """What a finished run has been asked: the parts of networks (by identity; they are kept, too), the origins of data."""

    def __init__(self) -> None:
        self.parts: dict[int, tuple[Value, tuple[Value, ...]]] = {}
        self.origins = _Origins()
        self.kept: dict[object, dict[Any, Any]] = {}


_settled: ContextVar[_Settled | None] = ContextVar("settled", default=None)


@contextmanager
def settled() -> Iterator[None]:
    """While nothing is written any more, as when rules look at a finished run: what lies behind and inside is gathered once."""
    token = _settled.set(_Settled())
    try:
        yield
    finally:
        _settled.reset(token)


def kept_while_settled(question: object) -> dict[Any, Any]:
    """Where the answers to a question are kept while nothing is written any more; elsewhere they are forgotten at once."""
    known = _settled.get()
    return {} if known is None else known.kept.setdefault(question, {})


def parameters_of(value: Value) -> Iterator[Value]:
    """The networks and layers inside a network, itself first; also those that were put into a ready-made one inside it."""
    known = _settled.get()
    if known is None:
        return _parts(value)
    if id(value) not in known.parts:
        known.parts[id(value)] = (value, tuple(_parts(value)))
    return iter(known.parts[id(value)][1])


def _parts(value: Value) -> Iterator[Value]:
    pending: list[Value] = [value]
    seen: set[int] = set()
    while pending and len(seen) < MOST_VISITED:
        current = pending.pop()
        key = id(current)
        if key in seen:
            continue
        seen.add(key)
        if isinstance(current, Layer):
            yield current
            for each in current.attributes.values():
                if type(each) is Parameters:
                    pending += each.owners
                elif type(each) is not Constant and (type(each) is not Data or each.parts):
                    pending.append(each)
        elif isinstance(current, Instance):
            if current.is_network:
                yield current
                pending += [held for held in current.attributes.values() if type(held) is not Constant]
        elif isinstance(current, Data) and current is not value:
            pending.extend(part for part in current.parts.values() if isinstance(part, (Instance, Layer)))
        elif isinstance(current, Items):
            pending.extend(current.items)
        elif isinstance(current, Either):
            pending.extend(current.alternatives)


def owners_listed(layer: Layer) -> list[Value]:
    """The networks and layers whose parameters a list of torch's own holds: `ParameterList(net.parameters())`."""
    return [owner for held in layer.attributes.values() if isinstance(held, Parameters) for owner in held.owners]


def parts_held(value: Value) -> Iterator[Value]:
    """`parameters_of` a network; of a ready-made one those that were put into it."""
    held = value.parts.values() if isinstance(value, Data) else (value,)
    for each in held:
        if isinstance(each, (Instance, Layer)):
            yield from parameters_of(each)


NEW_LEAF = frozenset({"tensor", "clone", "detach"})


def update_of(before: Value, after: Value) -> Value | None:
    """The parameter that a hand-written update changes: `w -= rate * w.grad`. None if it is no such update.

    A leaf that is made of a part of an array is not that part: `x = tensor(noise[:n])` has a gradient of its own.
    """
    updated = {id(source) for source in content(before)}
    behind = ancestors(after, stop=lambda each: id(each) in updated)
    for data in islice(behind, MOST_OF_AN_UPDATE):
        if data.operation == "attribute" and data.name == "grad":
            owner = data.inputs[0]
            if _is_made_of_part(owner):
                continue
            for source in content(owner):
                if id(source) in updated:
                    return _owner_of(source)
    return None


def _is_made_of_part(owner: Value) -> bool:
    made_of = owner.inputs[0] if isinstance(owner, Data) and owner.operation in NEW_LEAF and owner.inputs else None
    return isinstance(made_of, Data) and made_of.operation == "index"


def _owner_of(weight: Value) -> Value:
    if isinstance(weight, Data) and weight.operation == "weight" and weight.inputs:
        holder = weight.inputs[0]
        if isinstance(holder, Parameters) and holder.owners:
            return holder.owners[0]
        return holder
    return weight


MOST_ENDS_FOLLOWED = 200


def ends_of(
    value: Value | None, is_end: Callable[[Data], bool], before: Callable[[Data], tuple[Value, ...]]
) -> list[tuple[Data, frozenset[str]]]:
    """The data in which the ways back from a value end, each with the operations that were passed on the way.

    `before` gives what a value goes back to, nothing where that is not known. None at all where any way ends in anything else.
    """
    found: list[tuple[Data, frozenset[str]]] = []
    pending: list[tuple[Value | None, frozenset[str]]] = [(value, frozenset())]
    for _ in range(MOST_ENDS_FOLLOWED):
        if not pending:
            return found
        current, passed = pending.pop()
        if isinstance(current, Either):
            pending.extend((each, passed) for each in current.alternatives if each is not NONE)
        elif not isinstance(current, Data):
            return []
        elif is_end(current):
            found.append((current, passed))
        else:
            earlier = before(current)
            if not earlier:
                return []
            pending.extend((each, passed | {current.operation}) for each in earlier)
    return []


def kept_inputs(data: Data, keeping: frozenset[str], terms: Callable[[Data], tuple[Value, ...]]) -> tuple[Value, ...]:
    """What an operation leaves as it is: the input of one that is `keeping`, the `terms` of arithmetic on two values."""
    if not data.inputs:
        return ()
    first = data.inputs[0]
    if data.operation in keeping:
        return tuple(first.items) if isinstance(first, Items) and first.items else (first,)
    if data.operation in ("add", "subtract", "multiply", "divide") and len(data.inputs) == 2:
        return terms(data)
    return ()
