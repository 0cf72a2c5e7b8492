"""Losses that take log-probabilities: what they were given instead, the softmax that would be right, and what a run shows."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.events import LossComputed
from nnlint.facts.scales import Ending, Scale
from nnlint.finding import Applicability, Fix, Verdict
from nnlint.mending import edits
from nnlint.mending.renaming import called_instead
from nnlint.values import Site
from nnlint.witness import confirmed, numbers

LOGARITHMIC = {"softmax": "log_softmax", "Softmax": "LogSoftmax"}
ROUNDING = 1e-3
"""How far 32-bit (or 16-bit) logarithms of probabilities may be above 0, and the sums of probabilities from 1."""


def given_instead(found: Sequence[Ending]) -> Ending:
    """The ending to speak of, of those that are no log-probabilities: raw outputs, if there are any."""
    return next((each for each in found if each.scale is Scale.RAW), found[0])


def shown(ending: Ending) -> tuple[tuple[Site, str], ...]:
    """The place of an ending and what it gives, as a problem relates them."""
    return ((ending.at, f"gives {ending.scale.value}"),) if ending.at is not None else ()


def with_logarithm(softmax: Ending) -> Fix | None:
    """A softmax becomes one that is followed by the logarithm."""
    return edits.fix(Applicability.UNSAFE, "use log_softmax", called_instead(softmax.at, LOGARITHMIC))


def above_zero(seen: list[LossComputed]) -> Verdict | None:
    """The verdict on losses that received what no log-probability can be; None where no number was above 0."""
    highest = max(numbers(seen, "prediction_max"))
    if highest <= ROUNDING:
        return None
    return confirmed(
        f"the loss receives numbers up to {highest:.3g}; a log-probability is never above 0", highest=highest
    )
