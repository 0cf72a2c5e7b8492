"""The optimizer steps, but nothing ever computes gradients.

## What it does
Reports a step in a training loop where the network is called, and no backward pass that could reach its parameters stands
anywhere in the run, or none on any path from the clear of its gradients to the step: in helpers, closures, methods or other
files. Where code that is not at hand gets the loss, the network or the optimizer, it may differentiate by itself, and nothing
is said; so too where gradients are assigned by hand. Lightning steps by itself: a `training_step` that calls a network and
returns nothing is reported where it is defined.

## Why it matters
An optimizer passes over parameters without gradients, so the step changes nothing and raises nothing. The loss is logged,
moves with the batches, and the network stays as it was drawn.
Source: torch.optim, "Taking an optimization step"
(https://docs.pytorch.org/docs/stable/optim.html#taking-an-optimization-step).

## Example
```python
optimizer.zero_grad()
loss = criterion(model(inputs), targets)
optimizer.step()
```

Use instead:
```python
optimizer.zero_grad()
loss = criterion(model(inputs), targets)
loss.backward()
optimizer.step()
```

## Witness
No step finds a gradient.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from nnlint.events import Backward, GradientsCleared, ModelCalled, OptimizerStepped, Run
from nnlint.facts.differentiated import differentiated, takes_gradients_of_weights
from nnlint.facts.gradients import Trained, trained
from nnlint.facts.handed_over import (
    may_be_differentiated_elsewhere,
    may_be_stepped_elsewhere,
    may_be_trained_elsewhere,
)
from nnlint.facts.live_graphs import graph_behind
from nnlint.facts.not_taken import is_written_but_not_run
from nnlint.facts.unused_losses import call_for_nothing, unused_losses
from nnlint.finding import Severity, Verdict
from nnlint.graph import parameters_of
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import Step, follow
from nnlint.values import Data, Site, elements
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import STEPPED, TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each step that no backward pass belongs to."""
    if run.cut_short or not any(run.events(OptimizerStepped)) or takes_gradients_of_weights(run):
        return
    yield from _returning_nothing(run)
    steps = [(each, step) for each in trained(run) for step in _empty_steps(run, each)]
    if not steps or any(not graph_behind(run, event.loss).is_live for event in run.events(Backward)):
        return
    calls = [call for call in run.events(ModelCalled) if call.gradient is True and not _is_differentiated(run, call)]
    reported: set[object] = set()
    for each, step in steps:
        node = node_at(step.at)
        if node in reported or isinstance(node, ast.FunctionDef):
            continue
        call = _training_call(run, each, step, calls) or _call_on_the_way(run, each, step)
        if call is not None and not is_written_but_not_run(run, "backward", step):
            reported.add(node)
            yield _problem(step, call)


def _returning_nothing(run: Run) -> Iterator[Problem]:
    """The `training_step`s that give Lightning no loss: it steps behind them, which stands nowhere in the code."""
    reported: set[ast.AST] = set()
    for step in run.events(OptimizerStepped):
        node = step.at.node if isinstance(step.at, CodeSite) else None
        if not isinstance(node, ast.FunctionDef) or node in reported or _shares_pass(run, step):
            continue
        call = next((each for each in run.events(ModelCalled) if _is_near(each, step)), None)
        if call is not None and not _mentions_backward(node):
            reported.add(node)
            yield Problem(
                _head(step.at, node),
                "nothing is trained, because this step returns no loss that Lightning could differentiate",
                label="returns nothing",
                related=((call.at, "what is computed from this is never differentiated"),),
                help="return the loss",
            )


def _shares_pass(run: Run, step: OptimizerStepped) -> bool:
    return any(step.iterations[-1:] == each.iterations[-1:] for each in run.events(Backward))


def _mentions_backward(function: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Attribute) and "backward" in each.attr for each in ast.walk(function))


def _head(site: Site, function: ast.FunctionDef) -> Site:
    """The name of a function where it is defined."""
    start = {"lineno": function.lineno, "col_offset": function.col_offset}
    end = {"end_lineno": function.lineno, "end_col_offset": function.col_offset + len(f"def {function.name}")}
    name = ast.Name(function.name, ast.Load(), **start, **end)
    return CodeSite(site.module, name, None, site.function) if isinstance(site, CodeSite) else site


def _is_certainly_optimizer(each: Trained) -> bool:
    """Whether it is one, or goes by the name of one: a solver or a trainer may do more than step."""
    value = each.optimizer
    return not isinstance(value, Data) or "opt" in f"{value.name} {value.bound}".lower()


def _empty_steps(run: Run, each: Trained) -> Iterator[OptimizerStepped]:
    """The steps that find no gradients on any path: none are ever computed, or none since they were cleared."""
    if not _is_certainly_optimizer(each) or may_be_stepped_elsewhere(run, each):
        return
    is_filled = any(each.may_be_filled_by(event) for event in run.events(Backward))
    replaced = any(event.replaced and each.may_be_cleared_by(event) for event in run.events(GradientsCleared))
    if replaced:
        return
    is_only = len(trained(run)) == 1
    arriving: dict[OptimizerStepped, set[str]] = {}
    if is_filled:
        follow(each.steps, "start", _protocol(each, is_only, arriving))
    filled = {
        node_at(step.at) for step, states in arriving.items() if "filled" in states
    }  # in another pass of its loop
    for step in run.events(OptimizerStepped):
        if not each.is_stepped_by(step):
            continue
        if not is_filled or (arriving.get(step) == {"cleared"} and node_at(step.at) not in filled):
            yield step


def _protocol(each: Trained, is_only: bool, arriving: dict[OptimizerStepped, set[str]]) -> Step:
    def advance(before: Hashable, event: Any) -> Hashable:
        effect = each.effect_of(event)
        if effect == "fills":
            return "filled"
        if effect == "clears":
            return "cleared" if is_only or each.is_cleared_by(event) else "unknown"
        if effect == "steps":
            arriving.setdefault(event, set()).add(str(before))
            return before
        return "unknown"

    return advance


def _is_differentiated(run: Run, call: ModelCalled) -> bool:
    return any(id(output) in differentiated(run) for output in elements(call.output))


def _training_call(run: Run, each: Trained, step: OptimizerStepped, calls: Sequence[ModelCalled]) -> ModelCalled | None:
    """A call of the optimizer's network in the same pass as the step, that nothing may differentiate unseen."""
    for call in calls:
        if not _is_near(call, step) or not _is_trained_by(each, call) or _goes_back_by_itself(call):
            continue
        if not may_be_trained_elsewhere(run, step.iterations) and not may_be_differentiated_elsewhere(run, call.output):
            return call
    return None


def _call_on_the_way(run: Run, each: Trained, step: OptimizerStepped) -> ModelCalled | None:
    """A call of the optimizer's network whose output another network is asked about, for a loss that nobody differentiates."""
    call = call_for_nothing(run, each, step)
    if call is None or _goes_back_by_itself(call) or may_be_trained_elsewhere(run, step.iterations):
        return None
    losses = (event.value for event in unused_losses(run, step))
    return None if any(may_be_differentiated_elsewhere(run, loss) for loss in losses) else call


GOES_BACK = regex(r"back_?(?:prop|ward)", re.IGNORECASE)


def _goes_back_by_itself(call: ModelCalled) -> bool:
    """Whether a network that is not at hand is asked to differentiate while it is called: `memory_replay_backprop=True`."""
    node = call.at.node if isinstance(call.at, CodeSite) and isinstance(call.model, Data) else None
    return isinstance(node, ast.Call) and any(
        each.arg is not None and GOES_BACK.search(each.arg) and getattr(each.value, "value", True) is not False
        for each in node.keywords
    )


def _is_near(call: ModelCalled, step: OptimizerStepped) -> bool:
    """Whether the call stands in the same pass of a loop, or deeper; outside of loops, in the same function."""
    if step.iterations:
        return step.iterations[-1] in call.iterations
    return call.calls == step.calls


def _is_trained_by(each: Trained, call: ModelCalled) -> bool:
    if each.parts is None:
        return True
    return any(id(part) in each.parts for part in (call.model, *parameters_of(call.model)))


def _problem(step: OptimizerStepped, call: ModelCalled) -> Problem:
    return Problem(
        step.at,
        "the step changes nothing, because no backward pass has computed gradients",
        label="steps without gradients",
        related=((call.at, "the loss of this pass is never differentiated"),),
        help="call `backward()` on the loss before the step",
    )


def witness(case: Case) -> Verdict:
    """Whether every step finds gradients of zero, or none."""
    norms = numbers(case.at(OptimizerStepped), "gradient_norm")
    if not norms:
        return not_reached(case)
    if not any(norms):
        return confirmed(f"the gradient is zero at all {len(norms)} steps that were measured", steps=len(norms))
    return refuted(f"the gradient is not zero at the step ({max(norms):.2g})", gradient_norm=max(norms))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN104",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(OptimizerStepped, ModelCalled),
)
