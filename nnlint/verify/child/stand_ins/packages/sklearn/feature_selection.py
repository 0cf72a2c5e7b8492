"""Selections of features: the columns that tell most of the classes, or that vary at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins.packages.sklearn.preprocessing import _Fitted


def f_classif(data: Any, targets: Any) -> tuple[Any, Any]:
    """How much the targets tell of each column, and how likely that is by chance, which is not computed."""
    array, labels = np.asarray(data, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    centred, other = array - array.mean(0), labels - labels.mean()
    spread = np.sqrt((centred**2).sum(0) * (other**2).sum()) + 1e-12
    return np.abs(other @ centred) / spread, np.zeros(array.shape[1])


f_regression = chi2 = f_classif


def mutual_info_classif(data: Any, targets: Any, **rest: Any) -> Any:
    """How much the targets tell of each column."""
    return f_classif(data, targets)[0]


mutual_info_regression = mutual_info_classif


class _Selection(_Fitted):
    """Keeps some of the columns, in their order."""

    chosen: Any

    def fit_transform(self, data: Any, *rest: Any) -> Any:
        """Look at the data and keep some columns of them."""
        return self.fit(data, *rest).transform(data)

    def transform(self, data: Any) -> Any:
        """Some columns."""
        return np.asarray(data)[:, self.chosen]

    def get_support(self, indices: bool = False) -> Any:
        """Which columns are kept."""
        return self.chosen if indices else np.isin(np.arange(self.count), self.chosen)

    count = 0


class SelectKBest(_Selection):
    """The columns with the highest scores."""

    def __init__(self, score_func: Any = f_classif, *, k: Any = 10) -> None:
        self.score_func, self.k = score_func, k

    def fit(self, data: Any, targets: Any = None, *rest: Any) -> SelectKBest:
        """Score each column."""
        scores = self.score_func(data, targets)
        self.scores_ = scores[0] if isinstance(scores, tuple) else scores
        self.count = len(self.scores_)
        kept = self.count if self.k == "all" else int(self.k)
        self.chosen = np.sort(np.argsort(self.scores_)[::-1][:kept])
        return self


class VarianceThreshold(_Selection):
    """The columns that vary by more than a threshold."""

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold

    def fit(self, data: Any, *rest: Any) -> VarianceThreshold:
        """Take the variance of each column."""
        self.variances_ = np.asarray(data, dtype=np.float64).var(0)
        self.count = len(self.variances_)
        self.chosen = np.flatnonzero(self.variances_ > self.threshold)
        return self
