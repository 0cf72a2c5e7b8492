"""Predictions are brought back by another statistic than the one that scaled the target.

## What it does
Compares what scaled the target for training with what un-scales the predictions: the statistics and the data they were taken
from, or the scaler and what it was fitted on. Another name for the same statistic is the same statistic. Reported too:
predictions multiplied back by the maximum of the training targets, where the network was given inputs divided by another
maximum than the training inputs.

## Why it matters
The round trip of the target is not the identity: every prediction is off by a factor and an offset, whatever the network has
learned. With the statistics of the test targets the error is also measured with knowledge that no prediction has.
Source: scikit-learn, TransformedTargetRegressor: the inverse is the function that undoes the one the target went through
(https://scikit-learn.org/stable/modules/compose.html#transforming-target-in-regression).

## Example
```python
y_train = (y_train - y_train.mean()) / y_train.std()
...
prediction = model(x_test) * y_test.std() + y_test.mean()
```

Use instead:
```python
mean, std = y_train.mean(), y_train.std()
y_train = (y_train - mean) / std
...
prediction = model(x_test) * std + mean
```

## Witness
The target, scaled and brought back, is not the target.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run
from nnlint.finding import Severity
from nnlint.graph import ancestors, networks_behind
from nnlint.held_out import Foreign, foreign_scalings
from nnlint.identity import key_of
from nnlint.inverses import Unscaling, is_of_prediction, unscalings
from nnlint.roles import comparisons
from nnlint.rule import Problem, Rule
from nnlint.scaling import Scaling, scalings_behind
from nnlint.values import Value


def check(run: Run) -> Iterator[Problem]:
    """One problem for each prediction that is brought back wrongly."""
    for unscaling in unscalings(run):
        if not is_of_prediction(run, unscaling):
            continue
        learned = _scalings_of_target(run, unscaling.subject)
        if not learned:
            continue
        foreign = _foreign_input(run, unscaling)
        if all(_differs(unscaling, scaling) for scaling in learned):
            yield _mismatch(unscaling, learned[0])
        elif foreign is not None and all(scaling.kind == "ratio" for scaling in learned):
            yield _foreign_ratio(unscaling, learned[0], foreign)


def _scalings_of_target(run: Run, prediction: Value) -> list[Scaling]:
    """What scaled the targets that the network of a prediction learned; nothing where any of them was not, or is not known."""
    networks = {id(network) for network in networks_behind(prediction)}
    found: list[Scaling] = []
    for comparison in comparisons(run):
        if comparison.trains and _is_by(comparison.prediction, networks):
            scalings = scalings_behind(comparison.target)
            if not scalings:
                return []
            found.extend(scalings)
    return found


def _is_by(prediction: Value | None, networks: set[int]) -> bool:
    return not networks or any(id(network) in networks for network in networks_behind(prediction))


def _differs(unscaling: Unscaling, scaling: Scaling) -> bool:
    """Whether the un-scaling certainly takes other statistics, or a scaler that was fitted on other data."""
    if unscaling.undoes(scaling):
        return False
    bases = {key_of(base) for base in scaling.bases}
    if unscaling.scaler is not None:
        return unscaling.fitted is not None and key_of(unscaling.fitted) not in bases
    return scaling.scaler is None


def _foreign_input(run: Run, unscaling: Unscaling) -> Foreign | None:
    foreign = [each for each in foreign_scalings(run) if each.scaling.kind == "ratio" and not each.overwritten]
    if not foreign:
        return None
    behind = {id(data) for data in ancestors(unscaling.subject)}
    return next((each for each in foreign if id(each.scaling.result) in behind), None)


def _mismatch(unscaling: Unscaling, scaling: Scaling) -> Problem:
    assert unscaling.result.at is not None
    return Problem(
        unscaling.result.at,
        "predictions are brought back by another statistic than the one that scaled the target, so all of them are off",
        label="not what scaled the target",
        related=() if scaling.result.at is None else ((scaling.result.at, "the target is scaled here"),),
        help="keep the statistics (or the scaler) of the training targets and bring the predictions back by them",
    )


def _foreign_ratio(unscaling: Unscaling, scaling: Scaling, foreign: Foreign) -> Problem:
    assert unscaling.result.at is not None
    related = [] if scaling.result.at is None else [(scaling.result.at, "the target is scaled here")]
    return Problem(
        unscaling.result.at,
        "predictions are brought back by a ratio of the training data, though their inputs were scaled by another one",
        label="holds for inputs scaled like the training inputs only",
        related=(*related, (foreign.at, "the inputs are scaled here, by their own statistic")),
        help="scale the inputs by the statistic of the training inputs",
    )


rule = Rule(__name__, __doc__, check, code="NN404", severity=Severity.ERROR, since="0.1")
