"""Splits into parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def train_test_split(
    *arrays: Any,
    test_size: Any = None,
    train_size: Any = None,
    random_state: Any = None,
    shuffle: bool = True,
    **rest: Any,
) -> list[Any]:
    """Two parts of each array."""
    count = len(arrays[0])
    share = test_size if test_size is not None else 1 - train_size if train_size is not None else 0.25
    tested = int(share) if share >= 1 else max(1, round(count * share))
    order = np.random.default_rng(random_state if isinstance(random_state, int) else 71).permutation(count)
    order = order if shuffle else np.arange(count)
    return [_taken(array, part) for array in arrays for part in (order[: count - tested], order[count - tested :])]


def _taken(array: Any, indices: Any) -> Any:
    if isinstance(array, list):
        return [array[i] for i in indices]
    return array.iloc[indices] if hasattr(array, "iloc") else array[indices]


class KFold:
    """Each part in turn is the one for tests."""

    def __init__(self, n_splits: int = 5, shuffle: bool = False, random_state: Any = None, **rest: Any) -> None:
        self.n_splits, self.shuffle = n_splits, shuffle

    def split(self, data: Any, *rest: Any) -> Iterator[tuple[Any, Any]]:
        """Indices for training and for tests."""
        order = np.random.default_rng(73).permutation(len(data)) if self.shuffle else np.arange(len(data))
        for part in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, part), part

    def get_n_splits(self, *rest: Any) -> int:
        """How many parts there are."""
        return self.n_splits


StratifiedKFold = TimeSeriesSplit = ShuffleSplit = StratifiedShuffleSplit = GroupKFold = KFold
