"""The binary cross-entropy is given raw outputs, not probabilities.

## What it does
Follows the prediction of every `binary_cross_entropy` and `BCELoss` back to where it comes from, through views, helper
functions and the forward of networks in any file, and reports the loss if every path ends in the raw output of a layer, or of an
activation that is not bounded by 0 and 1. A sigmoid, a softmax or a clamp on the way, and code that is not at hand, keep it
silent.

## Why it matters
The loss takes the logarithm of what it is given, and is defined between 0 and 1 alone. On the CPU the first batch with a number
outside raises "all elements of input should be between 0 and 1"; on a GPU an assertion fails in a kernel and the error shows up
somewhere else. While all numbers happen to lie inside, as after a ReLU and a small initialisation, it trains something else.
Source: torch.nn.BCELoss (https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html).

## Example
```python
loss = F.binary_cross_entropy(self.fc(x), labels)
```

Use instead:
```python
loss = F.binary_cross_entropy_with_logits(self.fc(x), labels)
```

## Fix safety
Unsafe: the loss becomes the one "with logits". Whoever compares the output of the network with a probability (`> 0.5`) has to
apply a sigmoid there.

## Witness
What reaches the loss is below 0 or above 1 somewhere, or the loss raises; or what the same network gives to another such loss is.
Raw outputs that lie inside by chance decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.scales import Ending, Scale, is_of_training, losses_on
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.mending.renaming import called_instead
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Data
from nnlint.witness import Case, confirmed, not_reached, numbers, unverified
from nnlint.words import NETWORKS

LOSSES = frozenset({"binary_cross_entropy"})
WITH_LOGITS = {"binary_cross_entropy": "binary_cross_entropy_with_logits", "BCELoss": "BCEWithLogitsLoss"}
SQUASHING = frozenset({"tanh", "softsign"})
"""Activations whose results lie between -1 and 1: another last activation is wanted, not another loss."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loss that takes raw outputs for probabilities."""
    for event, found in losses_on(run, LOSSES, (Scale.RAW, Scale.LOGARITHMS)):
        if not any(each.data.operation == "log" for each in found):
            yield _problem(event, found)


def _problem(event: LossComputed, found: list[Ending]) -> Problem:
    ending = found[0]
    is_raw = ending.scale is Scale.RAW
    return Problem(
        event.at,
        "the loss takes raw outputs for probabilities: it raises, or has no meaning, as soon as one lies outside 0 to 1"
        if is_raw
        else "the loss takes logarithms for probabilities: it raises at the first batch, as they are below 0",
        label="expects probabilities",
        related=((ending.at, "gives raw outputs" if is_raw else "gives logarithms"),) if ending.at is not None else (),
        help="use `binary_cross_entropy_with_logits`, or apply a sigmoid before the loss",
        fix=_fix(event) if all(_is_layer(each) for each in found) else None,
        severity=None if is_of_training(event) else Severity.WARNING,
    )


def _is_layer(ending: Ending) -> bool:
    return ending.scale is Scale.RAW and ending.data.operation not in SQUASHING


def _fix(event: LossComputed) -> Fix | None:
    made = event.value.layer.at if isinstance(event.value, Data) and event.value.layer is not None else event.at
    return edits.fix(Applicability.UNSAFE, "use the loss with logits", called_instead(made, WITH_LOGITS))


def witness(case: Case) -> Verdict:
    """Whether what reaches the loss leaves 0 to 1, or the loss raises."""
    raised = case.raised_at()
    if raised is not None and "between 0 and 1" in raised.message:
        return confirmed(f"the loss raises {raised.error}: all elements of input should be between 0 and 1")
    seen = [each for each in case.at(LossComputed) if each.kind in LOSSES and "prediction_min" in each.numbers]
    if not seen:
        return not_reached(case) if raised is None else unverified(f"the run ended there with {raised.error}")
    low, high = min(numbers(seen, "prediction_min")), max(numbers(seen, "prediction_max"))
    if low < 0 or high > 1:
        return confirmed(f"the loss receives numbers from {low:.3g} to {high:.3g}", lowest=low, highest=high)
    networks = set(numbers(seen, "network"))
    elsewhere = [each for each in case.run.events(LossComputed) if each.numbers.get("network") in networks]
    wild = [each for each in elsewhere if each.kind in LOSSES and not _is_probable(each)]
    if wild:
        low, high = wild[0].numbers["prediction_min"], wild[0].numbers["prediction_max"]
        return confirmed(
            f"the same network gives the loss in line {wild[0].at.place.line} numbers from {low:.3g} to {high:.3g}",
            lowest=low,
            highest=high,
        )
    return unverified(
        f"on {len(seen)} batches all that reaches the loss happened to lie between {low:.3g} and {high:.3g}"
    )


def _is_probable(event: LossComputed) -> bool:
    low, high = event.numbers.get("prediction_min", 0.0), event.numbers.get("prediction_max", 0.0)
    return 0 <= low <= high <= 1


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN204",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
