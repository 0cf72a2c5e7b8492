"""Whose gradients an event touches: the backward passes, clears and steps that concern one optimizer."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator

from nnlint.events import Backward, Escaped, Event, GradientsCleared, ModelCalled, OptimizerStepped, Run
from nnlint.graph import content, cuts_graph, is_from_data_set, parameters_of, stored_parts
from nnlint.lazy import regex
from nnlint.operations import LOSS_OPERATIONS
from nnlint.records import dataclass, field
from nnlint.static.objects import Generator, node_at
from nnlint.trace import Block, events_in, select
from nnlint.values import (
    NONE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Optimizer,
    Parameters,
    Value,
    alternatives,
    elements,
)

ENVIRONMENT = regex(r"(?:^|[\s_])env|^gym\.make$|\bgym(?:nasium)?\.", re.IGNORECASE)
"""What code calls an environment, or makes one."""
MOST_READINGS = 3

OPEN_OPERATIONS = frozenset(
    {"argument", "name", "attribute", "index", "call", "method", "element", "unknown", "spread", "load"}
)
"""Operations of which is not known what they do: any network may stand behind their result."""

PICKS = frozenset({"index", "element"})
"""Those among them whose result has a graph only if what they pick from has one: a batch of a loader has none."""

DRAWN = frozenset({"batch", "batch part"})
"""What a loader gives: however its data set makes a sample, no gradient goes back there."""

WITHOUT_GRAPH = DRAWN | {"array"}

RESHAPES = frozenset("to view reshape expand repeat permute transpose flatten unsqueeze squeeze gather detach".split())
"""Operations whose result has the graph of their first input alone."""

NUMERIC = frozenset({"torch", "numpy", "math"})
MOST_REACHED = 4000


@dataclass(frozen=True)
class Trained:
    """What one optimizer trains: its owners' parts, by identity; None where that is not known."""

    optimizer: Value
    parts: frozenset[int] | None
    run: Run
    effects: dict[int, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def steps(self) -> Block:
        """What happens to these gradients in the run, in order and on every path."""
        return self.run.remember("steps", self, _steps)

    def effect_of(self, event: Event) -> str:
        """What an event does, or may do, to these gradients: "fills", "clears", "steps", "escapes", or "" where nothing.

        Asked for every state in which some path comes to the event, and worked out once.
        """
        effect = self.effects.get(id(event))
        if effect is None:
            effect = self.effects[id(event)] = self._effect_of(event)
        return effect

    def _effect_of(self, event: Event) -> str:
        if isinstance(event, Backward) and self.may_be_filled_by(event):
            return "fills"
        if isinstance(event, GradientsCleared) and self.may_be_cleared_by(event):
            return "clears"
        if isinstance(event, Escaped) and self.may_escape_in(event):
            return "escapes"
        return "steps" if isinstance(event, OptimizerStepped) and self.is_stepped_by(event) else ""

    def is_stepped_by(self, event: OptimizerStepped) -> bool:
        """Whether the event updates these parameters: the same optimizer, or another over the same owners."""
        for stepped in alternatives(event.optimizer):
            if stepped is self.optimizer:
                return True
            other = self._parts_of(stepped)
            if self.parts and other and self.parts == other:
                return True
        return False

    def may_be_filled_by(self, event: Backward) -> bool:
        """Whether the backward pass may reach these parameters: unless it is known to pass by."""
        if self.parts is None:
            return True
        reached = self.run.remember("reached", event.loss, _reached)
        return reached is None or not reached.isdisjoint(self.parts)

    def _parts_of(self, value: Value) -> frozenset[int] | None:
        return self.run.remember("parts", value, parts_of)

    def may_be_cleared_by(self, event: GradientsCleared) -> bool:
        """Whether the clear may concern these parameters: unless it is known to concern others."""
        return any(self._may_clear(target) for target in alternatives(event.target))

    def is_cleared_by(self, event: GradientsCleared) -> bool:
        """Whether the clear certainly concerns these parameters."""
        for target in alternatives(event.target):
            if target is self.optimizer or self._owns_only(target):
                return True
            cleared = self._parts_of(target)
            if self.parts and cleared and self.parts <= cleared:
                return True
        return False

    def _owns_only(self, target: Value) -> bool:
        """Whether the optimizer holds parameters of the target alone, known or not; one of several is of one of several."""
        if not isinstance(self.optimizer, Optimizer):
            return False
        given = self.optimizer.arguments.get("params")
        choices = given.alternatives if isinstance(given, Either) else (given,)
        held = [each.owners for each in choices if isinstance(each, Parameters)] or [self.optimizer.owners]
        return any(bool(owners) and all(owner is target for owner in owners) for owners in held)

    def _may_clear(self, target: Value) -> bool:
        if target is self.optimizer:
            return True
        cleared = self._parts_of(target)
        if cleared is None or self.parts is None:
            both_steppable = isinstance(target, Optimizer) or _same_kind(target, self.optimizer)
            return not both_steppable
        return bool(cleared & self.parts)

    def may_escape_in(self, event: Escaped) -> bool:
        """Whether code that is not at hand gets hold of the optimizer: it may then clear, step, or both."""
        return id(self.optimizer) in self.run.remember("handed over", event, _handed_over)


def _steps(each: Trained) -> Block:
    return select(gradient_steps(each.run), lambda event: bool(each.effect_of(event)))


def _handed_over(event: Escaped) -> frozenset[int]:
    """The identities of all that foreign code gets hold of: the values, what objects among them hold, what data are made of."""
    found: set[int] = set()
    for value in event.values:
        for each in elements(value):
            found.add(id(each))
            if isinstance(each, Instance):
                found.update(id(held) for held in each.attributes.values())
            elif isinstance(each, Data):
                found.update(id(held) for held in each.inputs)
    return frozenset(found)


def _reached(loss: Value) -> frozenset[int] | None:
    """The identities of all that a backward pass fills; None where something unknown stands behind the loss."""
    found: set[int] = set()
    pending: list[Value] = [loss]
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (Either, Items, Entries)):
            pending.extend(elements(value))
        if not isinstance(value, Data) or cuts_graph(value) or _is_of_environment(value):
            continue
        holder = value.inputs[1] if value.operation == "output" else value.layer
        if _is_open(value) or isinstance(holder, Data) or len(seen) > MOST_REACHED:
            return None
        found.add(id(value))
        if value.operation == "weight":
            owned = _parts_of_data(value)
            if owned is None:
                return None
            found |= owned  # of a loop or `next` over the parameters of a network, it is one of them
        if holder is not None and id(holder) not in found:
            found.update(map(id, parameters_of(holder)))
        pending.extend(_carriers(value))
    return frozenset(found)


def _is_open(data: Data) -> bool:
    """Whether nothing is known of it: a network may stand behind it that is not at hand."""
    if data.operation in PICKS and data.inputs:
        return False
    is_numeric = data.operation == "call" and data.name.partition(".")[0] in NUMERIC
    return data.operation in OPEN_OPERATIONS and not is_numeric and not is_from_data_set(data)


def _is_of_environment(data: Data) -> bool:
    """Whether an environment answers, or has it: states, rewards and spaces have no graph."""
    current: Value = data
    for _ in range(MOST_READINGS):
        if not isinstance(current, Data) or current.operation not in ("method", "attribute") or not current.inputs:
            return False
        if current.operation == "method" and current.name not in ("step", "reset") and len(current.inputs) > 1:
            return False
        current = current.inputs[0]
        if isinstance(current, Data) and ENVIRONMENT.search(f"{current.bound} {current.name}"):
            return True
    return False


def _carriers(data: Data) -> tuple[Value, ...]:
    """What gives a result its graph: not the sizes, indices and devices that it is made with, but what it is filled with."""
    return (*stored_parts(data), *_given(data)) if data.parts else _given(data)


def _given(data: Data) -> tuple[Value, ...]:
    if data.operation == "output":
        return data.inputs[2:]  # a network's output says enough of what is inside it
    if data.operation in WITHOUT_GRAPH:
        return ()
    if data.operation in PICKS or data.operation in RESHAPES:
        return data.inputs[:1]
    return data.inputs if data.operation in LOSS_OPERATIONS else (*data.inputs, *data.options.values())


def _same_kind(target: Value, optimizer: Value) -> bool:
    """Two different unknown values that are both called optimizers are taken for two optimizers."""
    return isinstance(target, Data) and isinstance(optimizer, Data) and "opt" in f"{target.name}{target.bound}".lower()


def parts_of(value: Value) -> frozenset[int] | None:
    """The identities of all that a value trains or clears: networks, their parts, tensors. None where not known."""
    if isinstance(value, Optimizer):
        found: set[int] = set()
        for owner in value.owners:
            inner = parts_of(owner)
            if inner is None:
                return None
            found |= inner
        return frozenset(found) or None
    if isinstance(value, Instance) and not value.is_network:
        return _parts_of_wrapper(value)
    if isinstance(value, (Instance, Layer)):
        return frozenset(map(id, parameters_of(value)))
    if isinstance(value, Parameters):
        return parts_of(Optimizer("", value.owners))
    if isinstance(value, Data):
        return _parts_of_data(value)
    if isinstance(value, (Items, Entries, Either)):
        return parts_of(Optimizer("", tuple(elements(value))))
    return None


def _parts_of_wrapper(value: Instance) -> frozenset[int] | None:
    """What an object that holds optimizers or networks trains or clears: an optimizer of the project's own around another."""
    found = set(map(id, parameters_of(value)))
    for held in value.attributes.values():
        if isinstance(held, Optimizer):
            found |= parts_of(held) or set()
    return frozenset(found) or None


def _parts_of_data(value: Data) -> frozenset[int] | None:
    if value.operation == "weight" and value.inputs:
        return parts_of(value.inputs[0])
    sources = content(value)
    if any(isinstance(source, Data) and source.operation in OPEN_OPERATIONS for source in sources):
        return None
    if any(isinstance(source, (Items, Entries, Generator)) for source in sources):
        return None  # taken out of a collection that may hold more than is known
    if any(isinstance(source, Constant) for source in sources):
        return frozenset({id(value)})  # a tensor made of a number: the number has no gradient
    return frozenset(id(source) for source in sources)


def trained(run: Run) -> tuple[Trained, ...]:
    """What is stepped in a run, each optimizer once."""
    return run.remember("trained", run, lambda about: tuple(_trained(about)))


def _trained(run: Run) -> Iterator[Trained]:
    seen: set[int] = set()
    for event in run.events(OptimizerStepped):
        for optimizer in alternatives(event.optimizer):
            if id(optimizer) not in seen and optimizer is not NONE and not _wraps_training(run, optimizer):
                seen.add(id(optimizer))
                yield Trained(optimizer, run.remember("parts", optimizer, parts_of), run)


def trained_apart(run: Run) -> tuple[Trained, ...]:
    """What is stepped in a run, one of those to whose gradients the same happens: a helper may make any of ten optimizers."""
    return run.remember("trained apart", run, _trained_apart)


def _trained_apart(run: Run) -> tuple[Trained, ...]:
    if len(trained(run)) <= 2:
        return trained(run)  # there is less to save than looking costs
    found: dict[object, Trained] = {}
    for each in trained(run):
        found.setdefault(_fate(each), each)
    return tuple(found.values())


def _fate(each: Trained) -> tuple[tuple[int, str, bool], ...]:
    """What happens to the gradients of one optimizer, event by event."""
    return tuple(
        (id(event), each.effect_of(event), isinstance(event, GradientsCleared) and each.is_cleared_by(event))
        for event in events_in(each.steps)
    )


def _wraps_training(run: Run, value: Value) -> bool:
    """Whether code that is not at hand made the value around an optimizer, or is a class of it that holds a whole network.

    Its step may do more than step: `LocalSGD(model=model)` averages over processes. A function `make_optimizer(model)` makes one.
    """
    if not isinstance(value, Data):
        return False
    if any(isinstance(each, Optimizer) for each in value.inputs):
        return True
    given = {id(each) for each in (*value.inputs, *value.options.values())}
    is_class = value.operation == "call" and value.name.rpartition(".")[2][:1].isupper()
    return is_class and any(id(call.model) in given for call in run.events(ModelCalled))


def is_stepped_as_one(run: Run) -> bool:
    """Whether each step of the run may be of any of its optimizers: there is one at a time, made in one place or another."""
    moments = [{id(each) for each in optimizers} for optimizers in _at_one_moment(run)]
    return all(held == set().union(*moments) for held in moments)


def is_one_of_several(run: Run, optimizer: Value) -> bool:
    """Whether a step of the optimizer may as well be one of another: which of them it is depends on the path taken."""
    moments = run.remember("optimizers at one moment", run, _at_one_moment)
    return any(len(held) > 1 and any(each is optimizer for each in held) for held in moments)


def _at_one_moment(run: Run) -> list[list[Value]]:
    """The optimizers that each call of `step` in each pass of a loop may be of."""
    moments: dict[Hashable, dict[int, Value]] = {}
    for event in run.events(OptimizerStepped):
        calls = tuple(id(node_at(site)) for site in event.calls)
        moment = (id(node_at(event.at)), calls, *(id(each) for each in event.iterations[-1:]))
        moments.setdefault(moment, {}).update((id(each), each) for each in alternatives(event.optimizer))
    return [list(held.values()) for held in moments.values()]


GRADIENT_EVENTS: tuple[type[Event], ...] = (Backward, GradientsCleared, OptimizerStepped, Escaped)


def gradient_steps(run: Run) -> Block:
    """What happens to gradients in a run, in order and on every path."""
    return run.remember("gradient steps", run, _gradient_steps)


def _gradient_steps(run: Run) -> Block:
    return select(run.trace, lambda event: isinstance(event, GRADIENT_EVENTS))
