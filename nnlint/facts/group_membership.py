"""Which networks and layers optimizers hold, and which they do not though a loss trains them."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import (
    Backward,
    Differentiated,
    Escaped,
    GradientsCleared,
    ModelCalled,
    OptimizerMade,
    OptimizerStepped,
    Run,
)
from nnlint.facts.differentiated import recorded_behind
from nnlint.facts.gradients import Trained, is_one_of_several, parts_of
from nnlint.facts.handed_over import READS_NETWORK, may_be_stepped_elsewhere
from nnlint.facts.live_graphs import graph_behind
from nnlint.facts.rebuilt_models import has_weights, rebuilt_models
from nnlint.graph import ancestors, cuts_graph, parameters_of, parts_held
from nnlint.operations import WEIGHTED
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import FROZEN_KEY, TRUE, Data, Instance, Layer, Optimizer, Value, alternatives, elements


@dataclass(frozen=True)
class Stale:
    """An optimizer that does not hold what is trained where it steps: `missing` is the network or layer that it lacks."""

    made: OptimizerMade
    step: OptimizerStepped
    backward: Backward
    missing: Value
    call: ModelCalled | None = None


def stale_optimizers(run: Run) -> Iterator[Stale]:
    """The optimizers of a run that miss what is trained: all of it, or a layer that was put in later."""
    if run.cut_short or any(run.events(Differentiated)) or run.operations.get("parameter group"):
        return
    if any(event.replaced for event in run.events(GradientsCleared)) or _adds_groups(run):
        return
    rebuilt = {_node(each.made.at) for each in rebuilt_models(run)}
    for made in run.events(OptimizerMade):
        each = Trained(made.optimizer, run.remember("parts", made.optimizer, parts_of), run)
        if is_one_of_several(run, made.optimizer):
            continue
        if _holds_networks_alone(made) and each.parts is not None and not may_be_stepped_elsewhere(run, each):
            found = _all_missing(run, made, each, rebuilt) or _layer_missing(run, made, each)
        else:
            found = None if may_be_stepped_elsewhere(run, each) else _head_missing(run, made, each)
        if found is not None:
            yield found


def _adds_groups(run: Run) -> bool:
    return any(isinstance(each, Data) and each.name == "add_param_group" for each in run.operations.get("method", ()))


def _holds_networks_alone(made: OptimizerMade) -> bool:
    optimizer = made.optimizer
    if not isinstance(optimizer, Optimizer) or not optimizer.owners or not made.held:
        return False
    owners = [each for owner in optimizer.owners for each in alternatives(owner)]
    return all(isinstance(each, Layer) or (isinstance(each, Instance) and each.is_network) for each in owners)


def _steps_with_passes(run: Run, each: Trained) -> Iterator[tuple[OptimizerStepped, Backward]]:
    """The steps of an optimizer with the backward passes of the same pass of a loop."""
    for step in run.events(OptimizerStepped):
        if step.iterations and any(stepped is each.optimizer for stepped in alternatives(step.optimizer)):
            for backward in run.events(Backward):
                if backward.iterations[-1:] == step.iterations[-1:] and backward.order < step.order:
                    yield step, backward


def _all_missing(run: Run, made: OptimizerMade, each: Trained, rebuilt: set[object]) -> Stale | None:
    """A trained network that no optimizer holds, where this optimizer steps and no backward pass fills what it holds."""
    if _is_used(run, each) and any(each.may_be_filled_by(backward) for backward in run.events(Backward)):
        return None
    held = _held(run)
    for step, backward in _steps_with_passes(run, each):
        for call in run.events(ModelCalled):
            if _is_one_of_several_calls(run, call):
                continue
            if _node(getattr(call.model, "at", None)) in rebuilt or not _is_trained_by(run, call, backward):
                continue
            parts = {id(part) for part in parameters_of(call.model)}
            if parts and not parts & held and graph_behind(run, backward.loss).is_live:
                return Stale(made, step, backward, call.model, call)
    return None


def _is_one_of_several_calls(run: Run, call: ModelCalled) -> bool:
    """Whether another network may be called there in its place."""
    return any(
        other.model is not call.model
        and _node(other.at) is _node(call.at)
        and other.iterations[-1:] == call.iterations[-1:]
        and [_node(site) for site in other.calls] == [_node(site) for site in call.calls]
        for other in run.events(ModelCalled)
    )


def _is_used(run: Run, each: Trained) -> bool:
    """Whether anything that the optimizer holds is applied, or handed to code that may apply it."""
    parts = each.parts or frozenset()
    if not parts.isdisjoint(run.remember("applied networks", run, _applied)):
        return True
    return any(
        id(part) in parts and not READS_NETWORK.search(escaped.callee.rpartition(".")[2])
        for escaped in run.events(Escaped)
        for value in escaped.values
        for held in elements(value)
        for part in (held, *parameters_of(held))
    )


def _applied(run: Run) -> frozenset[int]:
    """The identities of the layers and networks whose results may have a graph."""
    made = [each for values in run.operations.values() for each in values if isinstance(each, Data)]
    layers = {id(each.layer) for each in made if each.layer is not None and each.gradient is not False}
    outputs = {id(each.inputs[1]) for each in made if each.operation == "output" and each.gradient is not False}
    return frozenset(layers | outputs)


def _node(site: object) -> object:
    return site.node if isinstance(site, CodeSite) else site


def _is_trained_by(run: Run, call: ModelCalled, backward: Backward) -> bool:
    if not isinstance(call.model, (Instance, Layer)) or call.gradient is not True or _is_frozen(call.model):
        return False
    if not run.remember("has weights", call.model, has_weights):
        return False
    return _is_behind(run, call, backward)


def _layer_missing(run: Run, made: OptimizerMade, each: Trained) -> Stale | None:
    """A layer that was put into the optimizer's network after the optimizer was made, and that no other one holds."""
    held = _held(run)
    parts = each.parts or frozenset()
    if parts <= held:
        return None
    for step, backward in _steps_with_passes(run, each):
        for data in ancestors(backward.loss, stop=cuts_graph):
            layer = data.layer
            if layer is None or id(layer) in held or id(layer) not in parts or data.operation not in WEIGHTED:
                continue
            if _is_made_where_applied(layer, data):
                continue
            if data.gradient is True and not cuts_graph(data) and not _is_frozen(layer):
                return Stale(made, step, backward, layer)
    return None


def _head_missing(run: Run, made: OptimizerMade, each: Trained) -> Stale | None:
    """A layer that was put into a ready-made network after its optimizer was made, and that no other one holds."""
    owners = made.optimizer.owners if isinstance(made.optimizer, Optimizer) else ()
    for owner in owners:
        heads = [part for part in parts_held(owner) if isinstance(owner, Data) and _is_new_head(run, part)]
        if not heads or not isinstance(owner, Data) or owner.operation not in ("call", "method"):
            continue
        for step, backward in _steps_with_passes(run, each):
            if any(call.model is owner and _is_behind(run, call, backward) for call in run.events(ModelCalled)):
                return Stale(made, step, backward, heads[0])
    return None


def _is_new_head(run: Run, part: Value) -> bool:
    return (
        isinstance(part, Layer) and part.operation in WEIGHTED and id(part) not in _held(run) and not _is_frozen(part)
    )


def _is_behind(run: Run, call: ModelCalled, backward: Backward) -> bool:
    outputs = {id(each) for each in elements(call.output)}
    return not outputs.isdisjoint(recorded_behind(run, backward.loss))


def _is_made_where_applied(layer: Layer, data: Data) -> bool:
    """Whether a forward pass makes the layer itself."""
    made, applied = layer.at, data.at
    return (
        isinstance(made, CodeSite) and isinstance(applied, CodeSite) and made.function is applied.function is not None
    )


def _is_frozen(value: Value) -> bool:
    return isinstance(value, (Instance, Layer)) and value.attributes.get(FROZEN_KEY) is TRUE


def _held(run: Run) -> frozenset[int]:
    """The identities of all that any optimizer was given, or what is made of things that are not known may hold."""
    return run.remember("held by optimizers", run, _all_held)


def _all_held(run: Run) -> frozenset[int]:
    return frozenset().union(*(made.held for made in run.events(OptimizerMade)))
