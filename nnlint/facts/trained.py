"""What an optimizer trains: networks of one layer or of more, known ones and others, or plain tensors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.shapes import shape_of
from nnlint.graph import ancestors, content, parameters_of
from nnlint.lazy import regex
from nnlint.operations import WEIGHTED
from nnlint.static.objects import CodeSite
from nnlint.values import (
    Data,
    Entries,
    Instance,
    Items,
    Layer,
    Optimizer,
    Parameters,
    Site,
    Value,
    alternatives,
    elements,
    truth,
)
from nnlint.zoo import layers_of

LAYERS_WITH_WEIGHTS = WEIGHTED | {"transformer"}
DEEP_BY_THEMSELVES = frozenset({"recurrent", "attention", "transformer"})
"""Layers that are no convex problem even where they are the only one."""

UNKNOWN = frozenset({"argument", "name", "attribute", "call", "method", "index", "element"})
PASSES_PARAMETERS = frozenset({"list", "iter", "filter", "identity", "weight", "named parameters"})
HOLDS_NETWORK = regex(
    r"_*(model|net|network|backbone|encoder|decoder|generator|discriminator|classifier|actor|critic|policy|bert|student)"
    r"s?_?\d*",
    re.IGNORECASE,
)
"""Names of attributes that hold a network, where what they hold is not known."""

READY_MADE = regex(r"from_pretrained|create_model|hub\.load|get_model", re.IGNORECASE)
PROCESSES = frozenset({"gpytorch", "botorch", "pyro"})
"""Libraries whose models have a handful of parameters each, which other rates suit than layers."""

GRAPH_LIBRARIES = frozenset({"dgl", "torch_geometric"})
ONE_MAP = frozenset({"SGConv", "SSGConv", "GCNConv", "GraphConv", "TAGConv", "ChebConv"})
"""Convolutions of the graph libraries that are one linear map, whatever neighbours they sum up before it."""

WEIGHT_ADAPTERS = frozenset({"LoraConfig", "AdaLoraConfig", "LoHaConfig", "LoKrConfig"})
"""Settings of PEFT's adapters whose parameters are weights like others; those of the rest are prompts, scales and spectra."""


def is_deep(run: Run, optimizer: Optimizer) -> bool:
    """Whether the optimizer trains more than one layer with weights, or a network that is not known.

    A single layer is a convex problem (a linear probe, a logistic regression), the gradient of a table of embeddings is sparse,
    and a tensor may be anything (a picture, a temperature): for them other numbers are right. Layers that are frozen, or may be,
    are not trained.
    """
    frozen = run.remember("frozen networks", run, _frozen_networks)
    asked = [owner for owner in _asked_for_parameters(optimizer.arguments.get("params")) if id(owner) not in frozen]
    if any(has_unknown_parts(owner) for owner in asked) or _is_handed_on(optimizer.arguments.get("params")):
        return True
    layers: dict[int, Value] = {}
    for owner in [each for owners in optimizer.owners for each in alternatives(owners)]:
        if isinstance(owner, (Instance, Layer)):
            layers.update((id(layer), layer) for layer in weighted_layers(owner) if id(layer) not in frozen)
        elif _is_matrix(owner):
            layers[id(owner)] = owner
    counted = [each for each in layers.values() if not (_is_embedding(each) and optimizer.kind == "SGD")]
    return len(counted) > 1 or any(isinstance(each, Layer) and _is_deep_itself(each) for each in counted)


def _frozen_networks(run: Run) -> frozenset[int]:
    """The identities of networks of which some weight is kept from training, and of all their parts.

    Those that are switched off and on again, as the critic of a GAN is in turn, are trained.
    """
    found: set[int] = set()
    thawed: set[int] = set()
    for weight in run.operations.get("weight", ()):
        switch = weight.stored("requires_grad") if isinstance(weight, Data) else None
        if switch is not None and isinstance(weight, Data):
            if truth(switch) is True and not _stands_in_loop(weight.at):
                continue
            switched = thawed if truth(switch) is True else found
            for owner in _asked_for_parameters(weight):
                switched.update(id(part) for part in (owner, *parameters_of(owner)))
    return frozenset(found - thawed)


def _stands_in_loop(at: Site | None) -> bool:
    """Whether the loop over weights stands in another one."""
    if not isinstance(at, CodeSite):
        return False
    line = getattr(at.node, "lineno", 0)
    within = at.function if isinstance(at.function, ast.AST) else at.module.tree
    loops = (each for each in ast.walk(within) if isinstance(each, (ast.For, ast.While)))
    return any(each.lineno < line <= (each.end_lineno or 0) for each in loops)


def _asked_for_parameters(value: Value | None) -> Iterator[Value]:
    """Whose `parameters()` are given, directly, filtered, in groups or one by one."""
    for each in elements(value):
        if isinstance(each, Parameters):
            for owner in each.owners:
                yield from alternatives(owner)
        elif isinstance(each, Data) and each.operation in PASSES_PARAMETERS and each.inputs:
            yield from _asked_for_parameters(each.inputs[0])


def _is_handed_on(value: Value | None) -> bool:
    """Whether the parameters come from code that is not at hand, all at once: not as a list of tensors made here."""
    for each in alternatives(value):
        if isinstance(each, Data) and each.operation in UNKNOWN and not _is_process(each):
            return True
        groups = [item for item in each.items if isinstance(item, Entries)] if isinstance(each, Items) else []
        if any(_is_handed_on(group.entries.get("params")) for group in groups):
            return True
    return False


def learns_few_numbers(optimizer: Optimizer) -> bool:
    """Whether it trains a network that PEFT has given prompts, scales or coefficients, which other rates suit than weights."""
    made = (
        data
        for owner in optimizer.owners
        for data in ancestors(owner)
        if data.operation == "call" and role_of(data) == "get_peft_model"
    )
    kinds = [
        role_of(each)
        for data in made
        for given in data.inputs
        for each in elements(given)
        if isinstance(each, Data) and role_of(each).endswith("Config")
    ]
    return bool(kinds) and WEIGHT_ADAPTERS.isdisjoint(kinds)


def has_unknown_parts(owner: Value) -> bool:
    """Whether a network is not known, or has parts that are networks and not known."""
    if isinstance(owner, Instance):
        parts = [part for part in parameters_of(owner) if isinstance(part, Instance)]
        return any(_is_unknown_part(name, held) for part in parts for name, held in part.attributes.items())
    return isinstance(owner, Data) and not any(_is_process(each) or _is_one_map(each) for each in content(owner))


def _is_unknown_part(name: object, held: Value) -> bool:
    for each in content(held):
        if not isinstance(each, Data) or each.operation not in UNKNOWN:
            continue
        if each.operation == "call" and (layers_of(role_of(each)) or READY_MADE.search(each.name)):
            return True
        if isinstance(name, str) and HOLDS_NETWORK.fullmatch(name) and not _is_process(each):
            return True
    return False


def _is_process(value: Value) -> bool:
    return isinstance(value, Data) and value.name.partition(".")[0] in PROCESSES


def _is_one_map(value: Value) -> bool:
    """Whether a library's graph convolution alone is the network: a logistic regression."""
    return (
        isinstance(value, Data)
        and value.operation == "call"
        and value.name.partition(".")[0] in GRAPH_LIBRARIES
        and role_of(value) in ONE_MAP
    )


def _is_matrix(value: Value) -> bool:
    shape = shape_of(value)
    return shape is not None and len(shape) == 2 and 1 not in shape


def _is_embedding(value: Value) -> bool:
    return isinstance(value, Layer) and value.operation == "embedding"


def _is_deep_itself(layer: Layer) -> bool:
    return layer.operation in DEEP_BY_THEMSELVES


def role_of(network: Data) -> str:
    """The name of the constructor of a library's network."""
    return network.name.rpartition(".")[2]


def weighted_layers(network: Value) -> list[Value]:
    """The layers of a network that have weights: also a library's, and the matrices that a module keeps as parameters."""
    found: list[Value] = []
    for part in parameters_of(network):
        if isinstance(part, Layer) and part.operation in LAYERS_WITH_WEIGHTS:
            found.append(part)
        elif isinstance(part, Instance):
            held = [each for each in part.attributes.values() if isinstance(each, Data)]
            found.extend(each for each in held if each.operation == "call" and role_of(each)[:1].isupper())
            own = [each for each in held if each.operation == "parameter"]
            found.extend([each for each in own if _is_matrix(each)] or ([part] if own else []))
    return found


def widest_input(owners: tuple[Value, ...]) -> float | None:
    """The largest number of inputs that a unit of the networks has; None where that of any layer is not known."""
    widest = 0.0
    for owner in [one for each in owners for one in alternatives(each)]:
        layers = weighted_layers(owner)
        sizes = [_inputs_of(layer) for layer in layers]
        if not layers or None in sizes:
            return None
        widest = max(widest, *(size for size in sizes if size is not None))
    return widest or None


def _inputs_of(layer: Value) -> float | None:
    if not isinstance(layer, Layer):
        return None
    if layer.operation == "embedding":
        return 1
    if layer.operation == "linear":
        return layer.number("in_features")
    sizes = [layer.number(name) for name in ("input_size", "hidden_size")]
    known = [size for size in sizes if size is not None]
    return max(known) if layer.operation == "recurrent" and len(known) == 2 else None
