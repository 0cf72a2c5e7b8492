"""A network is left in evaluation mode, and the training goes on.

## What it does
Follows every path through a training loop and reports an `eval()` after which the same loop trains the network again with no
`train()` between: a validation at the end of the epoch while `train()` stands once before the loop, or a validation inside the
batch loop while `train()` stands at the top of the epoch. Networks that behave alike in both modes are left alone, and so are
those that are trained in evaluation mode from the start, to keep their running statistics. A pass in evaluation mode whose
gradients no step uses trains nothing: an attack or a saliency map differentiates by the input, and what it leaves in the weights
is cleared.

## Why it matters
From the first evaluation on, dropout drops nothing and BatchNorm normalises by running statistics that no longer move. The
regularisation is gone, the statistics are those of the first few steps, and the script prints figures that look like training.
Source: torch.nn.Module.train (https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.train).

## Example
```python
model.train()
for epoch in range(epochs):
    train_one_epoch(model, train_loader, optimizer)
    model.eval()
    print(accuracy(model, val_loader))
```

Use instead:
```python
for epoch in range(epochs):
    model.train()
    train_one_epoch(model, train_loader, optimizer)
    model.eval()
    print(accuracy(model, val_loader))
```

## Fix safety
Safe: `train()` is put before the training that follows, outside the loops in which nothing switches the mode. A network that
nobody evaluates between is not touched.

## Witness
`training` is true at the first training steps and false at later ones, in a network with layers that depend on it. Only passes
whose gradients an optimizer then steps on count.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from nnlint.events import Backward, Escaped, Event, GradientsCleared, ModelCalled, ModeSwitched, OptimizerStepped, Run
from nnlint.facts.differentiated import may_be_cleared_by, may_be_stepped_by, recorded_behind, training_calls
from nnlint.facts.evaluation import evaluations
from nnlint.facts.modes import holds_mode_dependent, may_switch, switches_part, switches_whole
from nnlint.facts.spellings import is_bound_in, network_spelling
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import Block, follow, select
from nnlint.values import Site, Value, elements
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted, unverified
from nnlint.words import STEPPED, SWITCHED, TRAINING

LAST = regex(r"==\s*len\(.*\)\s*-\s*1\b|\+\s*1\s*==\s*len\(")
"""A test for the last pass of a loop: `i == len(loader) - 1`."""


ORDERED = (ast.Gt, ast.GtE, ast.Lt, ast.LtE)

MODE_EVENTS = (ModeSwitched, ModelCalled, Escaped, Backward, GradientsCleared, OptimizerStepped)


class Mode(NamedTuple):
    """What is known on one path: who switched to evaluation mode last, what was asked in it, whether training came before.

    `passed` is a call in that mode whose gradients are in the weights, where no step has used them yet.
    """

    switch: ModeSwitched | None = None
    evaluated: bool = False
    trained: bool = False
    passed: ModelCalled | None = None


def check(run: Run) -> Iterator[Problem]:
    """One problem for each `eval()` that a later step of the same loop suffers from."""
    if not any(switch.training is False and switch.iterations for switch in run.events(ModeSwitched)):
        return
    reported: set[Any] = set()
    calls = [call for call in training_calls(run) if _is_trained_in_pass(run, call)]
    evaluating = {id(evaluation.call) for evaluation in evaluations(run)}
    for model in {id(call.model): call.model for call in calls}.values():
        trained = [call for call in calls if call.model is model and holds_mode_dependent(run, call)]
        found: list[tuple[ModeSwitched, ModelCalled]] = []
        if trained:
            follow(_steps(run, model), Mode(), _protocol(run, model, trained, evaluating, found))
        for switch, call in found:
            if _node(switch) not in reported and not _is_of_last_pass(switch) and not _is_of_later_phase(switch, call):
                reported.add(_node(switch))
                yield _problem(switch, call)


def _is_of_last_pass(switch: ModeSwitched) -> bool:
    """Whether the switch, or a call that leads to it, waits for the last pass of a loop, behind which no step follows."""
    around = (block for site in (switch.at, *switch.calls) for block in edits.blocks_around(site))
    return any(isinstance(block, ast.If) and LAST.search(ast.unparse(block.test)) for block in around)


def _is_of_later_phase(switch: ModeSwitched, call: ModelCalled) -> bool:
    """Whether the training stands in the other arm of a test such as `epoch > 8`: once it has come out so, it does ever after."""
    trained = {id(node_at(site)) for site in (call.at, *call.calls)}
    return any(
        isinstance(block, ast.If) and _is_ordering(block.test) and not trained.isdisjoint(_other_arm(block, site))
        for site in (switch.at, *switch.calls)
        for block in edits.blocks_around(site)
    )


def _is_ordering(test: ast.expr) -> bool:
    has_remainder = any(isinstance(part, ast.Mod) for part in ast.walk(test))
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ORDERED) and not has_remainder


def _other_arm(choice: ast.If, site: Site) -> set[int]:
    """The identities of all nodes in the arm in which the site does not stand."""
    arms = [{id(part) for statement in arm for part in ast.walk(statement)} for arm in (choice.body, choice.orelse)]
    return arms[1] if id(node_at(site)) in arms[0] else arms[0]


def _is_trained_in_pass(run: Run, call: ModelCalled) -> bool:
    """Whether the pass that makes the call differentiates what it gives: what it leaves for another may not be used there."""
    depth = len(call.iterations)
    outputs = {id(each) for each in elements(call.output)}
    passes = (event for event in run.events(Backward) if event.iterations[:depth] == call.iterations)
    return any(
        not outputs.isdisjoint(recorded_behind(run, event.loss)) and _may_be_stepped_then(run, call.model, event)
        for event in passes
    )


def _may_be_stepped_then(run: Run, model: Value, backward: Backward) -> bool:
    """Whether a step before the next backward pass may be one of the network: a critic is asked, and not trained, by another."""
    following = min((event.order for event in run.events(Backward) if event.order > backward.order), default=None)
    steps = [
        event
        for event in run.events(OptimizerStepped)
        if event.order > backward.order and (following is None or event.order < following)
    ]
    return not steps or any(may_be_stepped_by(run, event, model) for event in steps)


def _steps(run: Run, model: Value) -> Block:
    """What concerns the mode of one network, and the gradients of its weights."""

    def concerns(event: Event) -> bool:
        if isinstance(event, ModeSwitched):
            return switches_whole(event, model) or switches_part(event, model)
        if isinstance(event, ModelCalled):
            return event.model is model
        if isinstance(event, OptimizerStepped):
            return may_be_stepped_by(run, event, model)
        if isinstance(event, GradientsCleared):
            return may_be_cleared_by(run, event, model)
        return isinstance(event, Backward) or (isinstance(event, Escaped) and may_switch(event, model))

    return select(run.remember("mode steps", run, _mode_steps), concerns)


def _mode_steps(run: Run) -> Block:
    return select(run.trace, lambda event: isinstance(event, MODE_EVENTS))


def _protocol(run: Run, model: Value, trained: list[ModelCalled], evaluating: set[int], found: list[Any]) -> Any:
    training = {id(call) for call in trained}

    def called(mode: Mode, call: ModelCalled) -> Mode:
        if id(call) in evaluating and call.training is False:
            return mode._replace(evaluated=True)
        if id(call) in training and (call.training is True or mode.switch is None):
            return Mode(trained=True)
        return mode

    def advance(before: Hashable, event: Any) -> Hashable:
        mode = before if isinstance(before, Mode) else Mode()
        if isinstance(event, ModeSwitched):
            is_eval = event.training is False and switches_whole(event, model)
            return Mode(event if is_eval else None, trained=mode.trained)
        if isinstance(event, Escaped):
            return Mode(trained=mode.trained)
        if isinstance(event, ModelCalled):
            return called(mode, event)
        if isinstance(event, Backward):
            return mode._replace(passed=mode.passed or _passed_in(run, mode, trained, event))
        if isinstance(event, OptimizerStepped) and mode.passed is not None:
            found.append((mode.switch, mode.passed))
        return mode._replace(passed=None)

    return advance


def _passed_in(run: Run, mode: Mode, trained: list[ModelCalled], backward: Backward) -> ModelCalled | None:
    """A call in evaluation mode that the backward pass goes through, where the mode is a rest of what came before."""
    switch = mode.switch
    if switch is None or not (mode.trained or mode.evaluated):
        return None
    since = (call for call in trained if switch.order < call.order < backward.order and call.training is not True)
    reached = recorded_behind(run, backward.loss)
    return next(
        (
            call
            for call in since
            if _share_loop(switch, call) and any(id(each) in reached for each in elements(call.output))
        ),
        None,
    )


def _share_loop(switch: ModeSwitched, call: ModelCalled) -> bool:
    loops = {id(each.loop) for each in switch.iterations}
    return any(id(each.loop) in loops for each in call.iterations)


def _node(event: Event) -> Any:
    return node_at(event.at)


def _problem(switch: ModeSwitched, call: ModelCalled) -> Problem:
    name = network_spelling(call.at)
    return Problem(
        switch.at,
        "the training that follows runs in evaluation mode: dropout drops nothing and BatchNorm keeps its statistics",
        label="never switched back to training mode",
        related=((call.at, "trained here, still in evaluation mode"),),
        help=f"call {f'`{name}.train()`' if name else '`train()` of the network'} before the training goes on",
        fix=_fix(switch, call, name),
    )


def _fix(switch: ModeSwitched, call: ModelCalled, name: str) -> Fix | None:
    at = call.at
    if not name or not isinstance(at, CodeSite) or at.statement is None:
        return None
    inside = {id(each.loop) for each in switch.iterations}
    apart = {_node_of_loop(each.loop) for each in call.iterations if id(each.loop) not in inside}
    place: ast.stmt | None = at.statement
    for statement in edits.blocks_around(at):
        header = getattr(statement, "iter", statement)  # what stands for the loop in a run
        if id(header) in apart and not is_bound_in([statement], name):
            place = statement
            break
    if place is None or isinstance(place, ast.Return):
        return None
    site = CodeSite(at.module, place, place, at.function)
    return edits.fix(Applicability.SAFE, f"call `{name}.train()`", edits.insert_before(site, f"{name}.train()"))


def _node_of_loop(loop: Any) -> int:
    return id(loop.at.node) if isinstance(loop.at, CodeSite) else 0


def witness(case: Case) -> Verdict:
    """Whether the network was trained in training mode first, and in evaluation mode later."""
    passes = [event for event in case.related(ModelCalled) if event.numbers.get("gradient")]
    if not case.at(ModeSwitched) or not passes:
        return not_reached(case)
    calls = [call for call in passes if _is_stepped_on(case.run, call)]
    if not calls:
        return refuted("no optimizer steps on the gradients of these passes")
    modes = numbers(calls, "training")
    left = modes.count(0.0)
    layers = calls[-1].numbers.get("mode_dependent", 0.0)
    if left and not layers:
        return harmless("trained in evaluation mode, but no layer of this network behaves differently in it")
    if left:
        return confirmed(
            f"{left} of {len(modes)} measured training steps ran in evaluation mode, with {layers:.0f} layers that depend on it",
            steps_in_eval_mode=left,
            steps=len(modes),
        )
    after = [call for call in calls if call.order > case.at(ModeSwitched)[0].order]
    if not after:
        return unverified("the run ended before the first training step after the evaluation")
    return refuted(f"in training mode at all {len(modes)} measured steps")


def _is_stepped_on(run: Run, call: ModelCalled) -> bool:
    """Whether an optimizer steps on the gradients of a pass of a real run: before they are cleared, or the mode is set back."""
    cleared: set[Value] = set()
    is_filled = False
    for event in run.all_events[call.order + 1 :]:
        if isinstance(event, ModeSwitched) and event.numbers.get("training"):
            return False
        if isinstance(event, Backward):
            is_filled = True
        elif isinstance(event, GradientsCleared) and is_filled:
            cleared.add(event.target)
        elif isinstance(event, OptimizerStepped) and is_filled:
            return cleared.isdisjoint({call.model, event.optimizer})
    return False


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN503",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(SWITCHED, STEPPED, TRAINING),
    needs=needs(ModeSwitched, OptimizerStepped),
)
