"""Means and sums of signed differences between a prediction and its target."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from nnlint.graph import ancestors, content, cuts_graph
from nnlint.lazy import regex
from nnlint.operations import TRANSPARENT
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Either, Value, alternatives, number

REDUCING = frozenset({"mean", "sum"})
KEEPS_SIGN = TRANSPARENT | {"negative", "item"}
COMPUTED = frozenset("output matmul linear convolution transposed_convolution recurrent embedding bilinear".split())
"""Operations that stand behind a prediction: a network's, or the products of a hand-written one."""

GIVEN = frozenset(
    "argument name attribute index batch element load array tensor random add subtract multiply divide dataset linspace arange "
    "zeros ones full call method".split()
) | {"batch part", "train split", "test split"}
"""Operations whose result may be a target: data that are drawn, loaded, or prepared."""

TAKEN = {"power": "square", "square": "square", "sqrt": "root"}
"""What operations take of a mean; of powers, the second."""

WEIGHS = frozenset({"multiply", "divide", "output", "identity"})
"""Operations that weigh a term of a loss, or hand it on."""

PREDICTION_NAME = regex(r"pred|hat$|hat_|hat\d|out|recon|estimat|hypothes|logit|approx|model|^net|forward|^a\d$", re.I)
TARGET_NAME = regex(
    r"^_*[yY](?:_|s?$|[A-Z0-9])|(?i:label|target|true|truth|^gt|_gt$|actual|expected|desired|answer|^t$)"
)
NO_ERROR_NAME = regex(r"log|kl|ratio|entropy|adv|reward|return|baseline|value_old|old_value|margin|energy", re.I)
"""Differences of these are meant to have a sign: log-probabilities, advantages."""

MASK_NAME = regex(r"mask|valid|weight|keep", re.I)
MOST_PEELED = 40


class SignedError(NamedTuple):
    """A prediction's signed error: `reduced` is its mean or sum, or the `difference` itself where that is a single number."""

    reduced: Data
    difference: Data
    taken: str = ""
    """What is taken of its mean or sum, and not of each error: "square" or "root"."""


def signed_error(value: Value | None) -> SignedError | None:
    """The signed error that a value is, up to its sign and scale, on every path. None where it is anything else."""
    found = [_of_path(each) for each in alternatives(value) if each is not NONE]
    return found[0] if found and all(each is not None for each in found) else None


def taken_too_late(value: Value | None) -> SignedError | None:
    """The signed error behind the square or the root of its mean or sum, `mean(a - b) ** 2`: the errors have cancelled before."""
    for _ in range(MOST_PEELED):
        if not isinstance(value, Data) or not value.inputs:
            return None
        if value.operation in TAKEN and _is_two(value.inputs[1:]):
            error = signed_error(value.inputs[0])
            if error is not None and error.reduced is not error.difference:
                return error._replace(taken=TAKEN[value.operation])
        if value.operation not in KEEPS_SIGN and value.operation != "sqrt":
            return None
        value = value.inputs[0]
    return None


def _is_two(exponent: tuple[Value, ...]) -> bool:
    return all(number(each) == 2 for each in exponent)


def signed_terms(loss: Value | None) -> Iterator[SignedError]:
    """The terms of a loss that are signed errors: of `a + 0.5 * b`, `a` and `b`."""
    pending = [loss]
    for _ in range(MOST_PEELED):
        if not pending:
            return
        term = pending.pop()
        error = signed_error(term) or taken_too_late(term)
        if error is not None:
            yield error
        elif isinstance(term, Data) and term.operation in ("add", "subtract"):
            pending.extend(term.inputs)
        elif isinstance(term, Data) and term.operation in WEIGHS and term.inputs:
            pending.extend(_weighed(term))


def _weighed(term: Data) -> tuple[Value, ...]:
    """What a product or quotient weighs. A product of two computed values, as of an error by itself, weighs neither."""
    if term.operation != "multiply":
        return term.inputs[:1]
    return () if all(_is_computed(side) for side in term.inputs) else term.inputs


def _of_path(value: Value) -> SignedError | None:
    reduced: Data | None = None
    for _ in range(MOST_PEELED):
        if isinstance(value, Either):
            return signed_error(value)
        if not isinstance(value, Data) or not value.inputs:
            return None
        if value.operation == "subtract":
            return SignedError(reduced or value, value) if _is_error(value) else None
        if value.operation in REDUCING and reduced is None:
            reduced = value
        inner = _inner(value)
        if inner is None:
            return None
        value = inner
    return None


def _inner(data: Data) -> Value | None:
    """Of what the data are a view, a reduction, a multiple or a masked part."""
    first = data.inputs[0]
    if data.operation in KEEPS_SIGN or data.operation in REDUCING:
        return first
    if len(data.inputs) != 2:
        return None
    second = data.inputs[1]
    if data.operation == "divide":
        return None if _is_computed(second) else first
    if data.operation == "multiply":
        return first if _is_factor(second) else second if _is_factor(first) else None
    return None


def _is_factor(value: Value) -> bool:
    """Whether multiplying by the value changes no sign within a batch: a number, or a mask."""
    if isinstance(value, Constant):
        return True
    if not isinstance(value, Data):
        return False
    names = f"{value.name} {value.bound}"
    return MASK_NAME.search(names) is not None or all(
        isinstance(each, Data) and each.operation == "compare" for each in content(value)
    )


def _is_error(difference: Data) -> bool:
    """Whether one side is a prediction and the other its target, on every path."""
    if len(difference.inputs) != 2:
        return False
    left, right = (_paths(side) for side in difference.inputs)
    names = _written(difference)
    if not left or not right or any(_matches(NO_ERROR_NAME, name) for name in names):
        return False
    return any(
        all(_is_pair(prediction, predicted, target, targeted) for prediction in predictions for target in targets)
        for predictions, predicted, targets, targeted in (
            (left, names[0], right, names[1]),
            (right, names[1], left, names[0]),
        )
    )


def _paths(side: Value) -> list[Data]:
    """The data that a side may be; none at all where it may be anything else."""
    found = [each for each in alternatives(side) if each is not NONE]
    data = [each for each in found if isinstance(each, Data)]
    return data if len(data) == len(found) else []


def _is_pair(prediction: Data, predicted: str, target: Data, targeted: str) -> bool:
    if _is_learned(target):
        return False
    predicted, targeted = _names(prediction, predicted), _names(target, targeted)
    is_named = _matches(TARGET_NAME, targeted) and not _matches(PREDICTION_NAME, targeted)
    if _is_computed(prediction) and not _is_computed(target):
        return is_named or (_is_given(target) and _is_output(prediction))
    return is_named and _matches(PREDICTION_NAME, predicted)


def _matches(pattern: re.Pattern[str], names: str) -> bool:
    return any(pattern.search(name) for name in names.split())


def _names(value: Data, written: str) -> str:
    """The names by which the code holds a value: the one that stands in the difference counts first."""
    return written or f"{value.name.rpartition('.')[2]} {value.bound}"


def _written(difference: Data) -> tuple[str, str]:
    node = difference.at.node if isinstance(difference.at, CodeSite) else None
    return (_identifier(node.left), _identifier(node.right)) if isinstance(node, ast.BinOp) else ("", "")


def _identifier(node: ast.expr) -> str:
    while isinstance(node, (ast.Subscript, ast.Starred)):
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _identifier(node.func.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_computed(value: Value) -> bool:
    return any(data.operation in COMPUTED for data in ancestors(value))


def _is_learned(target: Data) -> bool:
    """Whether the value comes out of a network that is being trained: then it is no target."""
    behind = ancestors(target, stop=cuts_graph)
    return any(data.operation == "output" and not cuts_graph(data) for data in behind)


def _is_given(target: Data) -> bool:
    return not _is_penalty(target) and all(
        isinstance(each, Data) and each.operation in GIVEN for each in content(target)
    )


def _is_penalty(target: Data) -> bool:
    """Whether it is a weighed size, as of the picture that is looked for, which nothing aims at: `rate * (picture**2).sum()`."""
    return target.operation == "multiply" and any(
        isinstance(each, Data) and (each.operation in REDUCING or each.operation == "norm") for each in target.inputs
    )


def _is_output(prediction: Data) -> bool:
    """Whether the value is what a network returned, not something computed from it."""
    return prediction.operation == "output" or (
        prediction.operation in TRANSPARENT and bool(prediction.inputs) and _first_is_output(prediction.inputs[0])
    )


def _first_is_output(value: Value) -> bool:
    return isinstance(value, Data) and _is_output(value)
