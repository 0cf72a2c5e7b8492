"""A BatchNorm behind a dropout learns statistics that evaluation mode does not have.

## What it does
Reports a Dropout with a BatchNorm downstream: convolutions, linear layers, activations and poolings may lie between, but no
sum or concatenation. A dropout that a BatchNorm feeds directly is NN301's. It is a warning where the script trains the
network and switches to evaluation mode; else it is advice, as some well-known architectures do it on purpose, and where no
more than a tenth is dropped. So it is where feature maps are dropped between convolutions, as DenseNets and generators of GANs
are published, where embeddings are, and before a BatchNorm whose output is brought to unit length, or is multiplied with the
embeddings of all candidates, as in ConvE: a common scale changes neither. A dropout behind the last BatchNorm, a probability of
0, and a LayerNorm or GroupNorm between are left alone.

## Why it matters
Dropout keeps the mean of what it drops and raises its variance. The BatchNorm behind it stores the raised variance while
training, and divides by it in evaluation mode, where nothing is dropped: every activation is scaled wrongly from there on,
and test accuracy falls though training looks well.
Source: Li et al., "Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift", CVPR 2019.

## Example
```python
nn.Sequential(
    nn.Linear(13, 64), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(),
    nn.Linear(32, 2),
)
```

Use instead:
```python
nn.Sequential(
    nn.Linear(13, 64), nn.ReLU(),
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(32, 2),
)
```

## Fix safety
Unsafe, and only of warnings: the dropout is taken out, and with it its regularisation; in a `Sequential` the layers behind it
get other numbers, so that saved weights may no longer fit.

## Witness
The mean square of what the BatchNorm receives differs between training and evaluation mode by more than without the dropout.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Backward, ModeSwitched, Run
from nnlint.facts.layers import (
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
from nnlint.facts.variance_shift import is_scaled_anew, normalised_by, shift_measured
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending.layer_edits import without_layer
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS, POOLINGS, TRANSPARENT
from nnlint.rule import Problem, Rule
from nnlint.values import Data
from nnlint.witness import Case
from nnlint.words import NETWORKS, names_of

CARRIES = (
    ACTIVATIONS
    | POOLINGS
    | (TRANSPARENT - {"detach", "numpy", "tensor", "array", "values", "concatenate", "stack"})
    | {"linear", "convolution", "transposed_convolution", "mean", "dropout"}
)
"""Operations behind which a raised variance is still there."""

CONVOLUTIONS = frozenset({"convolution", "transposed_convolution"})
RESHAPES = frozenset({"view", "reshape", "flatten", "mean"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each active dropout on whose path a BatchNorm follows."""
    evaluates = any(switch.training is False for switch in run.events(ModeSwitched))
    trains = not run.symbolic and any(run.events(Backward)) and evaluates
    uses: dict[int, list[Data]] = {}
    for dropout in made_by(run, "dropout"):
        if is_active_dropout(dropout) and not drops_in_every_mode(dropout):
            uses.setdefault(id(dropout.layer or dropout), []).append(dropout)
    for same in uses.values():
        shifted = [(each, behind) for each in same if (behind := _shifted(run, each)) is not None]
        if shifted and not any(normalised_by(each) for each in same):
            yield from _problem(run, *shifted[0], trains, is_everywhere=len(shifted) == len(same))


def _shifted(run: Run, dropout: Data) -> Data | None:
    """The nearest BatchNorm that the raised variance comes to."""
    following = wiring(run).after(dropout, lambda each: each.operation in CARRIES)
    return next((each for each in following if tracks_statistics(each)), None)


def _is_usual(run: Run, dropout: Data) -> bool:
    """Whether feature maps are dropped between convolutions, or embeddings: so are many networks published, and trained well.

    What is not followed may be a convolution.
    """
    sources = [each.operation for each in before(dropout, _keeps_maps) if isinstance(each, Data)]
    if "embedding" in sources:
        return True
    following = list(wiring(run).after(dropout, _keeps_maps))
    if any(each.operation in CONVOLUTIONS for each in following):
        return True
    is_of_maps = any(each in CONVOLUTIONS for each in sources)
    return is_of_maps and any(each.operation == "call" or tracks_statistics(each) for each in following)


def _keeps_maps(data: Data) -> bool:
    return data.operation not in RESHAPES and (passes_between(data) or data.operation == "batch_norm")


def _problem(run: Run, dropout: Data, shifted: Data, trains: bool, is_everywhere: bool) -> Iterator[Problem]:
    place, behind = place_of(dropout), place_of(shifted)
    if place is None:
        return
    harms = trains and not drops_little(dropout) and not _is_usual(run, dropout) and not is_scaled_anew(run, shifted)
    yield Problem(
        place,
        "the BatchNorm behind this dropout stores a variance that dropout has raised, and divides by it in evaluation mode, when "
        "it no longer holds",
        label="raises the variance of what follows, in training alone",
        related=(
            *related_call(dropout, "dropped here"),
            *(((behind, "its running variance is that of the training mode"),) if behind is not None else ()),
        ),
        help="take the dropout out, or put it behind the last BatchNorm",
        fix=without_layer(dropout, "take the dropout out") if harms and is_everywhere else None,
        severity=Severity.WARNING if harms else Severity.ADVICE,
    )


def witness(case: Case) -> Verdict:
    """Whether the mean square of what the BatchNorm receives moves by the dropout between the modes."""
    return shift_measured(case)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN315",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS | names_of("batch_norm"),),
    needs=needs("dropout", "batch_norm"),
)
