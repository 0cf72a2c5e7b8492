"""Training over many processes, done in this one: a group of one rank, wrappers that pass through, workers called in place."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as group
from torch import nn

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.patching import put


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


def install() -> None:
    """From now on there is one process."""
    put(group, init_process_group=_one_rank)
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
