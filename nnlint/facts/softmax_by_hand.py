"""Softmax written by hand: exponentials divided by their sum over the samples of the batch, not over the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nnlint.events import Run
from nnlint.facts.identity import same_data, uncopied
from nnlint.facts.layers import made_by
from nnlint.facts.products import is_weight, product_in
from nnlint.facts.shapes import Shape, shape_of
from nnlint.facts.users import users
from nnlint.values import NONE, Data, Items, Value, number

LEARNED_FROM = frozenset({"subtract", "log", "argmax"})
"""What is done to the probabilities of a network, and hardly to the weights of an attention."""

PASSED = frozenset({"index", "to", "clone", "transpose", "clamp", "add", "maximum", "identity"})
MOST_PASSED = 4
MOST_LOOKED_AT = 400


class Misnormalised(NamedTuple):
    """A quotient of exponentials and their sum over dimension `taken` (None: over all), where the classes lie in `classes`."""

    quotient: Data
    taken: int | None
    classes: int


def misnormalised(run: Run) -> Iterator[Misnormalised]:
    """The softmaxes by hand over the samples, where a product with weights tells in which dimension these lie."""
    for quotient in made_by(run, "divide"):
        exponential, total = _parts_of(quotient)
        if exponential is None or total is None:
            continue
        scores = _unshifted(exponential.inputs[0])
        classes, shape = _dimension_of_classes(scores), shape_of(scores)
        if classes is None or shape is None or len(shape) != 2 or shape[classes] in (None, 1):
            continue
        taken = _taken(total)
        is_wrong = _has_several_samples(scores, shape, classes) if taken is None else taken % 2 != classes
        if is_wrong and _is_learned_from(run, quotient):
            yield Misnormalised(quotient, taken, classes)


def _parts_of(quotient: Data) -> tuple[Data | None, Data | None]:
    """The exponentials and their sum, if the quotient is of these."""
    if len(quotient.inputs) != 2:
        return None, None
    first, total = uncopied(quotient.inputs[0]), quotient.inputs[1]
    if not isinstance(first, Data) or first.operation != "exp" or not first.inputs:
        return None, None
    if not isinstance(total, Data) or total.operation != "sum" or not total.inputs:
        return None, None
    return (first, total) if same_data(total.inputs[0], first) else (None, None)


def _unshifted(value: Value) -> Value:
    """The scores of `scores - scores.max()`."""
    inner = uncopied(value)
    if isinstance(inner, Data) and inner.operation == "subtract" and len(inner.inputs) == 2:
        shift = uncopied(inner.inputs[1])
        if isinstance(shift, Data) and shift.operation == "max":
            return inner.inputs[0]
    return value


def _dimension_of_classes(scores: Value) -> int | None:
    product = product_in(scores)
    if product is None or is_weight(product, 0) == is_weight(product, 1):
        return None
    return 0 if is_weight(product, 0) else 1


def _taken(total: Data) -> int | None:
    given = total.options.get("dim", NONE)
    known = number(given)
    return None if known is None else int(known)


def _has_several_samples(scores: Value, shape: Shape, classes: int) -> bool:
    """Whether there are more samples than one: by their number, or as a slice of the data."""
    samples = shape[1 - classes]
    if isinstance(samples, int) and samples > 1:
        return True
    return any(_is_slice(each) for each in _behind(scores))


def _behind(scores: Value) -> Iterator[Data]:
    """The data that the scores are computed from, without the weights, and not beyond one sample taken out of more."""
    pending: list[Value] = [scores]
    seen: set[int] = set()
    while pending and len(seen) < MOST_LOOKED_AT:
        current = pending.pop()
        if not isinstance(current, Data) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if not _is_one_sample(current):
            pending.extend(_without_weights(current))


def _without_weights(data: Data) -> tuple[Value, ...]:
    """The inputs of an operation but for the weights that a product is made with, and the bias that is added to it."""
    if data.operation == "matmul" and len(data.inputs) == 2:
        return tuple(each for place, each in enumerate(data.inputs) if not is_weight(data, place))
    if data.operation == "add":
        return tuple(each for each in data.inputs if product_in(each) is not None) or data.inputs
    return data.inputs


def _is_one_sample(data: Data) -> bool:
    """Whether it is `x[i]`, for a row that a loop counts."""
    key: Value | None = data.inputs[1] if data.operation == "index" and len(data.inputs) > 1 else None
    if isinstance(key, Items) and key.items:
        key = key.items[0]
    return isinstance(key, Data) and key.operation == "counter"


def _is_slice(data: Data) -> bool:
    """Whether it is `x[begin:end]`, of several rows where both bounds are known."""
    key = data.inputs[1] if data.operation == "index" and len(data.inputs) > 1 else None
    if not isinstance(key, Data) or key.operation != "slice" or len(key.inputs) < 2 or NONE in key.inputs[:2]:
        return False
    begin, end = number(key.inputs[0]), number(key.inputs[1])
    return end - begin > 1 if begin is not None and end is not None else begin is None


def _is_learned_from(run: Run, quotient: Data) -> bool:
    pending = [quotient]
    for _ in range(MOST_PASSED):
        following = [user for data in pending for user in users(run).of(data)]
        if any(each.operation in LEARNED_FROM for each in following):
            return True
        pending = [each for each in following if each.operation in PASSED]
    return False
