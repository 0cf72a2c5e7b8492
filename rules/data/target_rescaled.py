"""The target is multiplied by a large constant for training.

## What it does
Follows the target of a regression loss back to a multiplication or division by a constant of ten or more: where the data are
prepared, in a data set, or in the argument of the loss. It keeps silent where the constant is undone on the predictions, where it
is the range of pixels, where it brings the target into the range of a network that ends in a sigmoid, where it belongs to a
formula that makes the data up, and where a sum is divided by the number of its terms. A division is advice: it mostly brings the
target nearer to where a network begins, as in prices by the thousand. So is any constant that another script may undo on the
answers: where the trained network is saved, by the script or by a trainer, where the target is prepared in a file that others
import, and where nothing calls the function that learns. What is left is a script that has the whole training, and no use for
what comes of it but its own. Of 15 warnings that were read in public code, before that was so, 2 were true: eleven of the others
are silent or advice now, and the last two, whose code could not be read again, were of targets whose answers are brought back
elsewhere. How often a warning is wrong now is not known.

## Why it matters
The output must grow by the factor, and with it the weights of the last layers; gradients of a squared loss grow too. Learning
rate and weight decay then no longer mean what they usually do: a search ends at a weight decay above 1, because only such a
decay holds weights that were made a hundred times too large.
Source: comp.ai.neural-nets FAQ, part 2, "Should I normalize/standardize/rescale the data?"
(http://www.faqs.org/faqs/ai-faq/neural-nets/part2/).

## Example
```python
loss = criterion(model(x), score * 100)
```

Use instead:
```python
loss = criterion(model(x), score)
```

## Witness
The best weight decay, or the norm of the last layer's weights, moves by the factor; the same run without it needs less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnlint.events import OptimizerStepped, Run, ValueSeen
from nnlint.facts.rescaling import (
    Rescaling,
    is_average,
    is_brought_into_range,
    is_done_to_both,
    is_made_up,
    is_number,
    is_picture,
    is_undone,
    may_be_undone_elsewhere,
    rescalings_behind,
)
from nnlint.facts.roles import (
    Comparison,
    comparisons,
    is_computed_by_weights,
    is_reward,
    is_target_in_input,
    masks_prediction,
)
from nnlint.finding import Severity, Verdict
from nnlint.mending.controls import left_out
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.witness import Case, confirmed, last, not_reached, numbers, refuted, unverified
from nnlint.words import ARRAYS, COMPARED, TRAINING

LEAST = 9.0
"""A smaller factor, up or down, is none that this rule speaks of."""

SAME = 0.01
"""Factors that differ by less than this part of them are the same."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constant that a target for training was multiplied or divided by."""
    for comparison in comparisons(run):
        if not comparison.trains:
            continue
        for rescaling in rescalings_behind(comparison.target):
            if _changes_target(run, comparison, rescaling):
                yield _problem(run, comparison, rescaling)


def _changes_target(run: Run, comparison: Comparison, rescaling: Rescaling) -> bool:
    return not (
        is_number(rescaling)
        or is_computed_by_weights(rescaling.subject)
        or is_reward(rescaling.result)
        or is_average(rescaling)
        or is_picture(rescaling)
        or is_brought_into_range(rescaling, comparison)
        or is_made_up(rescaling, comparison)
        or is_target_in_input(comparison)
        or masks_prediction(comparison)
        or is_undone(run, rescaling)
        or is_done_to_both(rescaling, comparison)
    )


def _problem(run: Run, comparison: Comparison, rescaling: Rescaling) -> Problem:
    done = "divided" if rescaling.divides else "multiplied"
    assert rescaling.result.at is not None
    return Problem(
        rescaling.result.at,
        f"the target is {done} by {rescaling.factor:g}, so the best learning rate and weight decay change with it",
        label=f"{done} by {rescaling.factor:g}, and no prediction is brought back",
        related=() if comparison.at is None else ((comparison.at, "the target is learned here"),),
        help="train on the target in its own unit, or standardise it and bring the predictions back",
        severity=Severity.ADVICE if rescaling.divides or may_be_undone_elsewhere(run, rescaling) else Severity.WARNING,
        control=left_out(rescaling.result.at, "learn the target in its own unit"),
    )


def witness(case: Case) -> Verdict:
    """Whether the target is moved by the factor, and how far the weights have to grow for it."""
    seen = [each for each in case.values() if "deviation" in each.numbers]
    if not seen:
        return not_reached(case)
    factors = [abs(factor) for factor in numbers(seen, "factor") or _ratios(seen)]
    if not factors:
        return unverified("the target before the scaling could not be measured")
    if 1 / LEAST < factors[0] < LEAST:
        return refuted(f"the target is scaled by {factors[0]:.3g} only", factor=factors[0])
    weights, without = _weight_norm(case.run), _weight_norm(case.mended)
    words = f"the target that the loss sees is {factors[0]:.4g} times the one that was given"
    if weights and without and math.isfinite(without):
        return confirmed(
            f"{words}; the norm of the weights ends at {weights:.3g}, without the factor at {without:.3g}",
            factor=factors[0],
            weight_norm=weights,
            weight_norm_without=without,
        )
    return confirmed(words, factor=factors[0])


def _ratios(seen: list[ValueSeen]) -> list[float]:
    """What single numbers are multiplied by, where it is the same for all of them."""
    pairs = [
        (each.numbers.get(f"{part}_mean", 0.0), each.numbers["mean"]) for each in seen for part in ("left", "argument")
    ]
    ratios = [after / before for before, after in pairs if before]
    return ratios[:1] if len(ratios) > 1 and max(ratios) - min(ratios) < SAME * abs(ratios[0]) else []


def _weight_norm(run: Run | None) -> float:
    return last(list(run.events(OptimizerStepped)), "weight_norm", 0.0) if run is not None else 0.0


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN402",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(COMPARED, ARRAYS | TRAINING),
    needs=needs(("multiply", "divide")),
)
