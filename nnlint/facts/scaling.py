"""Data scaled by statistics: which data, by which statistics, of which data.

`x / x.max()`, `(y - y.min()) / (y.max() - y.min())`, `(y - mean) / std`, `F.normalize(y, dim=0)`, `scaler.fit_transform(x)`, in
numpy, torch, pandas and scikit-learn, whatever variables, attributes and helpers the statistics pass through. A statistic per
sample (over any dimension but the first) scales each sample by itself and is none of those meant here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable

from nnlint.facts.identity import COPIES, PARTS, filling_of, is_locator, is_part_of, key_of, uncopied
from nnlint.graph import stored_parts
from nnlint.operations import REDUCTIONS, TRANSPARENT
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Constant, Data, Either, Items, Site, Value, number

STATISTICS = REDUCTIONS | {"ptp", "std_mean", "var_mean"}
COMBINING = frozenset("add subtract multiply divide sqrt abs maximum clamp where power negative index".split())
"""Operations that make a scale from statistics: `high - low`, `std + 1e-8`, `sqrt(var)`."""

SPREADING = frozenset("abs square power subtract".split())
"""Operations inside a hand-written statistic: `((x - mean) ** 2).mean()`."""

IMPUTERS = frozenset({"SimpleImputer", "KNNImputer", "IterativeImputer", "Imputer"})
PER_SAMPLE_SCALERS = frozenset({"Normalizer"})
RATIOS = frozenset({"max", "min", "sum", "norm", "mean", "median"})
MOST_LEAVES = 24
MOST_ORIGINS = 200


@dataclass(frozen=True)
class Scaling:
    """`result` is `subject` scaled by `statistics`, which are those of `bases`.

    `kind` is "ratio" (by a maximum, sum, norm, ...), "range" (min-max), "standard" (mean and deviation) or "scaler". The first
    `divisors` of the statistics divide, the others are subtracted. A scaler has no statistics of its own here; its `bases` is
    what it was fitted on.
    """

    result: Data
    subject: Value
    statistics: tuple[Data, ...]
    bases: tuple[Value, ...]
    kind: str
    scaler: Value | None = None
    divisors: int = 0

    @property
    def is_own(self) -> bool:
        """Whether the data are scaled by statistics of exactly themselves."""
        subject = key_of(self.subject)
        return all(key_of(base) == subject for base in self.bases)

    @property
    def is_of_same_array(self) -> bool:
        """Whether the statistics are those of the data, of a part of them, or of a whole that they are a part of."""
        return all(is_part_of(base, self.subject) or is_part_of(self.subject, base) for base in self.bases)

    @property
    def measure(self) -> frozenset[Hashable]:
        """What the data were divided by, comparable between scalings and un-scalings."""
        return frozenset(key_of(each) for each in self.statistics[: self.divisors])


def scaling_of(data: Value) -> Scaling | None:
    """The scaling that made the data. None where it was none, or where not all of it is known."""
    if not isinstance(data, Data) or not data.inputs:
        return None
    if data.operation == "divide" and len(data.inputs) == 2:
        return _division(data, *data.inputs)
    if data.operation == "multiply" and len(data.inputs) == 2:
        return _by_reciprocal(data)
    if data.operation == "scaled" and len(data.inputs) == 3 and data.name not in PER_SAMPLE_SCALERS:
        return Scaling(data, data.inputs[0], (), (data.inputs[2],), "scaler", data.inputs[1])
    if data.operation == "method" and data.name == "fit_transform" and _is_imputing(data):
        return Scaling(data, data.inputs[1], (), (data.inputs[1],), "scaler", data.inputs[0])
    if data.operation == "normalize" and data.option("dim") == 0:
        return Scaling(data, data.inputs[0], (), (data.inputs[0],), "ratio")
    return None


def _is_imputing(data: Data) -> bool:
    """Whether gaps are filled by statistics of the data themselves."""
    imputer = data.inputs[0]
    if not isinstance(imputer, Data) or imputer.operation != "call" or len(data.inputs) < 2:
        return False
    return imputer.name.rpartition(".")[2] in IMPUTERS


def _by_reciprocal(data: Data) -> Scaling | None:
    """`x * (1 / x.max())`. Not `x * (height / x.max())`: that gives what is made up a size that is asked for."""
    for factor, subject in (data.inputs, data.inputs[::-1]):
        if isinstance(factor, Data) and factor.operation == "divide" and _is_written_at(factor.inputs[0], data):
            return _division(data, subject, factor.inputs[1])
    return None


def _is_written_at(value: Value, data: Data) -> bool:
    """Whether the value is a number that stands in the statement itself."""
    if not isinstance(value, Constant) or number(value) is None:
        return False
    here, there = value.at, data.at
    return isinstance(here, CodeSite) and isinstance(there, CodeSite) and here.statement is there.statement


def _division(data: Data, dividend: Value, divisor: Value) -> Scaling | None:
    divisors = statistics_in(divisor)
    if not divisors:
        return None
    subject, offsets = _centred(dividend)
    statistics = (*divisors, *offsets)
    bases = tuple(base for statistic in statistics for base in bases_of(statistic))
    return Scaling(data, subject, statistics, bases, _kind(divisors), divisors=len(divisors))


def _kind(divisors: tuple[Data, ...]) -> str:
    names = {each.operation for each in divisors}
    if {"max", "min"} <= names or "ptp" in names:
        return "range"
    return "ratio" if names <= RATIOS else "standard"


def _centred(value: Value) -> tuple[Value, tuple[Data, ...]]:
    """The dividend without the statistics that are subtracted from it, and these: of `2 * (y - low)`, `y` and `low`."""
    inner = value
    while isinstance(inner, Data) and inner.operation == "multiply" and len(inner.inputs) == 2:
        factors = [each for each in inner.inputs if number(each) is None]
        if len(factors) != 1:
            break
        inner = factors[0]
    subject: Value = inner
    offsets: tuple[Data, ...] = ()
    while isinstance(subject, Data) and subject.operation == "subtract" and len(subject.inputs) == 2:
        found = statistics_in(subject.inputs[1])
        if not found:
            break
        subject, offsets = subject.inputs[0], (*offsets, *found)
    return (subject, offsets) if offsets else (value, ())


def statistics_in(value: Value) -> tuple[Data, ...] | None:
    """The statistics that a scale is made of; none for a constant. None where there is anything else in it."""
    found: list[Data] = []
    pending = [value]
    budget = MOST_LEAVES
    while pending:
        current = pending.pop()
        budget -= 1
        if budget < 0:
            return None
        if isinstance(current, Either):
            pending.extend(current.alternatives)
        elif is_statistic(current):
            found.append(current)  # type: ignore[arg-type]
        elif isinstance(current, Data) and current.operation in COMBINING | COPIES and current.inputs:
            parts = current.inputs[:1] if current.operation in COPIES | {"index", "clamp"} else current.inputs
            pending.extend(parts)
        elif not isinstance(current, Constant) and not _is_count(current):
            return None
    return tuple(found)


def is_statistic(value: Value) -> bool:
    """Whether the value sums up data over all their samples."""
    if not isinstance(value, Data) or value.operation not in STATISTICS or not value.inputs:
        return False
    if len(value.inputs) > 1 or isinstance(value.inputs[0], (Constant, Items)):
        return False
    dimension = value.options.get("dim")
    if isinstance(dimension, Items):
        return any(isinstance(each, Constant) and each.value == 0 for each in dimension.items)
    if isinstance(dimension, Constant):
        return dimension.value in (None, 0, "index") and dimension.value is not False
    return dimension is None


def _is_count(value: Value) -> bool:
    return isinstance(value, Data) and value.operation in ("length", "compare")


def bases_of(statistic: Data) -> list[Value]:
    """The data whose statistic it is: more than one where arrays were joined first."""
    found: list[Value] = []
    pending = [statistic.inputs[0]]
    budget = MOST_LEAVES
    while pending and budget:
        budget -= 1
        current = uncopied(pending.pop())
        if isinstance(current, Data) and current.operation == "concatenate" and isinstance(current.inputs[0], Items):
            pending.extend(current.inputs[0].items)
        elif isinstance(current, Data) and current.operation in SPREADING and _spreads(current):
            pending.append(current.inputs[0])
        elif current is not None:
            found.append(current)
    return found


def _spreads(data: Data) -> bool:
    return data.operation != "subtract" or bool(statistics_in(data.inputs[1]))


# What data are made of


def origins(value: Value | None, stops: Callable[[Data], bool]) -> list[Value]:
    """What a value was before views, parts, copies, joins and shifts by constants or means; not beyond what `stops` holds for.

    One value for each path and each joined part.
    """
    found: list[Value] = []
    pending: list[Value | None] = [value]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        if len(seen) > MOST_ORIGINS:
            return [Data("unknown")]
        seen.add(id(current))
        if isinstance(current, Either):
            pending.extend(current.alternatives)
        elif isinstance(current, Items):
            pending.extend(current.items)
        elif isinstance(current, Data) and not stops(current) and (inner := _inner(current)):
            pending.extend(inner)
        else:
            found.append(current)
    return found


def _inner(data: Data) -> tuple[Value, ...]:
    filling = filling_of(data)
    if filling or not data.inputs:
        return filling
    if (data.operation in TRANSPARENT | COPIES | PARTS and data.operation != "output") or is_locator(data):
        return data.inputs[:1]
    if data.operation in ("multiply", "divide", "add", "subtract") and len(data.inputs) == 2:
        first, second = data.inputs
        if number(second) is not None:
            return (first,)
        if number(first) is not None and data.operation != "divide":
            return (second,)
        if data.operation == "subtract" and statistics_in(second):
            return (first,)
    return ()


def is_scaled(data: Data) -> bool:
    """Whether the data are the result of a scaling."""
    return scaling_of(data) is not None


def scalings_behind(value: Value | None) -> list[Scaling]:
    """The scalings through which the data went last. None at all where a part of the data, or a path, went through none."""
    found = [scaling_of(each) for each in origins(value, is_scaled)]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def scalings_of_columns(value: Value | None) -> list[Scaling]:
    """The scalings of columns, or other parts, that were stored in arrays or frames of which the data are rows."""
    found: dict[int, Scaling] = {}
    pending: list[Value | None] = [value]
    seen: set[int] = set()
    while pending and len(seen) < MOST_ORIGINS:
        current = pending.pop()
        if not isinstance(current, Data) or id(current) in seen:
            continue
        seen.add(id(current))
        if current.parts:
            scaled = [scaling_of(part) for part in stored_parts(current)]
            found.update((id(each.result), each) for each in scaled if each is not None)
        pending.extend(_inner(current))
    return list(found.values())


def is_turned(given: Value, call: Site | None) -> bool:
    """Whether an array is turned over as it is given, so that what scikit-learn takes for columns are samples."""
    if not isinstance(given, Data) or given.operation != "transpose" or not isinstance(call, CodeSite):
        return False
    return isinstance(call.node, ast.Call) and any(each is node_at(given.at) for each in call.node.args)


PER_SAMPLE_FUNCTIONS = ("__getitem__", "collate", "augment")


def is_per_sample(data: Data) -> bool:
    """Whether the data are those of one sample, or are scaled row by row: made in a data set's `__getitem__`, or turned over."""
    if data.operation == "scaled" and data.inputs and is_turned(data.inputs[0], data.at):
        return True
    for site in (data.at, *data.calls):
        function = site.function if isinstance(site, CodeSite) else None
        if any(word in getattr(function, "name", "") for word in PER_SAMPLE_FUNCTIONS):
            return True
    return False
