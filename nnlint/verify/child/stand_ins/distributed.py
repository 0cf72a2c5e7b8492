"""Training over many processes, done in this one: a group of one rank, wrappers that pass through, workers called in place."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as group
from torch import nn

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.patching import put
from nnlint.verify.child.stand_ins.permissive import Permissive


class PassThrough(nn.Module):
    """Wraps a network as DistributedDataParallel does, and does nothing else."""

    def __init__(self, module: nn.Module, *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """What the wrapped network gives."""
        return self.module(*arguments, **keywords)

    def no_sync(self) -> Any:
        """Nothing is synchronised anyway."""
        return torch.enable_grad()


class Sharded(PassThrough):
    """Wraps a network as FullyShardedDataParallel does, whose weights lie in one place all the same."""

    @staticmethod
    def state_dict_type(*arguments: Any, **keywords: Any) -> Any:
        """States are whole anyway."""
        return contextlib.nullcontext()

    @staticmethod
    def optim_state_dict(model: nn.Module, optimizer: Any, *rest: Any, **keywords: Any) -> Any:
        """The state of the optimizer."""
        return optimizer.state_dict()

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> Any:
        """As for any network."""
        return nn.utils.clip_grad_norm_(self.parameters(), max_norm, norm_type)


class InPlace:
    """A process that is a call: `start` runs its function."""

    exitcode, pid, daemon = 0, 0, False

    def __init__(
        self,
        group: Any = None,
        target: Callable[..., Any] | None = None,
        name: str = "",
        args: Any = (),
        **keywords: Any,
    ) -> None:
        self.target, self.arguments, self.keywords = target, tuple(args), dict(keywords.get("kwargs") or {})
        self.name = name

    def start(self) -> None:
        """Call the function here and now."""
        stood_in("a further process")
        if self.target is not None:
            self.target(*self.arguments, **self.keywords)

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""

    terminate = kill = close = join

    def is_alive(self) -> bool:
        """It has ended."""
        return False


class Mesh(Permissive):
    """The devices of a group of one rank, along any axes."""

    mesh_dim_names: tuple[str, ...] = ()
    device_type = "cpu"

    def get_rank(self) -> int:
        """The only one."""
        return 0

    def get_local_rank(self, axis: Any = None) -> int:
        """The only one."""
        return 0

    def get_coordinate(self) -> list[int]:
        """The first place of each axis."""
        return [0] * max(1, len(self.mesh_dim_names))

    def size(self, axis: Any = None) -> int:
        """One device along each axis."""
        return 1

    def __getitem__(self, axis: Any) -> Mesh:
        return self


def _mesh(*arguments: Any, mesh_dim_names: Any = (), **keywords: Any) -> Mesh:
    stood_in("a mesh of devices, of one rank")
    made = Mesh()
    made.__dict__["mesh_dim_names"] = tuple(mesh_dim_names or ())
    return made


def _first(module: Any = None, *arguments: Any, tensor: Any = None, input_tensor: Any = None, **keywords: Any) -> Any:
    """What was to be spread over devices, whole."""
    return next(each for each in (module, tensor, input_tensor) if each is not None)


def _nothing_around(*arguments: Any, **keywords: Any) -> Any:
    return contextlib.nullcontext()


SPREADING: dict[str, Any] = {
    "init_device_mesh": _mesh,
    "init_process_group": lambda *arguments, **keywords: _one_rank(*arguments, **keywords),
    "parallelize_module": _first,
    "fully_shard": _first,
    "distribute_module": _first,
    "distribute_tensor": _first,
    "loss_parallel": _nothing_around,
    "FullyShardedDataParallel": Sharded,
    "DistributedDataParallel": PassThrough,
}
"""What spreads a network over devices, by the name that it has in torch's modules."""


def install() -> None:
    """From now on there is one process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.distributed"):
            put(module, **{key: value for key, value in SPREADING.items() if key in vars(module)})
    put(nn.SyncBatchNorm, forward=nn.modules.batchnorm._BatchNorm.forward)
    put(nn.parallel, DistributedDataParallel=PassThrough)
    put(nn.parallel.distributed, DistributedDataParallel=PassThrough)
    put(torch.multiprocessing, spawn=_spawn, Process=InPlace)
    put(multiprocessing, Process=InPlace)


def _one_rank(*arguments: Any, **keywords: Any) -> None:
    if group.is_initialized():
        return
    stood_in("a distributed group, of one rank")
    from torch.testing._internal.distributed.fake_pg import FakeStore

    START("fake", store=FakeStore(), rank=0, world_size=1)


START = group.init_process_group


def _spawn(function: Callable[..., Any], args: Any = (), nprocs: int = 1, *rest: Any, **keywords: Any) -> None:
    stood_in("further processes")
    function(0, *args)
