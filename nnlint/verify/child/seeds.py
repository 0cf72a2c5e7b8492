"""Another draw of everything random: the seeds that a script sets itself are moved, too."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import torch

NUMPY_SEEDED = ("seed", "default_rng")


def seed_all(seed: int, numpy: Any) -> None:
    """Seed the generators; a seed other than 0 is also added to every number that the script seeds them with later."""
    random.seed(seed)
    torch.manual_seed(seed)
    if numpy is not None:
        numpy.random.seed(seed)
    if seed:
        _move(random, "seed", seed)
        _move(torch, "manual_seed", seed)
        _move(torch.random, "manual_seed", seed)
        for name in NUMPY_SEEDED if numpy is not None else ():
            _move(numpy.random, name, seed)


def _move(owner: Any, name: str, by: int) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original, updated=())
    def moved(*arguments: Any, **keywords: Any) -> Any:
        first, *rest = arguments or (None,)
        if "seed" in keywords and isinstance(keywords["seed"], int):
            keywords = {**keywords, "seed": keywords["seed"] + by}
        return original(*((first + by, *rest) if isinstance(first, int) else arguments), **keywords)

    setattr(owner, name, moved)
