"""A gradient scaler steps, and its scale is never updated.

## What it does
Reports `scaler.step(optimizer)` in a loop in whose passes nothing calls `scaler.update()`: it is missing, or stands outside
of the loop over the batches. An update in a helper, a method or another file counts, and where code that is not at hand gets
the scaler, nothing is said.

## Why it matters
The scaler remembers that it has stepped until it is updated: at the second step it raises. Where it is switched off, or is
stepped by code that hides this, the scale stays what it was, so one overflow makes every later step be skipped.
Source: PyTorch, "torch.amp.GradScaler.update" (https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.update).

## Example
```python
scaler.scale(loss).backward()
scaler.step(optimizer)
```

Use instead:
```python
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()
```

## Fix safety
Safe: the update is put behind the last step of the scaler in the pass.

## Witness
The second step raises; or the scaler was stepped several times, and never updated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Backward, Iteration, OptimizerStepped, Run, ScalerUpdated
from nnlint.facts.handed_over import gets_hold_of
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Value, alternatives
from nnlint.witness import Case, confirmed, not_reached, refuted, unverified
from nnlint.words import STEPPED, TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each scaler that a loop steps without an update."""
    steps = [step for step in run.events(OptimizerStepped) if step.scaler is not None]
    if run.cut_short or not steps:
        return
    reported: set[int] = set()
    for step in steps:
        scaler = step.scaler
        if scaler is None or id(scaler) in reported or _is_updated(run, step, scaler) or gets_hold_of(run, scaler):
            continue
        reported.add(id(scaler))
        yield _problem(run, step, scaler)


def _is_updated(run: Run, step: OptimizerStepped, scaler: Value) -> bool:
    """Whether an update may follow in the same pass of the loop; outside of loops, whether a caller may bring one."""
    updates = [each for each in run.events(ScalerUpdated) if _is_same(each.scaler, scaler)]
    here = _pass_of(run, step)
    if here is not None:
        return any(here in each.iterations for each in updates)
    is_own = isinstance(scaler, Data) and scaler.operation == "call"
    return bool(updates) or not (run.called_again and is_own)


def _pass_of(run: Run, step: OptimizerStepped) -> Iteration | None:
    """The innermost pass of a loop in which gradients are computed for the step: not that of a loop over optimizers."""
    shared = [each for event in run.events(Backward) for each in event.iterations if each in step.iterations]
    return max(shared, key=step.iterations.index, default=None)


def _is_same(first: Value, second: Value) -> bool:
    return any(each is other for each in alternatives(first) for other in alternatives(second))


def _problem(run: Run, step: OptimizerStepped, scaler: Value) -> Problem:
    outside = [each for each in run.events(ScalerUpdated) if _is_same(each.scaler, scaler)]
    return Problem(
        step.at,
        "the second step raises, because nothing updates the scaler in this loop",
        label="steps again, without an update between",
        related=tuple((each.at, "not in the loop that steps") for each in outside[:1]),
        help="call `update()` of the scaler after its step",
        fix=None if outside else _fix(run, step, scaler),
    )


def _fix(run: Run, step: OptimizerStepped, scaler: Value) -> Fix | None:
    block = {id(statement) for statement in edits.block_of(step.at)}
    same = [
        each
        for each in run.events(OptimizerStepped)
        if each.scaler is not None
        and _is_same(each.scaler, scaler)
        and isinstance(each.at, CodeSite)
        and id(each.at.statement) in block
    ]
    last = max(same, key=lambda each: each.at.place.line, default=None)
    call = last.at.node if last is not None and isinstance(last.at, CodeSite) else None
    if last is None or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    update = f"{edits.node_code(last.at, call.func.value)}.update()"
    return edits.fix(Applicability.SAFE, f"call `{update}`", edits.insert_after(last.at, update))


def witness(case: Case) -> Verdict:
    """Whether the scaler raised, or stepped several times without an update."""
    if case.raised_at() is not None:
        return confirmed("the scaler raised at its second step")
    steps = case.at(OptimizerStepped)
    if not steps:
        return not_reached(case)
    updates = len(list(case.run.events(ScalerUpdated)))
    if updates >= len(steps):
        return refuted(f"the scaler was updated {updates} times in {len(steps)} steps")
    if len(steps) < 2:
        return unverified("the run ended after one step")
    return confirmed(f"the scaler was updated {updates} times in {len(steps)} steps", steps=len(steps), updates=updates)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN114",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(OptimizerStepped),
)
