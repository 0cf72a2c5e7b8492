"""Dropout behind BatchNorm shifts the variance between training and evaluation.

## What it does
Reports a Dropout whose input comes out of a BatchNorm, with an activation, a pooling or a reshape between at most: in a
`Sequential`, or along `forward`, through helpers, blocks and other files. It is a warning where another BatchNorm lies
downstream, or where the network is trained on a regression; else it is advice, as it is between convolutions, in a head of
which every block ends in a dropout, or begins with one that a loop makes, and that is not known to predict quantities, before a
BatchNorm whose output is brought to unit length, and where the dropout is known to drop no more than a tenth. A probability of 0
is no dropout, nor is one that is 0 unless a caller says otherwise, and LayerNorm, GroupNorm and InstanceNorm keep no running
statistics.

## Why it matters
While training, Dropout scales up what it keeps, so its output has a larger variance than in evaluation mode. The next
BatchNorm stores that larger variance and divides by it in evaluation mode, when it no longer holds; and where nothing
normalises any more, a regression output sees numbers of another size than it was fitted to. Predictions shrink towards the
mean, and training looks better than it is, or worse.
Source: Li et al., "Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift", CVPR 2019.
Some published networks are built so, and trained well: between convolutions WideResNet, DeepLab's decoder, ENet, Tacotron 2 and
ArcFace's head, in heads of linear layers PointNet++, DGCNN and the point transformers. That is why those are advice: read as
their authors would, 15 of the last 56 warnings in public code stood in such networks: too many for a rule that is on by default.
Of the 18 that are left in 471 repositories one is of a copy of a published head.

## Example
```python
nn.Sequential(
    nn.Linear(13, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(),
    nn.Linear(32, 1),
)
```

Use instead:
```python
nn.Sequential(
    nn.Linear(13, 64), nn.BatchNorm1d(64), nn.ReLU(),
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(),
    nn.Linear(32, 1),
)
```

## Fix safety
Unsafe, and only of warnings: the dropout is taken out, and with it its regularisation; in a `Sequential` the layers behind it
get other numbers, so that saved weights may no longer fit.

## Witness
The variance of what the next BatchNorm, or the output layer, receives differs between training and evaluation mode by more
than without the dropout.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.layers import (
    REARRANGING,
    before,
    drops_in_every_mode,
    drops_little,
    is_active_dropout,
    made_by,
    passes_between,
    place_of,
    related_call,
    tracks_statistics,
    wiring,
)
from nnlint.facts.regression import regression_outputs
from nnlint.facts.variance_shift import is_scaled_anew, normalised_by, shift_measured
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending.layer_edits import without_layer
from nnlint.needs import needs
from nnlint.operations import NORMALIZATIONS, WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.static.objects import node_at
from nnlint.values import Data, Site, alternatives
from nnlint.witness import Case
from nnlint.words import NETWORKS, names_of

GOES_ON = WEIGHTED | {"batch_norm", "call"}
"""Operations that make something of what the dropout lets through: layers, known ones and others."""

SCALES_ANEW = NORMALIZATIONS - {"batch_norm"}
"""Normalisations in both modes alike: what lies behind them gets the same variance with and without dropout."""

CONVOLUTIONS = frozenset({"convolution", "transposed_convolution"})
OF_MAPS = frozenset({"BatchNorm2d", "BatchNorm3d"})
RESHAPES = frozenset({"view", "reshape", "flatten", "mean"})

SHIFTED_STATISTICS = (
    "the next BatchNorm stores the variance that dropout has raised in training, and divides by it in evaluation mode, "
    "when it no longer holds"
)
SHIFTED_OUTPUT = (
    "dropout changes the variance of what BatchNorm has normalised, so the regression output receives larger numbers in "
    "training than in evaluation mode"
)
UNHARMED = (
    "dropout changes the variance of what BatchNorm has normalised between training and evaluation mode, though nothing "
    "behind it depends on that here"
)


def check(run: Run) -> Iterator[Problem]:
    """One problem for each active dropout that only a BatchNorm feeds."""
    dropouts = (each for each in made_by(run, "dropout") if is_active_dropout(each) and not drops_in_every_mode(each))
    accused = {id(each): each for each in dropouts if normalised_by(each)}
    for dropout in accused.values():
        place = place_of(dropout)
        downstream = list(wiring(run).downstream(dropout, SCALES_ANEW))
        if place is not None and any(each.operation in GOES_ON for each in downstream):
            yield _problem(run, dropout, place, downstream, fixable=_is_accused_everywhere(run, dropout, accused))


def _is_accused_everywhere(run: Run, dropout: Data, accused: dict[int, Data]) -> bool:
    """Whether no other use of the same dropout is in order."""
    return all(
        id(other) in accused for other in made_by(run, "dropout") if dropout.layer and other.layer is dropout.layer
    )


def _problem(run: Run, dropout: Data, place: Site, downstream: list[Data], fixable: bool) -> Problem:
    normalised = normalised_by(dropout)[0]
    shifted = next((each for each in downstream if tracks_statistics(each) and each is not normalised), None)
    outputs = {id(each) for each in regression_outputs(run)}
    predicts = any(id(each) in outputs for each in (dropout, *downstream))
    shifts = shifted is not None and not is_scaled_anew(run, shifted)
    harms = predicts or (shifts and not _is_of_plain_head(downstream) and not _begins_block(dropout, normalised))
    is_clear = harms and not drops_little(dropout) and not _is_on_maps(run, dropout)
    related = [*related_call(dropout, "dropped here"), *_at(normalised, "normalised here")]
    if shifted is not None:
        related += _at(shifted, "its running variance is that of the training mode")
    return Problem(
        place,
        SHIFTED_STATISTICS if shifted is not None else SHIFTED_OUTPUT if predicts else UNHARMED,
        label="drops what BatchNorm has just normalised",
        related=tuple(related),
        help="take the dropout out, or keep a single one behind the last BatchNorm of a classifier",
        fix=without_layer(dropout, "take the dropout out") if is_clear and fixable else None,
        severity=Severity.WARNING if is_clear else Severity.ADVICE,
    )


def _is_of_plain_head(downstream: list[Data]) -> bool:
    """Whether it is one of the blocks of a head that all end in a dropout, as in PointNet++, DGCNN and their kin.

    What comes out of the last block is larger or smaller as a whole in evaluation mode, which leaves the largest score in place.
    """
    return any(each.operation == "dropout" and is_active_dropout(each) and normalised_by(each) for each in downstream)


def _begins_block(dropout: Data, normalised: Data) -> bool:
    """Whether a loop makes blocks that each begin with this dropout: the same row as where they end in one, cut elsewhere."""
    place = node_at(place_of(dropout))
    layers = [each for each in before(normalised) if isinstance(each, Data) and each.operation in WEIGHTED]
    feeding = [each for layer in layers for each in before(layer, lambda each: each.operation in REARRANGING)]
    return any(
        isinstance(each, Data) and is_active_dropout(each) and node_at(place_of(each)) is place for each in feeding
    )


def _is_on_maps(run: Run, dropout: Data) -> bool:
    """Whether what is dropped are feature maps: those of a BatchNorm2d, or behind a convolution, not flattened yet, or what a
    convolution takes next."""
    if any(each.operation in CONVOLUTIONS for each in wiring(run).after(dropout)):
        return True
    maps = before(dropout, lambda each: passes_between(each) and each.operation not in RESHAPES)
    return any(isinstance(each, Data) and each.layer is not None and _normalises_maps(each) for each in maps)


def _normalises_maps(data: Data) -> bool:
    """Whether it is a BatchNorm over pixels or time steps."""
    given = alternatives(data.inputs[0]) if data.inputs else ()  # several, where one of a list is applied
    is_of_maps = bool(given) and all(isinstance(each, Data) and each.operation in CONVOLUTIONS for each in given)
    return is_of_maps or (data.layer is not None and data.layer.kind in OF_MAPS)


def _at(data: Data, message: str) -> list[tuple[Site, str]]:
    place = place_of(data)
    return [] if place is None else [(place, message)]


def witness(case: Case) -> Verdict:
    """Whether the variance that the next BatchNorm, or the output layer, receives moves by the dropout between the modes."""
    return shift_measured(case)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN301",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS | names_of("batch_norm"),),
    needs=needs("batch_norm", "dropout"),
)
