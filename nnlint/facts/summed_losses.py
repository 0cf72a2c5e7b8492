"""Losses that are summed, not averaged: their gradients grow with the batch and the picture, and numbers beside them differ."""

from __future__ import annotations

from nnlint.events import Backward, Run
from nnlint.graph import ancestors_of_all
from nnlint.operations import LOSS_OPERATIONS
from nnlint.values import Constant, Data, truth


def sums_its_loss(run: Run) -> bool:
    """Whether anything that the run differentiates is a sum over samples, or may be one."""
    return run.remember("summed loss", run, _sums)


def _sums(run: Run) -> bool:
    losses = [event.loss for event in run.events(Backward)]
    return any(is_sum(data) for data in ancestors_of_all(losses, stop=_is_given))


def _is_given(data: Data) -> bool:
    """Whether the loss proper ends here: what lies behind was summed by the network, or by those who made the data."""
    return data.operation == "output" or data.operation in LOSS_OPERATIONS


def is_sum(data: Data) -> bool:
    """Whether the data are a sum, or a loss that is not known to be a mean."""
    if data.operation == "sum":
        return True
    if data.operation not in LOSS_OPERATIONS:
        return False
    given = data.layer.arguments if data.layer is not None else data.options
    held = given.get("reduction")
    if held is not None and not (isinstance(held, Constant) and held.value == "mean"):
        return True
    return any(truth(given.get(name)) is False for name in ("size_average", "reduce"))
