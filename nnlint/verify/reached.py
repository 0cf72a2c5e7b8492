"""What a run reaches: the one number of its scores, and of its losses, that every line about it tells.

It is the mean over the last quarter of the steps that are compared, as `nnlint.witness.settled` has it of losses: a single score
depends on where the run was stopped. Runs of one script are compared over the same steps, those that most of them took; a run
that ended earlier is told with its own. A run that was made again with other seeds is told by the mean over the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean, median_low

from nnlint.trials import Arm
from nnlint.witness import settled

QUARTER = 4

SMOOTHED = 3
"""So many scores are averaged at least."""

WORST = -1.0
"""R² has no lower bound; what lies below this is as bad as this."""

NEARLY = 0.8
"""A run that took this part of the steps of most runs took as many: the others are compared with it there."""


def is_comparable(arm: Arm) -> bool:
    """Whether a run has scores that stand for what its script reaches."""
    return bool(arm.scores) and arm.ended not in ("raised", "lost")


def common_steps(arms: Iterable[Arm]) -> int:
    """The steps over which the runs of a script are compared."""
    taken = [arm.steps for arm in arms if is_comparable(arm)]
    usual = median_low(taken) if taken else 0
    return min((steps for steps in taken if steps >= NEARLY * usual), default=0)


def level(arm: Arm, steps: int) -> tuple[float, float]:
    """The mean score over the last quarter of a run up to a step, and how far that mean may be off (its standard error)."""
    values = [max(WORST, value) for at, value in arm.scores if at <= steps]
    tail = values[-max(SMOOTHED, len(values) // QUARTER) :]
    if not tail:
        return WORST, 0.0
    mean = fmean(tail)
    variance = sum((value - mean) ** 2 for value in tail) / max(1, len(tail) - 1)
    return mean, math.sqrt(variance / len(tail))


def told(arms: Sequence[Arm], again: Sequence[Sequence[Arm]] = ()) -> list[Arm]:
    """The runs with what they reach; `again` are those that were made once more, with one further seed each."""
    steps = common_steps(arms)
    return [_told(arm, steps, [each for seed in again for each in seed if each.label == arm.label]) for arm in arms]


def _told(arm: Arm, steps: int, again: Sequence[Arm]) -> Arm:
    after = min(steps, arm.steps) if is_comparable(arm) else arm.steps
    same = [arm, *(each for each in again if is_comparable(each) and each.steps >= after)]
    return replace(
        arm,
        after=after,
        seeds=len(same),
        score=fmean(level(each, after)[0] for each in same) if arm.scores else None,
        loss=fmean(_loss(each, after) for each in same) if arm.losses else None,
    )


def _loss(arm: Arm, steps: int) -> float:
    """The same of its losses, of which there may be several, or none, to a step."""
    share = steps / arm.steps if 0 < steps < arm.steps else 1.0
    return settled([value for _, value in arm.losses[: max(1, round(share * len(arm.losses)))]])
