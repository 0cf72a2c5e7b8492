"""On which scale a prediction reaches its loss: raw numbers, probabilities or their logarithms, by what it ends in."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from nnlint.events import LossComputed, Run
from nnlint.facts.chosen_losses import is_chosen_with
from nnlint.facts.layers import place_of
from nnlint.graph import ancestors, content, ends_of, kept_inputs
from nnlint.lazy import regex
from nnlint.operations import NORMALIZATIONS, TRANSPARENT, WEIGHTED
from nnlint.static.objects import node_at
from nnlint.values import MODE_KEY, Constant, Data, Site, Value
from nnlint.zoo import layers_of


class Scale(Enum):
    """What the numbers of a prediction are."""

    RAW = "raw outputs"
    PROBABILITIES = "probabilities"
    LOGARITHMS = "log-probabilities"


class Ending(NamedTuple):
    """The operation in which a prediction ends on one path: its scale, and the operations between it and the loss."""

    scale: Scale
    data: Data
    passed: frozenset[str]

    @property
    def at(self) -> Site | None:
        """Its place in a `Sequential` or its constructor; of a function or method, the call."""
        return place_of(self.data)


UNBOUNDED = frozenset("relu leaky_relu elu gelu silu tanh softplus selu celu mish prelu hardswish softsign".split())
"""Activations whose results are neither probabilities nor their logarithms."""

SCALES: dict[str, Scale] = {
    **dict.fromkeys(WEIGHTED | NORMALIZATIONS | UNBOUNDED | {"transformer"}, Scale.RAW),
    **dict.fromkeys(("softmax", "sigmoid"), Scale.PROBABILITIES),
    **dict.fromkeys(("log_softmax", "log", "logsigmoid"), Scale.LOGARITHMS),
}
KEEPING = TRANSPARENT | {"dropout", "upsample", "pool", "mean", "sum"}
"""Operations that leave numbers on the scale they have."""

FACTORS = frozenset({"parameter", "attribute", "argument", "name"})
"""What a temperature or a learned scale is, where it is no constant."""

CLASSIFIERS = regex(r"^torchvision\.(?!.*(?:fcn|deeplab|lraspp|googlenet|inception))")
HEADS = frozenset({"fc", "classifier", "head", "heads"})
GRAPH_LAYER = regex(r"^(?:torch_geometric|dgl)\.nn\.(?:\w+\.)*\w*(?:Conv|GATv2)\d?$")


def endings(prediction: Value | None) -> list[Ending]:
    """What a prediction ends in: one for each path; none at all where any path is not known."""
    found = ends_of(prediction, lambda data: _scale_of(data) is not None, _inner)
    return [Ending(scale, data, passed) for data, passed in found if (scale := _scale_of(data)) is not None]


def raw_endings(prediction: Value | None) -> list[Ending]:
    """What a prediction ends in, if that is raw numbers on every path."""
    return of_scale(endings(prediction), {Scale.RAW})


def of_scale(found: list[Ending], scales: Iterable[Scale]) -> list[Ending]:
    """The endings, if all are on one of these scales; else none."""
    return found if all(each.scale in scales for each in found) else []


def _scale_of(data: Data) -> Scale | None:
    if data.operation == "matmul":
        return Scale.RAW if any(_is_raw(side) for side in data.inputs) else None
    if data.operation == "call":
        return Scale.RAW if _is_library_network(data) else None
    if data.operation == "exp":
        return Scale.PROBABILITIES if _is_normalised(data) else None
    return SCALES.get(data.operation)


def _is_normalised(exponential: Data) -> bool:
    """Whether it is the exponential of a log_softmax."""
    made = content(exponential.inputs[0]) if exponential.inputs else []
    return bool(made) and all(isinstance(each, Data) and each.operation == "log_softmax" for each in made)


def _is_raw(value: Value) -> bool:
    """Whether a factor of a product is a weight, comes right out of a layer, or is itself a product with a weight."""
    made = content(value)
    return bool(made) and all(_is_weight(each) or _is_of_layer(each) or _is_weighted(each) for each in made)


def _is_weight(value: Value) -> bool:
    return isinstance(value, Data) and value.operation == "parameter"


def _is_of_layer(value: Value) -> bool:
    return isinstance(value, Data) and SCALES.get(value.operation) is Scale.RAW


def _is_weighted(value: Value) -> bool:
    return isinstance(value, Data) and value.operation == "matmul" and any(_is_weight(each) for each in value.inputs)


def _is_library_network(data: Data) -> bool:
    """Whether it is the output of torchvision's classifier as it came, or of a graph layer: raw numbers both."""
    network = data.inputs[0] if data.inputs else None
    if not isinstance(network, Data) or network.operation != "call":
        return False
    if GRAPH_LAYER.match(network.name):
        return "activation" not in network.options
    is_classifier = CLASSIFIERS.match(network.name) is not None and bool(layers_of(network.name.rpartition(".")[2]))
    return is_classifier and MODE_KEY in network.parts and HEADS.isdisjoint(network.parts)


def _inner(data: Data) -> tuple[Value, ...]:
    """Of what a value is a view, an average, a sum or a multiple; nothing where it may be anything else."""
    return kept_inputs(data, KEEPING, _terms)


def _terms(data: Data) -> tuple[Value, ...]:
    """The sides of an arithmetic operation that tell its scale: not the constant or temperature; of a difference, no two."""
    left, right = data.inputs
    if data.operation == "divide":
        return (left,) if _is_factor(right) else ()
    terms = tuple(side for side in (left, right) if not _is_factor(side))
    return terms if len(terms) == 1 or data.operation in ("add", "multiply") else ()


def _is_factor(value: Value) -> bool:
    return isinstance(value, Constant) or (isinstance(value, Data) and value.operation in FACTORS)


def is_of_training(event: LossComputed) -> bool:
    """Whether the loss is computed with a graph, as for a backward pass."""
    return not (isinstance(event.value, Data) and event.value.gradient is False)


def losses_on(run: Run, kinds: frozenset[str], scales: Iterable[Scale]) -> list[tuple[LossComputed, list[Ending]]]:
    """The losses of these kinds whose prediction is on one of these scales on every path.

    Left out are a loss that a setting chooses out of several kinds, as it may choose the last layer with it, and an evaluation
    of a network that is trained with a loss of the kind on another scale.
    """
    events = [event for event in run.events(LossComputed) if event.kind in kinds]
    if not events:
        return []
    chosen = run.remember("losses of several kinds", run, _chosen)
    allowed = set(scales)
    pairs = [(event, of_scale(endings(event.prediction), allowed)) for event in events]
    right = {id(each) for event, found in pairs if not found and is_of_training(event) for each in _networks(event)}
    return [
        (event, found)
        for event, found in pairs
        if found
        and node_at(event.at) not in chosen
        and not is_chosen_with(run, event, kinds, (ending.data for ending in found))
        and (is_of_training(event) or not any(id(each) in right for each in _networks(event)))
    ]


def _networks(event: LossComputed) -> list[Value]:
    return [data.inputs[1] for data in ancestors(event.prediction) if data.operation == "output"]


def _chosen(run: Run) -> frozenset[object]:
    """The calls that compute losses of more than one kind."""
    kinds: dict[object, set[str]] = {}
    for event in run.events(LossComputed):
        kinds.setdefault(node_at(event.at), set()).add(event.kind)
    return frozenset(node for node, found in kinds.items() if len(found) > 1)
