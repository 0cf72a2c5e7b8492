"""Cross-validation: what scikit-learn's folds hold out in each round, by a loop over them or inside of a function."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LoaderMade, Run
from nnlint.facts.identity import uncopied
from nnlint.lazy import regex
from nnlint.values import Constant, Data, Loader, Value

FOLDS = regex(r"^sklearn\.model_selection\.\w*(?:Fold|ShuffleSplit|TimeSeriesSplit)$")
VALIDATIONS = regex(r"^sklearn\.model_selection\.cross_val(?:idate|_score|_predict)$")
WHATEVER_SCALE = regex(
    r"^sklearn\.(?:linear_model\.LinearRegression|(?:tree|ensemble)\.\w*(?:Tree|Forest|Trees|GradientBoosting)"
    r"(?:Classifier|Regressor))$"
)
"""Estimators that answer the same, whatever units their inputs come in."""

SAMPLERS = frozenset({"SubsetRandomSampler", "Subset"})
MOST_PICKED = 400


def held_out_by_folds(run: Run) -> Iterator[tuple[Value, Data]]:
    """The data that are parted, with what is held out of them, or with what parts them where no part is at hand."""
    calls = [data for data in run.operations.get("call", ()) if isinstance(data, Data)]
    for call in calls:
        given = call.options.get("X", call.inputs[1] if len(call.inputs) > 1 else None)
        if given is not None and VALIDATIONS.match(call.name):
            yield given, call
    if not any(FOLDS.match(call.name) for call in calls):
        return
    for data in run.operations.get("index", ())[:MOST_PICKED]:
        if isinstance(data, Data) and len(data.inputs) > 1 and _is_held_out(data.inputs[1]):
            yield data.inputs[0], data
    yield from _sampled(run)


def is_for_any_scale(held_out: Data) -> bool:
    """Whether it is a cross-validation of an estimator to which the scale of its inputs makes no difference."""
    estimator = held_out.options.get("estimator", held_out.inputs[0] if held_out.inputs else None)
    is_validation = held_out.operation == "call" and VALIDATIONS.match(held_out.name) is not None
    return is_validation and isinstance(estimator, Data) and WHATEVER_SCALE.match(estimator.name) is not None


def _sampled(run: Run) -> Iterator[tuple[Value, Data]]:
    """Data sets from which a loader draws the rows that are held out."""
    for event in run.events(LoaderMade):
        loader = event.loader
        sampler = loader.arguments.get("sampler") if isinstance(loader, Loader) else None
        if not isinstance(sampler, Data) or not sampler.inputs or not isinstance(loader, Loader):
            continue
        is_of_some = sampler.name.rpartition(".")[2] in SAMPLERS
        if loader.dataset is not None and is_of_some and _is_held_out(sampler.inputs[0]):
            yield loader.dataset, sampler


def _is_held_out(key: Value) -> bool:
    """Whether the rows are the second of the two parts of a fold."""
    return _part_of_fold(uncopied(key)) == 1


def picks_fold(key: Data) -> bool:
    """Whether it is the list of rows that a fold trains on, or holds out."""
    return _part_of_fold(key) in (0, 1)


def _part_of_fold(rows: Value | None) -> object:
    """Which of the two parts of a fold the rows are; None for others."""
    if not isinstance(rows, Data) or rows.operation != "index" or len(rows.inputs) != 2:
        return None
    pair, part = rows.inputs
    return part.value if isinstance(part, Constant) and _is_of_folds(pair) else None


def _is_of_folds(pair: Value) -> bool:
    """Whether it is one of what `KFold(5).split(x)` yields: drawn by a loop, by `next`, or taken out of a list of all."""
    current: Value | None = pair
    for _ in range(4):
        if not isinstance(current, Data) or not current.inputs:
            return False
        maker = current.inputs[0]
        if isinstance(maker, Data) and maker.operation == "call" and FOLDS.match(maker.name):
            return current.operation == "split" or (current.operation == "method" and current.name == "split")
        current = maker
    return False
