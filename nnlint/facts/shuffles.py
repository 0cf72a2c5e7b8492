"""Random orders: which draws a value was shuffled by, and pairs of values that belong together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeGuard

from nnlint.events import LossComputed, ModelCalled, Run
from nnlint.facts.identity import PARTS, READERS, key_of, label_of, uncopied, wholes
from nnlint.facts.roles import TARGET_NAME, comparisons
from nnlint.graph import ancestors, ancestors_of_all
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import NONE, Constant, Data, Items, Value, number

IN_PLACE = frozenset({"numpy.random.shuffle", "random.shuffle"})
"""Functions that shuffle what they are given, by the generator that all share."""

FITS = frozenset({"fit", "partial_fit", "train_on_batch"})
MOST_PAIRS = 60
MOST_SCALINGS = 6
SCALES = frozenset("add subtract multiply divide".split())
FILES = regex(r"^numpy\.from(?:buffer|file)$")
"""Functions that read an array of bytes."""

ON_PURPOSE = regex(r"rand|perm|shuf|null|corrupt|negativ|noise|scrambl", re.IGNORECASE)
"""Words of targets that are given to the wrong inputs on purpose, to see what is learned then."""


class Apart(NamedTuple):
    """Two values that belong together, and the draws by which each alone was shuffled."""

    first: Data
    second: Data


def shuffled_apart(run: Run) -> Iterator[Apart]:
    """Inputs and targets that were shuffled by two draws which have nothing to do with each other."""
    yield from _split_apart(run)
    in_place = list(_in_place(run))
    if len(in_place) + len(run.operations.get("randperm", ())) < 2:
        return
    for one, other in [*_fitted(run), *_pairs(run)][:MOST_PAIRS]:
        first, second = _draws(one, in_place), _draws(other, in_place)
        alone, apart = [first[key] for key in first.keys() - second], [second[key] for key in second.keys() - first]
        if alone and apart and _are_unrelated(alone[0], apart[0]) and not _mix(run, alone[0], apart[0]):
            yield Apart(alone[0], apart[0])


def _mix(run: Run, first: Data, second: Data) -> bool:
    """Whether both orders are of one array: rows of it are mixed with others of it, and nothing belongs together."""
    indices = [each for each in run.operations.get("index", ()) if isinstance(each, Data) and len(each.inputs) == 2]
    arrays = [
        {id(uncopied(each.inputs[0])) for each in indices if any(whole is draw for whole in wholes(each.inputs[1]))}
        for draw in (first, second)
    ]
    return not arrays[0].isdisjoint(arrays[1])


def _split_apart(run: Run) -> Iterator[Apart]:
    """Inputs and targets that were split by a call each, which both put the rows into a random order of their own."""
    calls = {id(node_at(each.at)) for each in run.operations.get("train split", ()) if _is_drawn_split(each)}
    for one, other in islice(_pairs(run), MOST_PAIRS) if len(calls) > 1 else ():
        first, second = ([each for each in wholes(given) if _is_drawn_split(each)] for given in (one, other))
        nodes = {node_at(each.at) for each in first}
        if first and second and nodes.isdisjoint(node_at(each.at) for each in second):
            has_seeds = all("random_state" in each.options for each in (first[0], second[0]))
            if not has_seeds and _are_unrelated(first[0], second[0]):
                yield Apart(first[0], second[0])


def _is_drawn_split(value: Value) -> TypeGuard[Data]:
    """Whether it is a part that scikit-learn's split has drawn."""
    if not isinstance(value, Data) or value.operation not in ("train split", "test split"):
        return False
    return value.name == "train_test_split" and "shuffle" not in value.options


def shuffled_alone(run: Run) -> Iterator[Data]:
    """Inputs or targets that were put into a random order while their partners, from the same source, kept theirs.

    Where an array is shuffled in place, nobody has its rows as they were, and no common source needs to be known.
    """
    in_place = [(call, uncopied(shuffled)) for call, shuffled in _in_place(run)]
    if not in_place and not run.operations.get("randperm"):
        return
    fitted = [(one, other, True) for one, other in _fitted(run)] if in_place else []
    pairs = [(one, other, False) for one, other in _pairs(run)]
    for one, other, is_fitted in [*pairs[:MOST_PAIRS], *fitted[:MOST_PAIRS]]:
        first, second = _classes_of(one), _classes_of(other)
        for moved, kept, is_target in ((first, second, False), (second, first, True)):
            reordered = _reordered(moved, in_place)
            if reordered is None or (is_fitted and not _is_call(reordered)) or _reordered(kept, in_place) is not None:
                continue
            if is_target and ON_PURPOSE.search(f"{label_of(moved)} {_function_name(reordered)}"):
                continue
            is_pair = (
                _belong_together(moved, kept)
                or (_is_call(reordered) and _are_two_tables(moved, kept))
                or _were_split_together(reordered, kept)
            )
            if is_pair and _keeps_its_order(kept, in_place):
                yield reordered


def _is_call(reordered: Data) -> bool:
    """Whether an array is shuffled in place."""
    return reordered.operation in ("call", "method")


def _are_two_tables(first: Value, second: Value) -> bool:
    """Whether two arrays were read, or given, each by itself, neither made of the other: what is fed and what it is compared with
    are then rows of one sample by their place alone."""
    one, other = _source(_unscaled(first)), _source(_unscaled(second))
    if one is other or not isinstance(one, Data) or not isinstance(other, Data):
        return False
    return _is_given(one) and _is_given(other)


def _unscaled(value: Value) -> Value:
    """What numbers were shifted and stretched of, all by the same: the rows stay where they are."""
    current = value
    for _ in range(MOST_SCALINGS):
        inner = uncopied(current)
        by_number = isinstance(inner, Data) and inner.operation in SCALES and len(inner.inputs) == 2
        if not isinstance(inner, Data) or not by_number or number(inner.inputs[1]) is None:
            break
        current = inner.inputs[0]
    return current


def _is_given(source: Data) -> bool:
    if source.operation in ("load", "argument"):
        return True
    return source.operation == "call" and (READERS.match(source.name) or FILES.match(source.name)) is not None


def _classes_of(value: Value) -> Value:
    """The classes of which rows of zeros and a one were made: `np.eye(10)[y]`, `one_hot(y)`, `to_categorical(y)`."""
    made = uncopied(value)
    if not isinstance(made, Data) or not made.inputs:
        return value
    first = made.inputs[0]
    is_picked = made.operation == "index" and len(made.inputs) == 2 and isinstance(first, Data)
    if is_picked and isinstance(first, Data) and first.name.rpartition(".")[2] in ("eye", "identity"):
        return made.inputs[1]
    is_coded = made.operation == "one_hot" or (made.operation == "call" and made.name.endswith("to_categorical"))
    return first if is_coded else value


def _reordered(value: Value, in_place: list[tuple[Data, Value | None]]) -> Data | None:
    """The expression that puts the whole of a value's array into a random order: an index by a draw, or a shuffle in place."""
    for whole in wholes(value):
        if (
            isinstance(whole, Data)
            and whole.operation == "index"
            and len(whole.inputs) == 2
            and _is_draw(whole.inputs[1])
        ):
            return whole
        for call, shuffled in in_place:
            if shuffled is whole:
                return call
    return None


def _is_draw(key: Value) -> bool:
    """Whether it is a random order, or a slice of one."""
    return any(isinstance(whole, Data) and whole.operation == "randperm" for whole in wholes(key))


def _keeps_its_order(value: Value, in_place: list[tuple[Data, Value | None]]) -> bool:
    """Whether nothing that was shuffled is behind a value, or stored in it, and nothing that may have been."""
    moved = {id(shuffled) for _, shuffled in in_place}
    return all(
        data.operation not in ("randperm", "output", "call", "method") and id(data) not in moved
        for data in _up_to_source(value)
    )


def _up_to_source(value: Value) -> Iterator[Data]:
    """All data behind a value, what was stored in it too, without those that the source of its array was made from."""
    source = _source(value)
    ends = {id(each) for each in (source.items if isinstance(source, Items) else (source,))}
    behind = ancestors_of_all((value,), lambda data: id(data) in ends or _is_computed(data), filled=True)
    yield from (data for data in behind if id(data) not in ends)


def _belong_together(first: Value, second: Value) -> bool:
    """Whether two arrays are different parts of one source: of what one call returned, of one object, of one frame."""
    (one, source), (other, other_source) = _part_of_source(first), _part_of_source(second)
    if isinstance(source, Items) and isinstance(other_source, Items):
        return source is not other_source and _are_filled_by_one_loop(source, other_source)
    return source is not None and source is other_source and key_of(one) != key_of(other)


def _are_filled_by_one_loop(first: Items, second: Items) -> bool:
    """Whether the items of two lists are made side by side in one loop: a window of a series, and what follows it."""
    one, other = (
        each.items[0].at if each.open and isinstance(each.items[0], Data) else None for each in (first, second)
    )
    if not isinstance(one, CodeSite) or not isinstance(other, CodeSite) or one.function is not other.function:
        return False
    within = one.function if isinstance(one.function, ast.AST) else one.module.tree
    return one.module is other.module and any(
        isinstance(loop, (ast.For, ast.While)) and all(_stands_in(loop, each) for each in (one, other))
        for loop in ast.walk(within)
    )


def _stands_in(loop: ast.For | ast.While, site: CodeSite) -> bool:
    return loop.lineno < getattr(site.node, "lineno", 0) <= (loop.end_lineno or 0)


def _were_split_together(reordered: Data, kept: Value) -> bool:
    """Whether rows are put into another order after one call has split them and their partners."""
    before = [each for given in reordered.inputs for each in _splits_behind(given)]
    return any(one is other for one in before for other in _splits_behind(kept))


def _splits_behind(value: Value) -> Iterator[object]:
    """The calls that have split the array of which a value is a part."""
    for whole in wholes(value):
        if isinstance(whole, Data) and whole.operation == "train split" and isinstance(whole.at, CodeSite):
            yield whole.at.node


def _source(value: Value) -> Value | None:
    return _part_of_source(value)[1]


def _part_of_source(value: Value) -> tuple[Value | None, Value | None]:
    """The array that a value is a part or an order of, and what that was taken from; None where it was taken from nothing."""
    part: Value | None = None
    for whole in wholes(value):
        if isinstance(whole, Data) and whole.operation == "attribute" and whole.inputs:
            return whole, whole.inputs[0]
        if not isinstance(whole, Data) or whole.operation not in PARTS:
            return part, whole
        part = whole
    return None, None


def _function_name(data: Data) -> str:
    function = data.at.function if isinstance(data.at, CodeSite) else None
    return getattr(function, "name", "")


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
    for data in run.operations.get("zip", ()):
        if isinstance(data, Data) and len(data.inputs) == 2 and TARGET_NAME.search(label_of(data.inputs[1])):
            yield data.inputs[0], data.inputs[1]
    is_by_hand = not any(True for _ in run.events(ModelCalled))
    in_place = {id(uncopied(shuffled)) for _, shuffled in _in_place(run)}
    for each in comparisons(run):
        for data in ancestors(each.prediction, stop=_is_computed):
            if data.operation == "output" and len(data.inputs) == 3:
                yield data.inputs[2], each.target
            elif is_by_hand and (id(data) in in_place or _is_drawn_by_order(data)):
                yield data, each.target
    for event in run.events(LossComputed):
        for data in ancestors(event.prediction, stop=lambda each: each.operation == "output"):
            if data.operation == "output" and event.target is not None and len(data.inputs) == 3:
                yield data.inputs[2], event.target


def _is_drawn_by_order(data: Data) -> bool:
    return data.operation == "index" and len(data.inputs) == 2 and _is_draw(data.inputs[1])


def _fitted(run: Run) -> Iterator[tuple[Value, Value]]:
    """What `model.fit(inputs, targets)` is given, by place or by name."""
    for data in run.operations.get("method", ()):
        if isinstance(data, Data) and data.name in FITS and len(data.inputs) > 2:
            yield data.inputs[1], data.inputs[2]


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
