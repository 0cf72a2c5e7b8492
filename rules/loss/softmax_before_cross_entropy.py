"""Softmax is applied before a cross-entropy that applies it again.

## What it does
Follows the prediction of every cross-entropy back to where it comes from, through views, tuples, dictionaries, helper functions
and the forward of networks in any file, and reports a softmax, a sigmoid, or a logarithm of one taken by hand, if every path
leads to one. `log_softmax` is left alone: a second one changes nothing. So is a loss that a setting chooses out of several, where
another of them may want the probabilities.

## Why it matters
`cross_entropy` wants logits, because it applies `log_softmax` itself. Given probabilities it sees numbers between 0 and 1: with
ten classes the loss cannot fall below 1.46, even a perfect prediction keeps being pushed, and the gradient passes two softmaxes,
which makes it small where the network is most wrong. The training crawls, or stops at a poor accuracy.
Source: torch.nn.CrossEntropyLoss, "the unnormalized logits for each class"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html).

## Example
```python
def forward(self, x):
    return F.softmax(self.fc(x), dim=1)

loss = F.cross_entropy(model(x), labels)
```

Use instead:
```python
def forward(self, x):
    return self.fc(x)

loss = F.cross_entropy(model(x), labels)
```

## Fix safety
Unsafe: the network returns logits afterwards. Whoever reads its output as probabilities elsewhere (a plot, a saved prediction)
has to apply the softmax there; the class with the largest output stays the same. There is no fix where the script itself is
seen to read them so: a threshold, an average, a logarithm of them.

## Witness
The rows that reach the loss lie in [0, 1] and sum to 1. For a sigmoid: all entries lie in (0, 1), on several batches.
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
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

LOSSES = frozenset({"cross_entropy", "nll_loss"})
ROUNDING = 1e-3
"""How far sums of 32-bit (or 16-bit) probabilities may be from 1."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each softmax or sigmoid whose result a cross-entropy takes for logits."""
    for loss in losses_over_probabilities(run, LOSSES):
        for bound in loss.bounds:
            yield _problem(run, loss, bound)


def _problem(run: Run, loss: BoundLoss, bound: Bound) -> Problem:
    reads = probability_reads(run, bound.data)
    function = "sigmoid" if bound.data.operation == "sigmoid" else "softmax"
    left_out = without_use(bound.data, f"leave the {function} out") if bound.can_be_left_out else None
    return Problem(
        bound.reported_at,
        _message(loss, bound, function),
        label="gives probabilities, not logits",
        related=(*bound.related(loss.event.at, "applies softmax itself"), *read_at(reads)),
        help=_help(loss, bound, function),
        fix=None if reads else left_out,
        control=left_out,
        severity=None if loss.is_of_training or bound.is_in_network else Severity.WARNING,
    )


def _message(loss: BoundLoss, bound: Bound, function: str) -> str:
    if not loss.is_of_training and not bound.is_in_network:
        return f"the evaluation loss is of a softmax over this {function}, so it is no measure of what is trained"
    if function == "sigmoid":
        return "cross-entropy applies softmax to the output of this sigmoid, so no class can win clearly and gradients stay small"
    return "cross-entropy applies softmax to the output of this softmax, so gradients shrink and the loss cannot come near zero"


def _help(loss: BoundLoss, bound: Bound, function: str) -> str:
    if bound.can_be_left_out:
        return f"give the loss the logits: apply the {function} only where probabilities are read"
    if "log" in bound.passed and function == "softmax":
        return "give the loss the logits, or use `nll_loss`, which takes these log-probabilities as they are"
    return f"give the loss the logits, without the {function}; or `nll_loss` the logarithm of the probabilities"


def witness(case: Case) -> Verdict:
    """Whether what reaches the loss are probabilities: rows in [0, 1] that sum to 1, or entries in (0, 1) on all batches."""
    losses = [event for event in case.related(LossComputed) if event.kind in LOSSES]
    seen = [event for event in losses if "prediction_min" in event.numbers]
    if not seen:
        return not_reached(case)
    low, high = min(numbers(seen, "prediction_min")), max(numbers(seen, "prediction_max"))
    sums = (min(numbers(seen, "row_sum_min")), max(numbers(seen, "row_sum_max")))
    if low < 0 or high > 1 + ROUNDING:
        exponentials = (min(numbers(seen, "exp_row_sum_min")), max(numbers(seen, "exp_row_sum_max")))
        if max(abs(each - 1) for each in exponentials) < ROUNDING:
            return harmless("the loss receives log-probabilities, which its own softmax leaves as they are")
        if len(some := [event for event in seen if _are_probabilities(event)]) > 1:
            return confirmed(
                f"on {len(some)} of {len(seen)} batches all rows that reach the loss lie in [0, 1] and sum to 1",
                batches=len(some),
            )
        return refuted(f"the loss receives values from {low:.3g} to {high:.3g}, which are no probabilities")
    if max(abs(each - 1) for each in sums) < ROUNDING:
        return confirmed(
            f"on {len(seen)} batches all rows that reach the loss lie in [0, 1] and sum to 1", batches=len(seen)
        )
    if len(seen) < 2:
        return unverified("one batch alone does not tell probabilities from small logits")
    return confirmed(
        f"on {len(seen)} batches all that reaches the loss lies between {low:.3g} and {high:.3g}",
        lowest=low,
        highest=high,
    )


def _are_probabilities(event: LossComputed) -> bool:
    """Whether each row of a batch lies in [0, 1] and sums to 1: one line may compute the losses of several networks."""
    seen = event.numbers
    is_inside = seen["prediction_min"] >= 0 and seen["prediction_max"] <= 1 + ROUNDING
    return is_inside and all(abs(seen[name] - 1) < ROUNDING for name in ("row_sum_min", "row_sum_max"))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN201",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
