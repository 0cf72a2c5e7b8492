"""A network with Dropout or BatchNorm is evaluated in training mode.

## What it does
Reports an evaluation's call of a network that holds Dropout or BatchNorm and is certainly in training mode at that moment: nobody
called `eval()`, or a `train()` undid it. What counts is the mode at the call, of each network by itself.

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
`train()` can be put right behind. There is no fix where a `train()` inside the evaluation undoes it.

## Witness
`training` is true at the call, and the running statistics move, or two passes over the same data differ.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint import edits
from nnlint.evaluation import Evaluation, evaluations, switched_here, trains_inside, words_of
from nnlint.events import Escaped, Event, ModelBuilt, ModelCalled, ModeSwitched, Run
from nnlint.finding import Applicability, Fix, Severity
from nnlint.graph import ancestors, parameters_of
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Instance, Layer, Value, alternatives, elements, truth
from nnlint.zoo import layers_of

ON_PURPOSE = frozenset(
    "mc monte carlo uncertainty bayesian bayes stochastic calibrate recalibrate bn update precise".split()
)
"""Words in the name of a function that leaves the training mode on for a reason: Monte-Carlo dropout, BatchNorm statistics."""

HARMLESS = re.compile(
    r"print|summary|watch|add_graph|flop|profile|count|param|init|register|len|isinstance|hasattr|named|buffers|to_|^to$|"
    r"state_dict|save|load|share|cuda|zero_grad|optim|sched|id$|type$|getattr|apply|^append$|wandb|mlflow|torchinfo"
)
"""Code that is not at hand and gets hold of a network, but leaves its mode alone."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each call of an evaluation in training mode."""
    if not any(call.training is True for call in run.events(ModelCalled)):
        return
    for evaluation in evaluations(run):
        call = evaluation.call
        if call.training is not True or not _is_meant(run, evaluation) or _is_mode_given(run, call):
            continue
        if _is_known(run, call):
            kinds = _held(run, call)
            if kinds:
                yield _problem(run, evaluation, kinds)


def _is_meant(run: Run, evaluation: Evaluation) -> bool:
    """Whether enough speaks for an evaluation that is not in training mode on purpose."""
    if evaluation.function is not None and words_of(getattr(evaluation.function, "name", "")) & ON_PURPOSE:
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
    if evaluation.measured and evaluation.context != "training":
        return True
    return _another_evaluates(run, evaluation)


def _is_mode_given(run: Run, call: ModelCalled) -> bool:
    """Whether the function takes the mode as an argument: other calls of it switch to eval mode at this place."""
    inside = [
        switch
        for switch in run.events(ModeSwitched)
        if isinstance(switch.at, CodeSite) and isinstance(call.at, CodeSite) and switch.at.function is call.at.function
    ]
    if not isinstance(call.at, CodeSite) or call.at.function is None:
        return False
    here = {switch.training for switch in inside if switch.calls == call.calls}
    elsewhere = {switch.training for switch in inside if switch.calls != call.calls}
    return here == {True} and False in elsewhere


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


def _is_known(run: Run, call: ModelCalled) -> bool:
    """Whether nobody but the code at hand may have switched the network."""
    parts = {id(part) for part in parameters_of(call.model)} | {id(call.model)}
    switches = [event for event in _concerning(run, parts) if event.order < call.order]
    if not switched_here(run, call, [(event.order, event.calls) for event in switches]):
        return False
    last = max((event.order for event in switches), default=0)
    return not any(
        last < escaped.order < call.order and not HARMLESS.search(escaped.callee) and _hands_over(escaped, call.model)
        for escaped in run.events(Escaped)
    )


def _concerning(run: Run, parts: set[int]) -> Iterator[Event]:
    """Where these networks are built or switched."""
    for switch in run.events(ModeSwitched):
        if any(id(part) in parts for model in alternatives(switch.model) for part in (model, *parameters_of(model))):
            yield switch
    for built in run.events(ModelBuilt):
        if id(built.model) in parts:
            yield built


def _hands_over(escaped: Escaped, model: Value) -> bool:
    for value in escaped.values:
        for each in elements(value):
            if each is model or (
                isinstance(each, Instance) and any(held is model for held in each.attributes.values())
            ):
                return True
    return False


# What the network holds


def _held(run: Run, call: ModelCalled) -> set[str]:
    """The operations in the network that depend on the mode, and are in training mode at the call."""
    if isinstance(call.model, Data):
        return set(layers_of(call.model.name.rpartition(".")[2]))
    found = _functional(call)
    for part in parameters_of(call.model):
        if isinstance(part, (Instance, Layer)):
            found.update(kind for held in part.attributes.values() for kind in _ready_made(held))
        if isinstance(part, Layer) and _depends_on_mode(part) and not _was_switched_off(run, part, call):
            found.add("batch_norm" if part.operation == "batch_norm" else "dropout")
    return found


def _functional(call: ModelCalled) -> set[str]:
    """Dropout as a function that is told the mode: `F.dropout(x, training=self.training)`."""
    inner = [value.inputs[0] for value in elements(call.output) if isinstance(value, Data) and value.inputs]
    dropouts = (
        data for value in inner for data in ancestors(value) if data.operation == "dropout" and data.layer is None
    )
    return {"dropout"} if any(_is_told_the_mode(data) and data.option("p") != 0 for data in dropouts) else set()


def _is_told_the_mode(dropout: Data) -> bool:
    node = dropout.at.node if isinstance(dropout.at, CodeSite) else None
    if not isinstance(node, ast.Call):
        return False
    given = [*node.args[2:3], *(keyword.value for keyword in node.keywords if keyword.arg == "training")]
    return any(isinstance(value, ast.Attribute) and value.attr == "training" for value in given)


def _ready_made(value: Value) -> set[str]:
    """What a part taken from a library's network holds."""
    calls = (data for data in ancestors(value) if data.operation == "call") if isinstance(value, Data) else ()
    return {kind for data in calls for kind in layers_of(data.name.rpartition(".")[2])}


def _depends_on_mode(layer: Layer) -> bool:
    if layer.operation in ("dropout", "alpha_dropout"):
        return layer.number("p") != 0
    if layer.operation == "batch_norm":
        return truth(layer.arguments.get("track_running_stats")) is not False
    if layer.operation == "recurrent":
        stacked = layer.number("num_layers")
        return bool(layer.number("dropout")) and stacked is not None and stacked > 1
    if layer.operation != "transformer":
        return False
    inner = [each for each in layer.arguments.values() if isinstance(each, Layer)]
    return any(_depends_on_mode(each) for each in inner) if inner else layer.number("dropout") != 0


def _was_switched_off(run: Run, layer: Layer, call: ModelCalled) -> bool:
    """Whether the last switch before the call that concerns the layer was to eval mode, for the layer or a part around it."""
    last = None
    for switch in run.events(ModeSwitched):
        if switch.order < call.order and any(part is layer for part in parameters_of(switch.model)):
            last = switch
    return last is not None and last.training is False


# The problem and its fix


EFFECTS = {
    "dropout": "dropout thins the network at random",
    "batch_norm": "BatchNorm normalises by the test batch, and learns from it",
}


def _problem(run: Run, evaluation: Evaluation, kinds: set[str]) -> Problem:
    call = evaluation.call
    effects = [EFFECTS[kind] for kind in sorted(kinds, reverse=True)]
    name = _name(call.at)
    trained = _undoing(run, evaluation)
    return Problem(
        evaluation.at,
        f"the evaluation runs in training mode: {'; '.join(effects)}",
        label="in training mode",
        related=((trained.at, "switched to training mode here"),) if trained is not None else (),
        help=f"call `{name or 'model'}.eval()` before the evaluation",
        fix=None if trained is not None or evaluation.at is not call.at else _fix(run, evaluation, name),
    )


def _undoing(run: Run, evaluation: Evaluation) -> ModeSwitched | None:
    """The `train()` inside the evaluation that the network owes its mode to."""
    at, last = evaluation.call.at, None
    for switch in run.events(ModeSwitched):
        if switch.order < evaluation.call.order and any(
            part is evaluation.call.model for part in parameters_of(switch.model)
        ):
            last = switch
    if last is None or not isinstance(at, CodeSite) or not isinstance(last.at, CodeSite):
        return None
    return last if at.function is not None and last.at.function is at.function else None


def _name(at: object) -> str:
    """The text of the network in the call: `model`, `self.net`; "" where it is nothing as simple."""
    if not isinstance(at, CodeSite) or not isinstance(at.node, ast.Call):
        return ""
    callee: ast.expr = at.node.func
    if isinstance(callee, ast.Attribute) and callee.attr in ("forward", "module"):
        callee = callee.value
    inner = callee
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return edits.node_code(at, callee) if isinstance(inner, ast.Name) else ""


def _fix(run: Run, evaluation: Evaluation, name: str) -> Fix | None:
    at = evaluation.call.at
    if evaluation.shared or not name or not isinstance(at, CodeSite) or at.statement is None:
        return None
    follows = _training_follows(run, evaluation)
    if evaluation.context == "evaluation" and at.function is evaluation.function and _is_given(at, name):
        first = _first_statement(at)
        if follows or first is None:
            return None
        return edits.fix(Applicability.SAFE, f"call `{name}.eval()`", edits.insert_before(first, f"{name}.eval()"))
    outermost = _outermost(run, at)
    if outermost is None:
        return None
    place = CodeSite(at.module, outermost, outermost, at.function)
    before = edits.insert_before(place, f"{name}.eval()")
    if not follows:
        return edits.fix(Applicability.SAFE, f"call `{name}.eval()`", before)
    after = edits.insert_after(place, f"{name}.train()")
    return edits.fix(Applicability.SAFE, f"call `{name}.eval()`, and `{name}.train()` after it", before, after)


def _training_follows(run: Run, evaluation: Evaluation) -> bool:
    """Whether the network is called again for training, with no `train()` on the way."""
    evaluating = {id(each.call) for each in evaluations(run)}
    model, order = evaluation.call.model, evaluation.call.order
    events: list[Event] = [*run.events(ModelCalled), *run.events(ModeSwitched)]
    for event in sorted(events, key=lambda each: each.order):
        if event.order <= order:
            continue
        if isinstance(event, ModeSwitched) and any(part is model for part in parameters_of(event.model)):
            return False
        if isinstance(event, ModelCalled) and event.model is model and id(event) not in evaluating:
            return True
    return run.symbolic


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
    return CodeSite(at.module, rest[0], rest[0], at.function) if rest else None


def _outermost(run: Run, at: CodeSite) -> ast.stmt | None:
    """The widest loop or `with` around the call that holds no training, else the statement of the call."""
    for statement in edits.blocks_around(at):
        is_wide = isinstance(statement, (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith))
        if is_wide and not trains_inside(run, at, statement):
            return statement
    return None if isinstance(at.statement, ast.Return) else at.statement


rule = Rule(__name__, __doc__, check, code="NN502", severity=Severity.ERROR, since="0.1", fix=Applicability.SAFE)
