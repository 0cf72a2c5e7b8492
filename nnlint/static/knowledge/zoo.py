"""Ready-made networks: made in training mode, whatever weights they are given."""

from __future__ import annotations

import ast

from nnlint.events import ModelBuilt
from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.values import MODE_KEY, TRUE, Constant, Data, Instance, Layer, Value, join_all
from nnlint.zoo import BY_NAME, CONSTRUCTORS, layers_of

HEADS = ("fc", "classifier", "head", "heads", "last_linear", "_fc")
"""Where torchvision, timm and others keep the last part of a network, which is replaced to train it on other classes."""


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """A network of a library, named after its family; None for anything else."""
    network = _network(name, given)
    if not network or not layers_of(network):
        return None
    made: Data = machine.data("call", given.values(), node, name=f"{name.partition('.')[0]}.{network}")
    made.parts[MODE_KEY] = TRUE
    if not machine.is_inside_network:
        machine.emit(ModelBuilt(machine.site(node), made))
    return made


def _network(name: str, given: Arguments) -> str:
    if CONSTRUCTORS.match(name):
        return name.rpartition(".")[2]
    if name not in BY_NAME:
        return ""
    chosen = given.get(1, "model") if name == "torch.hub.load" else given.get(0, "model_name", "name")
    return chosen.value if isinstance(chosen, Constant) and isinstance(chosen.value, str) else ""


def apply_own_head(machine: Machine, network: Data, features: Data, node: ast.AST) -> Value:
    """The output of a network that is not at hand: what its last part makes of the rest, where the script put that there."""
    heads = [head for name in HEADS if (head := _own_part(network.parts.get(name))) is not None]
    if not heads:
        return features
    machine.network_depth += 1
    try:
        return join_all([machine.call(head, Arguments([features]), node) for head in heads])
    finally:
        machine.network_depth -= 1


def _own_part(value: Value | None, depth: int = 2) -> Value | None:
    """The module that was put in an attribute (`fc = ...`), or last in it (`classifier[6] = ...`, `heads.head = ...`)."""
    if isinstance(value, Layer) or (isinstance(value, Instance) and value.is_network):
        return value
    if not isinstance(value, Data) or not depth:
        return None
    inside = [own for part in value.parts.values() if (own := _own_part(part, depth - 1)) is not None]
    return inside[-1] if inside else None
