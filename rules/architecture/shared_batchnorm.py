"""One BatchNorm normalises the outputs of several layers.

## What it does
Reports a BatchNorm that is applied behind different layers of a network. A whole tower that is called several times with its
own BatchNorm, as in siamese networks, and a step that is repeated with shared weights are left alone. The rule is off by
default, as it is rare, and some networks share a BatchNorm on purpose.

## Why it matters
A BatchNorm keeps one running mean and variance. Fed by two layers, it averages over both, in turn: in training each batch is
normalised by its own statistics and all is well, in evaluation mode both are normalised by a mixture that fits neither.
Source: Ioffe and Szegedy, "Batch Normalization" (https://arxiv.org/abs/1502.03167), section 3.1, on the statistics used at
inference.

## Example
```python
def forward(self, x):
    x = self.bn(self.conv1(x)).relu()
    return self.bn(self.conv2(x)).relu()
```

Use instead:
```python
def forward(self, x):
    x = self.bn1(self.conv1(x)).relu()
    return self.bn2(self.conv2(x)).relu()
```

## Witness
The mean squares of what it receives at its places differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnlint.events import LayerApplied, Run
from nnlint.facts.layers import REARRANGING, before, made_by, place_of, tracks_statistics
from nnlint.finding import Severity, Verdict
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS, POOLINGS, WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.values import Data
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers
from nnlint.words import NETWORKS

PASSED = ACTIVATIONS | POOLINGS | REARRANGING | {"dropout"}
NOTABLE = 1.05
"""A smaller ratio of mean squares is none."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each further place of a BatchNorm."""
    uses: dict[int, list[Data]] = {}
    for norm in made_by(run, "batch_norm"):
        if norm.layer is not None and tracks_statistics(norm):
            uses.setdefault(id(norm.layer), []).append(norm)
    for same in uses.values():
        places: dict[frozenset[int], Data] = {}
        for norm in same:
            fed = _fed_by(norm)
            if fed and all(fed.isdisjoint(other) for other in places):
                places[fed] = norm
        first, *others = [*places.values()] or [same[0]]
        for other in others:
            yield from _problem(first, other)


def _fed_by(norm: Data) -> frozenset[int]:
    """The layers that feed the BatchNorm; none where one of them is not known."""
    feeding = before(norm, lambda each: each.operation in PASSED)
    layers = [each.layer for each in feeding if isinstance(each, Data) and each.operation in WEIGHTED]
    known = [id(layer) for layer in layers if layer is not None]
    return frozenset(known) if len(known) == len(feeding) else frozenset()


def _problem(first: Data, other: Data) -> Iterator[Problem]:
    made = place_of(other)
    if other.at is None or made is None:
        return
    related = [(made, "one running mean and variance for all its uses")]
    if first.at is not None and first.at.place != other.at.place:
        related.append((first.at, "applied here first"))
    yield Problem(
        other.at,
        "this BatchNorm also normalises the output of another layer, so its running statistics fit neither",
        label="a second use, behind another layer",
        related=tuple(related),
        help="give each place a BatchNorm of its own",
    )


def witness(case: Case) -> Verdict:
    """Whether what the BatchNorm receives at its places is of different size."""
    made = [related.place for related in case.finding.related[:1]]
    squares = numbers(case.made_at(LayerApplied, *made), "evaluated_input_square") if made else []
    if len(squares) < 2 or not min(squares):
        return not_reached(case)
    ratio = max(squares) / min(squares)
    words = f"the mean squares of what it receives at its {len(squares)} places differ by a factor of {ratio:.2f}"
    return confirmed(words, ratio=ratio) if math.log(ratio) > math.log(NOTABLE) else harmless_here(words, ratio=ratio)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN312",
    severity=Severity.WARNING,
    since="0.1",
    default=False,
    witness=witness,
    words=(NETWORKS,),
    needs=needs("batch_norm"),
)
