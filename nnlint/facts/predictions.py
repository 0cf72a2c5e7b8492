"""What bounds a prediction on its way to the loss: the softmax or sigmoid of networks that give probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nnlint.events import LossComputed, Run
from nnlint.facts.chosen_losses import is_chosen_with
from nnlint.facts.scales import is_of_training
from nnlint.graph import ancestors, content, ends_of, kept_inputs, sources
from nnlint.operations import TRANSPARENT
from nnlint.values import Constant, Data, Site, Value, alternatives, number

BOUNDING = frozenset({"softmax", "sigmoid"})
"""Operations whose results lie between 0 and 1."""

LOGIT_KEEPING = TRANSPARENT | {"dropout", "upsample"}
"""Operations that do to logits what they do to probabilities: a softmax before them can be left out."""

PROBABILITY_KEEPING = LOGIT_KEEPING | {"mean", "pool", "clamp", "relu", "log", "log_softmax"}
"""Operations after which probabilities, or their logarithms, are no logits yet."""

ENDS_OPEN = frozenset("linear convolution transposed_convolution bilinear add subtract upsample matmul call".split())
"""Operations after which a network's output is any number."""


class Bound(NamedTuple):
    """A softmax or sigmoid (`data`) on the way to a loss, and the operations between it and the loss."""

    data: Data
    passed: frozenset[str]

    @property
    def is_in_network(self) -> bool:
        """Whether it is part of a network's forward."""
        return "output" in self.passed

    @property
    def can_be_left_out(self) -> bool:
        """Whether the loss would get logits without it."""
        return self.passed <= LOGIT_KEEPING

    @property
    def reported_at(self) -> Site:
        """Its place in a `Sequential` or its constructor; of a function or method, the call."""
        layer = self.data.layer
        return layer.at if layer is not None and layer.at is not None else _site(self.data)

    def related(self, loss: Site, own: str) -> tuple[tuple[Site, str], ...]:
        """The call of a module, where it is not reported itself, and the loss, which applies its `own` function."""
        applied = _site(self.data)
        calls = () if applied is self.reported_at else ((applied, "applied here"),)
        return (*calls, (loss, own))


def _site(data: Data) -> Site:
    assert data.at is not None, "only slices and symbolic arguments have no place"
    return data.at


def bounds_of(prediction: Value | None) -> list[Bound]:
    """The softmaxes and sigmoids that reach a loss last: one for each path. None at all where any path may reach it without."""
    return [Bound(data, passed) for data, passed in ends_of(prediction, _is_bounding, _inner)]


def _is_bounding(data: Data) -> bool:
    if data.operation == "exp" and data.inputs:
        logarithms = content(data.inputs[0])
        return all(isinstance(each, Data) and each.operation == "log_softmax" for each in logarithms)
    return data.operation in BOUNDING


def _inner(data: Data) -> tuple[Value, ...]:
    """Of what a value is a view, an average, a logarithm or a shift; nothing where it may be anything else."""
    return kept_inputs(data, PROBABILITY_KEEPING, _terms)


def _terms(data: Data) -> tuple[Value, ...]:
    """The side of an arithmetic operation that is no constant, or both sides of a sum; nothing where it scales up."""
    left, right = data.inputs
    if data.operation in ("add", "subtract"):
        terms = tuple(side for side in (left, right) if not isinstance(side, Constant))
        return terms if len(terms) == 1 or data.operation == "add" else ()
    factor = number(right)
    if data.operation == "divide":
        return (left,) if factor is not None and factor >= 1 else ()
    if factor is None:
        factor, left = number(left), right
    return (left,) if factor is not None and 0 < factor <= 1 else ()


class BoundLoss(NamedTuple):
    """A loss over logits that is given probabilities."""

    event: LossComputed
    bounds: list[Bound]
    is_of_training: bool


def losses_over_probabilities(run: Run, kinds: frozenset[str]) -> Iterator[BoundLoss]:
    """The losses of these kinds that are given probabilities, those that a network is trained with first.

    A network that gives logits while it is trained, and probabilities in evaluation, is left alone; and so is a loss that a
    setting chooses out of several.
    """
    losses = [event for event in run.events(LossComputed) if event.kind in kinds]
    bounds = [_bounds_of_networks(_normalized(event)) for event in losses]
    trained = {
        id(network)
        for event, found in zip(losses, bounds, strict=True)
        if not found and is_of_training(event)
        for network in _networks(event.prediction)
    }
    pairs = [
        BoundLoss(event, found, is_of_training(event)) for event, found in zip(losses, bounds, strict=True) if found
    ]
    for loss in sorted(pairs, key=lambda each: not each.is_of_training):
        if is_chosen_with(run, loss.event, kinds, (bound.data for bound in loss.bounds)):
            continue
        in_network = all(bound.is_in_network for bound in loss.bounds)
        if (
            loss.is_of_training
            or not in_network
            or not any(id(each) in trained for each in _networks(loss.event.prediction))
        ):
            yield loss


def _bounds_of_networks(prediction: Value | None) -> list[Bound]:
    """The bounds of a prediction; of one that comes from one of several networks, those of each network by itself."""
    outputs = [each for each in alternatives(prediction) if isinstance(each, Data) and each.operation == "output"]
    networks = {id(each.inputs[1]) for each in outputs}
    if len(networks) < 2 or len(networks) != len(alternatives(prediction)):
        return bounds_of(prediction)
    return [bound for each in outputs for bound in bounds_of(each)]


def _normalized(event: LossComputed) -> Value | None:
    """What the softmax of a loss is applied to. The negative log-likelihood has it written out before: `log_softmax`."""
    if event.kind != "nll_loss":
        return event.prediction
    logarithms = content(event.prediction)
    if not all(isinstance(each, Data) and each.operation == "log_softmax" for each in logarithms):
        return None
    return event.prediction


def _networks(prediction: Value) -> Iterator[Value]:
    for data in ancestors(prediction):
        if data.operation == "output":
            yield data.inputs[1]


def networks_that_give_logits(losses: list[LossComputed]) -> set[int]:
    """The identities of the networks whose raw output these losses are given."""
    found: set[int] = set()
    for event in losses:
        outputs = outputs_in(event.prediction)
        found.update(id(output.inputs[1]) for output in outputs if not _ends_bounded(output))
    return found


def is_logit_of(value: Value, networks: set[int]) -> bool:
    """Whether a value is the raw output of one of these networks, on every path."""
    outputs = outputs_in(value)
    return bool(outputs) and all(id(output.inputs[1]) in networks and not _ends_bounded(output) for output in outputs)


def outputs_in(value: Value | None) -> list[Data]:
    """The outputs of networks that a value is, views and moves peeled off; none where it may be anything else."""
    found = sources(value, lambda data: data.operation in TRANSPARENT - {"output", "concatenate", "stack"})
    outputs = [each for each in found if isinstance(each, Data) and each.operation == "output"]
    return outputs if len(outputs) == len(found) else []


def _ends_bounded(output: Data) -> bool:
    """Whether the last thing that a network does may bound what it gives."""
    return any(not isinstance(each, Data) or each.operation not in ENDS_OPEN for each in content(output.inputs[0]))
