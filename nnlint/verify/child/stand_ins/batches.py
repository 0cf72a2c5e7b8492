"""Smaller batches, for a network whose training would take too long with those of the script."""

from __future__ import annotations

import functools
from typing import Any

from torch.utils.data import DataLoader

from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put


def install() -> None:
    """From now on loaders give batches of so many samples at most as the run allows."""
    if ledger.samples:
        put(DataLoader, __init__=_limited(DataLoader.__init__))


def _limited(original: Any) -> Any:
    @functools.wraps(original)
    def make(loader: Any, dataset: Any, batch_size: Any = 1, *rest: Any, **keywords: Any) -> None:
        sampler: Any = keywords.get("batch_sampler")
        if type(getattr(sampler, "batch_size", None)) is int:
            sampler.batch_size = _limit(sampler.batch_size)
        elif type(batch_size) is int:
            batch_size = _limit(batch_size)
        original(loader, dataset, batch_size, *rest, **keywords)

    return make


def _limit(size: int) -> int:
    if size <= ledger.samples:
        return size
    stood_in(f"batches of {ledger.samples} samples instead of {size}")
    return ledger.samples
