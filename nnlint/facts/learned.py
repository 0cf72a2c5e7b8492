"""What is differentiated in a run, and which networks have learned, or may have."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nnlint.events import Backward, Differentiated, Escaped, Run
from nnlint.facts.gradients import parts_of
from nnlint.facts.tried_out import taught
from nnlint.graph import parameters_of, stored_parts
from nnlint.lazy import regex
from nnlint.values import (
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Optimizer,
    Parameters,
    Value,
    elements,
)

DIFFERENTIATES = regex(
    r"backward|optimi[sz]e|train_?(?:step|batch)|update_(?:param|weight|model|net|policy)|apply_grad|minimi[sz]e", re.I
)
"""Names of functions that are not at hand, or not followed, and may differentiate what they are given."""

MOST_VISITED = 60_000


def behind_all_losses(run: Run) -> set[int] | None:
    """All data behind any backward pass, also behind a detach: targets and teachers belong to training.

    None if there are too many, or some were not kept.
    """
    pending: list[Value | None] = [event.loss for event in run.events(Backward)]
    pending.extend(event.value for event in run.events(Differentiated))
    for data in (*run.operations.get("call", ()), *run.operations.get("method", ())):
        if isinstance(data, Data) and DIFFERENTIATES.search(data.name):
            pending.extend(data.inputs)
    for event in run.events(Escaped):
        if any(isinstance(each, Optimizer) for value in event.values for each in elements(value)):
            pending.extend(event.values)
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if len(seen) > MOST_VISITED or (isinstance(current, Either) and current.open):
            return None
        if type(current) is Data:
            pending.extend(current.inputs)
            if current.options:
                pending.extend(current.options.values())
            if current.parts:
                pending.extend(stored_parts(current))  # losses[i] = ..., and their sum is differentiated
        elif type(current) is not Constant:
            pending.extend(values_inside(current))
    return seen


def values_inside(value: Value) -> Iterable[Value]:
    """What a value was made from or holds; nothing of what a network holds."""
    if isinstance(value, Data):
        return (*value.inputs, *value.options.values())
    if isinstance(value, Either):
        return value.alternatives
    if isinstance(value, Items):
        return value.items
    if isinstance(value, Entries):
        return value.entries.values()
    if isinstance(value, Instance) and not value.is_network:
        return value.attributes.values()
    return ()


def learned_in(run: Run) -> set[int]:
    """The identities of all networks, and parts of them, that were given to an optimizer, loaded, or handed away: by the run, or
    by the top level before it."""
    learned = run.remember("learned", run, _learned)
    return learned if run.before is None else learned | learned_in(run.before)


def _learned(run: Run) -> set[int]:
    owners = taught(run)
    owners.extend(value for escaped in run.events(Escaped) for value in escaped.values)
    held = {id(each): each for owner in owners for each in elements(owner)}
    networks = {
        id(network): network
        for each in held.values()
        for network in (each.owners if isinstance(each, Parameters) else (each,))
    }
    return networks.keys() | {id(part) for network in networks.values() for part in parameters_of(network)}


def is_learned(run: Run, model: Value, learned: set[int]) -> bool:
    """Whether a network, or a part of it, is one of those that `learned_in` gives; so is what is not known."""
    if not isinstance(model, (Instance, Layer)):
        return True
    parts = run.remember("parts", model, parts_of)
    return parts is None or not learned.isdisjoint(parts)
