"""Networks that are trained to predict quantities: which of their outputs a regression loss compares with data."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Backward, LossComputed, Run
from nnlint.facts.differentiated import differentiated
from nnlint.facts.identity import key_of, uncopied
from nnlint.facts.layers import made_by
from nnlint.facts.scaling import origins
from nnlint.garbage import remembered
from nnlint.graph import ancestors, content
from nnlint.operations import LOSS_OPERATIONS, REGRESSION_LOSSES
from nnlint.values import Constant, Data, Items, Value, elements

CLASSIFICATION_LOSSES = frozenset(
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits multi_margin_loss "
    "multilabel_soft_margin_loss soft_margin_loss".split()
)
ERROR_MEASURES = ("power", "square", "abs", "norm")
MADE_UP = frozenset({"zeros", "ones", "full", "one_hot", "compare"})
"""Operations that make targets which are no quantities: the real and fake of a GAN, classes."""

FILLING = frozenset("fill_ new_ones new_zeros new_full scatter_ scatter size zero_".split())
LABELS = frozenset({-1, 0, 1})
"""Numbers that stand for real and fake, for no and yes."""


@remembered(2)
def regression_outputs(run: Run) -> tuple[Data, ...]:
    """What networks put out as predictions of quantities, each once; views and moves are peeled off.

    A prediction that a classification loss takes as well is left out, and one whose target is made up (constants, one-hot
    classes), comes out of a network or is what the network was given.
    """
    classified = {
        id(each)
        for event in run.events(LossComputed)
        if event.kind in CLASSIFICATION_LOSSES
        for each in _put_out(event.prediction)
    }
    found: dict[int, Data] = {}
    for prediction, target in _comparisons(run):
        if is_quantity(target, prediction):
            found.update((id(each), each) for each in _put_out(prediction) if id(each) not in classified)
    return tuple(found.values())


def _put_out(prediction: Value) -> Iterator[Data]:
    """The results of the last operations of the networks behind a prediction; none for what no network put out."""
    if not any(data.operation == "output" for data in ancestors(prediction)):
        return
    for each in content(prediction):
        if isinstance(each, Data):
            yield each


def _comparisons(run: Run) -> Iterator[tuple[Value, Value]]:
    learned = _learned_from(run)
    for event in run.events(LossComputed):
        is_learned = learned is None or any(id(each) in learned for each in elements(event.value))
        if event.kind in REGRESSION_LOSSES and event.target is not None and is_learned:
            yield event.prediction, event.target
            yield event.target, event.prediction
    for operation in ERROR_MEASURES:
        for measure in made_by(run, operation):
            if learned is not None and id(measure) in learned and measure.inputs:
                yield from _difference(measure.inputs[0])


def _learned_from(run: Run) -> frozenset[int] | None:
    """The identities of all data that a backward pass goes through; None where the run has no backward pass."""
    return differentiated(run) if any(run.events(Backward)) else None


def _difference(value: Value) -> Iterator[tuple[Value, Value]]:
    for each in elements(value):
        if isinstance(each, Data) and each.operation == "subtract" and len(each.inputs) == 2:
            first, second = each.inputs
            yield first, second
            yield second, first


def is_quantity(target: Value, prediction: Value) -> bool:
    """Whether a target is data that the network has to predict."""
    given = {key_of(each) for data in ancestors(prediction) if data.operation == "output" for each in data.inputs[2:]}
    if key_of(target) in given or key_of(_unmasked(target)) in given:
        return False
    if not all(isinstance(each, (Data, Items)) for each in content(target)):
        return False
    if _is_made_up(origins(target, stops=_is_made_by_method)):
        return False
    return not any(data.operation == "output" or data.operation in LOSS_OPERATIONS for data in ancestors(target))


def _unmasked(target: Value) -> Value:
    """What a mask, or a list of rows, picks the target from: an input is reconstructed where it was masked."""
    inner = uncopied(target)
    while isinstance(inner, Data) and inner.operation == "index" and len(inner.inputs) > 1:
        key = inner.inputs[1]
        if not isinstance(key, Data) or key.operation == "slice":
            break
        inner = uncopied(inner.inputs[0])
    return target if inner is None else inner


def _is_made_by_method(data: Data) -> bool:
    return data.operation == "method" and data.name in FILLING


def _is_made_up(parts: list[Value]) -> bool:
    """Whether what a target consists of is no data: constants, classes, or numbers that are only labels."""
    if any(isinstance(each, Data) and (each.operation in MADE_UP or _is_made_by_method(each)) for each in parts):
        return True
    written = [each.value for each in parts if isinstance(each, Constant)]
    return bool(written) and (len(written) == 1 or all(value in LABELS for value in written))
