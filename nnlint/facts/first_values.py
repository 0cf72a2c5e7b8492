"""Which layers begin with all weights alike, and where that is said."""

from __future__ import annotations

from nnlint.events import Run, WeightsSet
from nnlint.facts.calls import called_name
from nnlint.graph import content, parameters_of
from nnlint.operations import WEIGHTED
from nnlint.values import Data, Layer, Parameters, Site, Value, alternatives

CONSTANTS = frozenset({"zeros", "ones", "full"})


def constant_weights(run: Run) -> dict[int, Site]:
    """Where each layer's weight, or parameter, gets one value for all its elements, by the identity of the layer or parameter.

    What is also set otherwise, or perhaps so, is left out.
    """
    return run.remember("constant weights", run, _constant_weights)


def _constant_weights(run: Run) -> dict[int, Site]:
    found: dict[int, Site] = {}
    for parameter in run.operations.get("parameter", ()):
        site = _constant_content(parameter)
        if site is not None:
            found[id(parameter)] = site
    for layer, weight in _assigned_weights(run):
        site = _constant_content(weight)
        if site is not None:
            found[id(layer)] = site
    for event in run.events(WeightsSet):
        for target in _targets(event.weights):
            if event.is_constant and not event.conditional:
                found[id(target)] = event.at
            else:
                found.pop(id(target), None)
    return found


def _targets(weights: Value) -> list[Value]:
    """The layers whose weight it is, or the parameter itself; no biases."""
    if not isinstance(weights, Data):
        return []
    if weights.operation == "parameter":
        return [weights]
    if weights.name == "bias" or not weights.inputs:
        return []
    holder = weights.inputs[0]
    owners = holder.owners if isinstance(holder, Parameters) else (holder,)
    parts = [part for owner in owners for each in alternatives(owner) for part in parameters_of(each)]
    return [part for part in parts if isinstance(part, Layer) and part.operation in WEIGHTED]


def _assigned_weights(run: Run) -> list[tuple[Layer, Value]]:
    """The layers that are given another weight: `layer.weight = nn.Parameter(...)`."""
    layers = {
        id(value.layer): value.layer
        for operation in WEIGHTED
        for value in run.operations.get(operation, ())
        if isinstance(value, Data) and value.layer is not None
    }
    return [(layer, layer.attributes["weight"]) for layer in layers.values() if "weight" in layer.attributes]


def _constant_content(parameter: Value) -> Site | None:
    """Where a parameter of one value is made, if its content is such a tensor."""
    if not isinstance(parameter, Data) or parameter.operation != "parameter" or not parameter.inputs:
        return None
    parts = content(parameter.inputs[0])
    constant = bool(parts) and all(
        isinstance(each, Data) and each.operation in CONSTANTS and _is_filled(each) for each in parts
    )
    return parameter.at if constant else None


def _is_filled(data: Data) -> bool:
    """Whether it has its values: `empty` and `Tensor` have none yet."""
    return not called_name(data).startswith("empty")
