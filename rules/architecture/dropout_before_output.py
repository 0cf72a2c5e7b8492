"""Dropout feeds the output layer of a regression.

## What it does
Reports a Dropout whose result goes straight into the output layer of a network that a regression loss trains (mean squared,
absolute, Huber), with an activation, a pooling or a reshape between at most, or that drops the predictions themselves.
A probability of 0.1 and less is advice, and so is a half of 200 units and more: of many units the sum hardly moves. So are a
third and less of units whose number is not known, a dropout of which neither that nor the probability is known, and one behind
which a setting puts further layers, or none: which it is, a reading cannot tell.
Classification is left alone, in the same network too, and so are targets that are no quantities: the constants of a GAN, one-hot
classes, the input itself.

## Why it matters
The output of a regression is a sum over the last hidden units. Dropping half of them changes that sum at random, at every
step and for every sample: the loss measures the mask rather than the fit, and the cheapest answer is a small weight and a
large bias, which is to predict the mean. A class score survives it, as only the order of the scores counts.
Source: seed story 0; Srivastava et al., "Dropout", JMLR 2014, section 7 for the noise it adds.

## Example
```python
nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1))
```

Use instead:
```python
nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
```

## Fix safety
Unsafe: the dropout is taken out, and with it its regularisation; in a `Sequential` the layers behind it get other numbers, so
that saved weights may no longer fit.

## Witness
The variance of a prediction over masks is more than a fifth of its variance over inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from nnlint.events import ModelCalled, Run
from nnlint.facts.layers import (
    before,
    drops_little,
    is_active_dropout,
    is_rate_unknown,
    made_by,
    noise_of_sum,
    passes_between,
    place_of,
    related_call,
    wiring,
)
from nnlint.facts.modes import draws_masks
from nnlint.facts.regression import CLASSIFICATION_LOSSES, regression_outputs
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.graph import parameters_of, sources
from nnlint.mending.layer_edits import without_layer
from nnlint.needs import needs
from nnlint.operations import WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.values import Data, Value
from nnlint.witness import Case, confirmed, harmless_here, not_reached
from nnlint.words import NETWORKS, names_of

LEAST_NOISE = 0.005
"""What dropout has to add to the output layer's sum, as a share of its square: of 300 units dropped by half it is 0.0033, and in
a run the predictions then followed the mask a tenth as much as the input."""

USUAL_WIDTH = 100
"""Units that an output layer is taken to sum up where their number is not known."""

SHARE = 0.2
"""The variance over masks that counts, as a share of the variance over inputs."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each active dropout in front of, or behind, the last layer of a regression."""
    accused: dict[int, tuple[Data, Data | None]] = {}
    ends = [each for output in regression_outputs(run) for each in sources(output, passes_between)]
    for last in ends:
        if isinstance(last, Data):
            accused.update((id(dropout), (dropout, layer)) for dropout, layer in _dropouts_at(last))
    sampled = _sampled_layers(run) if accused else frozenset()
    kept = {
        id(each.layer)
        for each in made_by(run, "dropout")
        if id(each) not in accused and not _feeds_the_same(run, each, accused.values())
    }
    for dropout, layer in accused.values():
        if id(dropout.layer) in sampled or any(
            each.operation in CLASSIFICATION_LOSSES for each in wiring(run).downstream(dropout)
        ):
            continue
        fixable = dropout.layer is None or id(dropout.layer) not in kept
        yield from _problem(
            dropout, layer, fixable, is_certain=layer is not None or not _is_by_setting(run, dropout, ends)
        )


def _is_by_setting(run: Run, dropout: Data, ends: list[Value]) -> bool:
    """Whether the dropout that ends one path is followed by further layers on another one, which also ends in predictions."""
    others = {id(each) for each in ends if each is not dropout}
    return any(id(each) in others for each in wiring(run).downstream(dropout))


def _feeds_the_same(run: Run, dropout: Data, accused: Iterable[tuple[Data, Data | None]]) -> bool:
    """Whether it is another use of an accused dropout, before the same output layer: an evaluation."""
    outputs = [id(layer.layer) for each, layer in accused if each.layer is dropout.layer and layer is not None]
    return bool(outputs) and any(id(each.layer) in outputs for each in wiring(run).after(dropout))


def _sampled_layers(run: Run) -> frozenset[int]:
    """The identities of all layers of networks that are asked with many masks: their predictions are meant to follow these."""
    sampled = [call.model for call in run.events(ModelCalled) if draws_masks(run, call)]
    return frozenset(id(part) for model in sampled for part in parameters_of(model))


def _dropouts_at(last: Data) -> Iterator[tuple[Data, Data | None]]:
    """The active dropouts at the end of a network: the last operation itself, or those that feed it if it has weights."""
    if is_active_dropout(last):
        yield last, None
    elif last.operation in WEIGHTED:
        for each in before(last):
            if isinstance(each, Data) and is_active_dropout(each):
                yield each, last


def _problem(dropout: Data, layer: Data | None, fixable: bool, is_certain: bool) -> Iterator[Problem]:
    place = place_of(dropout)
    if place is None:
        return
    output = place_of(layer) if layer is not None else None
    is_weak = not is_certain or drops_little(dropout) or _hardly_moves(dropout, layer)
    severity = Severity.ADVICE if is_weak else None
    yield Problem(
        place,
        "the predictions of this regression follow the random mask more than the input, so the network learns to answer with "
        "the mean",
        label="drops what the output layer sums up" if layer is not None else "drops the predictions themselves",
        related=(
            *related_call(dropout, "dropped here"),
            *(((output, "the output layer"),) if output is not None else ()),
        ),
        help="take the dropout out, or move it to an earlier layer",
        fix=without_layer(dropout, "take the dropout out") if fixable and severity is None else None,
        severity=severity,
        control=without_layer(dropout, "take the dropout out"),
    )


def _hardly_moves(dropout: Data, layer: Data | None) -> bool:
    """Whether the output layer sums up so many units that it makes no difference which of them are dropped, or may do so: where
    neither their number nor the rate is known."""
    if layer is None or layer.layer is None:
        return False
    units = layer.layer.number("in_features")
    if units is None and is_rate_unknown(dropout):
        return True
    noise = noise_of_sum(dropout, units or USUAL_WIDTH)
    return noise is not None and noise <= LEAST_NOISE


def witness(case: Case) -> Verdict:
    """Whether predictions vary with the mask more than a fifth as much as with the input."""
    layers = [event for event in case.layers() if "sample_variance" in event.numbers]
    if not layers:
        return not_reached(case)
    output = max(layers, key=lambda event: event.numbers["order"]).numbers
    masks, samples = output["mask_variance"], output["sample_variance"]
    if masks > SHARE * samples:
        ratio = masks / samples if samples else math.inf
        return confirmed(f"predictions vary {ratio:.2g} times as much with the mask as with the input", ratio=ratio)
    return harmless_here(
        f"the mask moves predictions by {masks / samples:.0%} of what the input does", ratio=masks / samples
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN303",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS | names_of("dropout"),),
    needs=needs("dropout"),
)
