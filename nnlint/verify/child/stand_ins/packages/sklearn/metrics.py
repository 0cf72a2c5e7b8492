"""Measures."""

from __future__ import annotations

from typing import Any

import numpy as np


def _pair(truth: Any, prediction: Any) -> tuple[Any, Any]:
    return np.asarray(truth).reshape(-1), np.asarray(prediction).reshape(-1)


def accuracy_score(truth: Any, prediction: Any, **rest: Any) -> float:
    """The share of hits."""
    left, right = _pair(truth, prediction)
    return float((left == right).mean())


def confusion_matrix(truth: Any, prediction: Any, labels: Any = None, **rest: Any) -> Any:
    """How often each class was taken for each."""
    left, right = _pair(truth, prediction)
    names = np.unique(np.concatenate([left, right])) if labels is None else np.asarray(labels)
    return np.array([[int(((left == a) & (right == b)).sum()) for b in names] for a in names])


def precision_recall_fscore_support(truth: Any, prediction: Any, average: Any = None, **rest: Any) -> Any:
    """Averages over the classes."""
    matrix = confusion_matrix(truth, prediction)
    hits = np.diag(matrix)
    precision = float((hits / np.maximum(1, matrix.sum(0))).mean())
    recall = float((hits / np.maximum(1, matrix.sum(1))).mean())
    return precision, recall, 2 * precision * recall / max(1e-12, precision + recall), None


def precision_score(truth: Any, prediction: Any, **rest: Any) -> float:
    """The mean precision of the classes."""
    return float(precision_recall_fscore_support(truth, prediction)[0])


def recall_score(truth: Any, prediction: Any, **rest: Any) -> float:
    """The mean recall of the classes."""
    return float(precision_recall_fscore_support(truth, prediction)[1])


def f1_score(truth: Any, prediction: Any, **rest: Any) -> float:
    """Between precision and recall."""
    return float(precision_recall_fscore_support(truth, prediction)[2])


def classification_report(truth: Any, prediction: Any, **rest: Any) -> Any:
    """The accuracy."""
    value = accuracy_score(truth, prediction)
    return {"accuracy": value} if rest.get("output_dict") else f"accuracy {value:.2f}"


def mean_squared_error(truth: Any, prediction: Any, squared: bool = True, **rest: Any) -> float:
    """The mean square of the errors, or its root."""
    left, right = _pair(truth, prediction)
    value = float(((left - right) ** 2).mean())
    return value if squared else value**0.5


def mean_absolute_error(truth: Any, prediction: Any, **rest: Any) -> float:
    """The mean error."""
    left, right = _pair(truth, prediction)
    return float(np.abs(left - right).mean())


def mean_absolute_percentage_error(truth: Any, prediction: Any, **rest: Any) -> float:
    """The mean error by the truth."""
    left, right = _pair(truth, prediction)
    return float((np.abs(left - right) / np.maximum(1e-12, np.abs(left))).mean())


def r2_score(truth: Any, prediction: Any, **rest: Any) -> float:
    """The share of the variance that is explained."""
    left, right = _pair(truth, prediction)
    return 1.0 - float(((left - right) ** 2).sum()) / max(1e-12, float(((left - left.mean()) ** 2).sum()))


def roc_auc_score(truth: Any, score: Any, **rest: Any) -> float:
    """The area under the ROC curve."""
    left, right = _pair(truth, score)
    if len(left) != len(right):
        return 0.5
    ones, zeros = right[left > 0.5], right[left <= 0.5]
    if not len(ones) or not len(zeros):
        return 0.5
    return float((ones[:, None] > zeros[None]).mean() + 0.5 * (ones[:, None] == zeros[None]).mean())
