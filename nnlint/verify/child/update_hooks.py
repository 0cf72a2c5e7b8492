"""What surrounds the optimizer's step: schedulers that move the rate on, gradients that are clipped, scales that are updated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import utils
from torch.optim import lr_scheduler

from nnlint.verify.child import measures

if TYPE_CHECKING:
    from nnlint.verify.child.recorder import Recorder

OWN_CONSTRUCTORS = (
    lr_scheduler.LRScheduler,
    lr_scheduler.ReduceLROnPlateau,
    lr_scheduler.SequentialLR,
    lr_scheduler.ChainedScheduler,
)
"""The schedulers whose constructor is not that of another one."""

CLIPS = ("clip_grad_norm_", "clip_grad_value_")


def install(recorder: Recorder) -> None:
    """Put these hooks in place."""
    hooks = _UpdateHooks(recorder)
    for cls in OWN_CONSTRUCTORS:
        recorder.wrap(cls, "__init__", hooks.scheduler_made)
    for cls in recorder.subclasses(lr_scheduler.LRScheduler):
        if "step" in vars(cls):
            recorder.wrap(cls, "step", hooks.scheduler_stepped)
    for name in CLIPS:
        recorder.wrap(utils.clip_grad, name, hooks.clipped)
        setattr(utils, name, getattr(utils.clip_grad, name))
    recorder.wrap(torch.amp.GradScaler, "update", hooks.scale_updated)


class _UpdateHooks:
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def scheduler_made(self, original: Callable[..., Any], scheduler: Any, *rest: Any, **keywords: Any) -> None:
        """Its constructor steps it once, which is no step of the run."""
        with self.recorder.pause():
            original(scheduler, *rest, **keywords)
        calls = self.recorder.places.calls(scheduler)
        self.recorder.tell("SchedulerMade", calls, self._of_optimizer(scheduler), scheduler)

    def scheduler_stepped(self, original: Callable[..., Any], scheduler: Any, *rest: Any, **keywords: Any) -> Any:
        """A scheduler of schedulers steps those that it holds."""
        with self.recorder.pause():
            result = original(scheduler, *rest, **keywords)
        self.recorder.tell("SchedulerStepped", self.recorder.places.calls(), self._of_optimizer(scheduler), scheduler)
        return result

    def _of_optimizer(self, scheduler: Any) -> measures.Numbers:
        """Which optimizer it is, and how often it was stepped."""
        optimizer = getattr(scheduler, "optimizer", None)
        groups = getattr(optimizer, "param_groups", None) or [{}]
        parameters = list(groups[0].get("params", ()))
        steps = self.recorder.steps_of.get(self.recorder.gradients.number(parameters), 0)
        numbers = {"optimizer": float(self.recorder.identity(optimizer)), "steps": float(steps)}
        return numbers | ({"lr": float(groups[0]["lr"])} if "lr" in groups[0] else {})

    def clipped(self, original: Callable[..., Any], parameters: Any, *rest: Any, **keywords: Any) -> Any:
        """Clip, and tell the norm that was there before."""
        bound = rest[0] if rest else keywords.get("max_norm", keywords.get("clip_value"))
        held = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        calls = self.recorder.places.calls()
        numbers: measures.Numbers = {}
        if self.recorder.is_measured("clip", calls):
            with self.recorder.pause():
                numbers = _clip_numbers(held, bound) | {"by_value": float("value" in original.__name__)}
        with self.recorder.pause():
            result = original(held, *rest, **keywords)
        self.recorder.tell("GradientsClipped", calls, numbers)
        return result

    def scale_updated(self, original: Callable[..., Any], scaler: Any, *rest: Any, **keywords: Any) -> Any:
        """The scale before and after."""
        result = original(scaler, *rest, **keywords)
        self.recorder.tell("ScalerUpdated", self.recorder.places.calls(), {"scale": float(scaler.get_scale())}, scaler)
        return result


def _clip_numbers(parameters: Iterable[Tensor], bound: Any) -> measures.Numbers:
    gradients = [each.grad for each in parameters if each.grad is not None]
    return {"gradient_norm": measures.norm(gradients), "bound": _number(bound)}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
