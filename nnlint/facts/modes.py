"""The modes of networks: which layers depend on them, who switched them last, and whether that is known."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from nnlint.events import Escaped, Event, Loop, ModelBuilt, ModelCalled, ModeSwitched, OptimizerStepped, Run
from nnlint.facts.evaluation import evaluations, switched_here
from nnlint.facts.learned import learned_in
from nnlint.facts.networks import unnamed_layers
from nnlint.facts.trained import has_unknown_parts
from nnlint.graph import ancestors, content, parameters_of
from nnlint.lazy import regex
from nnlint.mending.edits import blocks_around
from nnlint.operations import CONTAINERS
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Instance, Layer, Site, Value, alternatives, elements, truth
from nnlint.zoo import LIBRARIES, layers_of

HARMLESS = regex(
    r"print|summary|watch|add_graph|flop|profile|count|param|init|register|len|isinstance|hasattr|named|buffers|to_|^to$|"
    r"state_dict|save|load|share|cuda|zero_grad|optim|sched|id$|type$|getattr|apply|^append$|wandb|mlflow|torchinfo"
)
"""Code that is not at hand and gets hold of a network, but leaves its mode alone."""

SWITCHES_OFF = regex(r"^[ \t]+.*(?:\.eval\b|\.train\([^)\s]|\.training\s*=)", re.MULTILINE)
"""Code in a function, or on one of several paths, that may switch a network to eval mode."""


def is_mode_known(run: Run, call: ModelCalled) -> bool:
    """Whether nobody but the code at hand may have switched the network."""
    parts = {id(part) for part in parameters_of(call.model)} | {id(call.model)}
    switches = [event for event in _concerning(run, parts) if event.order < call.order]
    if not switched_here(run, call, [(event.order, event.calls) for event in switches]):
        return _is_left_in_training(run, call) and not _may_be_switched(run, call, 0)
    last = max((event.order for event in switches), default=0)
    return not _may_be_switched(run, call, last)


def _may_be_switched(run: Run, call: ModelCalled, since: int) -> bool:
    return any(
        since < escaped.order < call.order and may_switch(escaped, call.model) for escaped in run.events(Escaped)
    )


def _is_left_in_training(run: Run, call: ModelCalled) -> bool:
    """Whether a network that the top level trains is in training mode whoever calls the function: no other ever switches it."""
    before, model = run.before, call.model
    if before is None or before.cut_short or call.training is not True or id(model) not in learned_in(before):
        return False
    modules = {id(site.module): site.module for site in (*call.calls, call.at) if isinstance(site, CodeSite)}
    if any(SWITCHES_OFF.search(module.source.text) for module in modules.values()):
        return False
    return not any(may_switch(escaped, model) for escaped in before.events(Escaped))


def _concerning(run: Run, parts: set[int]) -> Iterator[Event]:
    """Where these networks are built or switched."""
    for switch in run.events(ModeSwitched):
        if any(id(part) in parts for model in alternatives(switch.model) for part in (model, *parameters_of(model))):
            yield switch
    for built in run.events(ModelBuilt):
        if id(built.model) in parts:
            yield built


def may_switch(escaped: Escaped, model: Value) -> bool:
    """Whether code that is not at hand gets hold of the network and may switch its mode."""
    return not HARMLESS.search(escaped.callee) and _hands_over(escaped, model)


def _hands_over(escaped: Escaped, model: Value) -> bool:
    for value in escaped.values:
        for each in elements(value):
            if each is model or (
                isinstance(each, Instance) and any(held is model for held in each.attributes.values())
            ):
                return True
    return False


def is_mode_given(run: Run, call: ModelCalled) -> bool:
    """Whether the function takes the mode as an argument: other calls of it switch to eval mode at this place."""
    inside = [
        switch
        for switch in run.events(ModeSwitched)
        if isinstance(switch.at, CodeSite) and isinstance(call.at, CodeSite) and switch.at.function is call.at.function
    ]
    if not isinstance(call.at, CodeSite) or call.at.function is None:
        return False
    if any(_is_option(switch) for switch in inside if switch.calls == call.calls):
        return True
    here = {switch.training for switch in inside if switch.calls == call.calls}
    elsewhere = {switch.training for switch in inside if switch.calls != call.calls}
    return here == {True} and False in elsewhere


def _is_option(switch: ModeSwitched) -> bool:
    """Whether `train()` stands in one arm of a choice whose other arm calls `eval()`, and a parameter alone decides."""
    choice = next((each for each in reversed(blocks_around(switch.at)) if isinstance(each, ast.If)), None)
    function = switch.at.function if isinstance(switch.at, CodeSite) else None
    if choice is None or not isinstance(choice.test, ast.Name) or not isinstance(function, ast.FunctionDef):
        return False
    arguments = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
    others = (each for statement in choice.orelse for each in ast.walk(statement))
    return choice.test.id in arguments and any(
        isinstance(each, ast.Attribute) and each.attr == "eval" for each in others
    )


# What the network holds


def mode_dependent(run: Run, call: ModelCalled) -> dict[str, Site | None]:
    """The operations in the network that depend on the mode, and are in training mode at the call, each with a place where it
    stands, if that is at hand.

    "unknown" are those of a network that is not at hand, or has a part that is not: where the script itself calls `train()`.
    """
    if isinstance(call.model, Data):
        return dict.fromkeys(layers_of(call.model.name.rpartition(".")[2])) or _by_own_account(run, call)
    found = _functional(run, call)
    idle = _never_applied(run, call.model)
    for part in parameters_of(call.model):
        if id(part) in idle:
            continue
        if isinstance(part, (Instance, Layer)):
            for kind in (kind for held in part.attributes.values() for kind in _ready_made(held)):
                found.setdefault(kind, part.at)
        if isinstance(part, Layer) and _suffers(part) and not _was_switched_off(run, part, call):
            found.setdefault("batch_norm" if part.operation == "batch_norm" else "dropout", part.at)
    if (
        not found
        and isinstance(call.model, Instance)
        and any(_is_taken_from_library(part) for part in _held(call.model))
    ):
        return _by_own_account(run, call)
    return found


def _never_applied(run: Run, network: Value) -> set[int]:
    """The identities of layers that a forward pass leaves out, though it applies others beside them: by a setting, say."""
    applied = run.remember("layers passed through", run, _passed_through)
    found: set[int] = set()
    for part in parameters_of(network):
        if isinstance(part, Instance):
            layers = (held for held in part.attributes.values() if isinstance(held, Layer))
            own = {id(layer) for layer in layers if layer.kind not in CONTAINERS}
            found |= unnamed_layers(run, part) if own.isdisjoint(applied) else own - applied
    return found


def _passed_through(run: Run) -> frozenset[int]:
    """The identities of the layers that anything passes through, with gradients recorded or without."""
    made = (data for values in run.operations.values() for data in values)
    return frozenset(id(data.layer) for data in made if isinstance(data, Data) and data.layer is not None)


def _by_own_account(run: Run, call: ModelCalled) -> dict[str, Site | None]:
    """Whether the script says that the mode matters: the last switch before the call is a `train()` of its own."""
    last = _last_switch(run, call)
    return {"unknown": None} if last is not None and last.training is True else {}


def is_of_library(network: Value) -> bool:
    """Whether the network, or a part of it, was made by a library of ready-made networks, which hold Dropout or BatchNorm."""
    return any(map(_is_taken_from_library, _held_or_self(network)))


def asks_for_losses(call: ModelCalled) -> bool:
    """Whether a detector of torchvision is given targets: it computes their losses in training mode alone."""
    return len(call.inputs) > 1 and any(map(_is_detector, _held_or_self(call.model)))


def _is_detector(value: Value) -> bool:
    calls = ancestors(value) if isinstance(value, Data) else ()
    return any(data.name.startswith("torchvision.models.detection.") for data in calls)


def is_switched_within(run: Run, call: ModelCalled) -> bool:
    """Whether the function that calls the network has switched it to training mode itself."""
    last = _last_switch(run, call)
    if last is None or not isinstance(last.at, CodeSite) or not isinstance(call.at, CodeSite):
        return False
    return last.at.function is call.at.function is not None


def _held_or_self(network: Value) -> Iterable[Value]:
    return _held(network) if isinstance(network, Instance) else (network,)


def _held(network: Value) -> Iterator[Value]:
    for part in parameters_of(network):
        if isinstance(part, (Instance, Layer)):
            yield from part.attributes.values()


def _is_taken_from_library(value: Value) -> bool:
    """Whether a part was made by a library of ready-made networks, all of which hold Dropout or BatchNorm."""
    calls = (
        (data for data in ancestors(value) if data.operation in ("call", "method")) if isinstance(value, Data) else ()
    )
    return any(data.name.partition(".")[0] in LIBRARIES for data in calls)


def holds_mode_dependent(run: Run, call: ModelCalled) -> bool:
    """Whether some layer of the network behaves differently in the two modes, or may do so as it is not known."""
    is_dependent = run.remember("holds mode-dependent layers", call.model, _has_mode_dependent)
    return is_dependent or bool(_functional(run, call))


def _has_mode_dependent(network: Value) -> bool:
    if isinstance(network, Data) or has_unknown_parts(network):
        return True
    return any(
        (isinstance(part, Layer) and _depends_on_mode(part))
        or (isinstance(part, (Instance, Layer)) and any(_ready_made(held) for held in part.attributes.values()))
        for part in parameters_of(network)
    )


def _functional(run: Run, call: ModelCalled) -> dict[str, Site | None]:
    """Dropout as a function that is told the mode: `F.dropout(x, training=self.training)`."""
    if not run.operations.get("dropout"):
        return {}
    inner = [value.inputs[0] for value in elements(call.output) if isinstance(value, Data) and value.inputs]
    dropouts = (
        data for value in inner for data in ancestors(value) if data.operation == "dropout" and data.layer is None
    )
    told = (data for data in dropouts if _is_told_the_mode(data) and data.option("p") != 0)
    found = next(told, None)
    return {} if found is None else {"dropout": found.at}


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


def _suffers(layer: Layer) -> bool:
    """Whether the training mode does an evaluation harm: not where a BatchNorm keeps nothing but its last batch."""
    return _depends_on_mode(layer) and not (layer.operation == "batch_norm" and layer.number("momentum") == 1)


def _was_switched_off(run: Run, layer: Layer, call: ModelCalled) -> bool:
    """Whether the last switch before the call that concerns the layer was to eval mode, for the layer or a part around it."""
    last = None
    for switch in run.events(ModeSwitched):
        if switch.order < call.order and any(part is layer for part in parameters_of(switch.model)):
            last = switch
    return last is not None and last.training is False


def switches_whole(switch: ModeSwitched, network: Value) -> bool:
    """Whether the network, and all that is in it, is switched: by itself or with what holds it."""
    return any(part is network for model in alternatives(switch.model) for part in (model, *parameters_of(model)))


def switches_part(switch: ModeSwitched, network: Value) -> bool:
    """Whether something inside the network is switched alone."""
    inner = {id(part) for part in parameters_of(network)}
    return not switches_whole(switch, network) and any(id(model) in inner for model in alternatives(switch.model))


def _last_switch(run: Run, call: ModelCalled) -> ModeSwitched | None:
    """The last switch of the network as a whole before the call."""
    last = None
    for switch in run.events(ModeSwitched):
        if switch.order < call.order and switches_whole(switch, call.model):
            last = switch
    return last


def switched_inside(run: Run, call: ModelCalled) -> ModeSwitched | None:
    """The `train()` inside the evaluation that the network owes its mode to."""
    at, last = call.at, _last_switch(run, call)
    if last is None or not isinstance(at, CodeSite) or not isinstance(last.at, CodeSite):
        return None
    return last if at.function is not None and last.at.function is at.function else None


def training_follows(run: Run, call: ModelCalled) -> bool:
    """Whether the network is called again for training, with no `train()` on the way."""
    evaluating = {id(each.call) for each in evaluations(run)}
    model, order = call.model, call.order
    events: list[Event] = [*run.events(ModelCalled), *run.events(ModeSwitched)]
    for event in sorted(events, key=lambda each: each.order):
        if event.order <= order:
            continue
        if isinstance(event, ModeSwitched) and event.training and switches_whole(event, model):
            return False
        if isinstance(event, ModelCalled) and event.model is model and id(event) not in evaluating:
            return True
    return run.symbolic


def draws_masks(run: Run, call: ModelCalled) -> bool:
    """Whether the network is asked about the same data again and again, with no training between: only its masks differ.

    That is Monte-Carlo dropout, for which the training mode is left on.
    """
    if not call.iterations or call.training is False:
        return False
    loop = call.iterations[-1].loop
    if not _counts(loop) or any(
        iteration.loop is loop for step in run.events(OptimizerStepped) for iteration in step.iterations
    ):
        return False
    passes = [other for other in run.events(ModelCalled) if _is_call_in(loop, call, other)]
    return any(
        one.iterations[-1].loop is other.iterations[-1].loop and _contents(one) == _contents(other) != []
        for one, other in pairwise(passes)
    )


def _is_call_in(loop: Loop, call: ModelCalled, other: ModelCalled) -> bool:
    """Whether another call is the same one, in this or another execution of the loop statement."""
    if other.model is not call.model or node_at(other.at) is not node_at(call.at) or not other.iterations:
        return False
    return node_at(other.iterations[-1].loop.at) is node_at(loop.at)


def _contents(call: ModelCalled) -> list[set[int]]:
    """The identities of what each input is, once views of it are peeled off."""
    return [{id(each) for each in content(value)} for value in call.inputs]


def _counts(loop: Loop) -> bool:
    """Whether a loop only counts: what it draws is no data."""
    over = loop.over
    while isinstance(over, Data) and over.operation in ("progress", "enumerate") and over.inputs:
        over = over.inputs[0]
    return loop.kind == "while" or (isinstance(over, Data) and over.operation == "range")
