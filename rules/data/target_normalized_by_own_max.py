"""The target is divided by its own maximum.

## What it does
Follows the target of a loss (or of `fit`, or of the difference in a hand-written network) back to where the data were prepared,
and reports the place where they are divided by their own maximum, range, sum, norm or deviation, or put through a scaler that was
fitted on them. Columns and slices are followed: a whole array may be scaled before inputs and targets are cut from it. It is an
`error` where nothing brings the predictions back, a `warning` for mean and deviation, and `advice` where the maximum is kept and
multiplied back later, where mean and deviation standardise inputs and target as one array, where the scaler of the training
targets scales those of an evaluation, too, so that its errors have one unit, or where a scaler was fitted on all rows before some
were held out: what it has seen of them is the graver fault there (NN405).

## Why it matters
A maximum belongs to one set of samples. Divided by it, the target says how a sample compares with the largest of this set, not
how large it is: with y = 2x and both sides divided by their own maximum, the network is asked to copy its input. On data with
another maximum all predictions are off by the ratio of the two, and the loss shows nothing of it.
Source: comp.ai.neural-nets FAQ, part 2, "Should I normalize/standardize/rescale the data?"
(http://www.faqs.org/faqs/ai-faq/neural-nets/part2/).

## Example
```python
x = x / x.max()
y = y / y.max()
loss = criterion(model(x), y)
```

Use instead:
```python
loss = criterion(model(x), y)
```

or, where the range of the target is far from 1, one statistic of the training targets, kept for the predictions:
```python
y_mean, y_std = y_train.mean(), y_train.std()
loss = criterion(model(x), (y_train - y_mean) / y_std)
prediction = model(x_new) * y_std + y_mean
```

## Witness
The normalised target equals the normalised input, or predictions for data with another maximum are off by the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.fits import is_some_rows, leaks
from nnlint.facts.held_out import foreign_scalings
from nnlint.facts.inverses import is_held, is_inverted, is_kept
from nnlint.facts.roles import Comparison, comparisons, is_reward, is_target_in_input, upper_bound_of_rows
from nnlint.facts.scaling import Scaling, is_per_sample, scalings_behind
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending.controls import left_out
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Data
from nnlint.witness import Case, confirmed, harmless, not_reached, unverified
from nnlint.words import ARRAYS, COMPARED, MEASURED

BY = {
    "ratio": "its own {statistic}",
    "range": "its own minimum and maximum",
    "standard": "its own mean and deviation",
    "scaler": "a scaler fitted on it",
}
STATISTICS = {"max": "maximum", "min": "minimum", "norm": "norm", "sum": "sum", "mean": "mean", "median": "median"}
SAME = 0.01
"""Values that differ by less than this part are the same."""

USUAL = frozenset({"standard", "range", "scaler"})
"""Scalings that are good practice where they are undone."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each scaling that made a target for training."""
    for comparison in comparisons(run):
        if not comparison.trains or _compares_shapes(comparison):
            continue
        for scaling in scalings_behind(comparison.target):
            if _is_of_target(scaling) and not is_target_in_input(comparison):
                yield from _problem(run, comparison, scaling)


def _compares_shapes(comparison: Comparison) -> bool:
    """Whether the prediction is scaled by itself too: then the loss compares shapes, as a correlation does, and no values."""
    return any(scaling.is_of_same_array for scaling in scalings_behind(comparison.prediction))


def _is_of_target(scaling: Scaling) -> bool:
    return (
        scaling.is_of_same_array
        and not is_per_sample(scaling.result)
        and not is_reward(scaling.result)
        and not _is_predicted(scaling)
    )


def _is_predicted(scaling: Scaling) -> bool:
    """Whether the target comes from a network itself: a teacher, a bootstrapped value."""
    return any(data.operation == "output" for data in ancestors(scaling.subject))


def _problem(run: Run, comparison: Comparison, scaling: Scaling) -> Iterator[Problem]:
    severity = _severity(run, comparison, scaling)
    if severity is None or scaling.result.at is None:
        return
    harm = "predictions mean nothing until they are brought back"
    if severity is not Severity.ADVICE:
        harm = "the network learns no value that holds for other data"
    verb = "divided" if scaling.kind == "ratio" else "scaled"
    yield Problem(
        scaling.result.at,
        f"the target is scaled by {_by(scaling)}, so {harm}",
        label=f"{verb} by {_by(scaling)}" if scaling.scaler is None else "fitted on the target",
        related=() if comparison.at is None else ((comparison.at, "the target is learned here"),),
        help="train on the target in its own unit, or keep the statistics of the training targets and bring predictions back",
        severity=severity,
        control=left_out(scaling.result.at, "learn the target in its own unit"),
    )


def _severity(run: Run, comparison: Comparison, scaling: Scaling) -> Severity | None:
    """How grave the scaling is: None where it is undone as it should be."""
    undone = is_inverted(run, scaling)
    if undone and scaling.kind == "ratio" and foreign_scalings(run):
        return Severity.ERROR
    if undone or is_kept(scaling):
        return None if scaling.kind in USUAL else Severity.ADVICE
    if scaling.kind in USUAL and _is_by_first_rows(scaling):
        return None
    if scaling.kind == "standard":
        return _severity_of_standard(comparison, scaling)
    if scaling.scaler is not None and (
        _is_one_for_all(run, comparison, scaling) or _scales_held_out_targets(run, scaling)
    ):
        return Severity.ADVICE
    is_mild = isinstance(scaling.scaler, Data) and scaling.scaler.name == "StandardScaler"
    return Severity.WARNING if is_mild else Severity.ERROR


def _is_by_first_rows(scaling: Scaling) -> bool:
    """Whether all is scaled by the statistics of its first rows, those to train on: they hold for the others, too."""
    ends = [upper_bound_of_rows(base) for base in scaling.bases]
    return bool(ends) and all(ends) and upper_bound_of_rows(scaling.subject) not in ends


def _is_one_for_all(run: Run, comparison: Comparison, scaling: Scaling) -> bool:
    """Whether the scaler was fitted on all rows before a part was held out: its values hold for that part, too, and the fault is
    that it has seen it (NN405)."""
    return is_some_rows(comparison.target) and any(
        scaling.result is result for leak in leaks(run) for result in leak.transform.results
    )


def _scales_held_out_targets(run: Run, scaling: Scaling) -> bool:
    """Whether the targets of an evaluation went through the same scaler: what is learned holds for them, in its unit."""
    asked = (each.target for each in comparisons(run) if not each.trains)
    return any(other.scaler is scaling.scaler for target in asked for other in scalings_behind(target))


def _severity_of_standard(comparison: Comparison, scaling: Scaling) -> Severity | None:
    if is_held(scaling):
        return None
    with_inputs = any(data is scaling.result for data in ancestors(comparison.prediction))
    return Severity.ADVICE if with_inputs else Severity.WARNING


def _by(scaling: Scaling) -> str:
    statistic = scaling.statistics[0].operation if scaling.statistics else "norm"
    return BY[scaling.kind].format(statistic=STATISTICS.get(statistic, statistic))


def witness(case: Case) -> Verdict:
    """Whether the target that is learned lies on a scale of its own: by which factor, and what that makes of other data."""
    seen = [each for each in case.values() if "deviation" in each.numbers]
    if not seen:
        return not_reached(case)
    numbers = seen[0].numbers
    raw = max((numbers[f"{part}_max"] for part in ("argument", "left") if f"{part}_max" in numbers), default=None)
    if raw is None:
        return unverified("the target before the scaling could not be measured")
    largest, factor = numbers["max"], numbers.get("factor", math.nan)
    if abs(largest - raw) <= SAME * max(abs(largest), abs(raw)):
        return harmless(
            f"the scaling leaves the target as it is: its largest value is {raw:.4g} before and after", largest=raw
        )
    return confirmed(
        f"the largest target is {raw:.4g}, the network learns {largest:.4g} for it: for data whose largest is twice that, all "
        "predictions are off by a factor of 2",
        raw_max=raw,
        scaled_max=largest,
        factor=factor,
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN401",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(MEASURED, COMPARED, ARRAYS),
    needs=needs(("divide", "scaled", "normalize")),
)
