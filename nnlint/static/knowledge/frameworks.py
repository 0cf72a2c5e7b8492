"""Frameworks that take part of the loop over: what they do for the user, as tables."""

from __future__ import annotations

import ast

from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import external, method
from nnlint.static.machine import Machine
from nnlint.static.objects import Class
from nnlint.values import NONE, Data, Items, Value

NETWORK_BASES = frozenset(
    {
        "Module",
        "LightningModule",
        "PreTrainedModel",
        "Sequential",
        "ModuleList",
        "ModuleDict",
        "GraphModule",
        "ComposerModel",
        "MessagePassing",
        "FairseqModel",
        "BaseModel",
    }
)
NETWORK_ROOTS = frozenset(
    {"torch", "pytorch_lightning", "lightning", "transformers", "torchvision", "timm", "composer"}
)


def is_network(cls: Class) -> bool:
    """Whether the class derives from torch's Module, directly or through a framework's or an unknown base of such a name."""
    for base in cls.external_bases():
        root, _, last = base.partition(".")[0], "", base.rpartition(".")[2]
        if last in ("Module", "LightningModule", "PreTrainedModel", "MessagePassing"):
            return True
        if root in NETWORK_ROOTS and (last in NETWORK_BASES or last.endswith(("Model", "Net"))):
            return True
        if root == "torchvision" and ".models" in base:
            return True
        if base.startswith("torch.nn.") and last[:1].isupper():
            return True
    return False


def instantiate_known(machine: Machine, cls: Class, given: Arguments, node: ast.AST) -> Value | None:
    """Objects of first-party classes that a framework constructs in its own way; None for all others."""
    return None


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """What a framework's class or function makes; None where nothing is known of it."""
    return None


@method("prepare", "setup", "setup_module", "setup_dataloaders")
def _prepare(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """accelerate and fabric give back what they are given, in order."""
    if not isinstance(receiver, Data) or not given.positional:
        return None
    return given.positional[0] if len(given.positional) == 1 else Items(list(given.positional), "tuple")


@external("apex.amp.initialize")
def _initialize(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return Items(list(given.positional[:2]), "tuple") if given.positional else NONE
