"""Data that can be learned, of any shape: class prototypes with noise, smooth functions for regression, words in a fixed grammar.

All of it follows from a seed and an index, so two runs see the same, and nothing is kept that was not asked for.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

TRAINING_SAMPLES = 2000
TEST_SAMPLES = 500
"""Batches of 50 or 100 leave no smaller one at the end, as with 60,000 or 50,000 samples: some scripts rely on it."""

GRID = 7
"""Prototypes are random fields of this many cells, made smooth: a convolution and a linear layer can both tell them apart."""

NOISES = 61

LARGE = 50_000
"""Images of more numbers vary less, to be made fast."""


@functools.lru_cache(maxsize=64)
def prototypes(classes: int, shape: tuple[int, ...], sparse: bool = False) -> Array:
    """One image in [0, 255] for each class; `shape` is (height, width, channels). Sparse ones are mostly black, like digits."""
    height, width, channels = shape
    random = np.random.default_rng(7)
    coarse = random.normal(size=(classes, GRID, GRID, channels)).astype(np.float32)
    rows, columns = np.linspace(0, GRID - 1, height), np.linspace(0, GRID - 1, width)
    smooth = _interpolated(_interpolated(coarse, rows, 1), columns, 2)
    if sparse:
        return np.where(smooth > 0.7, 255, 0).astype(np.int16)
    return np.clip(120.0 + 70.0 * smooth, 0, 255).astype(np.int16)


def _interpolated(values: Array, positions: Array, axis: int) -> Array:
    below = np.minimum(positions.astype(int), values.shape[axis] - 2)
    share = (positions - below).astype(np.float32)
    share = share.reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    result: Array = np.take(values, below, axis) * (1 - share) + np.take(values, below + 1, axis) * share
    return result


@functools.lru_cache(maxsize=8)
def _noise(shape: tuple[int, ...]) -> Array:
    kinds = NOISES if np.prod(shape) < LARGE else 7
    return np.random.default_rng(11).normal(0.0, 40.0, (kinds, *shape)).astype(np.int16)


@functools.lru_cache(maxsize=64)
def labels(count: int, classes: int, part: int = 0) -> Array:
    """The class of each sample: all equally often, in a random order. `part` tells training from test data."""
    return np.random.default_rng(13 + part).permutation(np.arange(count) % classes).astype(np.int64)


def image(label: int, index: int, classes: int, shape: tuple[int, ...], sparse: bool = False) -> Array:
    """The picture of one sample, as unsigned bytes (height, width, channels)."""
    noises = _noise(shape)
    clear, noise = prototypes(classes, shape, sparse)[label % classes], noises[index % len(noises)]
    if np.prod(shape) < LARGE:
        clear = np.roll(clear, (index % 3 - 1, index // 3 % 3 - 1), (0, 1))
        noise = np.roll(noise, index // len(noises), 0)
    noisy = clear + (noise if not sparse else np.where(np.abs(noise) > 60, 2 * noise, 0))
    result: Array = np.clip(noisy, 0, 255).astype(np.uint8)
    return result


def regression(count: int, features: int, seed: int = 17) -> tuple[Array, Array]:
    """Inputs and a smooth function of them with a little noise."""
    random = np.random.default_rng(seed)
    weights = np.random.default_rng(19).normal(size=(features, 3)) / np.sqrt(features)
    inputs = random.normal(size=(count, features))
    mixed = inputs @ weights
    targets = mixed[:, 0] + np.sin(2 * mixed[:, 1]) + 0.3 * mixed[:, 2] + 0.05 * random.normal(size=count)
    return inputs.astype(np.float64), targets.astype(np.float64)


def clusters(count: int, features: int, classes: int, seed: int = 23) -> tuple[Array, Array]:
    """Inputs around one centre for each class, and the classes."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(29).normal(size=(classes, features)) * 1.5
    targets = labels(count, classes, seed)
    return (centres[targets] + random.normal(size=(count, features))).astype(np.float64), targets


def series(count: int, columns: int, seed: int = 31) -> Array:
    """Time series that can be predicted: a trend, two waves and a little noise in each column."""
    random = np.random.default_rng(seed)
    time = np.arange(count)[:, None]
    phases, scales = random.uniform(0, 6, columns), random.uniform(0.8, 1.2, columns)
    waves = np.sin(time / 12.0 + phases) + 0.5 * np.sin(time / 41.0 + 2 * phases) + time / count
    result: Array = 50.0 + 10.0 * scales * waves + 0.3 * random.normal(size=(count, columns))
    return result


WORDS = (
    "the a one this man woman child dog cat bird house river stone sees finds takes leaves likes near under with "
    "big small old young good bad red green quickly slowly often never and but so then here there now today"
).split()


def sentence(index: int, label: int = 0, length: int = 12) -> str:
    """Words of a fixed grammar; the label shows in which words are frequent."""
    random = np.random.default_rng(37 + index)
    word, words = int(random.integers(len(WORDS))), []
    for place in range(length):
        words.append(WORDS[word if place % 3 else (5 * label + int(random.integers(4))) % len(WORDS)])
        word = (3 * word + 1 + label * 5 + int(random.integers(3))) % len(WORDS)
    return " ".join(words)
