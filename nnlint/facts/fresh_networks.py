"""Networks whose weights are as they were drawn, unless something in the run trains them."""

from __future__ import annotations

from nnlint.events import Escaped, ModelBuilt, OptimizerMade, Run, StateUsed
from nnlint.facts.handed_over import READS_NETWORK
from nnlint.graph import parameters_of
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Instance, Layer, Parameters, Value, alternatives, elements

PLACEHOLDERS = frozenset({"call", "method", "argument", "name", "attribute", "index", "element", "unknown", "load"})
"""Operations of which may come a ready-made network, with weights of its own."""


def is_given_weights(run: Run, network: Value) -> bool:
    """Whether weights are loaded into a network, or it is handed to code that may load or train it."""
    parts = {id(part) for part in parameters_of(network)}
    if any(id(each) in parts for used in run.events(StateUsed) for each in alternatives(used.into)):
        return True
    return any(
        id(each) in parts and not READS_NETWORK.search(escaped.callee.rpartition(".")[2])
        for escaped in run.events(Escaped)
        for value in escaped.values
        for each in elements(value)
    )


def is_as_drawn(run: Run, network: Value, made: OptimizerMade) -> bool:
    """Whether a network is made by the run's own code, before an optimizer, and nobody gives it weights or freezes it.

    Whoever goes through its weights one by one may do any of it.
    """
    if run.symbolic or not _is_made_before(run, network, made) or is_given_weights(run, network):
        return False
    parts = {id(part) for part in parameters_of(network)}
    return all(map(_is_all_known, parameters_of(network))) and not any(
        _goes_through(data, parts) for data in run.operations.get("weight", ())
    )


def _is_made_before(run: Run, network: Value, made: OptimizerMade) -> bool:
    """Whether it was constructed before the optimizer, and is no copy of another; a single layer, in the same function."""
    if any(event.model is network and event.order < made.order for event in run.events(ModelBuilt)):
        return True
    here, there = getattr(network, "at", None), made.at
    is_of_function = isinstance(here, CodeSite) and isinstance(there, CodeSite) and here.function is there.function
    return isinstance(network, Layer) and is_of_function


def _is_all_known(part: Value) -> bool:
    """Whether a part of a network holds nothing that may be a ready-made network."""
    held = part.attributes.values() if isinstance(part, (Instance, Layer)) else ()
    return not any(
        isinstance(each, Data) and each.operation in PLACEHOLDERS for value in held for each in elements(value)
    )


def _goes_through(data: Value, parts: set[int]) -> bool:
    holder = data.inputs[0] if isinstance(data, Data) and data.inputs else None
    owners = holder.owners if isinstance(holder, Parameters) else ()
    return any(id(each) in parts for owner in owners for each in alternatives(owner))
