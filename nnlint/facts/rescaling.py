"""Data multiplied or divided by a large constant, and whether a prediction is brought back by it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

from nnlint.events import Run, StateUsed
from nnlint.facts.identity import PARTS, uncopied
from nnlint.facts.inverses import unrun_code
from nnlint.facts.roles import ASKS, Comparison
from nnlint.facts.scaling import origins, scaling_of
from nnlint.graph import ancestors, content
from nnlint.lazy import regex
from nnlint.operations import LOSS_OPERATIONS, REDUCTIONS
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Items, Value, elements, number

LEAST_FACTOR = 10.0
PIXEL_RANGES = frozenset({255.0, 256.0, 127.5, 127.0, 128.0, 65535.0, 65536.0, 1023.0, 4095.0})
"""Constants that bring pixels to a unit range and back."""

ASKED = regex(r"\bpredict|load_model|load_state_dict|torch\.load|no_grad|\.eval\(\)")
"""What a script holds that asks a trained network for answers."""

PICTURES = regex(r"imread|image|img|pixel|mask|depth|dispar|flow|frame_?rgb|raster|heat_?map|spectr|\bmel", re.I)
SAVES = frozenset("save save_weights save_model save_pretrained dump save_checkpoint".split())
"""Methods that keep a network for other scripts."""

TRAINERS = regex(r"(?:^|\.)\w*Trainer$")
"""Classes that train and save by themselves, Lightning's and transformers', say."""

MOST_NAMED = 400
MOST_TERMS = 5
"""What is added in one pass of a loop that adds up is added in so few sums."""

DRAWS = frozenset(
    "random arange linspace ones zeros full randperm normal uniform gamma poisson exponential choice integers beta binomial "
    "lognormal standard_normal laplace randn rand randint".split()
)
"""Operations and methods that make data up."""


MEASURES = (REDUCTIONS - {"max", "min"}) | LOSS_OPERATIONS | frozenset("abs item compare argmax length".split())
"""Operations that compare predictions, or sum them up."""

ARITHMETIC = frozenset("add subtract multiply divide power negative log exp sqrt".split())

BOUNDED = frozenset({"sigmoid", "tanh", "softmax", "hardtanh", "hardsigmoid"})
"""Operations whose results are never larger than 1."""


@dataclass(frozen=True)
class Rescaling:
    """`result` is `subject` multiplied (or divided, if `divides`) by the constant `factor`."""

    result: Data
    subject: Value
    factor: float
    divides: bool


def rescaling_of(data: Value) -> Rescaling | None:
    """The multiplication or division by a constant of ten or more that made the data, if it was one."""
    if not isinstance(data, Data) or data.operation not in ("multiply", "divide") or len(data.inputs) != 2:
        return None
    first, second = data.inputs
    divides = data.operation == "divide"
    for subject, factor in ((first, number(second)), (second, None if divides else number(first))):
        if factor is not None and abs(factor) >= LEAST_FACTOR and abs(factor) not in PIXEL_RANGES:
            return Rescaling(data, subject, factor, divides)
    return None


def rescalings_behind(value: Value) -> list[Rescaling]:
    """The rescalings through which the data went last. None at all where a part of them, or a path, went through none."""
    found = [rescaling_of(each) for each in origins(value, lambda data: rescaling_of(data) is not None)]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def is_average(rescaling: Rescaling) -> bool:
    """Whether a sum is divided by the number of its terms, as far as a constant can be that: an average by hand."""
    return rescaling.divides and any(_is_sum(uncopied(each)) for each in elements(rescaling.subject))


def _is_sum(value: Value | None) -> bool:
    """Whether the value is a sum over an array, or was added up pass by pass, beginning with 0."""
    if not isinstance(value, Data) or value.operation not in ("add", "subtract"):
        return isinstance(value, Data) and value.operation == "sum"
    terms = value.inputs
    for _ in range(MOST_TERMS):
        added = [each for given in terms for each in elements(given)]
        if any(number(each) == 0 for each in added):
            return True
        terms = tuple(term for each in added if _is_term_of_sum(each) for term in each.inputs)
    return False


def _is_term_of_sum(value: Value) -> TypeGuard[Data]:
    return isinstance(value, Data) and value.operation in ("add", "subtract")


def is_number(rescaling: Rescaling) -> bool:
    """Whether what is multiplied is computed of constants alone, by arithmetic: a number of a loss, no data."""
    return all(
        (data.operation in ARITHMETIC or data.name.startswith("math."))
        and all(isinstance(each, (Constant, Data)) for each in data.inputs)
        for data in ancestors(rescaling.subject)
    )


def is_done_to_both(rescaling: Rescaling, comparison: Comparison) -> bool:
    """Whether the prediction is multiplied by the same: the loss has another unit, what is learned has not."""
    return any(
        other.factor == rescaling.factor and other.divides == rescaling.divides
        for prediction in elements(comparison.prediction)
        for other in rescalings_behind(prediction)
    )


def is_made_up(rescaling: Rescaling, comparison: Comparison) -> bool:
    """Whether the constant belongs to how the data are made: a random draw, or a function of the network's input."""
    subject = uncopied(rescaling.subject)
    if (
        isinstance(subject, Data)
        and (subject.operation in DRAWS or subject.name in DRAWS)
        and _same_line(subject, rescaling)
    ):
        return True
    given = [id(value) for value in _given_to_networks(comparison.prediction)]
    if _is_afterthought(rescaling, comparison) and id(subject) not in given:
        return False
    rows_of = {id(each) for each in _read_row_by_row(rescaling.subject)} - {id(subject)}
    behind = {id(data) for data in ancestors(rescaling.subject)} - rows_of
    return any(value in behind for value in given)


def _is_afterthought(rescaling: Rescaling, comparison: Comparison) -> bool:
    """Whether the target was there, under a name, and is multiplied where the loss is computed, or under the same name."""
    subject = rescaling.subject
    if not isinstance(subject, Data) or not subject.bound:
        return False
    here, there = rescaling.result.at, comparison.at
    at_the_loss = isinstance(here, CodeSite) and isinstance(there, CodeSite) and here.statement is there.statement
    return at_the_loss or subject.bound == rescaling.result.bound


def _same_line(subject: Data, rescaling: Rescaling) -> bool:
    here, there = rescaling.result.at, subject.at
    return isinstance(here, CodeSite) and isinstance(there, CodeSite) and here.statement is there.statement


def _given_to_networks(prediction: Value | None) -> Iterator[Value]:
    """The arrays behind a prediction, as long as they are read row by row: of `x[rows]`, `x`."""
    given = [each for data in ancestors(prediction) if data.operation == "output" for each in data.inputs[2:]]
    for value in given or ([] if prediction is None else [prediction]):
        yield from _read_row_by_row(value)


def _read_row_by_row(value: Value) -> Iterator[Value]:
    """The value without copies, and the arrays that it is rows of."""
    current = uncopied(value)
    while isinstance(current, Data) and (inner := _read_from(current)) is not None:
        yield current
        current = uncopied(inner)
    if current is not None:
        yield current


def _read_from(data: Data) -> Value | None:
    """The array that the data are rows of, or a scaled copy of."""
    if _picks_rows(data):
        return data.inputs[0]
    scaling = scaling_of(data)
    return None if scaling is None else scaling.subject


def _picks_rows(data: Data) -> bool:
    if data.operation in ("batch part", "train split", "test split", "element", "gather", "split"):
        return bool(data.inputs)
    if data.operation != "index" or len(data.inputs) < 2:
        return False
    key = data.inputs[1]
    return not isinstance(key, (Items, Constant))


def is_picture(rescaling: Rescaling) -> bool:
    """Whether the data are pictures, depths, spectra: brought from the unit of a file to another."""
    names = [rescaling.result.bound]
    pending: list[Value] = [rescaling.subject]
    seen: set[int] = set()
    while pending and len(seen) < MOST_NAMED:
        for data in elements(pending.pop()):
            if isinstance(data, Data) and id(data) not in seen:
                seen.add(id(data))
                names += [data.bound, data.name]
                pending.extend(data.inputs[:1] if data.operation in PARTS else data.inputs)
    return PICTURES.search(" ".join(names)) is not None


def is_brought_into_range(rescaling: Rescaling, comparison: Comparison) -> bool:
    """Whether the target is divided because the network cannot answer with more than 1: it ends in a sigmoid or the like."""
    ends = content(comparison.prediction)
    return rescaling.divides and bool(ends) and all(_is_bounded(end) for end in ends)


def _is_bounded(end: Value) -> bool:
    if not isinstance(end, Data):
        return False
    if end.operation != "divide" or len(end.inputs) != 2:
        return end.operation in BOUNDED
    return number(end.inputs[0]) == 1 and any(data.operation == "exp" for data in ancestors(end.inputs[1], _is_exp))


def _is_exp(data: Data) -> bool:
    return data.operation == "exp"


def is_undone(run: Run, rescaling: Rescaling) -> bool:
    """Whether a prediction is brought back by the constant, or scaled like the target; also in code that is not run here,
    and in another script of the project.
    """
    made = [data for name in ("multiply", "divide") for data in run.operations.get(name, ())]
    for data in made:
        if data is rescaling.result or not isinstance(data, Data) or not _has_factor(data, rescaling):
            continue
        if any(_is_prediction(side) for side in data.inputs):
            return True
    site = rescaling.result.at
    if not isinstance(site, CodeSite):
        return False
    return any(_undoes(function, site, rescaling) for function in unrun_code(site)) or _is_undone_elsewhere(
        run, site, rescaling
    )


def _is_undone_elsewhere(run: Run, site: CodeSite, rescaling: Rescaling) -> bool:
    """Whether another script that asks a network for answers undoes the constant, on a line of its own."""
    opposite = r"\*" if rescaling.divides else "/"
    number_written = rf"{rescaling.factor:.17g}".removesuffix(".0")
    undone = re.compile(rf"(?<![*/]){opposite}=?\s*{re.escape(number_written)}(?:\.0*)?(?![\d.*/])")
    here = site.module.source
    return any(
        source is not here and ASKED.search(source.text) and undone.search(source.text) for source in run.sources
    )


def may_be_undone_elsewhere(run: Run, rescaling: Rescaling) -> bool:
    """Whether others may bring the answers back: the script saves a network, or a trainer does for it, or nothing calls the
    function that learns, or the target is prepared in another file than that of the script, which others may read, too."""
    if run.symbolic or any(event.into is None for event in run.events(StateUsed)):
        return True
    site = rescaling.result.at
    if isinstance(site, CodeSite) and site.module.source.path != run.path:
        return True
    if any(isinstance(call, Data) and TRAINERS.search(call.name) for call in run.operations.get("call", ())):
        return True
    return any(isinstance(call, Data) and call.name in SAVES for call in run.operations.get("method", ()))


def _is_prediction(value: Value) -> bool:
    """Whether the value is computed by weights and no measure of them, as an error or a count of hits in percent is."""
    return any(_is_answer(data) for data in ancestors(value, stop=_measures) if not _measures(data))


def _is_answer(data: Data) -> bool:
    """Whether the data come out of a network, at hand or not, or out of a product with weights."""
    return data.operation in ("output", "matmul") or (data.operation == "method" and data.name in ASKS)


def _measures(data: Data) -> bool:
    if data.operation == "subtract":
        return all(isinstance(each, Data) for each in data.inputs)
    return data.operation in MEASURES


def _has_factor(data: Data, rescaling: Rescaling) -> bool:
    factors = [number(side) for side in data.inputs]
    return any(each in (rescaling.factor, 1 / rescaling.factor) for each in factors)


def _undoes(function: ast.AST, site: CodeSite, rescaling: Rescaling) -> bool:
    names = _names_in(site.node)
    opposite = ast.Mult if rescaling.divides else ast.Div
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, opposite):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and side.value == rescaling.factor:
                    return True
                if isinstance(side, (ast.Name, ast.Attribute)) and _names_in(side) & names:
                    return True
    return False


def _names_in(node: ast.AST) -> set[str]:
    """The names that may hold the constant."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
