"""Parts of a network that a loss trains and that no optimizer was given, though one was given the parts beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nnlint.events import Backward, ModelCalled, OptimizerMade, Run
from nnlint.facts.differentiated import recorded_behind
from nnlint.facts.fresh_networks import is_as_drawn
from nnlint.facts.networks import trainable_layers
from nnlint.graph import parameters_of
from nnlint.values import Data, Instance, Layer, Value, alternatives


def has_parts_held(call: ModelCalled, made: OptimizerMade, held: frozenset[int]) -> bool:
    """Whether a network of the run's own is called of which the optimizer was given parts by their names, and not the whole."""
    network = call.model
    if not isinstance(network, Instance) or call.training is False or id(network) in held:
        return False
    return not made.held.isdisjoint(_direct_parts(network))


def forgotten_part(
    run: Run,
    call: ModelCalled,
    backward: Backward,
    held: frozenset[int],
    made: OptimizerMade,
    is_frozen: Callable[[Value], bool],
) -> Value | None:
    """A part of the network that is called, as it was drawn, that the backward pass fills, and of which nothing is `held`.

    The call is one that `has_parts_held`.
    """
    network = call.model
    if not isinstance(network, Instance):
        return None
    parts = list(_direct_parts(network))
    missing = [part for part in parts if held.isdisjoint(map(id, parameters_of(part))) and not is_frozen(part)]
    reached = recorded_behind(run, backward.loss) if missing else frozenset()
    for part in missing:
        layers = {id(layer) for layer in trainable_layers(part)}
        if layers and _is_passed(run, layers, reached) and is_as_drawn(run, network, made):
            return part
    return None


def _direct_parts(network: Instance) -> Iterator[Value]:
    for held in network.attributes.values():
        for each in alternatives(held):
            if isinstance(each, Layer) or (isinstance(each, Instance) and each.is_network):
                yield each


def _is_passed(run: Run, layers: set[int], reached: frozenset[int]) -> bool:
    """Whether gradients come to what any of the layers gave."""
    return any(
        isinstance(data, Data) and data.layer is not None and id(data.layer) in layers and id(data) in reached
        for made in run.operations.values()
        for data in made
    )
