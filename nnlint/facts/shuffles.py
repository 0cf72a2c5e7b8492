"""Random orders: which draws a value was shuffled by, and pairs of values that belong together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nnlint.events import LossComputed, Run
from nnlint.facts.identity import uncopied, wholes
from nnlint.facts.roles import comparisons
from nnlint.graph import ancestors
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Value

IN_PLACE = frozenset({"numpy.random.shuffle", "random.shuffle"})
"""Functions that shuffle what they are given, by the generator that all share."""

MOST_PAIRS = 60


class Apart(NamedTuple):
    """Two values that belong together, and the draws by which each alone was shuffled."""

    first: Data
    second: Data


def shuffled_apart(run: Run) -> Iterator[Apart]:
    """Inputs and targets that were shuffled by two draws which have nothing to do with each other."""
    in_place = list(_in_place(run))
    if len(in_place) + len(run.operations.get("randperm", ())) < 2:
        return
    for one, other in list(_pairs(run))[:MOST_PAIRS]:
        first, second = _draws(one, in_place), _draws(other, in_place)
        alone, apart = [first[key] for key in first.keys() - second], [second[key] for key in second.keys() - first]
        if alone and apart and _are_unrelated(alone[0], apart[0]):
            yield Apart(alone[0], apart[0])


def _pairs(run: Run) -> Iterator[tuple[Value, Value]]:
    """What a data set holds side by side, what is split together, and what a network is given and what its loss compares with."""
    for data in run.operations.get("dataset", ()):
        if isinstance(data, Data) and len(data.inputs) == 2:
            yield data.inputs[0], data.inputs[1]
    split: dict[object, list[Value]] = {}
    for data in run.operations.get("train split", ()):
        if isinstance(data, Data) and isinstance(data.at, CodeSite) and data.inputs:
            split.setdefault(data.at.node, []).append(data.inputs[0])
    yield from ((arrays[0], arrays[1]) for arrays in split.values() if len(arrays) > 1)
    for each in comparisons(run):
        for data in ancestors(each.prediction, stop=_is_computed):
            if data.operation == "output" and len(data.inputs) == 3:
                yield data.inputs[2], each.target
    for event in run.events(LossComputed):
        for data in ancestors(event.prediction, stop=lambda each: each.operation == "output"):
            if data.operation == "output" and event.target is not None and len(data.inputs) == 3:
                yield data.inputs[2], event.target


def _in_place(run: Run) -> Iterator[tuple[Data, Value]]:
    """The calls that shuffle in place, and what they shuffle."""
    for data in run.operations.get("call", ()):
        if isinstance(data, Data) and data.name in IN_PLACE and data.inputs:
            yield data, data.inputs[0]
    for data in run.operations.get("method", ()):
        if isinstance(data, Data) and data.name == "shuffle" and len(data.inputs) == 2:
            yield data, data.inputs[1]


def _draws(value: Value, in_place: list[tuple[Data, Value]]) -> dict[int, Data]:
    """The draws of a random order behind a value, by the identity of the order."""
    found: dict[int, Data] = {}
    behind = {id(each) for each in wholes(value)}
    for data in ancestors(value, stop=_is_computed):
        if data.operation == "randperm":
            found[id(data)] = data
        if data.operation == "output":
            return {}  # what a network gives is no part of the data
    for call, shuffled in in_place:
        if id(uncopied(shuffled)) in behind:
            found[id(call)] = call
    return found


def _is_computed(data: Data) -> bool:
    """Whether an operation gives other data, or only counts those that it is given."""
    return data.operation in ("output", "length", "range", "counter", "attribute")


def _are_unrelated(first: Data, second: Data) -> bool:
    """Whether two draws come from one generator, one after the other, whose state nobody sets between."""
    if _generator(first) is not _generator(second) or "generator" in first.options or "generator" in second.options:
        return False
    one, other = first.at, second.at
    if not isinstance(one, CodeSite) or not isinstance(other, CodeSite) or one.module is not other.module:
        return False
    lines = sorted((one.place.line, other.place.line))
    between = "\n".join(one.module.lines[lines[0] - 1 : lines[1]])
    return (
        one.function is other.function
        and one.node is not other.node
        and "seed" not in between
        and "state" not in between
    )


def _generator(draw: Data) -> Value:
    """The object that a method draws by; none where a function draws by the shared generator."""
    first = draw.inputs[0] if draw.inputs else NONE
    is_method = draw.operation == "method" or (
        isinstance(first, Data) and "rng" in f"{first.name}{first.bound}".lower()
    )
    return first if is_method and not isinstance(first, Constant) else NONE
