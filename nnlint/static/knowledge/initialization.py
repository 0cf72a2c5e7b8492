"""How weights get their first values: torch.nn.init, methods that fill in place, functions applied to every part of a network."""

from __future__ import annotations

import ast

from nnlint.events import WeightsSet
from nnlint.graph import content, parameters_of
from nnlint.static.access import attribute
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import external, is_network_like, method
from nnlint.static.machine import Machine
from nnlint.static.objects import Bound, Function, Partial
from nnlint.values import Data, Instance, Layer, Value

MOST_PARTS = 64
"""So many parts of a network are given to a function that is applied to all of them."""

CONSTANT = ("zeros", "ones", "constant")
RANDOM = (
    "normal uniform xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal trunc_normal "
    "eye dirac sparse".split()
)
WEIGHTS = frozenset({"weight", "parameter"})


def _names(kinds: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(f"torch.nn.init.{kind}{ending}" for kind in kinds for ending in ("_", ""))


@external(*_names(CONSTANT))
def _constant(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return _set(machine, name, given, node, is_constant=True)


@external(*_names(RANDOM))
def _random(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return _set(machine, name, given, node, is_constant=False)


def _set(machine: Machine, name: str, given: Arguments, node: ast.AST, is_constant: bool) -> Value:
    """Fill a weight in place; it is what the call gives back."""
    tensor = given.get(0, "tensor")
    is_weight = tensor is not None and _note(machine, tensor, node, is_constant)
    return tensor if tensor is not None and is_weight else machine.data("call", given.values(), node, name=name)


def _note(machine: Machine, tensor: Value, node: ast.AST, is_constant: bool) -> bool:
    """Tell of the weights that are filled; whether there are any."""
    weights = [each for each in content(tensor) if isinstance(each, Data) and each.operation in WEIGHTS]
    for each in weights:
        machine.emit(WeightsSet(machine.site(node), each, is_constant and not _is_some_of(tensor)))
    return bool(weights)


def _is_some_of(tensor: Value) -> bool:
    """Whether only some entries of a weight are picked: rows, or a copy of those that a mask names."""
    for _ in range(MOST_PARTS):
        if not isinstance(tensor, Data) or tensor.operation in WEIGHTS or not tensor.inputs:
            return False
        if tensor.operation == "index":
            return True
        tensor = tensor.inputs[0]
    return False


@method("zero_", "fill_")
def _filled(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    _note(machine, receiver, node, is_constant=True)
    return None


@method("normal_", "uniform_", "copy_", "trunc_normal_", "random_")
def _drawn(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    _note(machine, receiver, node, is_constant=False)
    return None


@method("apply")
def _applied(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`network.apply(init_weights)`: the function is given every part of the network, and the network itself."""
    function = given.get(0, "fn")
    if not isinstance(receiver, (Instance, Layer)):
        return receiver if isinstance(receiver, Data) and is_network_like(receiver) else None
    if not isinstance(function, (Function, Bound, Partial)):
        return receiver
    parts = [part for part in parameters_of(receiver) if isinstance(part, (Instance, Layer))][:MOST_PARTS]
    done = machine.applied.setdefault((function, machine.is_conditional()), {})
    for part in parts:
        kind = part.kind if isinstance(part, Layer) else part.cls
        alike = done.get(kind)
        if alike is None:
            done[kind] = _given(machine, function, part, node)
        else:
            _set_alike(machine, alike, part, node)
    return receiver


def _given(machine: Machine, function: Value, part: Instance | Layer, node: ast.AST) -> list[WeightsSet] | None:
    """Give a function one part of a network. Returns which of its weights that set; None where it did anything else."""
    events, held = len(machine.run.all_events), _settings(part)
    machine.call(function, Arguments([part]), node)
    happened = machine.run.all_events[events:]
    sets = [event for event in happened if isinstance(event, WeightsSet) and _is_own(event.weights, part)]
    return sets if len(sets) == len(happened) and _settings(part) == held else None


def _settings(part: Instance | Layer) -> dict[object, int]:
    """What a part holds but for its weights, which are made when they are first asked for."""
    return {name: id(value) for name, value in part.attributes.items() if not isinstance(name, tuple)}


def _is_own(weights: Value, part: Value) -> bool:
    return isinstance(weights, Data) and weights.operation == "weight" and weights.inputs[:1] == (part,)


def _set_alike(machine: Machine, sets: list[WeightsSet], part: Value, node: ast.AST) -> None:
    """What the function did to the first layer of this kind, done to another one."""
    for known in sets:
        weights = attribute(machine, part, known.weights.name, node) if isinstance(known.weights, Data) else part
        machine.emit(WeightsSet(known.at, weights, known.is_constant)).conditional = known.conditional
