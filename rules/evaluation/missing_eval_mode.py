"""A network with Dropout or BatchNorm is evaluated in training mode.

## What it does
Reports an evaluation's call of a network that holds Dropout or BatchNorm and is certainly in training mode at that moment: nobody
called `eval()`, or a `train()` undid it. What counts is the mode at the call, of each network by itself. A network that is not at
hand is judged by the script's own account, where it calls `train()` and no `eval()` after it: a warning for networks of
libraries that hold such layers, and where the evaluation itself calls `train()`, else advice. Pictures that a network
with BatchNorm draws from noise are advice. Reported is, too, an `eval()` behind the call whose answers are measured.

## Why it matters
In training mode dropout thins the network at random, so the figures are those of another, weaker network, and differ from pass
to pass. BatchNorm normalises by the batch being tested, so a prediction depends on its neighbours; and it takes the test data
into its running statistics.
Source: torch.nn.Module.eval (https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval).

## Example
```python
def evaluate(model, loader):
    with torch.no_grad():
        for inputs, targets in loader:
            correct += (model(inputs).argmax(dim=1) == targets).sum().item()
```

Use instead:
```python
def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        for inputs, targets in loader:
            correct += (model(inputs).argmax(dim=1) == targets).sum().item()
```

## Fix safety
Safe: `eval()` is put before the evaluation, and only where the training that may follow switches back with `train()`, or where
`train()` can be put right behind. There is no fix where a `train()` inside the evaluation undoes it, or `eval()` comes too late.

## Witness
`training` is true at the call, and the running statistics move, or two passes over the same data differ.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelCalled, ModeSwitched, Run
from nnlint.facts.data_sets import loaders_behind, training_loaders
from nnlint.facts.evaluation import Evaluation, evaluations, functions_around, one_of_each, trains_inside, words_of
from nnlint.facts.fates import answers_meet
from nnlint.facts.late_switches import late_switches
from nnlint.facts.modes import (
    asks_for_losses,
    draws_masks,
    is_mode_given,
    is_mode_known,
    is_of_library,
    is_switched_within,
    mode_dependent,
    switched_inside,
    training_follows,
)
from nnlint.facts.spellings import is_bound_in, network_spelling
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import TRANSPARENT
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Site, Value, elements
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted, unverified
from nnlint.words import SWITCHED, TRAINING

ON_PURPOSE = frozenset(
    "mc monte carlo uncertainty bayesian bayes stochastic calibrate recalibrate bn update precise".split()
)
"""Words in the name of a function that leaves the training mode on for a reason: Monte-Carlo dropout, BatchNorm statistics."""

COSTS = frozenset("flop flops mac macs latency throughput complexity".split())
"""Words in the name of a function that asks what a pass costs: its numbers are nobody's concern."""

TRAINS_ONCE = (frozenset({"train", "training"}), frozenset({"step", "batch"}))
"""Words in the name of a function that trains on one batch: one of each."""

Faults = dict[str, Site | None]
"""The operations that behave as in training, each with the place of a layer, where that is at hand."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each call of an evaluation in training mode."""
    if not any(call.training is True for call in run.events(ModelCalled)):
        return
    faults: dict[int, Faults] = {}
    for evaluation in evaluations(run):
        faults[id(evaluation)] = _faults(run, evaluation)
    for evaluation in one_of_each(run, lambda each: bool(faults[id(each)])):
        yield _problem(run, evaluation, faults[id(evaluation)])
    yield from _late_problems(run)


def _late_problems(run: Run) -> Iterator[Problem]:
    reported: set[object] = set()
    for late in late_switches(run):
        faults = mode_dependent(run, late.call)
        effects = [effect for kind, effect in EFFECTS.items() if kind in faults and kind != "unknown"]
        node = node_at(late.call.at)
        if not effects or node in reported:
            continue
        reported.add(node)
        yield Problem(
            late.call.at,
            f"the evaluation runs in training mode: {'; '.join(effects)}",
            label="answers in training mode",
            related=((late.switch.at, "comes after the answers"), (late.loss.at, "measures them")),
            help="ask the network again after `eval()`",
        )


def _faults(run: Run, evaluation: Evaluation) -> Faults:
    """What behaves as in training though it should not; nothing where the mode is right, meant, or not known."""
    call = evaluation.call
    if call.training is not True or not _is_meant(run, evaluation) or is_mode_given(run, call):
        return {}
    if not is_mode_known(run, call) or draws_masks(run, call):
        return {}
    kinds = mode_dependent(run, call)
    if "unknown" in kinds and asks_for_losses(call):
        return {}
    return kinds if "unknown" not in kinds or _is_certain(evaluation) else {}


def _is_certain(evaluation: Evaluation) -> bool:
    """Whether it is an evaluation beyond doubt, for a network of which is only known that the script calls its `train()`."""
    return evaluation.held_out or evaluation.context == "evaluation" or (evaluation.measured and evaluation.afterwards)


def _is_meant(run: Run, evaluation: Evaluation) -> bool:
    """Whether enough speaks for an evaluation that is not in training mode on purpose."""
    around = functions_around(evaluation.call)
    if any(words_of(getattr(each, "name", "")) & ON_PURPOSE for each in (evaluation.function, *around[-1:])):
        return False
    if any(words_of(getattr(each, "name", "")) & COSTS for each in around):
        return False
    if switched_inside(run, evaluation.call) is not None and _meets_evaluation(run, evaluation):
        return False  # both modes are compared
    if _measures_training(run, evaluation.call):
        return False
    unrecorded = evaluation.call.gradient is False
    if evaluation.context == "evaluation":
        return evaluation.measured or unrecorded or evaluation.held_out
    if evaluation.held_out:
        return evaluation.measured or unrecorded
    if not unrecorded:
        return False
    if evaluation.afterwards:
        return True
    if evaluation.measured and evaluation.context != "training" and not _is_of_training_batches(run, evaluation):
        return True
    return _another_evaluates(run, evaluation) or _meets_evaluation(run, evaluation)


def _meets_evaluation(run: Run, evaluation: Evaluation) -> bool:
    """Whether its answers go into what the same network's answers in evaluation mode are compared with."""
    call = evaluation.call
    return any(
        other.call.model is call.model
        and other.call.training is False
        and call.order < other.call.order
        and answers_meet(run, call, other.call)
        for other in evaluations(run)
    )


def _measures_training(run: Run, call: ModelCalled) -> bool:
    """Whether a training step measures its own batch by the way, in a helper that other callers enter in eval mode."""
    around = (words_of(getattr(function, "name", "")) for function in functions_around(call)[:-1])
    if not any(words & TRAINS_ONCE[0] and words & TRAINS_ONCE[1] for words in around):
        return False
    return any(
        other.training is False and other.calls != call.calls
        for other in run.events(ModelCalled)
        if node_at(other.at) is node_at(call.at)
    )


def _is_of_training_batches(run: Run, evaluation: Evaluation) -> bool:
    """Whether it measures batches that the network is trained on: a look at the training, in its own mode."""
    trained_on = {id(loader) for loader, _ in training_loaders(run)}
    asked = [id(loader) for loader in loaders_behind(evaluation.call.inputs)]
    return bool(asked) and trained_on.issuperset(asked)


def _another_evaluates(run: Run, evaluation: Evaluation) -> bool:
    """Whether the same function put another network into eval mode."""
    at = evaluation.call.at
    return isinstance(at, CodeSite) and any(
        switch.training is False
        and isinstance(switch.at, CodeSite)
        and switch.at.function is at.function is not None
        and switch.order < evaluation.call.order
        for switch in run.events(ModeSwitched)
    )


# The problem and its fix


def _severity(run: Run, evaluation: Evaluation, faults: Faults) -> Severity | None:
    """Pictures that are drawn from noise, by the statistics of their own batch, are what such a generator was trained to give."""
    if (
        set(faults) == {"batch_norm"}
        and not evaluation.measured
        and not evaluation.held_out
        and _draws(run, evaluation)
    ):
        return Severity.ADVICE
    if "unknown" not in faults:
        return None
    is_told = is_of_library(evaluation.call.model) or is_switched_within(run, evaluation.call)
    return Severity.WARNING if is_told else Severity.ADVICE


def _draws(run: Run, evaluation: Evaluation) -> bool:
    """Whether the network is given nothing but noise, here and in its training."""
    calls = [call for call in run.events(ModelCalled) if call.model is evaluation.call.model]
    return len(calls) > 1 and all(any(map(_is_noise, call.inputs)) for call in calls)


def _is_noise(value: Value) -> bool:
    while isinstance(value, Data) and value.operation in TRANSPARENT and value.inputs:
        value = value.inputs[0]
    if isinstance(value, Data) and value.operation == "concatenate":
        return any(_is_noise(each) for part in value.inputs for each in elements(part))
    return isinstance(value, Data) and value.operation == "random"


EFFECTS = {
    "unknown": "`train()` has switched on the dropout and batch statistics of this network",
    "dropout": "dropout thins the network at random",
    "batch_norm": "BatchNorm normalises by the test batch, and updates its statistics with it",
}
"""What each operation does, in the order in which it is told."""

DIFFERENCES = {
    "dropout": "drops at random in training mode",
    "batch_norm": "takes the statistics of the batch in training mode",
}


def _problem(run: Run, evaluation: Evaluation, faults: Faults) -> Problem:
    call = evaluation.call
    effects = [effect for kind, effect in EFFECTS.items() if kind in faults]
    trained = switched_inside(run, call)
    return Problem(
        evaluation.at,
        f"the evaluation runs in training mode: {'; '.join(effects)}",
        label="in training mode",
        severity=_severity(run, evaluation, faults),
        related=tuple(_related(evaluation, faults, trained)),
        help=_help(evaluation),
        fix=None
        if trained is not None or evaluation.at is not call.at
        else _fix(run, evaluation, network_spelling(call.at)),
    )


def _related(evaluation: Evaluation, faults: Faults, trained: ModeSwitched | None) -> Iterator[tuple[Site, str]]:
    if evaluation.asked_at is not None:
        yield evaluation.asked_at, "evaluated here"
    if trained is not None:
        yield trained.at, "switched to training mode here"
    for kind, difference in DIFFERENCES.items():
        at = faults.get(kind)
        if at is not None:
            yield at, difference


def _help(evaluation: Evaluation) -> str:
    if evaluation.asked_at is not None:
        helper = getattr(getattr(evaluation.call.at, "function", None), "name", "")
        here = f"in `{helper}`" if helper else "here"
        return f"call `eval()` of the network where the evaluation begins, not {here}, which training goes through, too"
    name = network_spelling(evaluation.call.at)
    return f"call {f'`{name}.eval()`' if name else '`eval()` of the network'} before the evaluation"


def _fix(run: Run, evaluation: Evaluation, name: str) -> Fix | None:
    at = evaluation.call.at
    if evaluation.shared or not name or not isinstance(at, CodeSite) or at.statement is None:
        return None
    follows = training_follows(run, evaluation.call)
    if evaluation.context == "evaluation" and at.function is evaluation.function and _is_given(at, name):
        first = _first_statement(at)
        if follows or first is None:
            return None
        return edits.fix(Applicability.SAFE, f"call `{name}.eval()`", edits.insert_before(first, f"{name}.eval()"))
    outermost = _outermost(run, at, name)
    if outermost is None:
        return None
    place = CodeSite(at.module, outermost, outermost, at.function)
    before = edits.insert_before(place, f"{name}.eval()")
    if not follows:
        return edits.fix(Applicability.SAFE, f"call `{name}.eval()`", before)
    after = edits.insert_after(place, f"{name}.train()")
    return edits.fix(Applicability.SAFE, f"call `{name}.eval()`, and `{name}.train()` after it", before, after)


def _is_given(at: CodeSite, name: str) -> bool:
    """Whether the function has the network from its first line on: an argument, or an attribute of one."""
    if not isinstance(at.function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = at.function.args
    names = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    assigned = {
        node.id for node in ast.walk(at.function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    first = name.partition(".")[0]
    return first in names and first not in assigned


def _first_statement(at: CodeSite) -> CodeSite | None:
    body = at.function.body if isinstance(at.function, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
    is_docstring = bool(body) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    rest = body[1:] if is_docstring else body
    first = next((each for each in rest if not _keeps_mode(each)), None)
    return CodeSite(at.module, first, first, at.function) if first is not None else None


def _keeps_mode(statement: ast.stmt) -> bool:
    """Whether the statement notes the mode to come back to, which `eval()` must not come before."""
    return isinstance(statement, ast.Assign) and any(
        isinstance(node, ast.Attribute) and node.attr == "training" for node in ast.walk(statement.value)
    )


def _outermost(run: Run, at: CodeSite, name: str) -> ast.stmt | None:
    """The widest loop or `with` around the call that neither trains nor gives the network its name, else the statement."""
    for statement in edits.blocks_around(at):
        is_wide = isinstance(statement, (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith))
        if is_wide and not trains_inside(run, at, statement) and not is_bound_in([statement], name):
            return statement
    return None if isinstance(at.statement, ast.Return) else at.statement


def witness(case: Case) -> Verdict:
    """Whether the network is in training mode there, with layers that behave differently in it."""
    calls = [event for event in case.at(ModelCalled) if "training" in event.numbers]
    if not calls:
        return not_reached(case)
    training = [event for event in calls if event.numbers["dropouts"] + event.numbers["batchnorms"] > 0]
    if training:
        dropouts, batchnorms = training[0].numbers["dropouts"], training[0].numbers["batchnorms"]
        return confirmed(
            f"in training mode at {len(training)} of {len(calls)} calls, with {dropouts:.0f} dropout and "
            f"{batchnorms:.0f} BatchNorm layers at work",
            dropouts=dropouts,
            batchnorms=batchnorms,
        )
    if any(numbers(calls, "training")):
        if case.run.stood_in:
            return unverified("in training mode, but what was called may be another network than the one that is meant")
        return harmless("in training mode, but no layer of this network behaves differently in it")
    return refuted(f"in evaluation mode at all {len(calls)} calls")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN502",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    trains=False,
    words=(SWITCHED, TRAINING),
    needs=needs(ModelCalled),
)
