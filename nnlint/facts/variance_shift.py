"""Dropout and BatchNorm on one path: what the one does to the statistics of the other."""

from __future__ import annotations

import math

from nnlint.events import LayerApplied, Run
from nnlint.facts.layers import before, tracks_statistics, wiring
from nnlint.finding import Verdict
from nnlint.graph import ancestors, content
from nnlint.operations import TRANSPARENT, WEIGHTED
from nnlint.values import Data, Layer, Value
from nnlint.witness import Case, confirmed, harmless_here, not_reached, refuted, unverified

KEEPS_ORDER = (TRANSPARENT - {"concatenate", "stack"}) | {"relu", "leaky_relu", "dropout"}
"""Operations that a common scale of their input goes through unchanged."""

NOTABLE = 1.05
"""A smaller ratio of mean squares is no shift."""


def normalised_by(dropout: Data) -> list[Data]:
    """The BatchNorms that feed the dropout; none where on any path something else does."""
    feeding = before(dropout)
    found = [each for each in feeding if isinstance(each, Data) and tracks_statistics(each)]
    return found if len(found) == len(feeding) else []


def is_scaled_anew(run: Run, shifted: Data) -> bool:
    """Whether a common scale of what a BatchNorm gives cancels out behind it: it is brought to unit length next, as embeddings
    are, or compared with many by products, whose order is what counts."""
    following = wiring(run).after(shifted)
    if any(each.operation == "normalize" for each in following):
        return True
    scored = wiring(run).after(shifted, lambda each: each.operation in KEEPS_ORDER)
    return bool(scored) and all(_is_score(each) for each in scored)


def _is_score(data: Data) -> bool:
    """Whether it multiplies what comes in with the embeddings of all that may be the answer, as to tell the missing end of a
    link: with the weights of an embedding, or with what a network has made of the candidates."""
    if data.operation != "matmul" or len(data.inputs) != 2:
        return False
    return any(_are_embeddings(candidates) for candidates in content(data.inputs[1]))


def _are_embeddings(candidates: Value) -> bool:
    if not isinstance(candidates, Data):
        return False
    if candidates.operation in ("transpose", "permute"):
        return bool(candidates.inputs) and any(_are_embeddings(each) for each in content(candidates.inputs[0]))
    if candidates.operation == "weight":
        return any(isinstance(each, Layer) and each.operation == "embedding" for each in candidates.inputs)
    return any(each.operation in WEIGHTED for each in ancestors(candidates))


def shift_measured(case: Case) -> Verdict:
    """Whether the variance that the next BatchNorm, or the output layer, receives moves by the dropout between the modes."""
    layers = {event.numbers["order"]: event for event in case.layers()}
    dropouts = [event for event in case.made_at(LayerApplied) if event.kind == "dropout" and "order" in event.numbers]
    if not dropouts:
        return not_reached(case)
    if not dropouts[0].numbers.get("rate"):
        return refuted("its rate is 0 in this run: it drops nothing")
    behind = [layers[order] for order in sorted(layers) if order > dropouts[0].numbers["order"]]
    receiver = next((event for event in behind if event.kind == "batchnorm"), behind[-1] if behind else None)
    if receiver is None:
        return refuted("nothing behind this dropout can be shifted by it")
    names = ("masked_input_square", "evaluated_input_square", "control_input_square")
    masked, evaluated, control = (receiver.numbers.get(name, 0.0) for name in names)
    if not masked or not evaluated or not control:
        return unverified("what the next layer receives could not be measured in both modes")
    shift, without = masked / evaluated, control / evaluated
    numbers = {"shift": shift, "without_dropout": without}
    words = f"the next layer receives {shift:.2f} times the mean square in training that it receives in evaluation"
    if abs(math.log(masked / control)) > math.log(NOTABLE):
        return confirmed(f"{words} ({without:.2f} without this dropout)", **numbers)
    return harmless_here(f"{words}, and as much without this dropout", **numbers)
