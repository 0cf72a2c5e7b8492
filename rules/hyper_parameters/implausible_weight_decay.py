"""A weight decay so large that the penalty, not the data, drives the weights.

## What it does
Reports a weight decay of 0.5 or more given to an optimizer that adds it to the gradient (SGD, Adam, RMSprop and their kin), and
of 2 or more given to AdamW, which multiplies it by the learning rate. Where a search tries several values, the largest counts. A
default of the command line or of a settings class is reported where it is written, but none that every caller at hand gives
another value. Of 16 warnings that were read in public code 14 were true; the others told of such a default, and are gone. Ten of
the 14 are copies of the script of one course, whose network then gives all users the same answer.

## Why it matters
Usual values lie between 1e-6 and 1e-2. At 0.5 and above the weights shrink to nearly nothing, whatever the data say, and the
network answers with a constant. A search that prefers such a value has most often found another fault: targets in the wrong unit.
Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019 (https://arxiv.org/abs/1711.05101).

## Example
```python
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1.0)
```

Use instead:
```python
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
```

## Witness
The weight norm shrinks to near 0 while the loss stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnlint.events import OptimizerMade, OptimizerStepped, Run
from nnlint.facts.hyper_parameters import Setting, is_never_used, settings
from nnlint.facts.summed_losses import sums_its_loss
from nnlint.facts.trained import is_deep
from nnlint.finding import Severity, Verdict
from nnlint.mending.controls import only_element, other_number
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Optimizer, truth
from nnlint.witness import Case, confirmed, harmless_here, last, numbers, unverified
from nnlint.words import NETWORKS

COUPLED = 0.5
DECOUPLED = 2.0
LIMITS = {
    **dict.fromkeys(("SGD", "Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "ASGD"), COUPLED),
    "AdamW": DECOUPLED,
}
"""The smallest implausible decay of torch.optim's classes; optimizers that are not listed have ranges of their own."""

SHRUNK = 0.5
"""Weights that end below this part of where they began, or would be without the decay, have shrunk."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each decay that is out of range."""
    for made in run.events(OptimizerMade):
        optimizer = made.optimizer
        if not isinstance(optimizer, Optimizer) or optimizer.kind not in LIMITS:
            continue
        decoupled = truth(optimizer.arguments.get("decoupled_weight_decay")) is True
        for setting in settings(run, made, "weight_decay"):
            limit = DECOUPLED if decoupled else max(LIMITS.get(kind, math.inf) for kind in setting.kinds)
            if max(setting.tried) < limit or not is_deep(run, optimizer) or sums_its_loss(run):
                continue
            if not is_never_used(run, setting):
                yield _problem(made, optimizer, setting)


def _problem(made: OptimizerMade, optimizer: Optimizer, setting: Setting) -> Problem:
    largest = max(setting.tried)
    tries = len(setting.tried) > 1
    related = []
    if setting.default:
        related.append((made.at, f"given to {optimizer.kind} here"))
    elif setting.written is not None and tries:
        related.append((setting.written, "one of the values tried"))
    return Problem(
        setting.at,
        f"a weight decay of {largest:g} shrinks the weights to nearly nothing, whatever the data say",
        label=f"tries values up to {largest:g}" if tries else "usual values are 0 to 0.01",
        related=tuple(related),
        help="use 1e-4 or so; if a search prefers a large value, look at the scale of the targets first",
        control=other_number(setting.at, "train without weight decay", "0.0"),
        exposure=only_element(setting.written, largest, "try this value alone") if tries and setting.written else None,
    )


def witness(case: Case) -> Verdict:
    """Whether the weights shrink under such a decay, and not without it."""
    from statistics import median  # for a real run alone

    strong = [event for event in case.run.events(OptimizerStepped) if event.numbers.get("weight_decay", 0.0) >= COUPLED]
    if not strong:
        return unverified(f"the run did not come to a step with a weight decay of {COUPLED:g} or more")
    trained = [event for event in strong if event.optimizer is strong[-1].optimizer]
    first, end = numbers(trained, "decayed_norm")[0], last(trained, "decayed_norm")
    if len(trained) < 2:
        return unverified("the run took too few steps with it")
    without = _norm_without(case, trained[-1])
    words = f"the norm of the weights goes from {first:.3g} to {end:.3g}"
    if end < first * SHRUNK or (math.isfinite(without) and end < without * SHRUNK):
        more = f"; without the decay to {without:.3g}" if math.isfinite(without) else ""
        return confirmed(words + more, first=first, last=end)
    pull, gradient = median(_pulls(trained)), median(numbers(trained, "decayed_gradient_norm"))
    if end < first and pull > gradient and getattr(trained[-1].optimizer, "kind", "") != "AdamW":
        return confirmed(
            f"{words}: the decay pulls with {pull:.3g}, the data with {gradient:.3g}", first=first, last=end, pull=pull
        )
    return harmless_here(f"{words}: the data hold against the decay", first=first, last=end)


def _norm_without(case: Case, step: OptimizerStepped) -> float:
    """What the norm of the same group of weights is without the decay; NaN where that was not measured."""
    steps = list(case.mended.events(OptimizerStepped)) if case.mended is not None else []
    group = step.numbers["decayed_group"]
    return last([each for each in steps if each.numbers.get("decayed_group") == group], "decayed_norm")


def _pulls(steps: list[OptimizerStepped]) -> list[float]:
    """What the decay adds to the gradient at each step, in size."""
    return [
        step.numbers["weight_decay"] * step.numbers["decayed_norm"] for step in steps if "decayed_norm" in step.numbers
    ]


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN601",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(NETWORKS | frozenset(LIMITS),),
    needs=needs(OptimizerMade),
)
