"""The network is constructed inside the loop that trains it.

## What it does
Reports a network that is made anew in every pass of a loop over epochs or batches, directly or in a function that the loop
calls, and trained there. One per fold, trial, seed, client or member of an ensemble is right and left alone, and so is one
that loads the weights it had, or is made only where there is none yet.

## Why it matters
Every pass starts from a fresh draw of the weights: whatever the pass before has learned is gone, and the network that is kept
has seen one epoch, or one batch. The loss falls within each pass and jumps back at the next.
Source: PyTorch, "Optimizing model parameters"
(https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html).

## Example
```python
for epoch in range(epochs):
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    train_one_epoch(model, optimizer, loader)
```

Use instead:
```python
model = Net()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(epochs):
    train_one_epoch(model, optimizer, loader)
```

## Fix safety
Safe: the construction moves before the outermost loop in which nothing that it uses is assigned. Where the loop stands in
another function, there is no fix.

## Witness
Several networks that were made at this line are called for training, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import ModelBuilt, ModelCalled, OptimizerStepped, Run
from nnlint.facts.loops import header_of
from nnlint.facts.rebuilt_models import rebuilt_models
from nnlint.facts.remaking import Remade
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending.hoisting import hoisted
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.witness import Case, confirmed, refuted, unverified
from nnlint.words import NETWORKS


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constructor call that a training loop repeats."""
    for found in rebuilt_models(run):
        yield _problem(found)


def _problem(found: Remade[ModelBuilt]) -> Problem:
    return Problem(
        found.made.at,
        "what the network learns is lost, because every pass of this loop makes a new one",
        label="made anew in every pass",
        related=((header_of(found.iteration.loop), "this loop repeats it"), (found.used.at, "trains it")),
        help="construct it once, before the loop, and its optimizer after it",
        fix=hoisted(found.made.at, "construct the network before the loop"),
    )


def witness(case: Case) -> Verdict:
    """Whether networks made here one after the other are called with gradients."""
    calls = [call for call in case.made_at(ModelCalled) if call.numbers.get("gradient")]
    networks = list(dict.fromkeys(call.model for call in calls))
    if len(networks) > 1:
        return confirmed(
            f"{len(networks)} networks made here were trained one after the other, each from a fresh draw",
            networks=len(networks),
        )
    if not networks:
        return unverified("no network made here was called for training in the run")
    if case.run.ended == "finished":
        return refuted("one network was made here in the whole run")
    return unverified("the run ended before a second network was made here")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN116",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(ModelBuilt, ModelCalled, OptimizerStepped),
)
