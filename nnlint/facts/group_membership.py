"""Which networks and layers optimizers hold, and which they do not though a loss trains them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nnlint.events import (
    Backward,
    Escaped,
    GradientsCleared,
    ModelCalled,
    ModeSwitched,
    OptimizerMade,
    OptimizerStepped,
    Run,
)
from nnlint.facts.differentiated import recorded_behind, takes_gradients_of_weights
from nnlint.facts.forgotten_parts import forgotten_part, has_parts_held
from nnlint.facts.fresh_networks import is_as_drawn, is_given_weights
from nnlint.facts.gradients import Trained, is_one_of_several, parts_of
from nnlint.facts.handed_over import READS_NETWORK, may_be_stepped_elsewhere
from nnlint.facts.live_graphs import graph_behind
from nnlint.facts.networks import trainable_layers
from nnlint.facts.rebuilt_models import has_weights, rebuilt_models
from nnlint.facts.target_words import words_of_target
from nnlint.graph import ancestors, cuts_graph, parameters_of, parts_held
from nnlint.lazy import regex
from nnlint.operations import WEIGHTED
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import (
    FROZEN_KEY,
    TRUE,
    Constant,
    Data,
    Instance,
    Layer,
    Optimizer,
    Parameters,
    Value,
    alternatives,
    elements,
)

MAKES_OPTIMIZER = regex(r"^[ \t]+.*(?:parameters\(|param_group)", re.MULTILINE)
"""Code in a function, or on one of several paths, that gives parameters to an optimizer."""


MOST_GIVEN = 200


@dataclass(frozen=True)
class Stale:
    """An optimizer that does not hold what is trained where it steps: `missing` is the network or layer that it lacks.

    It `is_partly` so where what it holds is trained as well.
    """

    made: OptimizerMade
    step: OptimizerStepped
    backward: Backward
    missing: Value
    call: ModelCalled | None = None
    is_partly: bool = False


def stale_optimizers(run: Run) -> Iterator[Stale]:
    """The optimizers of a run that miss what is trained: all of it, or a layer that was put in later."""
    if _is_beyond_judgement(run):
        return
    rebuilt = {node_at(each.made.at) for each in rebuilt_models(run)}
    forgotten: dict[int, Stale] = {}
    for made in _optimizers_made(run):
        each = Trained(made.optimizer, run.remember("parts", made.optimizer, parts_of), run)
        if is_one_of_several(run, made.optimizer):
            continue
        if _holds_networks_alone(made) and each.parts is not None and not may_be_stepped_elsewhere(run, each):
            found = _all_missing(run, made, each, rebuilt) or _layer_missing(run, made, each)
            found = found or _network_missing(run, made, each, rebuilt) or _part_missing(run, made, each)
        else:
            found = None if may_be_stepped_elsewhere(run, each) else _head_missing(run, made, each)
            if found is None and _holds_made_networks(made) and not may_be_stepped_elsewhere(run, each):
                found = _network_missing(run, made, each, rebuilt)
        if found is not None and not found.is_partly:
            yield found
        elif found is not None:
            rival = forgotten.get(id(found.missing), found)
            forgotten[id(found.missing)] = max(rival, found, key=_is_likely_meant(run))
    yield from forgotten.values()


def _is_beyond_judgement(run: Run) -> bool:
    """Whether what the optimizers hold, or what they step on, is changed by other means than by their construction."""
    if run.cut_short or takes_gradients_of_weights(run) or _changes_groups(run):
        return True
    return any(event.replaced for event in run.events(GradientsCleared)) or _adds_groups(run)


def _changes_groups(run: Run) -> bool:
    """Whether anything but numbers, such as rates, is read from or written into the parameter groups of an optimizer."""
    groups = [each for each in run.operations.get("parameter group", ()) if isinstance(each, Data)]
    if not groups:
        return False
    if any(key[1] == "params" for group in groups for key in group.parts if isinstance(key, tuple) and len(key) > 1):
        return True
    known = {id(group) for group in groups}
    return any(
        id(each.inputs[0]) in known and not _reads_number(each)
        for operation in ("index", "method", "attribute", "call")
        for each in run.operations.get(operation, ())
        if isinstance(each, Data) and each.inputs
    )


def _reads_number(data: Data) -> bool:
    key = data.inputs[1] if data.operation == "index" and len(data.inputs) > 1 else None
    return isinstance(key, Constant) and isinstance(key.value, str) and key.value != "params"


def _optimizers_made(run: Run) -> Iterator[OptimizerMade]:
    """The optimizers that the run makes, and those of the top level before it, if no function makes or changes any."""
    yield from run.events(OptimizerMade)
    before = run.before
    if before is None or _is_beyond_judgement(before) or not any(run.events(OptimizerStepped)):
        return
    for made in before.events(OptimizerMade):
        each = Trained(made.optimizer, before.remember("parts", made.optimizer, parts_of), before)
        if not _is_changed_in_functions(made) and not may_be_stepped_elsewhere(before, each):
            yield made


def _is_changed_in_functions(made: OptimizerMade) -> bool:
    return not isinstance(made.at, CodeSite) or MAKES_OPTIMIZER.search(made.at.module.source.text) is not None


def _is_likely_meant(run: Run) -> Callable[[Stale], tuple[bool, bool, int]]:
    """How likely an optimizer is the one that was meant for the network it lacks: its own pass gives it nothing, its name is not
    that of what it holds, it was written later."""

    def key(stale: Stale) -> tuple[bool, bool, int]:
        each = Trained(stale.made.optimizer, run.remember("parts", stale.made.optimizer, parts_of), run)
        own = max(_passes_before(run, stale.step), key=lambda event: event.order, default=stale.backward)
        return not each.may_be_filled_by(own), not _is_named_for_held(stale), stale.made.order

    return key


def _passes_before(run: Run, step: OptimizerStepped) -> Iterator[Backward]:
    for backward in run.events(Backward):
        is_near = bool(step.iterations) or backward.calls == step.calls
        if is_near and backward.iterations[-1:] == step.iterations[-1:] and backward.order < step.order:
            yield backward


def _adds_groups(run: Run) -> bool:
    return any(isinstance(each, Data) and each.name == "add_param_group" for each in run.operations.get("method", ()))


def _holds_networks_alone(made: OptimizerMade) -> bool:
    optimizer = made.optimizer
    if not isinstance(optimizer, Optimizer) or not optimizer.owners or not made.held:
        return False
    owners = [each for owner in optimizer.owners for each in alternatives(owner)]
    return all(isinstance(each, Layer) or (isinstance(each, Instance) and each.is_network) for each in owners)


def _holds_made_networks(made: OptimizerMade) -> bool:
    """Whether an optimizer was given the parameters of networks, of which some come from elsewhere: out of functions that are not
    at hand, by names that nothing binds."""
    given = made.optimizer.arguments.get("params") if isinstance(made.optimizer, Optimizer) else None
    if not isinstance(given, Parameters):
        return False
    owners = [each for owner in given.owners for each in alternatives(owner)]
    return all(isinstance(each, (Layer, Instance)) or _is_made(each) for each in owners)


def _is_made(value: Value) -> bool:
    return isinstance(value, Data) and value.operation in ("call", "method", "name")


def _steps_with_passes(run: Run, each: Trained) -> Iterator[tuple[OptimizerStepped, Backward]]:
    """The steps of an optimizer with the backward passes of the same pass of a loop, or of the same call."""
    for step in run.events(OptimizerStepped):
        if (step.iterations or step.calls) and any(
            stepped is each.optimizer for stepped in alternatives(step.optimizer)
        ):
            yield from ((step, backward) for backward in _passes_before(run, step))


def _all_missing(run: Run, made: OptimizerMade, each: Trained, rebuilt: set[object]) -> Stale | None:
    """A trained network that no optimizer holds, where this optimizer steps and no backward pass fills what it holds."""
    later = (backward for backward in run.events(Backward) if backward.order > made.order)
    if _is_used(run, each) and any(map(each.may_be_filled_by, later)):
        return None
    held = _held(run)
    for step, backward in _steps_with_passes(run, each):
        for call in run.events(ModelCalled):
            if _is_one_of_several_calls(run, call):
                continue
            if node_at(getattr(call.model, "at", None)) in rebuilt or not _is_trained_by(run, call, backward):
                continue
            parts = {id(part) for part in parameters_of(call.model)}
            if parts and not parts & held and graph_behind(run, backward.loss).is_live:
                return Stale(made, step, backward, call.model, call)
    return None


def _network_missing(run: Run, made: OptimizerMade, each: Trained, rebuilt: set[object]) -> Stale | None:
    """A trained network that no optimizer holds, beside one that this optimizer holds: meant to be trained, and forgotten.

    A network of which only the output is differentiated (a perceptual loss, a judge) is none: it must be switched to training
    mode by itself, or be left as it was drawn, or two optimizers must hold the same network, of which one was meant for it.
    """
    doubled = _holds_what_another_holds(run, made)
    of_nobody = run.remember("calls of what no optimizer holds", run, _calls_of_nobody)
    for step, backward in _steps_with_passes(run, each) if of_nobody else ():
        for call in of_nobody:
            if all(
                _is_forgotten(run, other, backward, made, doubled)
                and node_at(getattr(other.model, "at", None)) not in rebuilt
                for other in (call, *_in_its_place(run, call))
            ):
                return Stale(made, step, backward, call.model, call, is_partly=True)
    return None


def _part_missing(run: Run, made: OptimizerMade, each: Trained) -> Stale | None:
    """A part of a network of the run's own, beside the parts of it that this optimizer was given by their names."""
    held = _may_be_held(run)
    candidates = [call for call in run.events(ModelCalled) if has_parts_held(call, made, held)]
    for step, backward in _steps_with_passes(run, each) if candidates else ():
        for call in candidates:
            part = forgotten_part(run, call, backward, held, made, _is_frozen)
            if part is not None:
                return Stale(made, step, backward, part, call, is_partly=True)
    return None


def _calls_of_nobody(run: Run) -> list[ModelCalled]:
    return [call for call in run.events(ModelCalled) if _is_of_nobody(run, call)]


def _is_of_nobody(run: Run, call: ModelCalled) -> bool:
    """Whether no optimizer may hold any part of the network, which is not in evaluation mode."""
    return call.training is not False and _may_be_held(run).isdisjoint(map(id, parameters_of(call.model)))


def _is_forgotten(run: Run, call: ModelCalled, backward: Backward, made: OptimizerMade, doubled: bool) -> bool:
    """Whether the network that is called has weights that the backward pass fills, and that no optimizer holds."""
    network = call.model
    if not _is_of_nobody(run, call):
        return False
    if not _has_own_weights(network) or not _is_trained_by(run, call, backward):
        return False
    if doubled:
        return True
    if id(network) in _switched_to_training(run):
        return not is_given_weights(run, network)
    return is_as_drawn(run, network, made)


def _has_own_weights(network: Value) -> bool:
    """Whether there are layers with weights in the network, or parameters that it keeps by themselves."""
    if trainable_layers(network):
        return True
    kept = [each.attributes.values() for each in parameters_of(network) if isinstance(each, Instance)]
    return any(isinstance(each, Data) and _may_learn(each) for values in kept for each in values)


def _may_learn(weight: Data) -> bool:
    return weight.operation == "parameter" and weight.option("requires_grad") is not False


def _switched_to_training(run: Run) -> set[int]:
    """The identities of the networks of which `train()` is called by itself, that no optimizer holds."""
    return run.remember("switched to training, held by none", run, _switched_and_held_by_none)


def _switched_and_held_by_none(run: Run) -> set[int]:
    held = _held(run)
    return {id(event.model) for event in run.events(ModeSwitched) if event.training and id(event.model) not in held}


def _holds_what_another_holds(run: Run, made: OptimizerMade) -> bool:
    """Whether two optimizers of this run were given all parameters of the same networks, and both step."""
    if not _is_given_all(made):
        return False
    return any(
        other is not made
        and node_at(other.at) is not node_at(made.at)
        and other.held == made.held
        and _is_given_all(other)
        and any(
            stepped is other.optimizer
            for step in run.events(OptimizerStepped)
            for stepped in alternatives(step.optimizer)
        )
        for other in run.events(OptimizerMade)
    )


def _is_given_all(made: OptimizerMade) -> bool:
    """Whether an optimizer was given `network.parameters()` and nothing else."""
    given = made.optimizer.arguments.get("params") if isinstance(made.optimizer, Optimizer) else None
    return isinstance(given, Parameters) and not given.partial


def _is_named_for_held(stale: Stale) -> bool:
    """Whether the name of an optimizer is that of what it holds, and not of the network that it lacks."""
    owners = stale.made.optimizer.owners if isinstance(stale.made.optimizer, Optimizer) else ()
    own, missing = words_of_target(stale.made.at), words_of_target(getattr(stale.missing, "at", None))
    held = frozenset().union(*(words_of_target(getattr(owner, "at", None)) for owner in owners))
    return bool((own & held) - missing)


def _is_one_of_several_calls(run: Run, call: ModelCalled) -> bool:
    """Whether another network, one that is not known or that an optimizer holds, may be called there in its place."""
    held = _held(run)
    return any(
        not (isinstance(other.model, (Instance, Layer)) and _holds_none(held, other.model))
        for other in _in_its_place(run, call)
    )


def _in_its_place(run: Run, call: ModelCalled) -> Iterator[ModelCalled]:
    """The calls of other networks that may be made there in the place of this one."""
    for other in run.remember("calls by place", run, _calls_by_place)[node_at(call.at)]:
        if (
            other.model is not call.model
            and other.iterations[-1:] == call.iterations[-1:]
            and [node_at(site) for site in other.calls] == [node_at(site) for site in call.calls]
        ):
            yield other


def _calls_by_place(run: Run) -> dict[object, list[ModelCalled]]:
    found: dict[object, list[ModelCalled]] = {}
    for call in run.events(ModelCalled):
        found.setdefault(node_at(call.at), []).append(call)
    return found


def _holds_none(held: frozenset[int], network: Value) -> bool:
    """Whether the network is known, and no part of it is among what optimizers hold."""
    return held.isdisjoint(id(part) for part in parameters_of(network))


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
    for held in owners:
        owner = _with_old_head(held)
        heads = [part for part in parts_held(owner) if isinstance(owner, Data) and _is_new_head(run, part)]
        if not heads or not isinstance(owner, Data) or owner.operation not in ("call", "method"):
            continue
        for step, backward in _steps_with_passes(run, each):
            if any(call.model is owner and _is_behind(run, call, backward) for call in run.events(ModelCalled)):
                return Stale(made, step, backward, heads[0])
    return None


def _with_old_head(held: Value) -> Value:
    """The network that had the layer which an optimizer was given, where another layer has taken its place since."""
    if not isinstance(held, Data) or held.operation != "attribute" or not isinstance(held.inputs[0], Data):
        return held
    network = held.inputs[0]
    return network if isinstance(network.stored(held.name), Layer) else held


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
    return frozenset(id(part) for made in _optimizers_made(run) for part in made.held)


def _may_be_held(run: Run) -> frozenset[int]:
    """The identities of all that any optimizer was given, or that may be inside of what it was given."""
    return run.remember("may be held by optimizers", run, _all_that_may_be_held)


def _all_that_may_be_held(run: Run) -> frozenset[int]:
    return _held(run) | {id(part) for made in _optimizers_made(run) for part in _given_to_makers(made)}


def _given_to_makers(made: OptimizerMade) -> Iterator[Value]:
    """The networks that were given to, or put into, what an optimizer holds, where that comes out of functions not at hand."""
    owners = made.optimizer.owners if isinstance(made.optimizer, Optimizer) else ()
    pending: list[Value] = [each for owner in owners for each in elements(owner) if isinstance(each, Data)]
    for _ in range(MOST_GIVEN):
        if not pending:
            return
        current = pending.pop()
        if isinstance(current, Data):
            values = (*current.inputs, *current.options.values(), *current.parts.values())
            pending.extend(
                each for value in values for each in elements(value) if isinstance(each, (Data, Instance, Layer))
            )
        else:
            yield from parameters_of(current)
