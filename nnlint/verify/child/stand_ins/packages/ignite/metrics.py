"""Accuracy and Loss over an evaluation; all other metrics are attached and give 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nnlint.verify.child.stand_ins.packages.ignite.engine import Engine, Events


class Metric:
    """The mean of a figure over the samples of an epoch."""

    def __init__(self, output_transform: Callable[[Any], Any] = lambda output: output, *rest: Any, **keywords: Any):
        self.output_transform = output_transform
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.total, self.count = 0.0, 0

    def update(self, output: Any) -> None:
        """Take in what a step returned."""

    def compute(self) -> float:
        """The mean."""
        return self.total / max(1, self.count)

    def attach(self, engine: Engine, name: str, *rest: Any) -> None:
        """Measure during each epoch of an engine, and keep the figure at its end."""

        def keep(own: Any) -> None:
            own.state.metrics[name] = self.compute()

        engine.add_event_handler(Events.EPOCH_STARTED, lambda own: self.reset())
        engine.add_event_handler(
            Events.ITERATION_COMPLETED, lambda own: self.update(self.output_transform(own.state.output))
        )
        engine.add_event_handler(Events.EPOCH_COMPLETED, keep)


class Accuracy(Metric):
    """The share of right answers."""

    def update(self, output: Any) -> None:
        """Count the right ones."""
        predicted, targets = (torch.as_tensor(each).detach() for each in output)
        answers = predicted.argmax(1) if predicted.dim() > targets.dim() else predicted.round()
        self.total += float((answers == targets).float().sum())
        self.count += targets.numel()


class Loss(Metric):
    """The mean of a loss."""

    def __init__(self, loss_fn: Any, *rest: Any, **keywords: Any) -> None:
        super().__init__(*rest, **keywords)
        self.loss_fn = loss_fn

    def update(self, output: Any) -> None:
        """Add the loss of a batch."""
        predicted, targets = output[0], output[1]
        with torch.no_grad():
            self.total += float(self.loss_fn(predicted, targets)) * len(targets)
        self.count += len(targets)


class RunningAverage(Metric):
    """The last output of a training."""

    def __init__(self, *arguments: Any, output_transform: Any = lambda output: output, **keywords: Any) -> None:
        super().__init__(output_transform)

    def update(self, output: Any) -> None:
        """Take the output for the mean."""
        if isinstance(output, (int, float)):
            self.total, self.count = float(output), 1


class _Other(Metric):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        return _Other
    raise AttributeError(name)
