"""The KL divergence is given probabilities or raw outputs where it expects log-probabilities.

## What it does
Follows the first argument of every `kl_div` and `KLDivLoss` back to where it comes from, through helper functions and the
forward of networks in any file, and reports the loss if every path ends in a softmax or sigmoid without a logarithm, or in the
raw output of a layer. `log_softmax`, `.log()` and code that is not at hand keep it silent.

## Why it matters
`kl_div` takes the logarithm of its target only: the first argument has to be one already. Given probabilities, the loss is linear
in them: it goes below zero, its smallest value lies where the largest target gets everything, and a distillation trains the
student to be sure instead of to agree.
Source: torch.nn.functional.kl_div, "input (Tensor): Tensor of arbitrary shape in log-probabilities"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html).

## Example
```python
loss = F.kl_div(F.softmax(student, dim=1), F.softmax(teacher, dim=1), reduction="batchmean")
```

Use instead:
```python
loss = F.kl_div(F.log_softmax(student, dim=1), F.softmax(teacher, dim=1), reduction="batchmean")
```

## Fix safety
Unsafe: the softmax becomes `log_softmax`, and whoever else uses its result gets logarithms.

## Witness
What reaches the loss as its first argument is above 0 somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.log_probabilities import above_zero, given_instead, shown, with_logarithm
from nnlint.facts.scales import Ending, Scale, endings, is_of_training, losses_on, of_scale
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Value
from nnlint.witness import Case, not_reached, refuted
from nnlint.words import NETWORKS

LOSSES = frozenset({"kl_div"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each divergence whose first argument is no logarithm."""
    for event, found in losses_on(run, LOSSES, (Scale.RAW, Scale.PROBABILITIES)):
        if _is_predicted(event.prediction) or not _is_predicted(event.target):  # else its arguments are swapped
            yield _problem(event, found)


def _is_predicted(value: Value | None) -> bool:
    return any(each.operation == "output" for each in ancestors(value))


def _problem(event: LossComputed, found: list[Ending]) -> Problem:
    ending = given_instead(found)
    is_swapped = bool(of_scale(endings(event.target), {Scale.LOGARITHMS})) and event.target is not None
    return Problem(
        event.at,
        f"kl_div takes {ending.scale.value} for log-probabilities, so its smallest value is not where the distributions agree",
        label="expects log-probabilities first",
        related=shown(ending),
        help="swap the arguments: log-probabilities come first" if is_swapped else "give it `log_softmax` first",
        fix=None if is_swapped else _fix(found),
        severity=None if is_of_training(event) else Severity.WARNING,
    )


def _fix(found: list[Ending]) -> Fix | None:
    """The softmax that is only taken for the loss becomes log_softmax."""
    is_alone = len(found) == 1 and found[0].scale is Scale.PROBABILITIES
    return with_logarithm(found[0]) if is_alone and "output" not in found[0].passed else None


def witness(case: Case) -> Verdict:
    """Whether the first argument can be no logarithm of a probability."""
    seen = [each for each in case.at(LossComputed) if each.kind in LOSSES and "prediction_max" in each.numbers]
    if not seen:
        return not_reached(case)
    return above_zero(seen) or refuted(f"in {len(seen)} losses no number is above 0")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN211",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
