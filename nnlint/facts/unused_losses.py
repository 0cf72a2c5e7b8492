"""Losses that are computed in a training step, and that nobody differentiates: what a forgotten backward pass leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import GradientsCleared, LossComputed, ModelCalled, OptimizerStepped, Run
from nnlint.facts.differentiated import differentiated, recorded_behind
from nnlint.facts.gradients import Trained
from nnlint.graph import parameters_of
from nnlint.values import elements


def calls_of(run: Run, each: Trained) -> Iterator[ModelCalled]:
    """The calls of networks that an optimizer trains, as far as that is known, in which gradients are recorded."""
    parts = each.parts or frozenset()
    for call in run.events(ModelCalled):
        if call.gradient is True and any(id(part) in parts for part in (call.model, *parameters_of(call.model))):
            yield call


def unused_losses(run: Run, step: OptimizerStepped) -> Iterator[LossComputed]:
    """The losses of the pass that a step belongs to of which no gradient is asked."""
    for event in run.events(LossComputed):
        is_before = event.order < step.order and event.iterations == step.iterations and event.calls == step.calls
        if is_before and not any(id(each) in differentiated(run) for each in elements(event.value)):
            yield event


def call_for_nothing(run: Run, each: Trained, step: OptimizerStepped) -> ModelCalled | None:
    """A call of an optimizer's network behind a loss of the step that is not differentiated, though another be on the way."""
    losses = list(unused_losses(run, step))
    if not losses:
        return None
    for call in calls_of(run, each):
        outputs = {id(output) for output in elements(call.output)}
        if any(not outputs.isdisjoint(recorded_behind(run, event.value)) for event in losses):
            return call
    return None


def is_computed_between(run: Run, each: Trained, clear: GradientsCleared, step: OptimizerStepped) -> bool:
    """Whether an optimizer's network computes something between a clear and a step of which no gradient is asked."""
    return any(
        clear.order < call.order < step.order
        and not any(id(output) in differentiated(run) for output in elements(call.output))
        for call in calls_of(run, each)
    )
