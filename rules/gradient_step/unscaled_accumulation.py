"""Gradients of several batches are accumulated, and the loss is not divided by their number.

## What it does
Reports a backward pass in a loop that steps and clears once in every so many passes (`if (i + 1) % n == 0`), where nothing
between the network and `backward` divides the loss. A sum-reduced loss is left alone, and so are frameworks that divide by
themselves. Opt-in, as a rate may have been chosen for the sum.

## Why it matters
`backward` adds, so the step takes the sum over n batches where one large batch would give the mean: the gradient is n times
as long. Under SGD that is n times the learning rate, clipping sets in n times as early, and changing n changes the training.
Source: Hugging Face Accelerate, "Performing gradient accumulation"
(https://huggingface.co/docs/accelerate/usage_guides/gradient_accumulation).

## Example
```python
loss = criterion(model(inputs), targets)
loss.backward()
if (i + 1) % accumulation_steps == 0:
    optimizer.step()
    optimizer.zero_grad()
```

Use instead:
```python
loss = criterion(model(inputs), targets) / accumulation_steps
loss.backward()
if (i + 1) % accumulation_steps == 0:
    optimizer.step()
    optimizer.zero_grad()
```

## Fix safety
Unsafe: it makes the steps of SGD smaller by the number of batches, for which the learning rate may have been chosen.

## Witness
Several backward passes come to one step, and what each differentiates is all that the loss function gave, not a share of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Backward, GradientsCleared, LossComputed, OptimizerStepped, Run, ScalerUpdated
from nnlint.facts.summed_losses import is_sum
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import LOSS_OPERATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Value
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD, STEPPED

MOST_OF_A_SHARE = 0.9


def check(run: Run) -> Iterator[Problem]:
    """One problem for each backward pass whose loss counts in full, of several that come to one step."""
    reported: set[object] = set()
    for step in run.events(OptimizerStepped):
        count = _count_of(step) if step.iterations and step.conditional else None
        for backward in run.events(Backward) if count is not None else ():
            node = node_at(backward.at)
            if node in reported or not _accumulates(run, backward, step) or _is_divided(backward.loss):
                continue
            reported.add(node)
            yield _problem(backward, step, count or "")


def _count_of(step: OptimizerStepped) -> str | None:
    """How many passes come to a step, as it is written: n of `if (i + 1) % n == 0`."""
    for site in (step.at, *reversed(step.calls)):
        for block in reversed(edits.blocks_around(site)):
            count = _modulus(block.test) if isinstance(block, ast.If) else None
            if count is not None and isinstance(site, CodeSite):
                return None if isinstance(count, ast.Constant) and count.value == 1 else edits.node_code(site, count)
    return None


def _modulus(test: ast.expr) -> ast.expr | None:
    found = (node for node in ast.walk(test) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod))
    return next((node.right for node in found if isinstance(node.right, (ast.Name, ast.Attribute, ast.Constant))), None)


def _accumulates(run: Run, backward: Backward, step: OptimizerStepped) -> bool:
    """Whether the pass differentiates each time, by `backward()` of the loss itself, and clears only with the step."""
    node = backward.at.node if isinstance(backward.at, CodeSite) else None
    is_plain = isinstance(node, ast.Call) and not node.args and isinstance(node.func, ast.Attribute)
    if not is_plain or backward.conditional or backward.iterations[-1:] != step.iterations[-1:]:
        return False
    here = backward.iterations[-1]
    clears = [each for each in run.events(GradientsCleared) if here in each.iterations]
    return bool(clears) and all(each.conditional for each in clears)


def _is_divided(loss: Value) -> bool:
    """Whether the loss is divided or weighed by anything, summed over the batch, or made by code that is not at hand."""
    for data in ancestors(loss, stop=lambda each: each.operation == "output" or each.operation in LOSS_OPERATIONS):
        if data.operation in ("divide", "multiply") or is_sum(data):
            return True
    return False


def _problem(backward: Backward, step: OptimizerStepped, count: str) -> Problem:
    fix = _fix(backward, count)
    return Problem(
        backward.at,
        f"a step takes the sum over {count} batches, not their mean, because the loss of each counts in full",
        label="adds the whole gradient of this batch",
        related=((step.at, f"steps once in {count} passes"),),
        help=f"divide the loss by `{count}` before the backward pass",
        fix=fix,
    )


def _fix(backward: Backward, count: str) -> Fix | None:
    call = backward.at.node if isinstance(backward.at, CodeSite) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Attribute)
        or not isinstance(backward.at, CodeSite)
    ):
        return None
    loss, inner = call.func.value, call.func.value
    if isinstance(loss, ast.Call) and len(loss.args) == 1 and isinstance(loss.args[0], ast.Name):
        inner = loss.args[0]
    if not isinstance(inner, (ast.Name, ast.Attribute)):
        return None
    text = edits.node_code(backward.at, inner)
    written = f"{text} / {count}" if inner is not loss else f"({text} / {count})"
    edit = edits.replace(CodeSite(backward.at.module, inner), written)
    return edits.fix(Applicability.UNSAFE, f"divide the loss by `{count}`", edit)


def witness(case: Case) -> Verdict:
    """Whether several passes come to one step, each with the whole loss of its batch."""
    passes, steps = case.at(Backward), case.related(OptimizerStepped)
    if not passes or not steps:
        return not_reached(case)
    per_step = len(passes) / len(steps)
    if per_step <= 1 or not any(numbers(passes, "waiting_norm")):
        return refuted("one backward pass comes to each step")
    shares = list(_shares(case.run, passes))
    if not shares:
        return unverified("the loss could not be compared with that of the batch")
    share = sum(shares) / len(shares)
    if share < MOST_OF_A_SHARE:
        return refuted(f"{share:.2f} of the loss of each batch is differentiated", share=share)
    return confirmed(
        f"{per_step:.1f} backward passes come to one step, each with the whole loss of its batch",
        passes_per_step=per_step,
    )


def _shares(run: Run, passes: list[Backward]) -> Iterator[float]:
    """What was differentiated, over what the loss function gave right before; scaled losses count by their scale."""
    scale = min(numbers(list(run.events(ScalerUpdated)), "scale"), default=1.0)
    losses = [each for each in run.events(LossComputed) if each.numbers.get("loss")]
    for backward in passes:
        before = [each for each in losses if each.order < backward.order]
        if before and "loss" in backward.numbers:
            yield backward.numbers["loss"] / before[-1].numbers["loss"] / scale


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN117",
    severity=Severity.WARNING,
    since="0.1",
    default=False,
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(STEPPED, BACKWARD),
    needs=needs(OptimizerStepped, Backward),
)
