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
from nnlint.facts.scales import Ending, Scale, endings, is_of_training, losses_on, of_scale
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.mending.renaming import called_instead
from nnlint.rule import Problem, Rule
from nnlint.values import Value
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted

LOSSES = frozenset({"kl_div"})
LOGARITHMIC = {"softmax": "log_softmax", "Softmax": "LogSoftmax"}
ROUNDING = 1e-3


def check(run: Run) -> Iterator[Problem]:
    """One problem for each divergence whose first argument is no logarithm."""
    for event, found in losses_on(run, LOSSES, (Scale.RAW, Scale.PROBABILITIES)):
        if _is_predicted(event.prediction) or not _is_predicted(event.target):  # else its arguments are swapped
            yield _problem(event, found)


def _is_predicted(value: Value | None) -> bool:
    return any(each.operation == "output" for each in ancestors(value))


def _problem(event: LossComputed, found: list[Ending]) -> Problem:
    raw = [each for each in found if each.scale is Scale.RAW]
    ending = raw[0] if raw else found[0]
    what = "raw outputs" if raw else "probabilities"
    is_swapped = bool(of_scale(endings(event.target), {Scale.LOGARITHMS})) and event.target is not None
    return Problem(
        event.at,
        f"kl_div takes {what} for log-probabilities, so its smallest value is not where the two distributions agree",
        label="expects log-probabilities first",
        related=((ending.at, f"gives {what}"),) if ending.at is not None else (),
        help="swap the arguments: log-probabilities come first" if is_swapped else "give it `log_softmax` first",
        fix=None if raw or is_swapped else _fix(found),
        severity=None if is_of_training(event) else Severity.WARNING,
    )


def _fix(found: list[Ending]) -> Fix | None:
    """The softmax that is only taken for the loss becomes log_softmax."""
    if len(found) != 1 or "output" in found[0].passed:
        return None
    return edits.fix(Applicability.UNSAFE, "use log_softmax", called_instead(found[0].at, LOGARITHMIC))


def witness(case: Case) -> Verdict:
    """Whether the first argument can be no logarithm of a probability."""
    seen = [each for each in case.at(LossComputed) if each.kind in LOSSES and "prediction_max" in each.numbers]
    if not seen:
        return not_reached(case)
    highest = max(numbers(seen, "prediction_max"))
    if highest > ROUNDING:
        return confirmed(
            f"the loss receives numbers up to {highest:.3g}; a log-probability is never above 0", highest=highest
        )
    return refuted(f"in {len(seen)} losses no number is above 0")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN211",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
)
