"""Lightning: modules, data modules and a Trainer with the loop of automatic optimization; what else there is takes everything."""

from __future__ import annotations

import random
from typing import Any

import torch

from nnlint.verify.child.stand_ins.packages.lightning.module import Callback, LightningDataModule, LightningModule
from nnlint.verify.child.stand_ins.packages.lightning.trainer import Trainer


def seed_everything(seed: int = 0, *arguments: Any, **keywords: Any) -> int:
    """Set the seeds."""
    random.seed(seed)
    torch.manual_seed(seed)
    return seed


__all__ = ["Callback", "LightningDataModule", "LightningModule", "Trainer", "seed_everything"]
