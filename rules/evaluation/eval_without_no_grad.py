"""An evaluation builds the graph for a backward pass that never comes.

## What it does
Reports the call of a network whose output is measured, compared or only used, never differentiated, while gradients are being
recorded: in a function that evaluates, on test or validation data, or in eval mode. Where the outputs or losses are kept in a
list or a running total, graph and all, it is an error. What is asked once, outside of any loop, or drawn from a network between
two epochs and only looked at, is advice: its graph is gone with the answer. So is what a function asks to draw it, or a loop of
a few passes: no run and no reading tells whether the few graphs matter. A network that goes through its own layers in a loop,
as a flow does for its samples, is asked once. Advice, too, is a place that is only seen from a function of another file which
nothing at hand calls, as in a library: its callers may have switched recording off.

## Why it matters
Recording keeps every intermediate result of the forward pass alive: evaluation takes several times the memory and more time,
and batches that would fit do not. Kept outputs keep their graphs too, and memory grows until the run dies.
Source: PyTorch, "Autograd mechanics", locally disabling gradient computation
(https://docs.pytorch.org/docs/stable/notes/autograd.html).

## Example
```python
def evaluate(model, loader):
    model.eval()
    for inputs, targets in loader:
        correct += (model(inputs).argmax(dim=1) == targets).sum().item()
```

Use instead:
```python
@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    for inputs, targets in loader:
        correct += (model(inputs).argmax(dim=1) == targets).sum().item()
```

## Fix safety
Safe: nothing in the part that is put under `no_grad` is differentiated. A function that only evaluates is decorated; otherwise
the loop or statement is put under `with torch.no_grad():`.

## Witness
The outputs of the evaluation carry a `grad_fn`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from nnlint.events import Accumulated, Backward, Loop, ModelCalled, ModeSwitched, OptimizerMade, Run
from nnlint.facts.callers import is_called_unrecorded
from nnlint.facts.differentiated import wants_input_gradient
from nnlint.facts.drawings import only_draws
from nnlint.facts.evaluation import (
    EVALUATES,
    Evaluation,
    functions_around,
    one_of_each,
    switched_here,
    trains_inside,
    words_of,
)
from nnlint.facts.learned import learned_in
from nnlint.facts.live_graphs import PICKS
from nnlint.facts.own_gradients import differentiates_inside, switches_off_inside
from nnlint.facts.rebuilt_models import is_weightless
from nnlint.facts.running_totals import lives_on
from nnlint.facts.volatile import is_volatile
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors, cuts_graph, parameters_of
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, External
from nnlint.values import (
    FROZEN_KEY,
    MODE_KEY,
    TRUE,
    Constant,
    Data,
    Instance,
    Items,
    Layer,
    Loader,
    Optimizer,
    Parameters,
    Value,
    elements,
    number,
    truth,
)
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import TRAINING

MOST_LOOKED_THROUGH = 20
UNKNOWN_CODE = frozenset({"call", "method"})
NETWORK_LIBRARIES = regex(r"torch|lightning|transformers|timm|diffusers|monai|mm|segmentation_models|sentence", re.I)
"""How the libraries are called whose classes are networks as a rule."""

WALKS = frozenset({"enumerate", "reversed", "index", "list"})
"""Operations that go through the same things, in another order or with their numbers."""

NUMBERS_ALONE = frozenset({"numpy", "array", "tensor"})
"""Operations whose result has the numbers and no graph, or that raise."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each call that records in vain."""
    if not any(call.gradient is True for call in run.events(ModelCalled)):
        return
    for evaluation in one_of_each(run, lambda each: _records_in_vain(run, each)):
        yield _problem(run, evaluation)


def _records_in_vain(run: Run, evaluation: Evaluation) -> bool:
    call = evaluation.call
    if call.gradient is not True or not _is_meant(run, evaluation):
        return False
    return not (
        _looks_up(call)
        or _is_frozen(run, call.model)
        or run.remember("weightless", call.model, is_weightless)
        or wants_input_gradient(call)
        or differentiates_inside(run, call.model)
        or switches_off_inside(call)
        or is_called_unrecorded(run, call)
        or _trains_on_the_way(run, evaluation)
    )


def _looks_up(call: ModelCalled) -> bool:
    """Whether a table of embeddings alone is asked, which costs next to nothing: no method that makes something of its rows."""
    return isinstance(call.model, Layer) and call.model.operation == "embedding" and call.within is None


def _trains_on_the_way(run: Run, evaluation: Evaluation) -> bool:
    """Whether a method between the place and the call trains something, too: recording cannot be switched off around it."""
    call, at = evaluation.call, evaluation.at
    if at is call.at:
        return False
    sites = [*call.calls, call.at]
    inside = sites[sites.index(at) + 1 :] if at in sites else [call.at]
    return any(
        isinstance(site, CodeSite) and site.function is not None and trains_inside(run, site, site.function)
        for site in inside
    )


def _is_meant(run: Run, evaluation: Evaluation) -> bool:
    """Whether enough speaks for an evaluation."""
    call = evaluation.call
    if run.symbolic and call.within is not None and not switched_here(run, call, _switches(run)):
        return False
    if _adapts_to_what_it_is_asked(evaluation) or _is_tool(run, call.model):
        return False
    if run.symbolic and evaluation.returned and not evaluation.measured and _is_told_apart(run, evaluation):
        return False
    in_eval_mode = call.training is False and switched_here(run, call, _switches(run))
    if evaluation.context == "evaluation":
        return evaluation.measured or in_eval_mode or (evaluation.in_loop and not _is_for_callers(run, evaluation))
    if evaluation.held_out:
        return evaluation.measured or in_eval_mode
    if in_eval_mode:
        return not evaluation.returned
    trains = any(run.events(Backward)) and not run.symbolic and evaluation.context != "both"
    return evaluation.apart and not evaluation.shared and trains and (evaluation.measured or evaluation.afterwards)


def _adapts_to_what_it_is_asked(evaluation: Evaluation) -> bool:
    """Whether a function that tests calls one that trains, step by step: the network is taught by the very data that it is asked
    about. One that differentiates by itself is a whole training, with an end that may measure it."""
    function = evaluation.function
    if evaluation.context != "training" or function is None:
        return False
    if any(isinstance(each, ast.Attribute) and each.attr == "backward" for each in ast.walk(function)):
        return False
    around = functions_around(evaluation.call)
    outside = around[: around.index(evaluation.function)] if evaluation.function in around else []
    return any(words_of(getattr(each, "name", "")) & EVALUATES for each in outside)


def _is_tool(run: Run, model: Value) -> bool:
    """Whether it is an object of a class of some library, that nobody asks for a mode or for weights: no network, for all that
    is known."""
    if not run.symbolic or not isinstance(model, Data) or model.operation != "call" or model.parts:
        return False
    library, _, name = model.name.partition(".")
    is_class = name.rpartition(".")[2][:1].isupper()
    return is_class and not NETWORK_LIBRARIES.search(library) and id(model) not in learned_in(run)


def _is_for_callers(run: Run, evaluation: Evaluation) -> bool:
    """Whether the answer goes to a caller that is not known, or a library's function asks whichever network it is given, and
    puts the answers together in code that is not at hand: whoever wants them decides about gradients."""
    model = evaluation.call.model
    is_given = (
        run.symbolic and isinstance(model, Data) and model.operation == "argument" and MODE_KEY not in model.parts
    )
    return evaluation.returned or (is_given and not evaluation.held_out)


def _is_told_apart(run: Run, evaluation: Evaluation) -> bool:
    """Whether another method of the same class asks the network without recording: this one is to give a graph."""
    call = evaluation.call
    around = {id(site.module): site.function for site in (*call.calls, call.at) if isinstance(site, CodeSite)}
    return any(
        other.gradient is False
        and other.model is call.model
        and isinstance(other.at, CodeSite)
        and id(other.at.module) in around
        and other.at.function is not around[id(other.at.module)]
        for other in run.events(ModelCalled)
    )


def _switches(run: Run) -> Iterator[tuple[int, tuple[object, ...]]]:
    for switch in run.events(ModeSwitched):
        yield switch.order, switch.calls


def _is_frozen(run: Run, model: Value) -> bool:
    """Whether no gradient is recorded for any parameter of the network."""
    if isinstance(model, (Instance, Layer)) and model.attributes.get(FROZEN_KEY) is TRUE:
        return True
    parts = {id(part) for part in parameters_of(model)} | {id(model)}
    if isinstance(model, Data):
        parts |= {id(part) for part in model.parts.values()}
    if any(_is_trained(made.optimizer, parts) for made in run.events(OptimizerMade)):
        return False
    return any(
        isinstance(weight, Data)
        and truth(weight.parts.get("requires_grad")) is False
        and isinstance(weight.inputs[0], Parameters)
        and any(id(owner) in parts for owner in weight.inputs[0].owners)
        for weight in run.operations.get("weight", ())
        if isinstance(weight, Data) and weight.inputs
    )


def _is_trained(optimizer: Value, parts: set[int]) -> bool:
    """Whether the optimizer was given any of these parts: the rest may be frozen, they are not."""
    return isinstance(optimizer, Optimizer) and any(id(owner) in parts for owner in optimizer.owners)


def _problem(run: Run, evaluation: Evaluation) -> Problem:
    call, is_uncertain = evaluation.call, only_draws(evaluation) or _is_shown_from_elsewhere(run, evaluation)
    kept = None if is_uncertain else _kept(run, evaluation)
    if is_volatile(call):
        return Problem(
            evaluation.at,
            "this evaluation builds a graph that nobody uses: torch has ignored `volatile` since 0.4",
            label="records gradients",
            help="drop `volatile=True` and evaluate under `with torch.no_grad():`",
            severity=Severity.ADVICE,
            fix=_fix(run, evaluation),
        )
    if kept is None:
        return Problem(
            evaluation.at,
            "this evaluation builds a graph for a backward pass that never comes, which costs memory and time",
            label="records gradients",
            help="evaluate under `torch.no_grad()`",
            severity=None if _goes_on(run, evaluation) and not is_uncertain else Severity.ADVICE,
            fix=_fix(run, evaluation),
        )
    return Problem(
        evaluation.at,
        "this evaluation keeps the graph of every batch, and memory grows until the run dies",
        label="records gradients",
        related=((kept.at, "kept here, graph and all"),),
        help="evaluate under `torch.no_grad()`",
        severity=Severity.ERROR,
        fix=_fix(run, evaluation),
    )


def _is_shown_from_elsewhere(run: Run, evaluation: Evaluation) -> bool:
    """Whether the place is seen from a function of another file that nothing at hand calls: its callers may record nothing."""
    return run.symbolic and evaluation.at.place.path != run.path


def _goes_on(run: Run, evaluation: Evaluation) -> bool:
    """Whether the network is asked again and again: in a loop that trains nothing, or in any, where the answer is measured."""
    around = [iteration.loop for iteration in evaluation.call.iterations]
    loops = {id(loop) for loop in around if not _is_left_at_once(loop) and not _is_over_layers(loop)}
    return bool(loops) and (evaluation.measured or not loops <= run.remember("training loops", run, _training_loops))


def _is_left_at_once(loop: Loop) -> bool:
    """Whether the first pass of a loop is its last: `for batch in loader: ...; break`."""
    statement = loop.at.statement if isinstance(loop.at, CodeSite) else None
    return any(isinstance(each, ast.Break) for each in getattr(statement, "body", ()))


def _is_over_layers(loop: Loop) -> bool:
    """Whether a network goes through the layers that it holds, as it does once for each answer."""
    over = loop.over
    while isinstance(over, Data) and over.operation in WALKS and over.inputs:
        over = over.inputs[0]
    items = over.items if isinstance(over, Items) else [over]
    return bool(items) and all(isinstance(each, Layer) for each in items)


def _training_loops(run: Run) -> set[int]:
    return {id(iteration.loop) for event in run.events(Backward) for iteration in event.iterations}


def _kept(run: Run, evaluation: Evaluation) -> Accumulated | None:
    """Where the output, or what was made of it, joins a list or a running total with its graph."""
    call = evaluation.call
    if not call.iterations or not _draws_data(call.iterations[-1].loop):
        return None
    if evaluation.at is not call.at and not _draws_batches(call.iterations[-1].loop):
        return None  # the steps of a decoder, inside the network's own method
    if not _draws_batches(call.iterations[-1].loop) and _feeds_itself(run, call):
        return None  # the steps of a decoder, each of which begins with what the one before has left
    outputs = {id(each) for each in elements(call.output)}
    later = (total for total in run.events(Accumulated) if total.order > call.order and total.iterations)
    return next(
        (
            total
            for total in later
            if not outputs.isdisjoint(_carried_by(run, total.value))
            and lives_on(run, total, call.iterations[-1].loop)
            and id(total.result) not in run.remember("made arrays of", run, _made_arrays_of)
        ),
        None,
    )


def _made_arrays_of(run: Run) -> frozenset[int]:
    """The identities of what numpy makes an array of: tensors with a graph it would refuse, so the network gives numbers."""
    made = (data for data in run.operations.get("array", ()) if isinstance(data, Data))
    return frozenset(id(each) for data in made for each in data.inputs[:1])


def _carried_by(run: Run, value: Value) -> frozenset[int]:
    """The identities of the data whose graph a value is known to hold: code that is not at hand may answer with a bare number."""
    return run.remember("carried by", value, _carried)


def _carried(value: Value) -> frozenset[int]:
    found = ancestors(value, stop=lambda data: _has_no_graph(data) or data.operation in UNKNOWN_CODE)
    return frozenset(id(data) for data in found if not _has_no_graph(data))


def _has_no_graph(data: Data) -> bool:
    return cuts_graph(data) or data.operation in NUMBERS_ALONE or _is_position(data)


def _is_position(data: Data) -> bool:
    """Whether it tells where a value stands, the second of what `max` and its like give: `scores.max(dim=1)[1]`."""
    if data.operation != "index" or len(data.inputs) < 2 or number(data.inputs[1]) != 1:
        return False
    whole = data.inputs[0]
    return isinstance(whole, Data) and whole.operation in PICKS


def _feeds_itself(run: Run, call: ModelCalled) -> bool:
    """Whether a later pass of the same loop gives the network what this one has put out."""
    outputs = {id(each) for each in elements(call.output)}
    loop = call.iterations[-1].loop
    later = (
        each
        for each in run.events(ModelCalled)
        if each.order > call.order
        and each.model is call.model
        and each.iterations[-1:]
        and each.iterations[-1].loop is loop
    )
    return any(
        id(data) in outputs
        for each in islice(later, MOST_LOOKED_THROUGH)
        for value in each.inputs
        for data in ancestors(value)
    )


def _draws_data(loop: Loop) -> bool:
    """Whether a loop may be long: not over the layers of a network, or over a few known elements."""
    pending, budget = [loop.over], MOST_LOOKED_THROUGH
    while pending and budget:
        over, budget = pending.pop(), budget - 1
        if isinstance(over, Data) and over.operation in ("enumerate", "progress", "range") and over.inputs:
            pending.append(over.inputs[-1])
        elif isinstance(over, Data) and over.operation == "zip" and over.inputs:
            pending.extend(over.inputs)
        elif isinstance(over, (Layer, Constant)) or (isinstance(over, Items) and not over.open):
            return False  # the shortest of several ends the loop
    return True


def _draws_batches(loop: Loop) -> bool:
    """Whether a loop draws from a loader."""
    over = loop.over
    while isinstance(over, Data) and over.operation in ("enumerate", "progress", "iter") and over.inputs:
        over = over.inputs[0]
    return isinstance(over, Loader)


# The fix


def _fix(run: Run, evaluation: Evaluation) -> Fix | None:
    at = evaluation.at
    if evaluation.shared or not isinstance(at, CodeSite) or at.statement is None:
        return None
    context = _no_grad(at)
    if not context:
        return None
    message = f"evaluate under `{context}`"
    if _only_evaluates(run, at, evaluation):
        function = edits.statement_site(at, at.function) if isinstance(at.function, ast.stmt) else None
        if function is not None:
            return edits.fix(Applicability.SAFE, message, edits.insert_before(function, f"@{context}"))
    outermost = next((loop for loop in edits.loops_around(at) if not trains_inside(run, at, loop)), at.statement)
    if trains_inside(run, at, outermost) or isinstance(outermost, (ast.FunctionDef, ast.Return)):
        return None
    return edits.fix(
        Applicability.SAFE, message, edits.indent_under(CodeSite(at.module, outermost, outermost), f"with {context}:")
    )


def _no_grad(at: CodeSite) -> str:
    """How `no_grad` is spelled in the module; "" where it is not imported."""
    torch, no_grad = at.module.names.get("torch"), at.module.names.get("no_grad")
    if isinstance(torch, External) and torch.name == "torch":
        return "torch.no_grad()"
    return "no_grad()" if isinstance(no_grad, External) and no_grad.name.endswith("no_grad") else ""


def _only_evaluates(run: Run, at: CodeSite, evaluation: Evaluation) -> bool:
    """Whether the function around is an evaluation as a whole, in every call of it."""
    if at.function is None or evaluation.function is not at.function or evaluation.context != "evaluation":
        return False
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(at.function)):
        return False
    return not trains_inside(run, at, at.function)


def witness(case: Case) -> Verdict:
    """Whether the outputs of the evaluation carry a graph."""
    calls = case.at(ModelCalled)
    recorded = numbers(calls, "gradient")
    if not recorded:
        return not_reached(case)
    if any(recorded):
        return confirmed(
            f"{sum(recorded):.0f} of {len(recorded)} outputs measured here carry a graph", calls=len(recorded)
        )
    return refuted(f"none of {len(recorded)} outputs measured here carries a graph", calls=len(recorded))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN501",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    trains=False,
    words=(TRAINING,),
    needs=needs(ModelCalled),
)
