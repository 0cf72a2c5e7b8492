"""Ready-made networks: made in training mode, whatever weights they are given."""

from __future__ import annotations

import ast

from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.values import MODE_KEY, TRUE, Constant, Data, Value
from nnlint.zoo import BY_NAME, CONSTRUCTORS, layers_of


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """A network of a library, named after its family; None for anything else."""
    network = _network(name, given)
    if not network or not layers_of(network):
        return None
    made: Data = machine.data("call", given.values(), node, name=f"{name.partition('.')[0]}.{network}")
    made.parts[MODE_KEY] = TRUE
    return made


def _network(name: str, given: Arguments) -> str:
    if CONSTRUCTORS.match(name):
        return name.rpartition(".")[2]
    if name not in BY_NAME:
        return ""
    chosen = given.get(1, "model") if name == "torch.hub.load" else given.get(0, "model_name", "name")
    return chosen.value if isinstance(chosen, Constant) and isinstance(chosen.value, str) else ""
