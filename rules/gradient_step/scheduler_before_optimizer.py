"""The learning rate moves on before the optimizer has stepped.

## What it does
Reports `scheduler.step()` that comes before the first `optimizer.step()` of the same pass of a loop: right before it in the
batch loop, or at the top of the epoch loop, before the batches. Schedulers that are told the epoch or a metric
(`scheduler.step(epoch)`, `ReduceLROnPlateau`) are left alone, and so are those that are wound forward before the training
resumes, and all that are not PyTorch's. In code that was written for a PyTorch before 1.1, where this was the order to follow
(`loss.data[0]`, `volatile=True`), it is advice.

## Why it matters
Since PyTorch 1.1 the first step of a scheduler sets the second rate. The first value of the schedule, often the largest, is
skipped, all others come one step early, and a warm-up starts above its start.
Source: PyTorch, "How to adjust learning rate" (https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).

## Example
```python
for epoch in range(epochs):
    scheduler.step()
    for inputs, targets in loader:
        train_step(model, optimizer, inputs, targets)
```

Use instead:
```python
for epoch in range(epochs):
    for inputs, targets in loader:
        train_step(model, optimizer, inputs, targets)
    scheduler.step()
```

## Fix safety
Safe: the call moves behind the statement that leads to the optimizer's step, in the same block. Where that stands in another
block or function, there is no fix.

## Witness
The scheduler stepped before its optimizer had, and the optimizer stepped afterwards.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Escaped, OptimizerStepped, Run, SchedulerStepped
from nnlint.facts.gradients import Trained, trained
from nnlint.facts.schedules import stepped_plainly
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Scheduler, Value, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import STEPPED, TRAINING

OLD = regex(r"\bvolatile\s*=\s*True|\b\w*(?:loss|nll|mse|mae|kl|acc|err|correct)\w*(?:\([^()\n]*\))?\.data\[0\]", re.I)
"""What only works before PyTorch 0.5: a number taken out of a loss as if that had a dimension."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each scheduler that is ahead of its optimizer."""
    events = [event for event in run.events(SchedulerStepped) if event.iterations and stepped_plainly(event)]
    if not events:
        return
    reported: set[object] = set()
    for event in events:
        node = node_at(event.at)
        step = None if node in reported else _step_behind(run, event)
        if step is not None:
            reported.add(node)
            yield _problem(event, step)


def _step_behind(run: Run, event: SchedulerStepped) -> OptimizerStepped | None:
    """The first step of the scheduler's optimizer, where it follows in the same pass and nothing may have stepped before."""
    steps = [step for step in run.events(OptimizerStepped) if _is_of(event.scheduler, step.optimizer)]
    first = steps[0] if steps else None
    if first is None or first.order < event.order or event.iterations[-1] not in first.iterations:
        return None
    if any(other.order < event.order and other.at is not event.at for other in _earlier(run, event)):
        return None
    if event.conditional and not set(event.conditions) <= set(first.conditions) and not _is_chosen_before(event):
        return None
    own = (each for each in trained(run) if _is_of(event.scheduler, each.optimizer))
    return None if any(_escapes(run, each, event) for each in own) else first


def _is_chosen_before(event: SchedulerStepped) -> bool:
    """Whether the conditions it stands under are the same in all passes of its loop: options, not counts."""
    loops = edits.loops_around(event.at)
    blocks = edits.blocks_around(event.at)
    if not loops or any(not isinstance(each, ast.If) for each in blocks[blocks.index(loops[-1]) + 1 :]):
        return False
    bound = {ast.unparse(node) for node in ast.walk(loops[-1]) if _is_stored(node)}
    tests = [each.test for each in blocks[blocks.index(loops[-1]) + 1 :] if isinstance(each, ast.If)]
    parts = [part for test in tests for part in ast.walk(test)]
    is_left_out = any(isinstance(part, (ast.Break, ast.Continue, ast.Return)) for part in ast.walk(loops[-1]))
    return not is_left_out and not any(
        isinstance(part, ast.Call) or (isinstance(part, (ast.Name, ast.Attribute)) and ast.unparse(part) in bound)
        for part in parts
    )


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store)


def _earlier(run: Run, event: SchedulerStepped) -> Iterator[SchedulerStepped]:
    """Steps of the same scheduler outside of the pass: it is wound forward before the training."""
    for other in run.events(SchedulerStepped):
        if other.scheduler is event.scheduler and event.iterations[-1] not in other.iterations:
            yield other


def _escapes(run: Run, each: Trained, event: SchedulerStepped) -> bool:
    """Whether code that is not at hand got hold of the optimizer before: it may have stepped it."""
    return any(escaped.order < event.order and each.may_escape_in(escaped) for escaped in run.events(Escaped))


def _is_of(scheduler: Value, optimizer: Value) -> bool:
    held = scheduler.optimizer if isinstance(scheduler, Scheduler) else None
    stepped = alternatives(optimizer)
    return held is not None and any(each is other for each in alternatives(held) for other in stepped)


def _problem(event: SchedulerStepped, step: OptimizerStepped) -> Problem:
    return Problem(
        event.at,
        "the first rate of the schedule is skipped, because the scheduler steps before the optimizer",
        label="sets the second rate, before any step was taken with the first",
        related=((step.at, "the optimizer's first step"),),
        help="call it after the optimizer's step: once per batch behind that, once per epoch at the end of the epoch",
        severity=Severity.ADVICE if _is_old(event) else None,
        fix=_fix(event, step),
    )


def _is_old(event: SchedulerStepped) -> bool:
    """Whether the file was written for a release of PyTorch in which the scheduler came first."""
    return isinstance(event.at, CodeSite) and OLD.search(event.at.module.source.text) is not None


def _fix(event: SchedulerStepped, step: OptimizerStepped) -> Fix | None:
    lines, removed = edits.statement_lines(event.at), edits.remove_statement(event.at)
    leading = _leading_statement(event, step)
    if lines is None or removed is None or leading is None:
        return None
    put = edits.insert_after(leading, *lines)
    return edits.fix(Applicability.SAFE, "step the scheduler after the optimizer", removed, put)


def _leading_statement(event: SchedulerStepped, step: OptimizerStepped) -> CodeSite | None:
    """The statement of the scheduler's own block that holds the optimizer's step, or the call that leads to it."""
    block = edits.block_of(event.at)
    sites = {id(site.statement) for site in (step.at, *step.calls) if isinstance(site, CodeSite)}
    behind = False
    for statement in block:
        if behind and any(id(part) in sites for part in ast.walk(statement)):
            return edits.statement_site(event.at, statement)
        behind = behind or (isinstance(event.at, CodeSite) and statement is event.at.statement)
    return None


def witness(case: Case) -> Verdict:
    """Whether the scheduler's first step at this line came before any step of its optimizer."""
    taken = numbers(case.at(SchedulerStepped), "steps")
    if not taken:
        return not_reached(case)
    if taken[0]:
        return refuted(
            f"the optimizer had stepped {taken[0]:.0f} times when the scheduler first stepped here", steps=taken[0]
        )
    if not any(case.run.events(OptimizerStepped)):
        return unverified("the optimizer was never stepped in the run")
    return confirmed("the scheduler stepped here before the optimizer had stepped once")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN110",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(SchedulerStepped),
)
