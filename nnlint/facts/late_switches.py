"""Rows that are measured by the answers of a pass in training mode, though `eval()` stands before: it comes after the call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from nnlint.events import Backward, LossComputed, ModelCalled, ModeSwitched, Run
from nnlint.facts.modes import is_mode_known, switches_whole
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Value


class Late(NamedTuple):
    """A call that trains, the switch to evaluation mode behind it, and the loss that measures other rows of its answers there."""

    call: ModelCalled
    switch: ModeSwitched
    loss: LossComputed


def late_switches(run: Run) -> Iterator[Late]:
    """Where a pass of a loop trains by some of a call's answers, calls `eval()`, and measures others without asking again."""
    for switch in run.events(ModeSwitched):
        if switch.training is not False or not switch.iterations:
            continue
        call = _answered_before(run, switch)
        if call is None or call.training is not True or not is_mode_known(run, call):
            continue
        end = _next(run, switch, call)
        if any(switch.order < each.order < end for each in run.events(Backward)):
            continue
        trained_by = {
            rows for loss in run.events(LossComputed) if loss.order < switch.order if (rows := _rows(loss, call))
        }
        for loss in run.events(LossComputed):
            rows = _rows(loss, call) if switch.order < loss.order < end else ""
            if rows and trained_by and rows not in trained_by:
                yield Late(call, switch, loss)
                break


def _answered_before(run: Run, switch: ModeSwitched) -> ModelCalled | None:
    """The last call of the network in the same pass, where it comes before the switch."""
    called = [
        each for each in run.events(ModelCalled) if each.order < switch.order and switches_whole(switch, each.model)
    ]
    last = called[-1] if called else None
    return last if last is not None and switch.iterations[-1] in last.iterations else None


def _next(run: Run, switch: ModeSwitched, call: ModelCalled) -> float:
    """Where the network is called or switched next: what comes in between is measured by the answers that there are."""
    after = [each.order for each in run.events(ModelCalled) if each.model is call.model and each.order > switch.order]
    after += [each.order for each in run.events(ModeSwitched) if each.order > switch.order]
    return min(after, default=float("inf"))


def _rows(loss: LossComputed, call: ModelCalled) -> str:
    """How the rows are spelled that a loss picks out of a call's answers: `validating` of `answers[validating]`."""
    picked = loss.prediction
    node = picked.at.node if isinstance(picked, Data) and isinstance(picked.at, CodeSite) else None
    if not isinstance(picked, Data) or picked.operation != "index" or not isinstance(node, ast.Subscript):
        return ""
    return ast.unparse(node.slice) if _is_answer(picked.inputs[0], call.output) else ""


def _is_answer(value: Value, answer: Value) -> bool:
    while value is not answer and isinstance(value, Data) and value.operation in ("log_softmax", "squeeze", "detach"):
        value = value.inputs[0]
    return value is answer
