"""The negative log-likelihood is given numbers that are no log-probabilities.

## What it does
Follows the prediction of every `nll_loss` and `NLLLoss` back to where it comes from, through views, helper functions and the
forward of networks in any file, and reports the loss if every path ends in the raw output of a layer or an activation, or in a
softmax or sigmoid without a logarithm. What comes from code that is not at hand is left alone, and so is a setting that
chooses between several losses.

## Why it matters
`nll_loss` takes no logarithm and no softmax: it only picks the number of the right class, and changes its sign. Given logits, its
value has no lower bound: the loss falls for ever while the network learns to make all outputs large, and says nothing about which
is larger. Given probabilities it trains, but a sample that is wrong with certainty has almost no gradient.
Source: torch.nn.NLLLoss, "the input given through a forward call is expected to contain log-probabilities of each class"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html).

## Example
```python
loss = F.nll_loss(self.fc(x), labels)
```

Use instead:
```python
loss = F.cross_entropy(self.fc(x), labels)
```

## Fix safety
Unsafe: the loss becomes `cross_entropy`, which applies `log_softmax` itself, or the softmax becomes `log_softmax`. Whoever reads
the output of the network as probabilities has to adapt.

## Witness
What reaches the loss is above 0 somewhere, or has rows whose exponentials do not sum to 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.log_probabilities import ROUNDING, above_zero, given_instead, shown, with_logarithm
from nnlint.facts.scales import Ending, Scale, is_of_training, losses_on
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.mending.renaming import called_instead
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Data
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import NETWORKS

LOSSES = frozenset({"nll_loss"})
WRONG = (Scale.RAW, Scale.PROBABILITIES)
WITH_LOG = {"nll_loss": "cross_entropy", "NLLLoss": "CrossEntropyLoss"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loss that takes raw outputs or probabilities for log-probabilities."""
    for event, found in losses_on(run, LOSSES, WRONG):
        if not _picks_only(run, event):
            yield _problem(event, found)


def _picks_only(run: Run, event: LossComputed) -> bool:
    """Whether the loss only picks an output, and the rest of the cross-entropy is written out with `logsumexp`."""
    given = {id(data) for data in ancestors(event.prediction)}
    sums = (each for each in run.operations.get("logsumexp", ()) if isinstance(each, Data))
    return any(id(source) in given for each in sums for source in each.inputs[:1])


def _problem(event: LossComputed, found: list[Ending]) -> Problem:
    ending = given_instead(found)
    is_raw = ending.scale is Scale.RAW
    return Problem(
        event.at,
        _message(event, ending.scale),
        label="expects log-probabilities",
        related=shown(ending),
        help="use `cross_entropy`, which takes raw outputs" if is_raw else "use `log_softmax` in place of the softmax",
        fix=_fix(event, found),
        severity=None if is_of_training(event) else Severity.WARNING,
    )


def _message(event: LossComputed, given: Scale) -> str:
    if not is_of_training(event):
        return f"the evaluation loss takes {given.value} for log-probabilities, so it is no measure of the fit"
    if given is Scale.RAW:
        return "nll_loss takes raw outputs for log-probabilities, so it falls without end while all outputs grow"
    return "nll_loss takes probabilities for log-probabilities, so samples that are quite wrong have almost no gradient"


def _fix(event: LossComputed, found: list[Ending]) -> Fix | None:
    """Raw outputs need the loss that takes the logarithm itself; a softmax becomes one that is followed by it."""
    if all(each.scale is Scale.RAW for each in found):
        made = event.value.layer.at if isinstance(event.value, Data) and event.value.layer is not None else event.at
        return edits.fix(Applicability.UNSAFE, "use cross-entropy", called_instead(made, WITH_LOG))
    places = {id(each.at): each for each in found}
    if len(places) != 1 or found[0].scale is not Scale.PROBABILITIES:
        return None
    return with_logarithm(found[0])


def witness(case: Case) -> Verdict:
    """Whether what reaches the loss can be no log-probabilities."""
    seen = [each for each in case.at(LossComputed) if each.kind in LOSSES and "exp_row_sum_max" in each.numbers]
    if not seen:
        return not_reached(case)
    verdict = above_zero(seen)
    if verdict is not None:
        return verdict
    sums = min(numbers(seen, "exp_row_sum_min")), max(numbers(seen, "exp_row_sum_max"))
    if max(abs(each - 1) for each in sums) > ROUNDING:
        return confirmed(
            f"the exponentials of a row sum to {sums[0]:.3g} to {sums[1]:.3g}, not to 1",
            lowest=sums[0],
            highest=sums[1],
        )
    return refuted(f"on {len(seen)} batches the exponentials of all rows sum to 1")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN203",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
