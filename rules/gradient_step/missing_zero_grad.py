"""Gradients of earlier steps are never cleared.

## What it does
Follows every path through a training loop and reports a backward pass that adds to gradients which an optimizer has already
stepped on. A clear may stand anywhere on the way: in a helper, a method, a closure, another file, before the backward pass or
after the step. Cleared in one branch only, or once per epoch in a loop that steps per batch, is a fault all the same. Backward
passes in the arms of one `if` are one finding.

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
Safe: clearing is what every recipe does at this place, before the first of the backward passes that one step uses. Where the
step itself is conditional (gradient accumulation, also by accelerate), or the optimizer has no name yet at the backward pass,
the clear is put right after the step.

## Witness
At step k the gradient equals the sum of the gradients of all steps so far, not the fresh one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from nnlint.events import Backward, GradientsCleared, OptimizerStepped, Run
from nnlint.facts.gradients import Trained, parts_of, trained_apart
from nnlint.facts.spellings import is_bound_in, spelling
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import follow
from nnlint.values import Data, Optimizer, Site, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD, STEPPED


class Gradients(NamedTuple):
    """What is in the gradients on one path: "clean", "filled", "stepped" (used, not cleared) or "polluted"."""

    state: str
    backward: Backward | None = None


class Pollution(NamedTuple):
    """A backward pass that adds to gradients which a step has used, and the step that then uses their sum."""

    backward: Backward
    step: OptimizerStepped


def check(run: Run) -> Iterator[Problem]:
    """One problem for each backward pass that pollutes, or for several in the arms of one choice."""
    reported: set[Any] = set()
    for each in trained_apart(run):
        found: dict[Any, tuple[Backward, OptimizerStepped]] = {}
        follow(each.steps, Gradients("clean"), _protocol(each, found, run.called_again))
        faults: list[list[Pollution]] = []
        for node, (backward, step) in sorted(found.items(), key=_line):
            if _conditions_unrelated(run, each, backward, step) or _is_cleared_under_another_name(run, each, backward):
                continue
            if _is_for_another(run, each, backward) or _is_made_anew(backward, step) or _is_left_out(run, backward):
                continue
            if node not in reported:
                reported.add(node)
                _add(faults, Pollution(backward, step))
        for arms in faults:
            yield _problem(run, each, arms)


def _line(item: tuple[object, object]) -> int:
    return getattr(item[0], "lineno", 0)


def _add(faults: list[list[Pollution]], pollution: Pollution) -> None:
    """Add a backward pass to those of the other arms of the same choice: one clear is missing from all of them."""
    for arms in faults:
        if _choice_between(arms[0].backward, pollution.backward) is not None:
            arms.append(pollution)
            return
    faults.append([pollution])


def _choice_between(first: Backward, second: Backward) -> ast.If | None:
    """The `if` of which one pass stands in one arm, and the other in another."""
    around = edits.blocks_around(first.at)
    innermost = next((block for block in reversed(around) if block in edits.blocks_around(second.at)), None)
    if not isinstance(innermost, ast.If):
        return None
    arms = [any(_holds(statement, each.at) for statement in innermost.body) for each in (first, second)]
    return innermost if arms[0] is not arms[1] else None


def _holds(statement: ast.stmt, site: Site) -> bool:
    return isinstance(site, CodeSite) and any(node is site.statement for node in ast.walk(statement))


def _protocol(each: Trained, found: dict[Any, tuple[Backward, OptimizerStepped]], called_again: bool) -> Any:
    def advance(before: Hashable, event: Any) -> Hashable:
        gradients = before if isinstance(before, Gradients) else Gradients("clean")
        effect = each.effect_of(event)
        if effect == "fills":
            return _filled(gradients, event)
        if effect == "steps":
            if gradients.backward is not None and (gradients.backward.iterations or called_again):
                found.setdefault(node_at(gradients.backward.at), (gradients.backward, event))
            return Gradients("clean" if gradients.state == "clean" else "stepped")  # a step on nothing leaves nothing
        return Gradients("clean")

    return advance


def _filled(before: Gradients, backward: Backward) -> Gradients:
    if before.state in ("clean", "filled"):
        return Gradients("filled")
    return Gradients("polluted", backward)


def _is_cleared_under_another_name(run: Run, each: Trained, backward: Backward) -> bool:
    """Whether the loop clears what nobody steps, and steps what nobody clears, and neither is known: it may be one optimizer.

    A name that is never bound is a slip of another, of whatever the loop clears.
    """
    if not isinstance(each.optimizer, Data) or not backward.iterations:
        return False
    is_unbound = each.optimizer.operation == "name"
    here = backward.iterations[-1].loop
    stepped = {
        id(one)
        for step in run.events(OptimizerStepped)
        if step.iterations and step.iterations[-1].loop is here
        for one in alternatives(step.optimizer)
    }
    return any(
        ((isinstance(target, Data) and id(target) not in stepped) or is_unbound)
        and clear.iterations
        and clear.iterations[-1].loop is here
        for clear in run.events(GradientsCleared)
        for target in alternatives(clear.target)
    )


def _is_for_another(run: Run, each: Trained, backward: Backward) -> bool:
    """Whether the loop clears another optimizer for the backward pass, one that never steps: that is told as it is."""
    if not backward.iterations:
        return False
    stepped = {id(one) for step in run.events(OptimizerStepped) for one in alternatives(step.optimizer)}
    return any(
        isinstance(target, Optimizer)
        and id(target) not in stepped
        and clear.iterations[-1:] == backward.iterations[-1:]
        and not each.may_be_cleared_by(clear)
        and Trained(target, run.remember("parts", target, parts_of), run).may_be_filled_by(backward)
        for clear in run.events(GradientsCleared)
        for target in alternatives(clear.target)
    )


def _is_left_out(run: Run, backward: Backward) -> bool:
    """Whether the loop clears, where an argument does not tell it to leave that out, and other calls of the function do not: a
    lesson about it."""
    at = backward.at
    function = at.function if isinstance(at, CodeSite) else None
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
    guarded = {
        id(node)
        for block in ast.walk(function)
        if isinstance(block, ast.If) and ast.unparse(block.test).removeprefix("not ") in arguments
        for statement in block.body
        for node in ast.walk(statement)
    }
    return any(
        id(node_at(clear.at)) in guarded and clear.calls != backward.calls for clear in run.events(GradientsCleared)
    )


def _is_made_anew(backward: Backward, step: OptimizerStepped) -> bool:
    """Whether what is updated by hand is made anew in every pass of the loop, as by `picture = Variable(image)` for an attack."""
    statement = step.at.statement if isinstance(step.at, CodeSite) else None
    if isinstance(statement, ast.Assign):
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AugAssign):
        target = statement.target
    else:
        return False
    while isinstance(target, ast.Attribute):
        target = target.value
    loops = [each for each in edits.blocks_around(backward.at) if isinstance(each, (ast.For, ast.While))]
    return bool(loops) and any(
        isinstance(each, ast.Assign)
        and each is not statement
        and isinstance(each.value, ast.Call)
        and ast.unparse(each.targets[0]) == ast.unparse(target)
        for each in loops[-1].body
    )


def _conditions_unrelated(run: Run, each: Trained, backward: Backward, step: OptimizerStepped) -> bool:
    """Whether clears stand under conditions of which is not known how they relate to the step's, or to each other."""
    clears = [clear for clear in run.events(GradientsCleared) if clear.conditional and each.may_be_cleared_by(clear)]
    tests = {test for clear in clears for test in clear.conditions if isinstance(test, tuple) and test[0] == "compare"}
    if len({test[2] for test in tests}) < len(tests):
        return True  # cleared where a count is one, and elsewhere where it is more
    loops = [event.iterations[-1].loop for event in (backward, step) if event.iterations]
    return step.conditional and any(
        _are_unrelated(clear, step, backward) and any(clear.iterations[-1].loop is loop for loop in loops)
        for clear in clears
        if clear.iterations
    )


def _are_unrelated(clear: GradientsCleared, step: OptimizerStepped, backward: Backward) -> bool:
    """Whether clear and step stand under no common condition, or under different ones in what the backward pass stands under."""
    if not set(clear.conditions) & set(step.conditions):
        return True
    around = set(backward.conditions)
    own_clear, own_step = set(clear.conditions) - around, set(step.conditions) - around
    return bool(own_clear) and bool(own_step) and not own_clear & own_step


def _problem(run: Run, each: Trained, arms: list[Pollution]) -> Problem:
    backward, step = arms[0]
    clears = [event for event in run.events(GradientsCleared) if each.may_be_cleared_by(event)]
    related = [(step.at, "steps on their sum")]
    for other in arms[1:]:
        related.append((other.backward.at, "adds to them, too, on the other path"))
        related.extend([(other.step.at, "steps on their sum")] if not _share_step([arms[0], other]) else [])
    seen = set()
    for clear in clears:
        if node_at(clear.at) not in seen:
            seen.add(node_at(clear.at))
            related.append((clear.at, _clear_message(clear, backward)))
    return Problem(
        backward.at,
        "gradients pile up, because " + _reason(clears, backward),
        label="adds to the gradients of every earlier step",
        related=tuple(related),
        help=_help(arms),
        control=_control(arms),
        fix=None if any(_in_loop_of(clear, backward) for clear in clears) else _fix(run, each, arms),
    )


def _in_loop_of(clear: GradientsCleared, backward: Backward) -> bool:
    """Whether the clear stands in the innermost loop of the backward pass: on some path it does its work."""
    if not backward.iterations:
        return True
    return any(each.loop is backward.iterations[-1].loop for each in clear.iterations)


def _reason(clears: list[GradientsCleared], backward: Backward) -> str:
    if not backward.iterations:
        return "no method of this class clears them"
    loop = backward.iterations[-1].loop.at
    is_in_sight = isinstance(loop, CodeSite) and isinstance(loop.statement, (ast.For, ast.AsyncFor, ast.While))
    what = "loop" if is_in_sight else "step"  # a framework's loop is not in the user's files
    return f"not every path through this {what} clears them" if clears else f"nothing in this {what} clears them"


def _clear_message(clear: GradientsCleared, backward: Backward) -> str:
    if len(clear.iterations) < len(backward.iterations):
        return "cleared here, outside the loop that steps"
    return "cleared here, but not on every path"


def _help(arms: list[Pollution]) -> str:
    backward, step = arms[0]
    name = spelling(step.named)
    if not name:
        return "clear the gradients before the backward pass"
    if not _share_step(arms):
        place = "before the `if`" if _choice_of(arms) is not None else "on every path"
    else:
        place = "before the backward pass" if _is_known_before(backward, step, name) else "after the step"
    return f"call `{name}.zero_grad()` {place}"


def _share_step(arms: list[Pollution]) -> bool:
    """Whether one step comes after all of them."""
    return len({id(node_at(step.at)) for _, step in arms}) == 1


def _choice_of(arms: list[Pollution]) -> CodeSite | None:
    """The `if` before which one clear serves all of its arms; None where the optimizer is not known by one name before it."""
    first = arms[0].backward.at
    names = {spelling(step.named) for _, step in arms}
    choices = [_choice_between(arms[0].backward, other.backward) for other in arms[1:]]
    around = edits.blocks_around(first)
    outermost = next((block for block in around if block in choices), None)
    if len(names) != 1 or "" in names or outermost is None or not isinstance(first, CodeSite):
        return None
    name = names.pop()
    if is_bound_in([outermost], name) or not all(_is_known_before(*each, name) for each in arms):
        return None
    return CodeSite(first.module, outermost, _not_elif(first, outermost), first.function)


def _not_elif(site: CodeSite, choice: ast.stmt) -> ast.stmt:
    """The `if` that an `elif` goes on, before which a line can be put."""
    for block in reversed(edits.blocks_around(site)):
        if isinstance(block, ast.If) and block.orelse == [choice]:
            choice = block
    return choice


def _is_known_before(backward: Backward, step: OptimizerStepped, name: str) -> bool:
    """Whether the step follows the backward pass in its block, and the name means the same before it."""
    if not isinstance(step.at, CodeSite) or not isinstance(backward.at, CodeSite) or _is_accumulated(backward):
        return False
    block = edits.block_of(backward.at)
    first, last = (_index(block, site) for site in (backward.at, step.at))
    return first is not None and last is not None and not is_bound_in(block[first:last], name)


def _is_accumulated(backward: Backward) -> bool:
    """Whether accelerate decides which steps count: its optimizer clears where it steps, and not a batch earlier."""
    return any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Attribute)
        and item.context_expr.func.attr == "accumulate"
        for block in edits.blocks_around(backward.at)
        if isinstance(block, ast.With)
        for item in block.items
    )


def _index(block: list[ast.stmt], site: CodeSite) -> int | None:
    return next((number for number, statement in enumerate(block) if statement is site.statement), None)


def _first_of_the_step(run: Run, each: Trained, backward: Backward, name: str) -> Site:
    """The first of the passes in the block whose gradients one step uses together, before which a clear loses none of them."""
    block = edits.block_of(backward.at)
    sites = {
        id(one.at.statement): one.at
        for one in run.events(Backward)
        if isinstance(one.at, CodeSite) and each.may_be_filled_by(one)
    }
    steps = {id(one.at.statement) for one in run.events(OptimizerStepped) if isinstance(one.at, CodeSite)}
    first: Site = backward.at
    last = _index(block, backward.at) if isinstance(backward.at, CodeSite) else None
    for number in reversed(range(last or 0)):
        if _steps_inside(block[number], steps) or is_bound_in(block[number:last], name):
            break
        first = sites.get(id(block[number]), first)
    return first


def _steps_inside(statement: ast.stmt, steps: set[int]) -> bool:
    return any(id(node) in steps for node in ast.walk(statement))


def _fix(run: Run, each: Trained, arms: list[Pollution]) -> Fix | None:
    backward, step = arms[0]
    name = spelling(step.named)
    if not name or not isinstance(step.at, CodeSite) or not isinstance(backward.at, CodeSite):
        return None
    if step.at.function is not backward.at.function:
        return None
    clear = f"{name}.zero_grad()"
    if not _share_step(arms):
        choice = _choice_of(arms)
        edit = None if choice is None else edits.insert_before(choice, clear)
    elif _is_known_before(backward, step, name):
        edit = edits.insert_before(_first_of_the_step(run, each, backward, name), clear)
    else:
        edit = edits.insert_after(step.at, clear)
    return edits.fix(Applicability.SAFE, f"call `{clear}`", edit)


def _control(arms: list[Pollution]) -> Fix | None:
    """The change for a verifying run: behind each step the optimizer is there in any case."""
    steps = {id(node_at(step.at)): step for _, step in arms}
    names = [spelling(step.named) for step in steps.values()]
    if not all(names):
        return None
    behind = [
        edits.insert_after(step.at, f"{name}.zero_grad()") for step, name in zip(steps.values(), names, strict=True)
    ]
    return edits.fix(Applicability.SAFE, f"call `{names[0]}.zero_grad()`", *behind)


def witness(case: Case) -> Verdict:
    """Whether the backward pass adds to gradients that a step has used, and a step then uses their sum."""
    passes = [*case.at(Backward), *case.related(Backward)]
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
