"""Gradients of earlier steps are never cleared.

## What it does
Follows every path through a training loop and reports a backward pass that adds to gradients which an optimizer has already
stepped on. A clear may stand anywhere on the way: in a helper, a method, a closure, another file, before the backward pass or
after the step. Cleared in one branch only, or once per epoch in a loop that steps per batch, is a fault all the same.

## Why it matters
`backward` adds to `.grad`. Without a clear, every step follows the sum of all gradients since the start: the step grows, points
to where the loss once fell, and after a good beginning the training collapses, often to chance.
Source: torch.optim, "How to use an optimizer" (https://docs.pytorch.org/docs/stable/optim.html).

## Example
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
```

Use instead:
```python
for inputs, targets in loader:
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
```

## Fix safety
Safe: clearing is what every recipe does at this place. Where the step itself is conditional (gradient accumulation), or the
optimizer has no name yet at the backward pass, the clear is put right after the step.

## Witness
At step k the gradient equals the sum of the gradients of all steps so far, not the fresh one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from nnlint.events import Backward, GradientsCleared, OptimizerStepped, Run
from nnlint.facts.gradients import Trained, trained_apart
from nnlint.facts.spellings import is_bound_in, spelling
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.trace import follow
from nnlint.values import Data, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD, STEPPED


class Gradients(NamedTuple):
    """What is in the gradients on one path: "clean", "filled", "stepped" (used, not cleared) or "polluted"."""

    state: str
    backward: Backward | None = None


def check(run: Run) -> Iterator[Problem]:
    """One problem for each backward pass that pollutes."""
    reported: set[Any] = set()
    for each in trained_apart(run):
        found: dict[Any, tuple[Backward, OptimizerStepped]] = {}
        follow(each.steps, Gradients("clean"), _protocol(each, found, run.called_again))
        for node, (backward, step) in found.items():
            if _conditions_unrelated(run, each, backward, step) or _is_cleared_under_another_name(run, each, backward):
                continue
            if node not in reported:
                reported.add(node)
                yield _problem(run, each, backward, step)


def _protocol(each: Trained, found: dict[Any, tuple[Backward, OptimizerStepped]], called_again: bool) -> Any:
    def advance(before: Hashable, event: Any) -> Hashable:
        gradients = before if isinstance(before, Gradients) else Gradients("clean")
        effect = each.effect_of(event)
        if effect == "fills":
            return _filled(gradients, event)
        if effect == "steps":
            if gradients.backward is not None and (gradients.backward.iterations or called_again):
                found.setdefault(_node(gradients.backward.at), (gradients.backward, event))
            return Gradients("stepped")
        return Gradients("clean")

    return advance


def _filled(before: Gradients, backward: Backward) -> Gradients:
    if before.state in ("clean", "filled"):
        return Gradients("filled")
    return Gradients("polluted", backward)


def _is_cleared_under_another_name(run: Run, each: Trained, backward: Backward) -> bool:
    """Whether the loop clears what nobody steps, and steps what nobody clears, and neither is known: it may be one optimizer."""
    if not isinstance(each.optimizer, Data) or not backward.iterations:
        return False
    stepped = {id(one) for step in run.events(OptimizerStepped) for one in alternatives(step.optimizer)}
    here = backward.iterations[-1].loop
    return any(
        isinstance(target, Data)
        and id(target) not in stepped
        and clear.iterations
        and clear.iterations[-1].loop is here
        for clear in run.events(GradientsCleared)
        for target in alternatives(clear.target)
    )


def _conditions_unrelated(run: Run, each: Trained, backward: Backward, step: OptimizerStepped) -> bool:
    """Whether clears stand under conditions of which is not known how they relate to the step's, or to each other."""
    clears = [clear for clear in run.events(GradientsCleared) if clear.conditional and each.may_be_cleared_by(clear)]
    tests = {test for clear in clears for test in clear.conditions if isinstance(test, tuple) and test[0] == "compare"}
    if len({test[2] for test in tests}) < len(tests):
        return True  # cleared where a count is one, and elsewhere where it is more
    return step.conditional and any(
        _are_unrelated(clear, step, backward)
        and clear.iterations
        and clear.iterations[-1].loop is backward.iterations[-1].loop
        for clear in clears
    )


def _are_unrelated(clear: GradientsCleared, step: OptimizerStepped, backward: Backward) -> bool:
    """Whether clear and step stand under no common condition, or under different ones in what the backward pass stands under."""
    if not set(clear.conditions) & set(step.conditions):
        return True
    around = set(backward.conditions)
    own_clear, own_step = set(clear.conditions) - around, set(step.conditions) - around
    return bool(own_clear) and bool(own_step) and not own_clear & own_step


def _node(site: Any) -> Any:
    return site.node if isinstance(site, CodeSite) else site


def _problem(run: Run, each: Trained, backward: Backward, step: OptimizerStepped) -> Problem:
    clears = [event for event in run.events(GradientsCleared) if each.may_be_cleared_by(event)]
    related = [(step.at, "steps on their sum")]
    seen = set()
    for clear in clears:
        if _node(clear.at) not in seen:
            seen.add(_node(clear.at))
            related.append((clear.at, _clear_message(clear, backward)))
    return Problem(
        backward.at,
        "gradients pile up, because " + _reason(clears, backward),
        label="adds to the gradients of every earlier step",
        related=tuple(related),
        help=_help(backward, step),
        control=_clear_after_step(step),
        fix=None if any(_in_loop_of(clear, backward) for clear in clears) else _fix(backward, step),
    )


def _in_loop_of(clear: GradientsCleared, backward: Backward) -> bool:
    """Whether the clear stands in the innermost loop of the backward pass: on some path it does its work."""
    if not backward.iterations:
        return True
    return any(each.loop is backward.iterations[-1].loop for each in clear.iterations)


def _reason(clears: list[GradientsCleared], backward: Backward) -> str:
    if not backward.iterations:
        return "no method of this class clears them"
    return "not every path through this loop clears them" if clears else "nothing in this loop clears them"


def _clear_message(clear: GradientsCleared, backward: Backward) -> str:
    if len(clear.iterations) < len(backward.iterations):
        return "cleared here, outside the loop that steps"
    return "cleared here, but not on every path"


def _help(backward: Backward, step: OptimizerStepped) -> str:
    name = spelling(step.named)
    if not name:
        return "clear the gradients before the backward pass"
    place = "before the backward pass" if _is_known_before(backward, step, name) else "after the step"
    return f"call `{name}.zero_grad()` {place}"


def _is_known_before(backward: Backward, step: OptimizerStepped, name: str) -> bool:
    """Whether the step follows the backward pass in its block, and the name means the same before it."""
    if not isinstance(step.at, CodeSite) or not isinstance(backward.at, CodeSite):
        return False
    block = edits.block_of(backward.at)
    first, last = (_index(block, site) for site in (backward.at, step.at))
    return first is not None and last is not None and not is_bound_in(block[first:last], name)


def _index(block: list[ast.stmt], site: CodeSite) -> int | None:
    return next((number for number, statement in enumerate(block) if statement is site.statement), None)


def _fix(backward: Backward, step: OptimizerStepped) -> Fix | None:
    name = spelling(step.named)
    if not name or not isinstance(step.at, CodeSite) or not isinstance(backward.at, CodeSite):
        return None
    if step.at.function is not backward.at.function:
        return None
    clear = f"{name}.zero_grad()"
    if _is_known_before(backward, step, name):
        edit = edits.insert_before(backward.at, clear)
    else:
        edit = edits.insert_after(step.at, clear)
    return edits.fix(Applicability.SAFE, f"call `{clear}`", edit)


def _clear_after_step(step: OptimizerStepped) -> Fix | None:
    """The change for a verifying run: behind the step the optimizer is there in any case."""
    name = spelling(step.named)
    if not name:
        return None
    return edits.fix(
        Applicability.SAFE, f"call `{name}.zero_grad()`", edits.insert_after(step.at, f"{name}.zero_grad()")
    )


def witness(case: Case) -> Verdict:
    """Whether the backward pass adds to gradients that a step has used, and a step then uses their sum."""
    passes = case.at(Backward)
    if not passes:
        return not_reached(case)
    stale = [event.numbers for event in passes if event.numbers.get("stale_norm", 0.0) > 0]
    steps = case.related(OptimizerStepped) or list(case.run.events(OptimizerStepped))
    if stale and any((*numbers(steps, "piled"), *numbers(passes, "piled_by_hand"))):
        later = stale[min(2, len(stale) - 1)]
        ratio = later["piled_norm"] / later["piled_fresh_norm"] if later["piled_fresh_norm"] else math.inf
        return confirmed(
            f"after {min(3, len(stale)) + 1} passes the gradient is {ratio:.1f} times the fresh one", ratio=ratio
        )
    measured = numbers(passes, "stale_norm")
    if len(measured) < 2:
        return unverified("the run ended after one backward pass")
    return refuted(f"in {len(measured)} backward passes no step used a gradient left over from a step before")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN102",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(STEPPED, BACKWARD),
    needs=needs(OptimizerStepped, Backward),
)
