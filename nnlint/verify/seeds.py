"""Several seeds: which effects are too close to call by one of them, and what all of them together say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

from nnlint.finding import Finding
from nnlint.trials import Arm
from nnlint.verify.arms import Plan
from nnlint.verify.effects import Effect, harm, threshold

FURTHER = (1, 2)
"""The seeds that are tried where the first leaves it open."""

NEAR = (0.4, 2.5)
"""A cost between these multiples of the least that counts is looked at again."""

MEANS = ("as_written", "mended", "change", "all_mended", "all_but_this")


def doubtful(effects: Mapping[Finding, Effect]) -> list[Finding]:
    """The findings of which one seed cannot tell whether mending them changes anything."""
    return [finding for finding, effect in effects.items() if _is_near(harm(effect), threshold(effect))]


def _is_near(cost: float, least: float) -> bool:
    return NEAR[0] * least < cost < NEAR[1] * least


def repeated(plans: Iterable[Plan], findings: Sequence[Finding]) -> list[Plan]:
    """The mended runs that have to be made again to know more of these findings."""
    codes = {finding.code for finding in findings}
    plans = list(plans)
    left = [plan for plan in plans if plan.but in codes]
    return [
        plan
        for plan in plans
        if plan in left or (plan.is_whole and left) or (not plan.but and plan.mended[0] in findings)
    ]


def is_other(first: Arm, again: Arm) -> bool:
    """Whether another seed made another run: a script may draw nothing at random."""
    return first.scores != again.scores


def pooled(by_seed: Sequence[Mapping[Finding, Effect]]) -> dict[Finding, Effect]:
    """The effects under the first seed, with those under further ones averaged in where they were measured.

    The noise is what the means may be off: by the unrest within the runs, or by the spread between the seeds, whichever is
    larger. Averaged is what was measured over the same steps. Where some effects are of several `seeds`, each says of how many it
    is.
    """
    first, *further = by_seed
    found, is_pooled = {}, False
    for finding, effect in first.items():
        known = dict(effect)
        others = [dict(each[finding]) for each in further if finding in each]
        same = [known, *(other for other in others if _is_alike(known, other))]
        found[finding] = _mean(same)
        is_pooled |= len(same) > 1
    return found if is_pooled else dict(first)


def _is_alike(effect: Mapping[str, float | str], again: Mapping[str, float | str]) -> bool:
    return all(effect.get(name) == again.get(name) for name in ("measure", "steps", "steps_of_rest"))


def _mean(effects: Sequence[Mapping[str, float | str]]) -> Effect:
    count = len(effects)
    values: dict[str, float | str] = {**effects[0], "seeds": float(count)}
    for name in MEANS:
        found = _numbers(effects, name)
        if len(found) == count:
            values[name] = fmean(found)
        else:
            values.pop(name, None)
    if count > 1:
        within = math.sqrt(fmean(noise**2 for noise in _numbers(effects, "noise")) / count)
        values["noise"] = max(within, stdev(_numbers(effects, "change")) / math.sqrt(count))
    return tuple(values.items())


def _numbers(effects: Sequence[Mapping[str, float | str]], name: str) -> list[float]:
    return [value for effect in effects if isinstance(value := effect.get(name), float)]
