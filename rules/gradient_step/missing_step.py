"""Gradients are cleared and computed in a loop, but the optimizer never steps.

## What it does
Looks at each optimizer whose gradients a loop clears and fills again, and reports the backward pass where nothing in the run
ever steps it: no helper, closure, scaler or hand-written update, in this file or others. Of several optimizers, as in a GAN,
each needs a step of its own. Code that reads the gradients itself (saliency, attacks, Fisher information), that differentiates
a network in evaluation mode or single scores of its answer, or that is not at hand and gets the optimizer, is left alone.

## Why it matters
All the work of a training step is done, and its result is thrown away at the next clear. The weights never change.
Source: torch.optim, "Taking an optimization step"
(https://docs.pytorch.org/docs/stable/optim.html#taking-an-optimization-step).

## Example
```python
for inputs, targets in loader:
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
```

Use instead:
```python
for inputs, targets in loader:
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
```

## Witness
The backward pass runs again and again, and its optimizer is not stepped once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Backward, GradientsCleared, ModelCalled, OptimizerMade, OptimizerStepped, Run
from nnlint.facts.differentiated import behind
from nnlint.facts.gradients import Trained, parts_of
from nnlint.facts.handed_over import may_be_stepped_elsewhere, reads_gradients
from nnlint.facts.not_taken import is_written_but_not_run
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Items, Optimizer, Value, alternatives, elements
from nnlint.witness import Case, confirmed, not_reached, refuted, unverified
from nnlint.words import BACKWARD, CLEARED

READ_GRADIENT = regex(r"(?<!autograd)\.grad\b")
MEASURES = regex(r"(?:^|_)(?:bench(?:mark)?|profile|measure|timing|time|speed|throughput|flops)(?:_|$)", re.I)
NAMED = frozenset({"argument", "name", "attribute", "index", "call", "method"})
DRAWN = frozenset({"batch", "batch part", "element"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each optimizer that never steps."""
    clears = [event for event in run.events(GradientsCleared) if event.iterations and not event.replaced]
    if run.cut_short or not clears or not any(run.events(Backward)):
        return
    reported: set[object] = set()
    for optimizer in _cleared(run, clears):
        each = Trained(optimizer, run.remember("parts", optimizer, parts_of), run)
        is_stepped = any(_may_be_step_of(run, each, step) for step in run.events(OptimizerStepped))
        if not is_stepped and _is_stepped_by_another_way(run, each, clears):
            continue
        find = _backward_for_nobody if is_stepped else _backward_of
        backward = None if may_be_stepped_elsewhere(run, each) else find(run, each, clears)
        node = backward.at.node if backward is not None and isinstance(backward.at, CodeSite) else None
        if backward is None or is_written_but_not_run(run, "step", backward) or _asks_what_matters(run, backward):
            continue
        if _is_of_engine_that_steps(backward):
            continue
        if node not in reported:
            reported.add(node)
            yield _problem(run, optimizer, backward)


def _is_of_engine_that_steps(backward: Backward) -> bool:
    """Whether an engine differentiates the loss, and the function asks the same one to step: `engine.backward(loss)`."""
    at = backward.at
    called = at.node.func if isinstance(at, CodeSite) and isinstance(at.node, ast.Call) and at.node.args else None
    if not isinstance(at, CodeSite) or at.function is None or not isinstance(called, ast.Attribute):
        return False
    engine = ast.unparse(called.value)
    return any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr == "step"
        and ast.unparse(each.func.value) == engine
        for each in ast.walk(at.function)
    )


def _asks_what_matters(run: Run, backward: Backward) -> bool:
    """Whether gradients are wanted of a finished network, not to teach it: in evaluation mode, as for Fisher information, or of
    single scores of its answer, as for a map of what a picture's class depends on."""
    inside = behind(run, backward.loss)
    calls = [call for call in run.events(ModelCalled) if any(id(each) in inside for each in elements(call.output))]
    return bool(calls) and (all(call.training is False for call in calls) or _is_single_score(backward.loss))


def _is_single_score(loss: Value) -> bool:
    """Whether what is differentiated is picked from an answer by a place in each dimension: `scores[row, label]`."""
    if not isinstance(loss, Data) or loss.operation != "index" or len(loss.inputs) < 2:
        return False
    key = loss.inputs[1]
    return isinstance(key, Items) and len(key.items) > 1


def _cleared(run: Run, clears: list[GradientsCleared]) -> Iterator[Value]:
    """The optimizers whose gradients are cleared: by themselves, or by their network."""
    found: dict[int, Value] = {}
    for clear in clears:
        found.update((id(each), each) for each in alternatives(clear.target) if _is_optimizer(each))
    for made in run.events(OptimizerMade):
        each = Trained(made.optimizer, run.remember("parts", made.optimizer, parts_of), run)
        if any(each.is_cleared_by(clear) for clear in clears):
            found[id(made.optimizer)] = made.optimizer
    yield from found.values()


def _is_optimizer(value: Value) -> bool:
    if isinstance(value, Data):
        return value.operation in NAMED and "opt" in f"{value.name} {value.bound}".lower()
    return isinstance(value, Optimizer)


def _is_named(value: Value) -> bool:
    """Whether it is an optimizer of which only the name is known: of two of them, each has its own parameters."""
    return isinstance(value, Data) and _is_optimizer(value)


def _may_be_step_of(run: Run, each: Trained, step: OptimizerStepped) -> bool:
    """Whether a step is one of the optimizer: unless it is known to be of another."""
    for stepped in alternatives(step.optimizer):
        if stepped is each.optimizer:
            return True
        parts = run.remember("parts", stepped, parts_of)
        if each.parts is not None and parts is not None:
            if each.parts & parts:
                return True
        elif not (_is_named(stepped) and _is_named(each.optimizer)):
            return True
    return False


def _is_stepped_by_another_way(run: Run, each: Trained, clears: list[GradientsCleared]) -> bool:
    """Whether the optimizer may be stepped by its own name, or by another one, where neither is known for sure."""
    return _is_stepped_by_the_same_name(run, each, clears) or _is_stepped_under_another_name(run, each, clears)


def _is_stepped_by_the_same_name(run: Run, each: Trained, clears: list[GradientsCleared]) -> bool:
    """Whether what was asked to clear is asked to step, too, though it is not known that it comes to the same optimizer."""
    cleared = {name for clear in clears if each.is_cleared_by(clear) for name in _asked(clear, "zero_grad")}
    return any(not cleared.isdisjoint(_asked(step, "step")) for step in run.events(OptimizerStepped))


def _is_stepped_under_another_name(run: Run, each: Trained, clears: list[GradientsCleared]) -> bool:
    """Whether the loop steps what nobody clears, and neither is known: it may be one optimizer."""
    if not _is_named(each.optimizer):
        return False
    cleared = {id(one) for clear in clears for one in alternatives(clear.target)}
    loops = {id(clear.iterations[-1].loop) for clear in clears if each.is_cleared_by(clear)}
    return any(
        isinstance(one, Data) and id(one) not in cleared and step.iterations and id(step.iterations[-1].loop) in loops
        for step in run.events(OptimizerStepped)
        for one in alternatives(step.optimizer)
    )


def _asked(event: GradientsCleared | OptimizerStepped, method: str) -> Iterator[tuple[int, str]]:
    """The objects of which a method was called on the way to an event, by function and name."""
    for site in (event.at, *event.calls):
        call = site.node if isinstance(site, CodeSite) else None
        called = call.func if isinstance(call, ast.Call) else None
        if isinstance(site, CodeSite) and isinstance(called, ast.Attribute) and called.attr == method:
            yield id(site.function), ast.unparse(called.value)


def _backward_of(run: Run, each: Trained, clears: list[GradientsCleared]) -> Backward | None:
    """The backward pass that fills what a clear has emptied in the same pass of a loop, for nobody to use."""
    for clear in clears:
        if not each.is_cleared_by(clear):
            continue
        passes = [
            event
            for event in run.events(Backward)
            if event.iterations[-1:] == clear.iterations[-1:] and each.may_be_filled_by(event)
        ]
        behind = [event for event in passes if event.order > clear.order]
        if not _is_named(each.optimizer):
            behind = behind or passes  # else a hook may have summed up what is thrown away, or memory is tried
        if behind and not _is_timed(behind[0]) and not any(reads_gradients(site) for site in (behind[0].at, clear.at)):
            return behind[0]
    return None


def _is_timed(backward: Backward) -> bool:
    """Whether a function that measures asks for the backward pass: for the time that it takes."""
    sites = (each for each in (backward.at, *backward.calls) if isinstance(each, CodeSite))
    return any(MEASURES.search(getattr(each.function, "name", "")) for each in sites)


def _backward_for_nobody(run: Run, each: Trained, clears: list[GradientsCleared]) -> Backward | None:
    """The same of an optimizer that steps in another loop: in this one, no step may use what the backward pass gives."""
    if each.parts is None or not isinstance(each.optimizer, Optimizer):
        return None
    own = [clear for clear in clears if each.is_cleared_by(clear)]
    for clear in own:
        backward = _backward_of(run, each, [clear])
        if backward is None or _may_be_used(run, backward) or _reads_gradients_anywhere(backward):
            continue
        if _is_trial(run, backward):
            continue
        if not any(
            node_at(other.at) is node_at(backward.at) for other in run.events(Backward) if _may_be_used(run, other)
        ):
            return backward
    return None


def _is_trial(run: Run, backward: Backward) -> bool:
    """Whether networks are given random numbers alone, in a loop that draws no data: memory is taken before it is needed."""
    over = backward.iterations[-1].loop.over if backward.iterations else None
    inside = behind(run, backward.loss)
    calls = [call for call in run.events(ModelCalled) if any(id(each) in inside for each in elements(call.output))]
    given = {data.operation for call in calls for value in call.inputs for data in ancestors(value)}
    return isinstance(over, Data) and over.operation == "range" and "random" in given and given.isdisjoint(DRAWN)


def _may_be_used(run: Run, backward: Backward) -> bool:
    """Whether an optimizer steps in the loop of a backward pass that may have filled its gradients."""
    if not backward.iterations:
        return False
    loop = backward.iterations[-1].loop
    for step in run.events(OptimizerStepped):
        if any(iteration.loop is loop for iteration in step.iterations) or _follows(step, backward):
            for stepped in alternatives(step.optimizer):
                if Trained(stepped, run.remember("parts", stepped, parts_of), run).may_be_filled_by(backward):
                    return True
    return False


def _follows(step: OptimizerStepped, backward: Backward) -> bool:
    """Whether it steps behind the loop of the backward pass, in the same pass of the loops around."""
    return step.order > backward.order and step.iterations == backward.iterations[: len(step.iterations)]


def _reads_gradients_anywhere(backward: Backward) -> bool:
    """Whether the file of a backward pass looks at gradients, in whatever function."""
    return not isinstance(backward.at, CodeSite) or READ_GRADIENT.search(backward.at.module.source.text) is not None


def _problem(run: Run, optimizer: Value, backward: Backward) -> Problem:
    made = [(event.at, "this optimizer") for event in run.events(OptimizerMade) if event.optimizer is optimizer]
    clears = [event for event in run.events(GradientsCleared) if optimizer in alternatives(event.target)]
    return Problem(
        backward.at,
        "the weights never change, because no step uses these gradients",
        label="computed, and thrown away at the next clear",
        related=(*made, *((clear.at, "clears them again") for clear in clears[:1])),
        help="call `step()` of the optimizer after the backward pass",
    )


def witness(case: Case) -> Verdict:
    """Whether the backward pass ran several times, and the optimizer was not stepped."""
    passes = case.at(Backward)
    if not passes:
        return not_reached(case)
    places = [related.place for related in case.finding.related]
    all_steps = list(case.run.events(OptimizerStepped))
    steps = case.made_at(OptimizerStepped, *places) if case.related(OptimizerMade) else all_steps
    if steps:
        return refuted(f"the optimizer was stepped {len(steps)} times", steps=len(steps))
    if len(passes) < 2:
        return unverified("the run ended after one backward pass")
    return confirmed(f"{len(passes)} backward passes, and not one step of the optimizer", passes=len(passes))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN105",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(CLEARED, BACKWARD),
    needs=needs(GradientsCleared, Backward),
)
