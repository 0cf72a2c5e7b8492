"""Gradients are clipped where there are none to clip, or after the step has used them.

## What it does
Follows every path through a training loop to the calls that clip gradients, and reports one that comes after the optimizer's
step, or before the backward pass, when the gradients are still cleared, or that is given a generator of parameters that was made
before the loop, which its first pass uses up. Helpers, methods and other files are followed. A clip with an infinite bound only
measures the norm and is left alone.

## Why it matters
The step is taken with the gradients as they are, so the one batch with a huge gradient throws the weights far off: just what
the clipping was put there to prevent. Nothing tells, for the call itself works.
Source: PyTorch, "torch.nn.utils.clip_grad_norm_"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html); Pascanu et al., "On the difficulty of
training recurrent neural networks" (https://arxiv.org/abs/1211.5063).

## Example
```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
```

Use instead:
```python
optimizer.zero_grad()
loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
```

## Fix safety
Safe: the call moves right before the step, with the `if` around it alone. Where they stand in other blocks or functions,
there is no fix. A generator is put in a list where it is made.

## Witness
The norm of the gradients is over the bound at a step. Where it never comes near the bound, the fault is harmless.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Backward, GradientsClipped, Iteration, OptimizerStepped, Run
from nnlint.facts.clipping import Clip, clips, is_bounded
from nnlint.facts.used_up import used_up_by_passes
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Parameters, Site, Value
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers, unverified
from nnlint.words import BACKWARD, STEPPED

CERTAIN = frozenset({"stepped", "cleared"})
EMPTY = CERTAIN | {"start"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each clip that no path comes to with gradients for a step to come."""
    found = clips(run)
    reported: set[object] = set()
    for clip in found:
        node = node_at(clip.event.at)
        step = None if node in reported else _step_of(run, clip)
        if step is None or not is_bounded(clip.event):
            continue
        made = used_up_by_passes(clip.event)
        if made is not None:
            reported.add(node)
            yield _used_up(clip, made, step)
        elif clip.states <= EMPTY and clip.states & CERTAIN and not any(_is_right(other, clip) for other in found):
            reported.add(node)
            yield _problem(clip, step)


def _used_up(clip: Clip, made: CodeSite, step: OptimizerStepped) -> Problem:
    statement = made.statement
    value = CodeSite(made.module, statement.value, statement) if isinstance(statement, ast.Assign) else made
    kept = edits.replace(value, f"list({edits.code_of(value)})")
    return Problem(
        clip.event.at,
        "the first pass alone clips, because it uses up this generator of parameters",
        label="finds nothing left in it",
        related=((made, "made once, before the loop"), (step.at, "steps on unclipped gradients")),
        help="keep the parameters in a list",
        fix=edits.fix(Applicability.SAFE, "keep the parameters in a list", kept),
    )


def _is_right(other: Clip, clip: Clip) -> bool:
    """Whether another clip of the same parameters in the same pass, or the same for another optimizer, stands where it should."""
    is_beside = other.trained.optimizer is clip.trained.optimizer and _are_in_one_pass(other, clip)
    return (is_beside or other.event.at is clip.event.at) and not other.states <= EMPTY


def _are_in_one_pass(first: Clip, second: Clip) -> bool:
    loops = [node_at(each[-1].loop.at) for each in (_passes(first), _passes(second)) if each]
    return len(loops) < 2 or loops[0] is loops[1]


def _step_of(run: Run, clip: Clip) -> OptimizerStepped | None:
    """The optimizer's step in the same pass of a loop, or in the same call, if a backward pass stands there too."""
    here = _passes(clip)[-1:]
    steps = [each for each in run.events(OptimizerStepped) if _shares(each, clip) and clip.trained.is_stepped_by(each)]
    passes = [each for each in run.events(Backward) if _shares(each, clip) and clip.trained.may_be_filled_by(each)]
    return steps[0] if steps and passes and (here or run.called_again) else None


def _shares(event: Backward | OptimizerStepped, clip: Clip) -> bool:
    here = _passes(clip)
    return not here or here[-1] in event.iterations


def _passes(clip: Clip) -> list[Iteration]:
    """The passes of loops in which the clip stands, but for those over the parameters that it clips one by one."""
    return [each for each in clip.event.iterations if not _is_over_parameters(each.loop.over)]


def _is_over_parameters(over: Value | None) -> bool:
    while isinstance(over, Data) and over.operation in ("list", "filter", "iter", "enumerate") and over.inputs:
        over = over.inputs[-1] if over.operation == "filter" else over.inputs[0]
    return isinstance(over, Parameters) or (isinstance(over, Data) and _is_of_groups(over))


def _is_of_groups(over: Data) -> bool:
    """Whether it is an optimizer's `param_groups`, or the parameters of one of them: `group["params"]`."""
    if over.operation == "attribute":
        return over.name == "param_groups"
    group = over.inputs[0] if over.operation == "index" and over.inputs else None
    if not isinstance(group, Data) or not group.inputs:
        return False
    listed = group.inputs[0]
    return group.operation == "parameter group" or (isinstance(listed, Data) and listed.name == "param_groups")


def _problem(clip: Clip, step: OptimizerStepped) -> Problem:
    is_late = "stepped" in clip.states or _comes_before(step, clip)
    reason = "after the step has used them" if is_late else "before the backward pass has computed them"
    return Problem(
        clip.event.at,
        f"the step takes gradients of any size, because they are clipped {reason}",
        label="nothing is clipped here that a step would use",
        related=((step.at, "steps on unclipped gradients"),),
        help="clip between the backward pass and the step",
        fix=_fix(clip.event, step),
    )


def _comes_before(step: OptimizerStepped, clip: Clip) -> bool:
    return step.order < clip.event.order


def _fix(clip: GradientsClipped, step: OptimizerStepped) -> Fix | None:
    moved = _moved(clip, step)
    lines = None if moved is None else edits.statement_lines(moved)
    removed = None if moved is None else edits.remove_statement(moved)
    if lines is None or removed is None:
        return None
    return edits.fix(Applicability.SAFE, "clip right before the step", removed, edits.insert_before(step.at, *lines))


def _moved(clip: GradientsClipped, step: OptimizerStepped) -> Site | None:
    """What stands in the block of the step: the statement that clips, or the `if` around it alone."""
    holder = edits.holder_of(clip.at)
    is_alone = isinstance(holder, ast.If) and len(edits.block_of(clip.at)) == 1 and not holder.orelse
    around = edits.statement_site(clip.at, holder) if isinstance(holder, ast.If) and is_alone else None
    own = step.at.statement if isinstance(step.at, CodeSite) else None
    for site in (clip.at, around):
        if site is not None and any(statement is own for statement in edits.block_of(site)):
            return site
    return None


def witness(case: Case) -> Verdict:
    """Whether a step was taken with gradients over the bound."""
    if case.raised_at() is not None:
        return confirmed("the clip raised, for there are no gradients yet")
    clipped = case.at(GradientsClipped)
    by_value = any(numbers(clipped, "by_value"))
    bounds = numbers(clipped, "bound")
    sizes = numbers(case.related(OptimizerStepped), "largest_gradient" if by_value else "gradient_norm")
    if not bounds or not sizes:
        return not_reached(case)
    bound, largest = bounds[0], max(sizes)
    if largest > bound:
        what = "an element of size" if by_value else "a norm of"
        return confirmed(
            f"a step was taken with a gradient of {what} {largest:.3g}, over the bound of {bound:.3g}",
            largest=largest,
            bound=bound,
        )
    if largest > 0:
        return harmless_here(f"no gradient came over the bound of {bound:.3g}", largest=largest, bound=bound)
    return unverified("no step found gradients")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN112",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, BACKWARD),
    needs=needs(GradientsClipped),
)
