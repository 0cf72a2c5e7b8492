"""Optimizers and learning-rate schedules, as the originals compute them."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class AdamW(torch.optim.AdamW):
    """torch's own, with the original's default."""

    def __init__(self, params: Any, lr: float = 1e-3, *rest: Any, correct_bias: bool = True, **keywords: Any) -> None:
        super().__init__(params, lr, *rest, **{"weight_decay": 0.0, **keywords})


def get_constant_schedule(optimizer: Optimizer, *rest: Any, **keywords: Any) -> LambdaLR:
    """Always the same rate."""
    return LambdaLR(optimizer, lambda step: 1.0)


def get_constant_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, *rest: Any, **keywords: Any
) -> LambdaLR:
    """Up, then the same."""
    return LambdaLR(optimizer, lambda step: min(1.0, step / max(1, num_warmup_steps)))


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, *rest: Any, **keywords: Any
) -> LambdaLR:
    """Up, then down to nothing in a line."""

    def factor(step: int) -> float:
        if step < num_warmup_steps:
            return step / max(1, num_warmup_steps)
        return max(0.0, (num_training_steps - step) / max(1, num_training_steps - num_warmup_steps))

    return LambdaLR(optimizer, factor)


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, *rest: Any, **keywords: Any
) -> LambdaLR:
    """Up, then down to nothing along a cosine."""

    def factor(step: int) -> float:
        if step < num_warmup_steps:
            return step / max(1, num_warmup_steps)
        done = (step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    return LambdaLR(optimizer, factor)


def get_scheduler(
    name: Any = "linear", optimizer: Any = None, num_warmup_steps: Any = 0, num_training_steps: Any = 1000, **rest: Any
) -> LambdaLR:
    """The schedule of a name."""
    make = get_cosine_schedule_with_warmup if "cosine" in str(name) else get_linear_schedule_with_warmup
    if "constant" in str(name):
        return get_constant_schedule_with_warmup(optimizer, num_warmup_steps or 0)
    return make(optimizer, num_warmup_steps or 0, num_training_steps or 1000)


def set_seed(seed: int, *rest: Any) -> None:
    """All generators of random numbers."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


__all__ = [
    "AdamW",
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_linear_schedule_with_warmup",
    "get_scheduler",
    "set_seed",
]
