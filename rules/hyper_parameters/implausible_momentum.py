"""A momentum or beta that is no share of the past: 1 or more, or negative.

## What it does
Reports a momentum (SGD, RMSprop), a beta (Adam and its kin), an alpha (RMSprop) or a rho (Adadelta) of 1 or more, or below 0.
A default of the command line or of a settings class is reported where it is written.

## Why it matters
These numbers say which share of the past is kept at each step. At 1 nothing is ever forgotten, and beyond 1 the past grows with
every step, until the weights are infinite or NaN. Adam's constructor refuses such a beta, and SGD's a negative momentum; SGD
takes a momentum above 1 without a word. Most often a 0 or a point is missing: 9 for 0.9, 1.0 for 0.0.
Source: torch.optim.SGD (https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html); Sutskever et al., "On the
importance of initialization and momentum in deep learning", ICML 2013, with momenta up to 0.999.

## Example
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=1.9)
```

Use instead:
```python
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
```

## Witness
The constructor raises, or the loss grows or is no longer finite, which it does not with a momentum of 0.9.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from nnlint.events import OptimizerMade, OptimizerStepped, Run
from nnlint.facts.hyper_parameters import Setting, is_never_used, settings
from nnlint.finding import Fix, Severity, Verdict
from nnlint.mending.controls import other_number
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Optimizer, Site
from nnlint.witness import Case, confirmed, harmless_here, numbers, settled, unverified
from nnlint.words import NETWORKS

SHARES = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"), ("betas",)),
    "SGD": ("momentum",),
    "RMSprop": ("momentum", "alpha"),
    "Adadelta": ("rho",),
}
"""Which settings of torch.optim's classes are shares of the past."""

USUAL = {"betas": "(0.9, 0.999)", "alpha": "0.99"}
GROWN = 2.0


def check(run: Run) -> Iterator[Problem]:
    """One problem for each share that is out of its range."""
    for made in run.events(OptimizerMade):
        optimizer = made.optimizer
        for name in SHARES.get(optimizer.kind, ()) if isinstance(optimizer, Optimizer) else ():
            for setting in settings(run, made, name):
                wrong = [each for each in setting.tried if not 0 <= each < 1]
                if wrong and isinstance(optimizer, Optimizer) and not is_never_used(run, setting):
                    yield _problem(made, optimizer, setting, name, wrong[0])


def _problem(made: OptimizerMade, optimizer: Optimizer, setting: Setting, name: str, value: float) -> Problem:
    word = "beta" if name == "betas" else name
    return Problem(
        setting.at,
        f"a {word} of {value:g} "
        + ("turns every step against the last" if value < 0 else "lets the steps of the past grow without end"),
        label="usual values are 0 to 0.999",
        related=((made.at, f"given to {optimizer.kind} here"),) if _is_apart(setting, made) else (),
        help="use 0.9 or so",
        control=_control(setting.at, name),
    )


def _is_apart(setting: Setting, made: OptimizerMade) -> bool:
    """Whether the number does not stand on the line on which the optimizer is made."""
    return setting.default or setting.at.place.line != made.at.place.line


def _control(at: Site, name: str) -> Fix | None:
    node = at.node.value if isinstance(at, CodeSite) and isinstance(at.node, ast.keyword) else getattr(at, "node", None)
    usual = USUAL.get(name, "0.9") if isinstance(node, (ast.Tuple, ast.List)) or name != "betas" else "0.9"
    return other_number(at, f"train with a usual {name}", usual)


def witness(case: Case) -> Verdict:
    """Whether such an optimizer cannot be made, or its steps drive the loss up."""
    places = [case.finding.place, *(each.place for each in case.finding.related)]
    raised = case.raised_at(*places)
    if raised is not None and "Invalid" in raised.message:
        return confirmed(f"the constructor raises {raised.error}: {raised.message}")
    steps = [each for each in case.run.events(OptimizerStepped) if each.numbers.get("momentum", 0.0) >= 1]
    losses = case.losses(*places)
    if not steps or not losses:
        return unverified("the run did not come to a step with such a momentum")
    if not all(map(math.isfinite, losses)):
        return confirmed("the loss is no longer a finite number")
    if case.mended is not None and (both := case.compared_losses(*places))[1]:
        end, usual = map(settled, both)
    else:
        end, usual = settled(losses), math.nan
    first = losses[0]
    norms = numbers(steps, "weight_norm")
    words = (
        f"the loss goes from {first:.3g} to {end:.3g}, the norm of the weights from {norms[0]:.3g} to {norms[-1]:.3g}"
    )
    more = f"; with a usual momentum the loss settles at {usual:.3g}" if math.isfinite(usual) else ""
    if end > GROWN * first or end > GROWN * usual or norms[-1] > 10 * norms[0]:
        return confirmed(words + more, first=first, last=end)
    return harmless_here(words + more, first=first, last=end)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN605",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS | frozenset(SHARES),),
    needs=needs(OptimizerMade),
)
