"""Predictions are brought back by another statistic than the one that scaled the target.

## What it does
Compares what scaled the target for training with what un-scales the predictions: the statistics and the data they were taken
from, or the scaler and what it was fitted on, also where the scaler is undone by hand. Another name for the same statistic is
the same statistic. Reported too: predictions multiplied back by the maximum of the training targets, where the network was given
inputs divided by another maximum than the training inputs.

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

import math
from collections.abc import Iterator, Mapping

from nnlint.events import Run, ValueSeen
from nnlint.facts.fitted_scalers import are_other_statistics
from nnlint.facts.held_out import Foreign, foreign_scalings, is_made_of_batch
from nnlint.facts.identity import key_of
from nnlint.facts.inverses import Unscaling, is_prediction, unscalings
from nnlint.facts.roles import comparisons, is_other_data
from nnlint.facts.scaling import Scaling, bases_of, scaling_of, scalings_behind
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Data, Value
from nnlint.witness import Case, confirmed, harmless, not_reached, unverified
from nnlint.words import ARRAYS, COMPARED, MEASURED

SAME = 0.01
"""A round trip that is off by less than this part is the identity."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each prediction that is brought back wrongly."""
    for unscaling in unscalings(run):
        learned = _scalings_of_target(run, unscaling.subject)
        foreign = _foreign_input(run, unscaling) if learned else None
        if learned and all(_differs(unscaling, scaling) for scaling in learned):
            yield _mismatch(unscaling.result, learned[0], "not what scaled the target")
        elif foreign is not None and all(scaling.kind == "ratio" for scaling in learned):
            yield _foreign_ratio(unscaling, learned[0], foreign)
    yield from _scaled_again(run)


def _scaled_again(run: Run) -> Iterator[Problem]:
    """Predictions that go through the scaling of the target once more, where its inverse belongs."""
    made = [scaling_of(data) for name in ("divide", "scaled") for data in run.operations.get(name, ())]
    for scaling in made:
        learned = [] if scaling is None else _scalings_of_target(run, scaling.subject)
        if scaling is not None and learned and all(_is_same(scaling, each) for each in learned):
            yield _mismatch(scaling.result, learned[0], "scaled like the target, not brought back")


def _is_same(first: Scaling, second: Scaling) -> bool:
    if first.scaler is not None or second.scaler is not None:
        return first.scaler is second.scaler
    return bool(first.measure) and first.measure == second.measure


def _scalings_of_target(run: Run, prediction: Value) -> list[Scaling]:
    """What scaled the targets that the network of a prediction learned; nothing where any was not, or by a batch, or is not
    known."""
    if not is_prediction(run, prediction):
        return []
    networks, found = _networks_of(prediction), []
    for comparison in comparisons(run):
        if comparison.trains and _networks_of(comparison.prediction) & networks == networks:
            scalings = scalings_behind(comparison.target)
            if not scalings or any(map(is_made_of_batch, scalings)):
                return []
            found.extend(scalings)
    return found


def _networks_of(prediction: Value | None) -> frozenset[int]:
    """The identities of the networks that put a prediction out; none of a hand-written one."""
    outputs = (data for data in ancestors(prediction) if data.operation == "output")
    return frozenset(id(output.inputs[1]) for output in outputs)


def _differs(unscaling: Unscaling, scaling: Scaling) -> bool:
    """Whether the un-scaling certainly takes other statistics, or a scaler that was fitted on other data."""
    if unscaling.undoes(scaling):
        return not unscaling.proper
    bases = {key_of(base) for base in scaling.bases}
    if unscaling.scaler is not None:
        return unscaling.fitted is not None and key_of(unscaling.fitted) not in bases
    if isinstance(scaling.scaler, Data) and scaling.bases:
        return are_other_statistics(scaling.scaler, unscaling.statistics) or _is_of_other_data(unscaling, scaling)
    return scaling.scaler is None


def _is_of_other_data(unscaling: Unscaling, scaling: Scaling) -> bool:
    """Whether the statistics are of known data that have nothing to do with what the scaler was fitted on."""
    taken = [base for statistic in unscaling.statistics for base in bases_of(statistic)]
    return all(is_other_data(base, fitted) for base in taken for fitted in scaling.bases)


def _foreign_input(run: Run, unscaling: Unscaling) -> Foreign | None:
    foreign = [each for each in foreign_scalings(run) if each.scaling.kind == "ratio" and not each.overwritten]
    if not foreign:
        return None
    behind = {id(data) for data in ancestors(unscaling.subject)}
    return next((each for each in foreign if id(each.scaling.result) in behind), None)


def _mismatch(result: Data, scaling: Scaling, label: str) -> Problem:
    assert result.at is not None
    return Problem(
        result.at,
        "predictions are not brought back by what scaled the target, so all of them are off",
        label=label,
        related=() if scaling.result.at is None else ((scaling.result.at, "the target is scaled here"),),
        help="keep the statistics (or the scaler) of the training targets and bring the predictions back by them",
    )


def _foreign_ratio(unscaling: Unscaling, scaling: Scaling, foreign: Foreign) -> Problem:
    assert unscaling.result.at is not None
    related = [] if scaling.result.at is None else [(scaling.result.at, "the target is scaled here")]
    return Problem(
        unscaling.result.at,
        "predictions are brought back by a statistic of the training data, but their inputs were scaled by their own",
        label="holds for inputs scaled like the training inputs only",
        related=(*related, (foreign.at, "the inputs are scaled here, by their own statistic")),
        help="scale the inputs by the statistic of the training inputs",
    )


def witness(case: Case) -> Verdict:
    """Whether a target that is scaled, and brought back as the predictions are, comes back as another."""
    back = [each.numbers["factor"] for each in case.values() if each.numbers.get("factor")]
    scaled = [each.numbers["factor"] for each in case.related(ValueSeen) if each.numbers.get("factor")]
    if not back:
        return not_reached(case)
    back = [each for each in back if math.isfinite(each)]
    if not back:
        return unverified("what is brought back is no number any more: the training has gone astray before")
    if not scaled:
        return unverified("the run did not come to the place where the target is scaled")
    trip = scaled[0] * back[0]
    if len(case.finding.related) > 1:
        inputs = [each.numbers for each in case.values(case.finding.related[1].place) if each.numbers.get("factor")]
        return _through_inputs(case, inputs, back[0])
    if abs(trip - 1) > SAME:
        return confirmed(f"a target of 1, scaled and brought back, is {trip:.4g}", round_trip=trip)
    return harmless(f"the two statistics happen to agree: a target of 1 comes back as {trip:.4g}", round_trip=trip)


def _through_inputs(case: Case, inputs: list[Mapping[str, float]], back: float) -> Verdict:
    """Where the inputs were scaled by another statistic: it, and the one that predictions are brought back by."""
    if not inputs:
        return unverified("the run did not come to the place where the inputs are scaled")
    ratio = inputs[0]["factor"] * back
    return confirmed(
        f"inputs are multiplied by {inputs[0]['factor']:.4g} and predictions by {back:.4g}: together {ratio:.4g}, and only one "
        "pair of statistics makes that right",
        input_factor=inputs[0]["factor"],
        output_factor=back,
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN404",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    trains=False,
    words=(MEASURED, COMPARED, ARRAYS),
    needs=needs(("multiply", "divide", "scaled", "unscaled")),
)
