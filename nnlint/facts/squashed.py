"""Losses whose gradient is small, because it goes through the slope of a sigmoid."""

from __future__ import annotations

from nnlint.events import LossComputed, Run
from nnlint.graph import content
from nnlint.values import Data

SQUARES = frozenset({"mse_loss"})


def compares_sigmoids(run: Run) -> bool:
    """Whether all losses of a run are mean squares of what sigmoids give: the slope, a quarter at most, is a factor of every
    gradient, where the logarithm of a cross-entropy would have taken it out."""
    losses = list(run.events(LossComputed))
    return bool(losses) and all(event.kind in SQUARES and _is_sigmoid(event) for event in losses)


def _is_sigmoid(event: LossComputed) -> bool:
    ends = content(event.prediction)
    return bool(ends) and all(isinstance(each, Data) and each.operation == "sigmoid" for each in ends)
