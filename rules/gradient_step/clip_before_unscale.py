"""Gradients are clipped while they are still multiplied by the scale of a gradient scaler.

## What it does
Follows every path from a `scaler.scale(loss).backward()` to the calls that clip gradients, and reports a clip with no
`scaler.unscale_(optimizer)` on the way. Accelerate, Fabric and other frameworks unscale by themselves and are left alone, and
so are arms of the code that run without the scaler, and a bound that is multiplied by the scale.

## Why it matters
The scale starts at 65,536. A bound of 1.0 on scaled gradients is one of 0.000015 on the real ones: every step is cut down to
nearly nothing, and by another factor whenever the scale moves.
Source: PyTorch, "Automatic Mixed Precision examples: Gradient clipping"
(https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-clipping).

## Example
```python
scaler.scale(loss).backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
scaler.step(optimizer)
scaler.update()
```

Use instead:
```python
scaler.scale(loss).backward()
scaler.unscale_(optimizer)
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
scaler.step(optimizer)
scaler.update()
```

## Fix safety
Safe: `scaler.unscale_(optimizer)` is put before the clip, as PyTorch's documentation has it; `scaler.step` notices that and
does not unscale again.

## Witness
The step takes a gradient that is smaller than the bound by the scale, though the clip found more. A scaler is only at work on
a GPU, or where it was made for the CPU; elsewhere the run cannot decide.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import GradientsClipped, OptimizerStepped, Run, ScalerUpdated
from nnlint.facts.clipping import Clip, clips, is_bounded
from nnlint.facts.spellings import spelling
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import STEPPED, TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each clip of scaled gradients."""
    reported: set[object] = set()
    for clip in clips(run):
        node = node_at(clip.event.at)
        if node in reported or "scaled" not in clip.states or not clip.states <= {"scaled", "start"}:
            continue
        step = _step_behind(run, clip)
        if step is not None and is_bounded(clip.event) and not _bounds_scaled(clip.event):
            reported.add(node)
            yield _problem(clip, step)


def _step_behind(run: Run, clip: Clip) -> OptimizerStepped | None:
    """The step that the scaler takes next."""
    for step in run.events(OptimizerStepped):
        if step.order > clip.event.order and clip.trained.is_stepped_by(step):
            return step if step.scaler is not None else None
    return None


def _bounds_scaled(clip: GradientsClipped) -> bool:
    """Whether the bound is multiplied by the scale, too."""
    node = clip.at.node if isinstance(clip.at, CodeSite) else None
    given = [*node.args[1:], *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
    return any("scale" in ast.unparse(each) for each in given)


def _problem(clip: Clip, step: OptimizerStepped) -> Problem:
    passes = [each.backward for each in clip.fillings if each.state == "scaled" and each.backward is not None]
    related = [(passes[0].at, "computes gradients times the scale")] if passes else []
    return Problem(
        clip.event.at,
        "steps are cut down to nearly nothing, because gradients are clipped while they are multiplied by the scale",
        label="bounds the scaled gradients",
        related=(*related, (step.at, "divides them by the scale, and steps")),
        help="call `unscale_` of the scaler with the optimizer before the clip",
        fix=_fix(clip.event, step),
    )


def _fix(clip: GradientsClipped, step: OptimizerStepped) -> Fix | None:
    optimizer = spelling(step.named)
    call = step.at.node if isinstance(step.at, CodeSite) else None
    if not optimizer or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    if (
        not isinstance(clip.at, CodeSite)
        or not isinstance(step.at, CodeSite)
        or clip.at.function is not step.at.function
    ):
        return None
    scaler = edits.node_code(step.at, call.func.value)
    unscale = f"{scaler}.unscale_({optimizer})"
    return edits.fix(Applicability.SAFE, f"call `{unscale}` first", edits.insert_before(clip.at, unscale))


def witness(case: Case) -> Verdict:
    """Whether the step got less than the bound by the scale."""
    clipped = case.at(GradientsClipped)
    scales = numbers(list(case.run.events(ScalerUpdated)), "scale")
    by_value = any(numbers(clipped, "by_value"))
    steps = numbers(case.related(OptimizerStepped), "largest_gradient" if by_value else "gradient_norm")
    if not clipped or not steps:
        return not_reached(case)
    scale = min(scales, default=1.0)
    if scale <= 1:
        return unverified("the scaler is not at work on this machine")
    found, bound = max(numbers(clipped, "gradient_norm")), numbers(clipped, "bound")[0]
    if found > bound and max(steps) < bound / scale * 2:
        return confirmed(
            f"with a bound of {bound:.3g}, no step had a gradient of more than {max(steps):.2g}",
            bound=bound,
            largest=max(steps),
            scale=scale,
        )
    return refuted(f"a step had a gradient of {max(steps):.2g}, with a bound of {bound:.3g}")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN113",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(GradientsClipped),
)
