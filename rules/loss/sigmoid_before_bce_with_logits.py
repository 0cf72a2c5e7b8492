"""Sigmoid is applied before a binary cross-entropy that applies it again.

## What it does
Follows the prediction of every binary cross-entropy "with logits" back to where it comes from, through views, tuples,
dictionaries, helper functions and the forward of networks in any file, and reports a sigmoid (or softmax) if every path leads to
one.

## Why it matters
`binary_cross_entropy_with_logits` applies the sigmoid itself. Given a probability it sees a logit between 0 and 1, and so a
probability between 0.5 and 0.73: no negative sample can ever be fitted, and the network is pushed into saturation to come near.
Source: torch.nn.BCEWithLogitsLoss, "combines a Sigmoid layer and the BCELoss in one single class"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html).

## Example
```python
def forward(self, x):
    return torch.sigmoid(self.fc(x))

loss = F.binary_cross_entropy_with_logits(model(x), labels)
```

Use instead:
```python
def forward(self, x):
    return self.fc(x)

loss = F.binary_cross_entropy_with_logits(model(x), labels)
```

## Fix safety
Unsafe: the network returns logits afterwards. Whoever compares its output with a probability (`> 0.5`) has to compare with the
logit (`> 0`), or apply the sigmoid there.

## Witness
All entries that reach the loss lie in (0, 1), on several batches.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.predictions import Bound, BoundLoss, losses_over_probabilities
from nnlint.facts.read_probabilities import probability_reads, read_at
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending.layer_edits import without_use
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

LOSSES = frozenset({"binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each sigmoid or softmax whose result a loss takes for logits."""
    for loss in losses_over_probabilities(run, LOSSES):
        for bound in loss.bounds:
            yield _problem(run, loss, bound)


def _problem(run: Run, loss: BoundLoss, bound: Bound) -> Problem:
    reads = [each for each in probability_reads(run, bound.data) if each.operation != "compare"]  # told by NN506
    function = "sigmoid" if bound.data.operation == "sigmoid" else "softmax"
    left_out = without_use(bound.data, f"leave the {function} out") if bound.can_be_left_out else None
    return Problem(
        bound.reported_at,
        _message(loss, bound, function),
        label="gives probabilities, not logits",
        related=(*bound.related(loss.event.at, "applies sigmoid itself"), *read_at(reads)),
        help=f"give the loss the logits: apply the {function} only where probabilities are read",
        fix=None if reads else left_out,
        control=left_out,
        severity=None if loss.is_of_training or bound.is_in_network else Severity.WARNING,
    )


def _message(loss: BoundLoss, bound: Bound, function: str) -> str:
    if not loss.is_of_training and not bound.is_in_network:
        return f"the evaluation loss applies sigmoid to the output of this {function}, so it is no measure of what is trained"
    return f"the loss applies sigmoid to the output of this {function}, so no prediction can go below 0.5 or above 0.73"


def witness(case: Case) -> Verdict:
    """Whether all that reaches the loss lies in (0, 1), on several batches."""
    losses = [event for event in case.related(LossComputed) if event.kind in LOSSES]
    seen = [event for event in losses if "prediction_min" in event.numbers]
    if not seen:
        return not_reached(case)
    low, high = min(numbers(seen, "prediction_min")), max(numbers(seen, "prediction_max"))
    if low < 0 or high > 1:
        return refuted(f"the loss receives values from {low:.3g} to {high:.3g}, which are no probabilities")
    if len(seen) < 2:
        return unverified("one batch alone does not tell probabilities from small logits")
    return confirmed(
        f"on {len(seen)} batches all that reaches the loss lies between {low:.3g} and {high:.3g}",
        lowest=low,
        highest=high,
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN202",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
