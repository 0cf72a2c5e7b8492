"""Classes at hand that derive from torch.nn's layers, containers and losses: what they inherit."""

from __future__ import annotations

import ast

from nnlint.operations import LAYERS
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import method
from nnlint.static.knowledge.layers import apply_layer, make_container
from nnlint.static.machine import Machine
from nnlint.values import Data, Instance, Layer, Value, alternatives


def initialize_inherited(machine: Machine, instance: Instance, given: Arguments, node: ast.AST) -> None:
    """What the constructor of a torch base does: a Sequential or ModuleList takes its modules."""
    if _torch_base(instance) not in ("Sequential", "ModuleList"):
        return
    made = make_container(machine, "Sequential", given, node)
    for name, part in made.attributes.items():
        if name[:1] != "<":
            machine.write(instance.attributes, name, part)


def forward_inherited(machine: Machine, instance: Instance, given: Arguments, node: ast.AST) -> Value | None:
    """The forward of a torch base; None where there is none that is known."""
    base = _torch_base(instance)
    if base == "Sequential":
        parts = {name: part for name, part in instance.attributes.items() if _may_be_module(part)}
        return apply_layer(machine, Layer("Sequential", "sequential", {}, instance.at, parts), given, node, instance)
    if base in LAYERS:
        return apply_layer(machine, Layer(base, LAYERS[base][0], {}, instance.at), given, node, instance)
    return None


def _torch_base(instance: Instance) -> str:
    for base in instance.cls.external_bases():
        if base.startswith("torch.nn."):
            return str(base.rpartition(".")[2])
    return ""


def _may_be_module(value: Value) -> bool:
    """Whether the part is a layer, a network, one of several, or what a function that is not at hand has made."""
    return any(
        isinstance(each, Layer)
        or (isinstance(each, Instance) and each.is_network)
        or (isinstance(each, Data) and each.operation == "call")
        for each in alternatives(value)
    )


@method("forward", "__call__")
def _forward(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`layer.forward(x)`, and `super().forward(x)` of a class that derives from torch's own."""
    if isinstance(receiver, Layer):
        return apply_layer(machine, receiver, given, node)
    return forward_inherited(machine, receiver, given, node) if isinstance(receiver, Instance) else None
