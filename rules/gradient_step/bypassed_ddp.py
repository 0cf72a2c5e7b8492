"""The training calls the network past its DistributedDataParallel.

## What it does
Where a network is wrapped by `DistributedDataParallel`, reports a forward pass whose loss is differentiated and that calls
the network under its old name or through `.module`: directly, by another name for that, in a function that is given it, or in
a method such as `ddp.module.compute_loss(batch)`. Evaluation, saving and averages of weights are left alone, and so is an arm
of the code that runs without the wrapper.

## Why it matters
The wrapper prepares the averaging of gradients in its own `forward`. Past it, every process steps on the gradients of its own
share of the data alone, and the copies of the network drift apart: the job costs as much as one over all the data and learns
from a fraction of it. What is saved is the copy of rank 0.
Source: PyTorch, "Distributed Data Parallel: Internal design"
(https://docs.pytorch.org/docs/stable/notes/ddp.html#internal-design).

## Example
```python
ddp = DistributedDataParallel(model)
loss = criterion(model(inputs), targets)
loss.backward()
```

Use instead:
```python
ddp = DistributedDataParallel(model)
loss = criterion(ddp(inputs), targets)
loss.backward()
```

## Fix safety
Safe: the wrapper is called in place of the network, where it has a name there. Where it is only made under a condition, there
is no fix.

## Witness
None: the copies of two processes drift apart, and the run has one.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import NetworkWrapped, Run
from nnlint.facts.unwrapped import Bypass, bypasses
from nnlint.finding import Applicability, Fix, Severity
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.words import NETWORKS


def check(run: Run) -> Iterator[Problem]:
    """One problem for each such call."""
    reported: set[object] = set()
    for found in bypasses(run):
        at = found.at if found.by_method else found.call.at
        node = at.node if isinstance(at, CodeSite) else at
        if node not in reported:
            reported.add(node)
            yield _problem(found)


def _problem(found: Bypass) -> Problem:
    at = found.at if found.by_method else found.call.at
    related = [(found.wrapped.at, "the wrapper that averages gradients")]
    if isinstance(at, CodeSite) and found.at.statement is not at.statement:
        related.append((found.at, "the network without it is given here"))
    if found.by_method:
        related.append((found.call.at, "calls the network itself"))
    return Problem(
        at,
        "gradients are not averaged over the processes, because this calls the network past its wrapper",
        label="computes the loss past the wrapper" if found.by_method else "calls the network itself",
        related=tuple(related),
        help="compute the loss in the network's `forward`"
        if found.by_method
        else f"call `{found.wrapper}` in training",
        fix=None if found.by_method else _fix(found),
    )


def _fix(found: Bypass) -> Fix | None:
    if found.wrapped.conditional and not edits.code_of(found.at).endswith(".module"):
        return None
    edit = edits.replace(found.at, found.wrapper)
    return edits.fix(Applicability.SAFE, f"use `{found.wrapper}`", edit)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN118",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    undecidable="the run has one process, whose network has no copies to drift from",
    words=(NETWORKS,),
    needs=needs(NetworkWrapped),
)
