"""The learning-rate scheduler is constructed inside the loop that steps it.

## What it does
Reports a scheduler that is made anew in every pass of a training loop, over an optimizer that lives on, and stepped there:
per epoch, per batch, or in a function that the loop calls. One per fold, trial, phase or restart is right and left alone, as
is one that is told where it goes on (`last_epoch=epoch`), or that runs a whole cycle over the batches of each epoch:
`CosineAnnealingWarmRestarts` or `OneCycleLR`, not `CosineAnnealingLR`, which begins with the rate that it finds, and the
first has left none. Where the optimizer is made anew too, that is what is reported.

## Why it matters
A scheduler counts its own steps, and a new one counts from zero. The schedule never gets past its first value or two:
`StepLR` never comes to its milestone, a warm-up never ends.
Source: PyTorch, "How to adjust learning rate" (https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).

## Example
```python
for epoch in range(epochs):
    scheduler = StepLR(optimizer, step_size=10)
    train_one_epoch(model, optimizer)
    scheduler.step()
```

Use instead:
```python
scheduler = StepLR(optimizer, step_size=10)
for epoch in range(epochs):
    train_one_epoch(model, optimizer)
    scheduler.step()
```

## Fix safety
Safe: the construction moves before the outermost loop in which nothing that it uses is assigned. Where its arguments depend
on the loop, or the loop stands in another function, there is no fix.

## Witness
More than one construction at that line, over one optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnlint.events import Run, SchedulerMade, SchedulerStepped
from nnlint.facts.loops import header_of
from nnlint.facts.remaking import Remade, holds_own_training, remade
from nnlint.facts.schedules import UNCOUNTED
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending.hoisting import hoisted
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import node_at
from nnlint.values import Data, Optimizer, Scheduler, Value, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import STEPPED, TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constructor call that a training loop repeats."""
    made = [event for event in run.events(SchedulerMade) if event.iterations]
    by_scheduler = {id(event.scheduler): event for event in made}
    reported: set[object] = set()
    for step in run.events(SchedulerStepped) if made else ():
        candidates = [by_scheduler.get(id(each)) for each in alternatives(step.scheduler)]
        for found in remade(run, made, step, candidates, _optimizers):
            node = node_at(found.made.at)
            if node not in reported and not _is_right(found):
                reported.add(node)
                yield _problem(found)


def _optimizers(event: SchedulerMade) -> Sequence[Value]:
    scheduler = event.scheduler
    held = scheduler.optimizer if isinstance(scheduler, Scheduler) else None
    return [each for each in alternatives(held) if isinstance(each, Optimizer)]


def _is_right(found: Remade[SchedulerMade]) -> bool:
    """Whether it belongs to the pass: a phase, a restart, a cycle over the batches of one epoch."""
    scheduler = found.made.scheduler
    if found.guarded or found.made.conditional or holds_own_training(found) or not isinstance(scheduler, Scheduler):
        return True
    if scheduler.kind == UNCOUNTED:
        return True
    return "last_epoch" in scheduler.arguments or (bool(found.inner) and _is_as_long_as_an_epoch(scheduler))


GOES_ON_FROM_HERE = "CosineAnnealingLR"
"""A scheduler that begins with the rate that it finds: a second one stays where the first has ended, at the least rate."""


def _is_as_long_as_an_epoch(scheduler: Scheduler) -> bool:
    """Whether it is told the number of batches as its length, and of no more epochs than the one, and begins anew each time."""
    if scheduler.kind == GOES_ON_FROM_HERE:
        return False
    given = {name: value for name, value in scheduler.arguments.items() if name != "optimizer"}
    lengths = [value for value in given.values() if isinstance(value, Data) and value.operation == "length"]
    return bool(lengths) and "epochs" not in given


def _problem(found: Remade[SchedulerMade]) -> Problem:
    return Problem(
        found.made.at,
        "the schedule never gets on, because every pass of this loop makes a new scheduler",
        label="made anew in every pass",
        related=((header_of(found.iteration.loop), "this loop repeats it"), (found.used.at, "steps it")),
        help="construct it once, before the loop",
        fix=hoisted(found.made.at, "construct the scheduler before the loop"),
    )


def witness(case: Case) -> Verdict:
    """Whether schedulers are made here again and again, over one optimizer."""
    made = case.at(SchedulerMade)
    if not made:
        return not_reached(case)
    if len(made) < 2:
        if case.run.ended == "finished":
            return refuted("the scheduler was made once in the whole run")
        return unverified("the run ended before a second scheduler was made here")
    optimizers = numbers(made, "optimizer")
    if len(set(optimizers)) == len(made):
        return refuted(f"each of the {len(made)} schedulers made here has an optimizer of its own")
    return confirmed(f"made {len(made)} times, each time counting from zero", constructions=len(made))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN111",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(SchedulerMade, SchedulerStepped),
)
