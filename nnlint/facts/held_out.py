"""Data that a network is asked about, scaled by other statistics than the data it learned from."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator

from nnlint.events import Run
from nnlint.facts.identity import key_of, label_of, uncopied, wholes
from nnlint.facts.roles import (
    ASKED_ABOUT,
    Feed,
    comparisons,
    feeds,
    is_of_batch,
    is_pair_of_names,
    is_test_split,
    lower_bound_of_rows,
    pair_name,
    training_name,
    upper_bound_of_rows,
)
from nnlint.facts.scaling import Scaling, is_per_sample, scaling_of, scalings_behind, scalings_of_columns
from nnlint.facts.split_names import TRAINING, parts_named
from nnlint.garbage import remembered
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site

PIXELS = regex(r"image|imgs?\b|_img|pixel", re.IGNORECASE)

GAME = regex(r"(?:^|\.)(?:reset|render|step)$")
"""What an environment is asked that answers with a state."""

LOADS = regex(r"^(?:joblib|pickle|cloudpickle|dill)\.loads?$")
"""What gives an object back as it was saved, a scaler with its fit."""


BATCHES = frozenset({"batch", "batch part"})


SHARES = frozenset(
    "dist distribution marginal prob probs probability probabilities hist histogram freq frequency density share shares".split()
)
"""Words of what sums to one: it is divided by its sum to be that."""


@dataclass(frozen=True)
class Foreign:
    """`scaling` scales data to be predicted as `training` never scaled those that were learned; `at` is what to report.

    `overwritten` says that its statistics are those of the training data, but read after these were scaled. Without `training`,
    the scaler was fitted in another run and loaded, and is fitted anew.
    """

    scaling: Scaling
    training: Scaling | None
    at: Site
    overwritten: bool = False


@remembered(2)
def foreign_scalings(run: Run) -> tuple[Foreign, ...]:
    """The scalings of a run that make the network see other numbers than it learned from, each once."""
    candidates = _candidates(run)
    if not candidates:
        return ()
    found: dict[int, Foreign] = {}
    for each in (*_overwritten(candidates), *_by_feed(run), *_by_target(run), *_by_part(candidates), *_refitted(run)):
        found.setdefault(id(each.scaling.result), each)
    return tuple(found.values())


def _candidates(run: Run) -> list[Scaling]:
    made = [data for name in ("divide", "scaled", "normalize") for data in run.operations.get(name, ())]
    made += [each for each in run.operations.get("method", ()) if getattr(each, "name", "") == "fit_transform"]
    scalings = [scaling_of(data) for data in made]
    return [each for each in scalings if each is not None and not is_per_sample(each.result)]


def _is_of_data_set(scaling: Scaling) -> bool:
    if _is_of_vector(scaling) or _is_of_pixels(scaling) or _is_of_game(scaling):
        return False
    return scaling.is_own and not is_made_of_batch(scaling) and not is_per_sample(scaling.result)


def is_made_of_batch(scaling: Scaling) -> bool:
    """Whether it scales a batch, or what was worked out of one: not of many, gathered."""
    if is_of_batch(scaling.subject):
        return True
    return any(data.operation in BATCHES for data in ancestors(scaling.subject, stop=_gathers))


def _gathers(data: Data) -> bool:
    return data.operation in ("concatenate", "stack", "output")


def _is_of_vector(scaling: Scaling) -> bool:
    """Whether it makes a unit vector, or shares that sum to one, where nothing says that the data are samples."""
    if scaling.kind != "ratio" or not {each.operation for each in scaling.statistics} <= {"norm", "sum"}:
        return False
    words = {*parts_named(_name(scaling)), *parts_named(label_of(scaling.subject))}
    return words.isdisjoint(ASKED_ABOUT | TRAINING) or not words.isdisjoint(SHARES)


def _is_of_pixels(scaling: Scaling) -> bool:
    """Whether it divides pictures by their largest value, which is that of a byte in any set of them."""
    if scaling.kind != "ratio" or {each.operation for each in scaling.statistics} != {"max"}:
        return False
    return PIXELS.search(f"{label_of(scaling.subject)} {scaling.result.bound}") is not None


def _is_of_game(scaling: Scaling) -> bool:
    """Whether it scales what an environment shows: one state, by itself."""
    return any(data.operation in ("method", "call") and GAME.search(data.name) for data in ancestors(scaling.subject))


def _overwritten(candidates: list[Scaling]) -> Iterator[Foreign]:
    results = {id(each.result): each for each in candidates if _is_of_data_set(each)}
    for each in candidates:
        if each.scaler is not None or is_of_batch(each.subject):
            continue
        training = next((results[id(base)] for base in map(uncopied, each.bases) if id(base) in results), None)
        if training is not None and _is_counterpart(training, each):
            yield Foreign(each, training, _site(each.result), overwritten=True)


def _by_feed(run: Run) -> Iterator[Foreign]:
    learned: dict[Hashable, list[Scaling]] = {}
    for feed in feeds(run):
        if feed.trains:
            learned.setdefault(feed.network, []).extend(_scalings_of_inputs(feed))
    for feed in feeds(run):
        if not feed.trains and learned.get(feed.network):
            yield from _foreign_to(learned[feed.network], _scalings_of_inputs(feed))


def _refitted(run: Run) -> Iterator[Foreign]:
    """The scalings of what a network is asked about by a scaler that was loaded with its fit, and loses that."""
    asked = [
        feed for feed in feeds(run) if not any(each.trains and each.network == feed.network for each in feeds(run))
    ]
    for scaling in (each for feed in asked if not feed.trains for each in _scalings_of_inputs(feed)):
        scaler = scaling.scaler
        if isinstance(scaler, Data) and scaler.operation == "call" and LOADS.match(scaler.name):
            yield Foreign(scaling, None, _site(scaling.result))


def _scalings_of_inputs(feed: Feed) -> list[Scaling]:
    """Those of the whole inputs, or of some of their columns: a part of an input is enough to make it another one."""
    return _if_own(scalings_behind(feed.value) or scalings_of_columns(feed.value))


def _if_own(scalings: list[Scaling]) -> list[Scaling]:
    """Those scalings, if all of them are of whole data sets by statistics of their own; else none."""
    return scalings if all(_is_of_data_set(each) for each in scalings) else []


def _by_target(run: Run) -> Iterator[Foreign]:
    learned = [scaling for each in comparisons(run) if each.trains for scaling in _if_own(scalings_behind(each.target))]
    for each in comparisons(run):
        if not each.trains and learned:
            yield from _foreign_to(learned, _if_own(scalings_behind(each.target)))


def _foreign_to(learned: list[Scaling], asked: list[Scaling]) -> Iterator[Foreign]:
    known = {key_of(each.subject) for each in learned}
    for scaling in asked:
        if key_of(scaling.subject) not in known:
            yield _foreign(scaling, learned[0])


def _by_part(candidates: list[Scaling]) -> Iterator[Foreign]:
    own = [each for each in candidates if _is_of_data_set(each)]
    learned = [*own, *(each for each in candidates if own and _is_by_joined(each))]
    for scaling in own:
        training = next((each for each in learned if each is not scaling and _is_counterpart(each, scaling)), None)
        if training is not None:
            yield _foreign(scaling, training)


def _is_by_joined(scaling: Scaling) -> bool:
    """Whether the statistics are those of the data and others put together, as of training and validation data."""
    parts = {key_of(base) for base in scaling.bases}
    return len(parts) > 1 and key_of(scaling.subject) in parts


def _is_counterpart(training: Scaling, scaling: Scaling) -> bool:
    """Whether two scalings are of the training part and of the held-out part of the same data."""
    if training.kind != scaling.kind or is_test_split(training.subject):
        return False
    if is_pair_of_names(_name(training), _name(scaling)):
        return True
    cut = lower_bound_of_rows(scaling.subject)
    if cut is not None and cut == upper_bound_of_rows(training.subject):
        return pair_name(_name(scaling)) is not None or training_name(_name(training)) is not None
    return is_test_split(scaling.subject) and _split_of(scaling) == _split_of(training)


def _name(scaling: Scaling) -> str:
    """The name that tells the part of the data: of the data before they are scaled, of what they are a part of, or after."""
    for each in (scaling.subject, *wholes(scaling.subject)):
        label = label_of(each)
        if pair_name(label) is not None or training_name(label) is not None:
            return label
    return scaling.result.bound


def _split_of(scaling: Scaling) -> Hashable:
    """The array of which the data are a part by `train_test_split`."""
    current = uncopied(scaling.subject)
    while isinstance(current, Data) and current.operation not in ("train split", "test split") and current.inputs:
        current = uncopied(current.inputs[0])
    return key_of(current.inputs[0]) if isinstance(current, Data) and current.inputs else None


def _foreign(scaling: Scaling, training: Scaling) -> Foreign:
    return Foreign(scaling, training, _where_they_part(scaling.result, training.result))


def _where_they_part(asked: Data, learned: Data) -> Site:
    """The scaling itself, or the call of the helper that scales both: where one is done and not the other."""
    here, there = _site(asked), _site(learned)
    if not _is_same_node(here, there):
        return here
    for one, other in zip(asked.calls, learned.calls, strict=False):
        if not _is_same_node(one, other):
            return one
    return here


def _is_same_node(first: Site, second: Site) -> bool:
    return isinstance(first, CodeSite) and isinstance(second, CodeSite) and first.node is second.node


def _site(data: Data) -> Site:
    assert data.at is not None, "data made by an operation stand somewhere"
    return data.at
