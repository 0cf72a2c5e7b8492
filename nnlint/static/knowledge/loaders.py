"""Data sets and loaders of torch, and the meters that keep what a loop computes."""

from __future__ import annotations

import ast
import re

from nnlint.events import (
    Accumulated,
    LoaderMade,
)
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import (
    LASTING,
    external,
    method,
    role_name,
)
from nnlint.static.machine import Machine
from nnlint.values import (
    NONE,
    Data,
    Items,
    Loader,
    Value,
)

LOADER = (
    "dataset",
    "batch_size",
    "shuffle",
    "sampler",
    "batch_sampler",
    "num_workers",
    "collate_fn",
    "pin_memory",
    "drop_last",
)


@external("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader", "torch_geometric.loader.DataLoader")
def _data_loader(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    arguments = given.named(LOADER)
    if given.open:
        for name in ("batch_size", "shuffle"):
            arguments.setdefault(name, machine.data("unknown", (), node))
    made = Loader(arguments.get("dataset"), arguments, machine.site(node))
    machine.emit(LoaderMade(machine.site(node), made))
    return made


@external("torch.utils.data.TensorDataset")
def _tensor_dataset(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("dataset", given.values(), node, name="TensorDataset")


@external("torch.utils.data.random_split")
def _random_split(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    whole = tuple(given.positional[:1])
    lengths = given.get(1, "lengths")
    known = lengths.items if isinstance(lengths, Items) and not lengths.open else (None, None)
    parts: list[Value] = []
    for length in known:
        options = {} if length is None else {"length": length}
        parts.append(machine.data("test split" if parts else "train split", whole, node, options=options))
    return Items(parts, "tuple")


@external("torch.utils.data.Subset")
def _subset(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("index", given.values(), node, name="Subset")


@method("update", "add", "add_", "push")
def _metered(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """A meter that is not at hand keeps what it is given."""
    if isinstance(receiver, Data) and receiver.operation in LASTING and given.positional:
        first = given.positional[0]
        if (
            isinstance(first, Data)
            and machine.iterations
            and re.search("meter|loss|avg|average", role_name(receiver), re.I)
        ):
            machine.emit(Accumulated(machine.site(node), receiver, first, receiver))
            return NONE
    return None
