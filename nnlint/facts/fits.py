"""Transforms that learn from data, and the splits of these data into a part to train on and a part to be held out."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from nnlint.events import Run
from nnlint.facts.folds import held_out_by_folds, is_for_any_scale
from nnlint.facts.identity import is_part_of, key_of, label_of, uncopied, wholes
from nnlint.facts.roles import (
    ASKS,
    TARGET_NAME,
    loses_one_row,
    lower_bound_of_rows,
    picks_columns,
    upper_bound_of_rows,
)
from nnlint.facts.scaling import is_per_sample, is_turned, scaling_of
from nnlint.facts.shapes import measured_by
from nnlint.facts.split_names import HELD_OUT, TRAINING, is_held_out_name, parts_named
from nnlint.graph import ancestors, only_looks, stored_parts
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Instance, Items, Site, Value, elements

LEARNS = frozenset(
    "PCA KernelPCA TruncatedSVD FastICA NMF FactorAnalysis SelectKBest SelectPercentile SelectFromModel RFE VarianceThreshold "
    "SimpleImputer KNNImputer IterativeImputer Imputer TfidfVectorizer PolynomialCountSketch TargetEncoder KBinsDiscretizer "
    "LinearDiscriminantAnalysis".split()
)
"""Classes of scikit-learn beside the scalers whose fit depends on the numbers that it sees."""

DRAWS = frozenset({"TSNE", "MDS", "UMAP"})
SPLITS = frozenset({"train split", "test split"})
MOST_SLICES = 400


class LearnedTransform(NamedTuple):
    """A fit: where it stands, what it learned from, and what it made of data."""

    at: Site
    subject: Value
    results: tuple[Data, ...]


class Split(NamedTuple):
    """Data that are parted: `held_out` is the part that is kept for the evaluation."""

    whole: Value
    held_out: Data


class Leak(NamedTuple):
    """A transform that has learned from data of which a part is held out."""

    transform: LearnedTransform
    split: Split


def leaks(run: Run) -> Iterator[Leak]:
    """The fits that saw held-out data, each once."""
    scalers, others = ([each for each in made if each.results and _may_leak(each)] for made in _made(run))
    by_hand = [each for each in _by_hand(run) if _may_leak(each)]
    splits = list(_splits(run)) if scalers or others or by_hand else []
    of_scales = [each for each in splits if not is_for_any_scale(each.held_out)]
    drawn = [each for each in of_scales if each.held_out.operation == "test split"]
    yield from (leak for each in scalers if (leak := _leak(each, of_scales)) is not None)
    yield from (leak for each in by_hand if (leak := _leak(each, drawn)) is not None)
    yield from (leak for each in others if (leak := _leak(each, splits)) is not None)


def _made(run: Run) -> tuple[Iterator[LearnedTransform], Iterator[LearnedTransform]]:
    return _scalers(run), _others(run)


def _leak(transform: LearnedTransform, splits: list[Split]) -> Leak | None:
    split = next((each for each in splits if _was_split_after(transform, each)), None)
    if split is None:
        split = next((each for each in splits if _was_split_before(transform, each)), None)
    return None if split is None else Leak(transform, split)


def _scalers(run: Run) -> Iterator[LearnedTransform]:
    scaled = [data for data in run.operations.get("scaled", ()) if isinstance(data, Data)]
    for data in run.operations.get("fitted", ()):
        if isinstance(data, Data) and data.at is not None:
            subject, scaler = data.inputs
            made = [each for each in scaled if each.inputs[1] is scaler and each.inputs[2:] == (subject,)]
            yield LearnedTransform(data.at, subject, tuple(made))


def _by_hand(run: Run) -> Iterator[LearnedTransform]:
    """Inputs that are scaled by statistics of themselves, written out: `(x - x.mean(axis=0)) / x.std(axis=0)`."""
    for data in run.operations.get("divide", ())[:MOST_SLICES] if run.operations.get("test split") else ():
        scaling = scaling_of(data)
        if scaling is None or scaling.kind not in ("standard", "range") or not scaling.is_own:
            continue
        site = scaling.result.at
        if site is not None and not is_per_sample(scaling.result) and not TARGET_NAME.search(label_of(scaling.subject)):
            yield LearnedTransform(site, scaling.subject, (scaling.result,))


def _others(run: Run) -> Iterator[LearnedTransform]:
    calls = [data for data in run.operations.get("method", ()) if isinstance(data, Data)]
    for data in calls:
        if data.name not in ("fit", "fit_transform") or len(data.inputs) < 2 or data.at is None:
            continue
        learner = data.inputs[0]
        if isinstance(learner, Data) and learner.operation == "call" and learner.name.rpartition(".")[2] in LEARNS:
            made = [each for each in calls if each.name == "transform" and each.inputs[0] in (learner, data)]
            yield LearnedTransform(data.at, data.inputs[1], (*([data] if data.name == "fit_transform" else []), *made))


# Splits


def _splits(run: Run) -> Iterator[Split]:
    for data in run.operations.get("test split", ()):
        if isinstance(data, Data) and data.inputs:
            yield Split(data.inputs[0], data)
    yield from (Split(whole, held_out) for whole, held_out in held_out_by_folds(run))
    upper: set[Hashable] = set()
    lower: list[tuple[Hashable, Data]] = []
    for data in run.operations.get("index", ())[:MOST_SLICES]:
        if isinstance(data, Data) and _is_slice(data):
            before, behind = upper_bound_of_rows(data), lower_bound_of_rows(data)
            upper |= {before} if before is not None else set()
            lower += [(behind, data)] if behind is not None else []
    held_out = [data for bound, data in lower if bound in upper and not any(map(_takes_apart, wholes(data)))]
    yield from (Split(data.inputs[0], data) for data in held_out)
    orders = {id(data) for data in held_out if _is_order(data.inputs[0])}
    for data in run.operations.get("index", ())[:MOST_SLICES] if orders else ():
        if isinstance(data, Data) and len(data.inputs) > 1 and id(uncopied(data.inputs[1])) in orders:
            yield Split(data.inputs[0], data)


def _takes_apart(data: Value) -> bool:
    """Whether rows of two kinds that were joined are taken apart again where the first of them ends, neither called held out
    or for training: pictures and texts in one drawing."""
    rows = _first_key(data) if isinstance(data, Data) and data.operation == "index" else None
    if rows is None or not isinstance(data, Data):
        return False
    measured = measured_by(rows.inputs[0]) if isinstance(rows, Data) and rows.inputs else None
    first = uncopied(measured[0]) if measured is not None and measured[1] == 0 else None
    joined = (each for each in ancestors(data.inputs[0]) if each.operation == "concatenate") if first else ()
    for each in joined:
        parts = [uncopied(part) for given in each.inputs for part in elements(given)]
        if any(part is first for part in parts):
            names = [parts_named(label_of(part)) for part in parts]
            return all(words and (HELD_OUT | TRAINING).isdisjoint(words) for words in names)
    return False


def _is_order(value: Value) -> bool:
    """Whether it is a random order of rows, of which a part picks the rows that are held out."""
    return any(isinstance(each, Data) and each.operation in ("randperm", "arange", "range") for each in wholes(value))


def _is_slice(data: Data) -> bool:
    if isinstance(data.inputs[0], Data) and only_looks(data.inputs[0]):
        return False  # the last sizes of a shape are no rows
    first = _first_key(data)
    return isinstance(first, Data) and first.operation == "slice"


def _first_key(data: Data) -> Value | None:
    key = data.inputs[1] if len(data.inputs) > 1 else None
    return key.items[0] if isinstance(key, Items) and key.items else key


def _may_leak(transform: LearnedTransform) -> bool:
    subject = transform.subject
    return not is_some_rows(subject) and not _joins_arguments(subject) and not is_turned(subject, transform.at)


def _joins_arguments(subject: Value) -> bool:
    """Whether the rows are those of two arguments, neither called held out: two domains, say, that are mapped together."""
    whole = uncopied(subject)
    site = whole.at if isinstance(whole, Data) and whole.operation in ("concatenate", "stack") else None
    if not isinstance(site, CodeSite) or not isinstance(site.function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    given = site.node.args[:1] if isinstance(site.node, ast.Call) else []
    parts = given[0].elts if given and isinstance(given[0], (ast.Tuple, ast.List)) else []
    names = [each.id for each in parts if isinstance(each, ast.Name)]
    arguments = {each.arg for each in site.function.args.args}
    return len(names) == len(parts) > 1 and all(name in arguments and not is_held_out_name(name) for name in names)


def is_some_rows(value: Value) -> bool:
    """Whether the data are some rows of more: a part of a split, a slice, those that a mask picks, a batch."""
    for each in wholes(value):
        if not isinstance(each, Data):
            continue
        if each.operation in SPLITS or each.operation in ("batch", "batch part", "element", "gather", "argument"):
            return True
        bounds = (upper_bound_of_rows(each), lower_bound_of_rows(each)) if each.operation == "index" else ()
        if any(bounds) and not loses_one_row(each):
            return True
        key = each.inputs[1] if each.operation == "index" and len(each.inputs) > 1 else None
        if isinstance(uncopied(key), Data) and not _is_slice(each) and not picks_columns(key):
            return True
    return False


# How they meet


def _was_split_after(transform: LearnedTransform, split: Split) -> bool:
    """Whether what the transform made of its own data was parted."""
    own = {id(each) for each in transform.results if _is_of(each, transform.subject)}
    return any(id(data) in own for data in _behind(split.whole))


def _is_of(result: Data, subject: Value) -> bool:
    return result.operation == "divide" or key_of(result.inputs[_subject(result)]) == key_of(subject)


def _subject(result: Data) -> int:
    return 1 if result.operation == "method" else 0


def _was_split_before(transform: LearnedTransform, split: Split) -> bool:
    """Whether the data that it learned from were parted, and the parts are given to it."""
    if not is_part_of(transform.subject, split.whole) and not is_part_of(split.whole, transform.subject):
        return False
    ends = upper_bound_of_rows(transform.subject)
    if ends is not None and ends == lower_bound_of_rows(split.held_out):
        return False
    return any(
        each is split.held_out or key_of(each) == key_of(split.held_out)
        for result in transform.results
        for each in ancestors(result.inputs[_subject(result)])
    )


def _sums_up(data: Data) -> bool:
    """Whether the data are answers to the data behind them, their score, or their places in a drawing: none of these rows."""
    if data.operation == "output":
        return True
    return data.operation == "method" and (data.name in ASKS or _is_drawn(data))


def _is_drawn(data: Data) -> bool:
    """Whether it is an embedding that is made to be looked at: t-SNE and its like place all rows at once."""
    learner = data.inputs[0] if data.name == "fit_transform" and data.inputs else None
    return isinstance(learner, Data) and learner.name.rpartition(".")[2] in DRAWS


def _behind(value: Value) -> Iterator[Data]:
    """All that data were made from, what was stored in their columns and what a data set holds included."""
    pending: list[Value] = [value]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        held = list(current.attributes.values()) if isinstance(current, Instance) else [current]
        for data in (each for part in held for each in ancestors(part, stop=_sums_up)):
            if id(data) not in seen:
                seen.add(id(data))
                yield data
                pending += [part for part in stored_parts(data) if not isinstance(part, Constant)]
