"""What the events of a training run are about: numbers, data, layers, networks, optimizers, loaders.

A value is the expression that made it. A tensor that came out of a softmax is `Data("softmax", (logits,))`; what is not
known is `Data` too, with an operation that nothing recognises. So unknown values keep their identity (the `self.opt` of two
statements is one value) and their origin, and no rule can mistake them for facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from nnlint.finding import Place
from nnlint.records import dataclass, field


class Site(Protocol):
    """Anything that stands at a place in the source."""

    @property
    def place(self) -> Place: ...


class Value:
    """Anything a name can be bound to."""

    __slots__ = ()


@dataclass(eq=False, slots=True, repr=False)
class Constant(Value):
    """A number, string, boolean, None, ...

    `at` is where it was written. `overridable` marks a default that a caller or the command line may replace: good enough
    to judge a learning rate by, not good enough to decide a branch.
    """

    value: Any
    at: Site | None = None
    overridable: bool = False


NONE = Constant(None)
TRUE = Constant(True)
FALSE = Constant(False)


@dataclass(eq=False, slots=True, repr=False)
class Data(Value):
    """The result of an operation: a tensor, an array, or anything else that is not known better.

    `operation` is a name from `nnlint.operations` or one of the open ones: "argument" (of a function that nothing calls),
    "name" (never assigned), "attribute", "index", "call" and "method" (of something unknown, called `name`).
    `inputs` are the values it was made from, the receiver first. `layer` is the module that did it, if a module did.
    `width` is the size of the last dimension, where known. `gradient` says whether gradients were recorded: None if unknown.
    `bound` is the first name it was assigned to: weak evidence of its role, for where there is no better.
    `calls` is the chain of calls in which it was made, outermost first.
    """

    operation: str
    inputs: tuple[Value, ...] = ()
    at: Site | None = None
    name: str = ""
    options: dict[str, Value] = field(default_factory=dict)
    layer: Layer | None = None
    width: int | None = None
    gradient: bool | None = True
    parts: dict[Any, Value] = field(default_factory=dict)
    bound: str = ""
    calls: tuple[Site, ...] = ()

    def option(self, name: str) -> Any:
        """The constant passed for an option, or None where it was not passed or is not known."""
        value = self.options.get(name)
        return value.value if isinstance(value, Constant) else None

    def stored(self, name: str) -> Value | None:
        """What was stored as an attribute; None where it was only read, which keeps it as a part, too."""
        held = self.parts.get(name)
        is_read = isinstance(held, Data) and held.operation == "attribute" and held.inputs[:1] == (self,)
        return None if is_read else held


@dataclass(eq=False, slots=True, repr=False)
class Either(Value):
    """One of several values, depending on the path taken. An `open` one may be others too: there were too many to keep."""

    alternatives: tuple[Value, ...]
    open: bool = False


@dataclass(eq=False, slots=True, repr=False)
class Items(Value):
    """A tuple, list or set. An `open` one may hold more elements like those it has."""

    items: list[Value]
    kind: str = "list"
    open: bool = False
    at: Site | None = None


@dataclass(eq=False, slots=True, repr=False)
class Entries(Value):
    """A dict. An `open` one may hold more."""

    entries: dict[Any, Value]
    open: bool = False
    at: Site | None = None


MODE_KEY = "<training>"
"""The attribute under which a network keeps whether it is in training mode."""

LISTED_KEY = "<listed>"
"""The part of unknown data that says that somebody asked for its `parameters()`, which networks have."""

GIVEN_KEY = ("given",)
"""The attribute, of no name, under which an object keeps what a constructor was given that was not followed."""

FROZEN_KEY = "<frozen>"
"""The attribute under which a network keeps whether its gradients were switched off."""

CALLED_KEY = "<called>"
"""The attribute of a chain of layers while it is called."""

OPTIONAL_KEY = "<optional>"
"""The attribute of a layer that is only made on some passes of the loop around it, or on some paths."""

RESHAPED_KEY = "<reshaped>"
"""The part of an array that says that its shape was changed in place."""

FILLED_KEY = "<filled>"
"""The part of an array under which it keeps what was stored at places that are not known: by a counter, a mask."""


@dataclass(eq=False, slots=True, repr=False)
class Layer(Value):
    """A module of torch's own: `kind` is its class name, `arguments` its constructor's, by parameter name.

    Containers (`Sequential`, `ModuleList`) keep their modules in `attributes` in order, by name.
    `at` is where it stands: its constructor.
    """

    kind: str
    operation: str
    arguments: dict[str, Value] = field(default_factory=dict)
    at: Site | None = None
    attributes: dict[Any, Value] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """The numeric constant passed for a constructor argument, if known."""
        return number(self.arguments.get(name))


@dataclass(eq=False, slots=True, repr=False)
class Instance(Value):
    """An object of a class whose source is at hand; `is_network` if the class derives from torch's Module."""

    kind: str
    cls: Any
    attributes: dict[Any, Value] = field(default_factory=dict)
    at: Site | None = None
    is_network: bool = False


@dataclass(eq=False, slots=True, repr=False)
class Parameters(Value):
    """What `model.parameters()` yields, of one or more owners (networks, layers, or unknown data)."""

    owners: tuple[Value, ...]
    at: Site | None = None
    partial: bool = False


@dataclass(eq=False, slots=True, repr=False)
class Optimizer(Value):
    """Whatever takes parameters and is stepped. `owners` are the networks or tensors whose parameters it holds."""

    kind: str
    owners: tuple[Value, ...]
    arguments: dict[str, Value] = field(default_factory=dict)
    at: Site | None = None
    attributes: dict[Any, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True, repr=False)
class Scheduler(Value):
    """A learning-rate scheduler over an optimizer."""

    kind: str
    optimizer: Value | None
    arguments: dict[str, Value] = field(default_factory=dict)
    at: Site | None = None


@dataclass(eq=False, slots=True, repr=False)
class Loader(Value):
    """A DataLoader, or anything else that yields batches of a data set."""

    dataset: Value | None
    arguments: dict[str, Value] = field(default_factory=dict)
    at: Site | None = None
    bound: str = ""


@dataclass(eq=False, slots=True, repr=False)
class State(Value):
    """What `state_dict()` returns: references to the owner's live tensors, unless `copied`."""

    owner: Value
    at: Site | None = None
    copied: bool = False


def number(value: Value | None) -> float | None:
    """The value as a number, if it is a known one (booleans are not numbers here)."""
    if isinstance(value, Constant) and isinstance(value.value, (int, float)) and not isinstance(value.value, bool):
        return float(value.value)
    return None


def truth(value: Value | None) -> bool | None:
    """The truth of a value, where a run could not make it otherwise; else None."""
    if isinstance(value, Constant):
        return None if value.overridable else bool(value.value)
    if isinstance(value, (Items, Entries)):
        held = value.items if isinstance(value, Items) else value.entries
        return None if value.open else bool(held)
    if isinstance(value, (Layer, Instance, Optimizer, Scheduler, Loader, Parameters)):
        return True
    return None


def alternatives(value: Value | None) -> tuple[Value, ...]:
    """The value, or what it may be."""
    if isinstance(value, Either):
        return value.alternatives
    return () if value is None else (value,)


HOLDERS = frozenset({Items, Entries, Either})
"""Values that hold others."""

MOST_ALTERNATIVES = 16
MOST_ELEMENTS = 64


def join(first: Value, second: Value) -> Value:
    """What a name holds after two paths meet."""
    if first is second:
        return first
    if isinstance(first, Constant) and isinstance(second, Constant) and same_constant(first, second):
        return first
    found = list(dict.fromkeys((*alternatives(first), *alternatives(second))))
    if len(found) == 1:
        return found[0]
    is_open = len(found) > MOST_ALTERNATIVES or any(isinstance(each, Either) and each.open for each in (first, second))
    return Either(tuple(found[:MOST_ALTERNATIVES]), is_open)


def same_constant(first: Constant, second: Constant) -> bool:
    """Whether two constants are the same value of the same type."""
    return type(first.value) is type(second.value) and bool(first.value == second.value)


def join_all(values: Iterable[Value]) -> Value:
    """`join` over any number of values; None (the constant) for none."""
    result: Value | None = None
    for value in values:
        result = value if result is None else join(result, value)
    return NONE if result is None else result


def elements(value: Value | None) -> Sequence[Value]:
    """The values directly inside tuples, lists, dicts and alternatives; the value itself otherwise."""
    if value is None or type(value) not in HOLDERS:
        return () if value is None else (value,)
    found: list[Value] = []
    pending: list[Value] = [value]
    budget = MOST_ELEMENTS
    while pending and budget:
        budget -= 1
        current = pending.pop()
        if isinstance(current, Items):
            pending.extend(current.items)
        elif isinstance(current, Entries):
            pending.extend(current.entries.values())
        elif isinstance(current, Either):
            pending.extend(current.alternatives)
        else:
            found.append(current)
    return found
