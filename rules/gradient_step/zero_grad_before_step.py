"""Gradients are cleared between the backward pass and the step.

## What it does
Follows every path from a backward pass to the step that was to use its gradients, and reports a clear in between, wherever it
stands: in the loop, in a helper, in a method, in another file. The clear must certainly concern the parameters that the
optimizer steps, and every path to that step must lose its gradients.

## Why it matters
The optimizer only ever sees gradients that are zero or None, so the network stays as it was drawn, or drifts by momentum and
weight decay alone. Nothing raises, and the loss is logged as if something were learned.
Source: torch.optim, "Taking an optimization step" (https://docs.pytorch.org/docs/stable/optim.html).

## Example
```python
loss = criterion(model(inputs), targets)
loss.backward()
optimizer.zero_grad()
optimizer.step()
```

Use instead:
```python
loss = criterion(model(inputs), targets)
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

## Fix safety
Safe: the clear is moved before the backward pass, or after the step where the backward pass stands elsewhere. Both are what
every recipe does; the gradients it threw away were never used.

## Witness
The gradients are zero or None at every step.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from nnlint.events import Backward, GradientsCleared, OptimizerStepped, Run, ValueSeen
from nnlint.facts.gradients import Trained, trained_apart
from nnlint.facts.unused_losses import is_computed_between
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import follow
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import CLEARED, STEPPED


class Gradients(NamedTuple):
    """What is in the gradients on one path: "unknown", "filled" by a backward pass, or "lost" to a clear after it."""

    state: str
    backward: Backward | None = None
    clear: GradientsCleared | None = None


@dataclass
class Lost:
    """A step that finds nothing, for what was computed was cleared."""

    backward: Backward
    clear: GradientsCleared
    step: OptimizerStepped


def check(run: Run) -> Iterator[Problem]:
    """One problem for each clear that throws gradients away."""
    reported: set[Any] = set()
    for each in trained_apart(run):
        arriving: dict[OptimizerStepped, set[Gradients]] = {}
        follow(each.steps, Gradients("unknown"), _protocol(each, arriving))
        for lost in _lost(arriving):
            node = node_at(lost.clear.at)
            if _is_skipped(lost, arriving):
                continue
            if node not in reported and not is_computed_between(run, each, lost.clear, lost.step):
                reported.add(node)
                yield _problem(lost)


def _protocol(each: Trained, arriving: dict[OptimizerStepped, set[Gradients]]) -> Any:
    def advance(before: Hashable, event: Any) -> Hashable:
        effect = each.effect_of(event)
        gradients = before if isinstance(before, Gradients) else Gradients("unknown")
        if effect == "fills":
            return gradients if gradients.state == "filled" else Gradients("filled", event)
        if effect == "clears":
            return _cleared(gradients, event, each.is_cleared_by(event))
        if effect == "steps":
            arriving.setdefault(event, set()).add(gradients)
        return Gradients("unknown")

    return advance


def _cleared(before: Gradients, clear: GradientsCleared, certain: bool) -> Gradients:
    if clear.replaced or not certain:
        return Gradients("unknown")
    return Gradients("lost", before.backward, clear) if before.state == "filled" else before


def _lost(arriving: dict[OptimizerStepped, set[Gradients]]) -> Iterator[Lost]:
    for step, paths in arriving.items():
        if all(gradients.state == "lost" for gradients in paths):
            for gradients in paths:
                if gradients.backward is None or not _is_for(gradients.backward, step):
                    continue
                if gradients.clear is not None:
                    yield Lost(gradients.backward, gradients.clear, step)


def _is_skipped(lost: Lost, arriving: dict[OptimizerStepped, set[Gradients]]) -> bool:
    """Whether the gradients are thrown away under a condition that only comes up behind the backward pass, for one that is too
    large, say, while another step uses them on the other paths: a step on nothing keeps a gradient scaler's books."""
    if set(lost.clear.conditions) <= set(lost.backward.conditions):
        return False
    return any(
        step.iterations == lost.step.iterations and any(gradients.state == "filled" for gradients in paths)
        for step, paths in arriving.items()
        if node_at(step.at) is not node_at(lost.step.at)
    )


def _is_for(backward: Backward, step: OptimizerStepped) -> bool:
    """Whether the gradients were computed in the pass of the step: what another pass has left may be cleared."""
    if not backward.iterations or not step.iterations:
        return True
    return backward.iterations[-1] in step.iterations or step.iterations[-1] in backward.iterations


def _problem(lost: Lost) -> Problem:
    return Problem(
        lost.clear.at,
        "the step finds no gradients, because they are cleared between the backward pass and the step",
        label="throws the gradients away",
        related=((lost.backward.at, "computes them"), (lost.step.at, "steps on nothing")),
        help="clear the gradients before the backward pass, or after the step",
        fix=_fix(lost),
    )


def _fix(lost: Lost) -> Fix | None:
    moved = edits.statement_lines(lost.clear.at)
    removed = edits.remove_statement(lost.clear.at)
    if moved is None or removed is None:
        return None
    block = {id(statement) for statement in edits.block_of(lost.clear.at)}
    if _stands_in(block, lost.backward):
        message, put = "clear before the backward pass", edits.insert_before(lost.backward.at, *moved)
    elif _stands_in(block, lost.step):
        message, put = "clear after the step", edits.insert_after(lost.step.at, *moved)
    else:
        return None
    return edits.fix(Applicability.SAFE, message, put, removed)


def _stands_in(block: set[int], event: Backward | OptimizerStepped) -> bool:
    return isinstance(event.at, CodeSite) and id(event.at.statement) in block


def witness(case: Case) -> Verdict:
    """Whether every step finds gradients of zero, or none."""
    steps = case.related(OptimizerStepped)
    norms = numbers(steps, "gradient_norm") or _updates(case)
    if not norms:
        return not_reached(case)
    if not any(norms):
        return confirmed(f"the gradient is zero at all {len(norms)} steps that were measured", steps=len(norms))
    return refuted(f"the gradient is not zero at the step ({max(norms):.2g})", gradient_norm=max(norms))


def _updates(case: Case) -> list[float]:
    """The mean sizes of what weights updated by hand are changed by."""
    seen = [each for each in case.related(ValueSeen) if each.what == "value"]
    return numbers(seen, "right_mean_size") or numbers(seen, "argument_mean_size")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN103",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(CLEARED, STEPPED),
    needs=needs(GradientsCleared, OptimizerStepped),
)
