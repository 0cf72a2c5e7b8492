"""Layers that an optimizer was given, that the loss is computed through, and that no gradient ever reaches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from nnlint.events import (
    Backward,
    Escaped,
    GradientsCleared,
    ModeSwitched,
    OptimizerMade,
    OptimizerStepped,
    Run,
    StateUsed,
    WeightsSeen,
)
from nnlint.facts.differentiated import differentiated, reached, recorded_behind, takes_gradients_of_weights
from nnlint.facts.handed_over import READS_NETWORK
from nnlint.facts.identity import COPIES
from nnlint.facts.live_graphs import TAKEN_OUT, graph_behind
from nnlint.facts.networks import trainable_layers
from nnlint.facts.unused_losses import unused_losses
from nnlint.facts.users import users
from nnlint.finding import Verdict
from nnlint.graph import MOST_VISITED, ancestors_of_all, parameters_of
from nnlint.lazy import regex
from nnlint.operations import WEIGHTED
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import FROZEN_KEY, Data, Instance, Layer, Optimizer, Parameters, Site, Value, alternatives, elements
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted

LEARNING = (WEIGHTED | {"transformer"}) - {"embedding"}
"""Layers of which a network has none that need not learn; tables of embeddings are also filled by hand."""

ON_PURPOSE = regex(
    r"target|teacher|ema\b|_ema|ema_|momentum|froz|freez|random|reservoir|fixed|pretrain|load|copy|clone|shadow|polyak|_k\b|key",
    re.I,
)
"""Names of networks and functions that are not trained by gradients, or were trained before."""

NEVER_CHANGES = "never changes"
"""What findings say of the layer that no gradient reaches."""

READS = COPIES | frozenset("add subtract multiply divide power square abs sum mean norm compare".split())
"""What is made of weights without touching them."""

MOST_TURNS = 6
MOST_OUTPUTS = 6

SELECTS = regex(r"requires_grad|filter\b|if ")


class NeverReached(NamedTuple):
    """What a layer put out behind a loss (`applied`), the cut on the way from it (None where it was not recorded at all),
    the optimizer that holds the layer, and the backward pass that does not come to it."""

    applied: Data
    cut: Data | None
    made: OptimizerMade
    backward: Backward


def never_reached(run: Run) -> tuple[NeverReached, ...]:
    """The layers of a run that are held by an optimizer for nothing, one for each place that cuts them off."""
    return run.remember("never reached", run, _never_reached)


def _never_reached(run: Run) -> tuple[NeverReached, ...]:
    if run.cut_short or run.symbolic or takes_gradients_of_weights(run) or not any(run.events(OptimizerStepped)):
        return ()
    backward = next(run.events(Backward), None)
    if backward is None or any(event.replaced for event in run.events(GradientsCleared)):
        return ()
    if not all(graph_behind(run, event.loss).is_live for event in run.events(Backward)):
        return ()  # nothing is trained at all, which has a cause of its own
    held = _held(run)
    cut_off = list(_cut_off(run, held)) if held else []
    if not cut_off or len(reached(run)) >= MOST_VISITED:
        return ()
    if any(each.operation == "name" for each in ancestors_of_all([event.loss for event in run.events(Backward)])):
        return ()  # what nobody assigned may be what any layer put out
    given_values = _given_values(run)
    found: dict[object, NeverReached] = {}
    for outputs in cut_off:
        if id(outputs[0].layer) in given_values or _is_on_purpose(outputs[0]):
            continue
        cuts = list(_cuts_of(run, outputs, held[id(outputs[0].layer)], backward))
        if cuts and not _waits_for_backward(run, outputs[0].layer, held[id(outputs[0].layer)]):
            nearest = next((each for each in cuts if _is_beside_backward(run, each)), cuts[0])
            found.setdefault(node_at(_site_of(nearest)), nearest)
    return tuple(found.values())


def _waits_for_backward(run: Run, layer: Value | None, made: OptimizerMade) -> bool:
    """Whether a loss before a step of the optimizer would reach the layer, if anybody differentiated it."""
    steps = (event for event in run.events(OptimizerStepped) if made.optimizer in alternatives(event.optimizer))
    losses = (loss for step in steps for loss in unused_losses(run, step))
    applied = [data for operation in LEARNING for data in run.operations.get(operation, ()) if _is_of(data, layer)]
    return any(id(data) in recorded_behind(run, loss.value) for loss in losses for data in applied)


def _is_of(data: Value, layer: Value | None) -> bool:
    return isinstance(data, Data) and data.layer is layer


def _cuts_of(run: Run, outputs: list[Data], made: OptimizerMade, backward: Backward) -> Iterator[NeverReached]:
    """Where what a layer put out was cut off, each time that it was behind a loss."""
    for data in outputs[:MOST_OUTPUTS]:
        if data.gradient is False:
            yield NeverReached(data, None, made, backward)
        else:
            yield from (NeverReached(data, cut, made, backward) for cut in _cuts_behind(run, data))


def _is_beside_backward(run: Run, each: NeverReached) -> bool:
    """Whether the cut stands in a function that differentiates: what a policy decides is cut off elsewhere, and has to be."""
    site = _site_of(each)
    around = site.function if isinstance(site, CodeSite) else None
    return any(isinstance(event.at, CodeSite) and event.at.function is around for event in run.events(Backward))


def _site_of(each: NeverReached) -> object:
    return each.cut.at if each.cut is not None else each.applied.at


def layer_sites(each: NeverReached) -> tuple[Site, ...]:
    """Where the layer is made, as a related place."""
    layer = each.applied.layer
    return (layer.at,) if layer is not None and layer.at is not None else ()


def witness_of_part(case: Case) -> Verdict | None:
    """Whether an optimizer got the weights of a layer among the related places, and no gradient came; None for no such place."""
    places = [related.place for related in case.finding.related if related.message == NEVER_CHANGES]
    if not places:
        return None
    weights = [seen for seen in case.at(WeightsSeen, *places) if seen.numbers.get("calls")]
    gradients = numbers(weights, "gradient")
    if not numbers(weights, "optimized"):
        return not_reached(case)
    if any(gradients):
        return refuted(f"the weights of this part get gradients ({max(gradients):.2g})", gradient_norm=max(gradients))
    if not all(numbers(weights, "optimized")):
        return refuted("the optimizer does not hold the weights of this part")
    return confirmed("the optimizer holds the weights of this part, and they got no gradient at all")


def _held(run: Run) -> dict[int, OptimizerMade]:
    """The identities of layers that an optimizer was given with all others of their network, and that optimizer."""
    stepped = {id(each) for event in run.events(OptimizerStepped) for each in alternatives(event.optimizer)}
    found: dict[int, OptimizerMade] = {}
    for made in run.events(OptimizerMade):
        optimizer = made.optimizer
        if not isinstance(optimizer, Optimizer) or id(optimizer) not in stepped or not _takes_all(optimizer, made):
            continue
        for owner in optimizer.owners:
            if isinstance(owner, (Instance, Layer)):
                frozen = {part for each in parameters_of(owner) if _is_frozen(each) for part in _parts(each)}
                found.update((id(layer), made) for layer in _learning_layers(owner) if id(layer) not in frozen)
    return found


def _learning_layers(owner: Value) -> Iterator[Layer]:
    yield from (layer for layer in trainable_layers(owner) if layer.operation in LEARNING)


def _is_frozen(part: Value) -> bool:
    return isinstance(part, (Instance, Layer)) and FROZEN_KEY in part.attributes


def _takes_all(optimizer: Optimizer, made: OptimizerMade) -> bool:
    """Whether the optimizer was given all parameters of some networks: none was picked by what it is."""
    given = list(elements(optimizer.arguments.get("params")))
    if not given or not all(isinstance(each, Parameters) for each in given):
        return False
    return not isinstance(made.at, CodeSite) or not SELECTS.search(ast.unparse(made.at.node))


def _cut_off(run: Run, held: dict[int, OptimizerMade]) -> Iterator[list[Data]]:
    """What a held layer put out behind a loss, where no gradient of any loss comes to any output of that layer."""
    behind_losses = differentiated(run)
    outputs: dict[int, list[Data]] = {}
    for operation in LEARNING:
        for data in run.operations.get(operation, ()):
            if isinstance(data, Data) and data.layer is not None and id(data.layer) in held:
                outputs.setdefault(id(data.layer), []).append(data)
    for applied in outputs.values():
        if not any(id(data) in reached(run) or data.gradient is None for data in applied):
            behind = [data for data in applied if id(data) in behind_losses]
            if behind:
                yield behind


def _cuts_behind(run: Run, applied: Data) -> Iterator[Data]:
    """The operations that take what a layer put out from its graph, on the way to a loss."""
    for operation in TAKEN_OUT:
        for cut in run.operations.get(operation, ()):
            is_behind = isinstance(cut, Data) and bool(cut.inputs) and id(cut) in differentiated(run)
            if isinstance(cut, Data) and is_behind and id(applied) in recorded_behind(run, cut.inputs[0]):
                yield cut


def _given_values(run: Run) -> frozenset[int]:
    """The identities of all layers whose weights come, or may come, from elsewhere: loaded, copied, frozen, or handed over."""
    found: set[int] = set()
    for used in run.events(StateUsed):
        if used.into is not None and not used.conditional:  # what may be resumed was trained here before
            found.update(_parts(used.into))
    for weight in run.operations.get("weight", ()):
        for each in weight.inputs if isinstance(weight, Data) and not _is_only_read(run, weight) else ():
            found.update(part for owner in getattr(each, "owners", ()) for part in _parts(owner))
    for network in _always_evaluated(run):
        found.update(_parts(network))
    for escaped in run.events(Escaped):
        if not READS_NETWORK.search(escaped.callee.rpartition(".")[2]):
            found.update(part for value in escaped.values for each in elements(value) for part in _parts(each))
    return frozenset(found)


def _is_only_read(run: Run, weight: Data) -> bool:
    """Whether a weight is only calculated with, as in `target.data.copy_(0.9 * target.data + 0.1 * weight.data)`."""
    pending, following = [weight], users(run)
    for _ in range(MOST_TURNS):
        if not pending:
            return True
        used = [(each, user) for each in pending for user in following.of(each)]
        if not used or any(each.parts or _is_written_by(each, user) for each, user in used):
            return False
        pending = [user for _, user in used if user.operation in COPIES]
    return False


def _is_written_by(data: Data, user: Data) -> bool:
    node = user.at.node if isinstance(user.at, CodeSite) else None
    is_in_place = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_")
    if is_in_place or user.operation in ("method", "call"):
        return not user.inputs or user.inputs[0] is data
    return user.operation not in READS


def _always_evaluated(run: Run) -> Iterator[Value]:
    """The networks that are switched to evaluation mode and never back: they are only asked."""
    switches = list(run.events(ModeSwitched))
    back = {id(event.model) for event in switches if event.training is not False}
    yield from (event.model for event in switches if id(event.model) not in back)


def _parts(value: Value) -> Iterator[int]:
    for each in alternatives(value):
        yield from map(id, parameters_of(each))


def _is_on_purpose(data: Data) -> bool:
    """Whether a layer goes by the name of something that is not trained here, or was trained before."""
    sites = [site for site in (data.at, *data.calls) if isinstance(site, CodeSite)]
    written = [ast.unparse(site.node) for site in sites]
    return any(ON_PURPOSE.search(text) for text in written)
