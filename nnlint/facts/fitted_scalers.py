"""Scalers of scikit-learn undone by hand: `prediction * scaler.scale_ + scaler.mean_`, or by statistics of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nnlint.facts.identity import COPIES
from nnlint.facts.scaling import COMBINING, MOST_LEAVES
from nnlint.static.knowledge.arrays import FITTED
from nnlint.values import Constant, Data, Either, Value

RESTORED_BY: dict[str, frozenset[str]] = {
    "StandardScaler": frozenset({"multiply scale_", "multiply var_"}),
    "MinMaxScaler": frozenset({"multiply data_range_", "multiply data_max_", "multiply data_min_", "divide scale_"}),
    "MaxAbsScaler": frozenset({"multiply scale_", "multiply max_abs_"}),
    "RobustScaler": frozenset({"multiply scale_"}),
}
"""By which of its attributes, and how, the result of each scaler is brought back (scikit-learn 1.x documentation)."""

SCALED_BY: dict[str, frozenset[str]] = {
    "StandardScaler": frozenset({"mean", "std", "var", "std_mean", "var_mean"}),
    "MinMaxScaler": frozenset({"max", "min", "ptp"}),
    "MaxAbsScaler": frozenset({"max", "abs"}),
    "RobustScaler": frozenset({"median", "quantile"}),
}
"""The statistics of which each scaler is made."""

ATTRIBUTES = frozenset("scale_ var_ mean_ min_ data_range_ data_max_ data_min_ max_abs_ center_".split())


class ByAttributes(NamedTuple):
    """Data multiplied or divided by attributes of a scaler: `subject` is what was, `is_proper` whether that undoes the scaler."""

    subject: Value
    scaler: Data
    is_proper: bool

    @property
    def fitted(self) -> Value | None:
        """What the scaler was fitted on, as far as is known."""
        return self.scaler.parts.get(FITTED)


def by_attributes(data: Data) -> ByAttributes | None:
    """The un-scaling that a product or a quotient is, if it is one by attributes of a scaler."""
    first, second = data.inputs
    pairs = ((second, first), (first, second)) if data.operation == "multiply" else ((second, first),)
    for factor, subject in pairs:
        found = list(_attributes_in(factor))
        scalers = {id(each.inputs[0]) for each in found}
        if found and len(scalers) == 1 and isinstance(found[0].inputs[0], Data):
            scaler = found[0].inputs[0]
            ways = {f"{data.operation} {each.name}" for each in found}
            return ByAttributes(_shifted(subject), scaler, ways <= RESTORED_BY.get(scaler.name, ways))
    return None


def _attributes_in(value: Value) -> Iterator[Data]:
    """The attributes of scalers that a factor is made of; nothing where there is anything else in it."""
    found: list[Data] = []
    pending, budget = [value], MOST_LEAVES
    while pending:
        current = pending.pop()
        budget -= 1
        if budget < 0:
            return
        if isinstance(current, Either):
            pending.extend(current.alternatives)
        elif isinstance(current, Data) and _is_attribute(current):
            found.append(current)
        elif isinstance(current, Data) and current.operation in COMBINING | COPIES and current.inputs:
            pending.extend(current.inputs[:1] if current.operation in COPIES | {"index"} else current.inputs)
        elif not isinstance(current, Constant):
            return
    yield from found


def _is_attribute(data: Data) -> bool:
    if data.operation != "attribute" or data.name not in ATTRIBUTES:
        return False
    return isinstance(data.inputs[0], Data) and data.inputs[0].operation == "scaler"


def _shifted(subject: Value) -> Value:
    """What a shift by attributes of a scaler was made from: of `prediction - scaler.min_`, the prediction."""
    if isinstance(subject, Data) and subject.operation in ("add", "subtract") and len(subject.inputs) == 2:
        first, second = subject.inputs
        if any(True for _ in _attributes_in(second)):
            return first
    return subject


def are_other_statistics(scaler: Data, statistics: tuple[Data, ...]) -> bool:
    """Whether a scaler certainly has no such statistics: a mean and a deviation undo no scaling to a range."""
    made_of = SCALED_BY.get(scaler.name)
    return made_of is not None and not {each.operation for each in statistics} <= made_of
