"""Data sets: synthetic ones with the number of samples, features and classes of the original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins import synthetic
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.permissive import Attributes

SIZES: dict[str, tuple[int, int, int]] = {
    "load_iris": (150, 4, 3),
    "load_wine": (178, 13, 3),
    "load_breast_cancer": (569, 30, 2),
    "load_digits": (1797, 64, 10),
    "load_diabetes": (442, 10, 0),
    "load_boston": (506, 13, 0),
    "fetch_california_housing": (2000, 8, 0),
    "load_linnerud": (20, 3, 0),
    "fetch_covtype": (2000, 54, 7),
    "fetch_openml": (2000, 784, 10),
    "fetch_olivetti_faces": (400, 4096, 40),
}
"""Samples, features and classes (0: a number is to be predicted), by the function that loads them."""


class Bunch(Attributes):
    """What a function that loads a data set returns."""


def _loader(name: str, size: tuple[int, int, int]) -> Callable[..., Any]:
    samples, features, classes = size

    def load(*arguments: Any, return_X_y: bool = False, as_frame: bool = False, **keywords: Any) -> Any:
        stood_in(f"data set {name}")
        made = synthetic.clusters(samples, features, classes) if classes else synthetic.regression(samples, features)
        if return_X_y:
            return made
        names = [f"x{i}" for i in range(features)]
        targets = [f"class_{i}" for i in range(classes)]
        return Bunch(data=made[0], target=made[1], feature_names=names, target_names=np.array(targets), DESCR="")

    return load


globals().update({name: _loader(name, size) for name, size in SIZES.items()})


def make_classification(n_samples: int = 100, n_features: int = 20, n_classes: int = 2, **rest: Any) -> Any:
    """Clusters, one for each class."""
    return synthetic.clusters(n_samples, n_features, n_classes)


def make_blobs(n_samples: int = 100, n_features: int = 2, centers: Any = 3, **rest: Any) -> Any:
    """Clusters, one for each class."""
    return synthetic.clusters(n_samples, n_features, centers if isinstance(centers, int) else len(centers or (1, 2, 3)))


def make_regression(n_samples: int = 100, n_features: int = 100, n_targets: int = 1, **rest: Any) -> Any:
    """A smooth function."""
    inputs, target = synthetic.regression(n_samples, n_features)
    return inputs, target if n_targets == 1 else np.stack([target] * n_targets, 1)


def make_moons(n_samples: int = 100, noise: float | None = None, **rest: Any) -> Any:
    """Two half circles."""
    random = np.random.default_rng(61)
    labels = np.arange(n_samples) % 2
    angles = np.pi * random.uniform(size=n_samples)
    x = np.where(labels == 0, np.cos(angles), 1 - np.cos(angles))
    y = np.where(labels == 0, np.sin(angles), 0.5 - np.sin(angles))
    return np.stack([x, y], 1) + (noise or 0.0) * random.normal(size=(n_samples, 2)), labels


def make_circles(n_samples: int = 100, noise: float | None = None, factor: float = 0.8, **rest: Any) -> Any:
    """A circle in a circle."""
    random = np.random.default_rng(67)
    labels = np.arange(n_samples) % 2
    angles, radius = 2 * np.pi * random.uniform(size=n_samples), np.where(labels == 0, 1.0, factor)
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1)
    return points + (noise or 0.0) * random.normal(size=(n_samples, 2)), labels
