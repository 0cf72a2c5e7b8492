"""Engines: a step is called on each batch, handlers when something has begun or ended."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch


class Moment:
    """When a handler is called: at an event, at each, or at some of its times."""

    def __init__(self, name: str, wanted: Callable[[int], bool] = lambda count: True) -> None:
        self.names = [(name, wanted)]

    def __call__(self, event_filter: Any = None, every: int | None = None, once: int | None = None, **rest: Any) -> Any:
        """The same, but not at all times."""
        name = self.names[0][0]
        if every:
            return Moment(name, lambda count: count % every == 0)
        return Moment(name, lambda count: once is None or count == once)

    def __or__(self, other: Moment) -> Moment:
        both = Moment("")
        both.names = [*self.names, *other.names]
        return both


NAMES = (
    "STARTED EPOCH_STARTED GET_BATCH_STARTED GET_BATCH_COMPLETED ITERATION_STARTED ITERATION_COMPLETED EPOCH_COMPLETED "
    "COMPLETED EXCEPTION_RAISED TERMINATE"
).split()
Events: Any = SimpleNamespace(**{name: Moment(name) for name in NAMES})
EventEnum = enum.Enum


class Metrics(dict[str, Any]):
    """The figures by name; one that nothing measures is 0."""

    def __missing__(self, name: str) -> float:
        return 0.0


class Engine:
    """Calls a function with itself and a batch, for all batches and epochs."""

    def __init__(self, process_function: Callable[[Any, Any], Any], *arguments: Any, **keywords: Any) -> None:
        self.process_function = process_function
        self.handlers: list[tuple[Moment, Callable[..., Any], tuple[Any, ...]]] = []
        self.state: Any = self._state(None, 1, None)
        self.is_over = False

    def _state(self, data: Any, epochs: int, length: int | None) -> Any:
        return SimpleNamespace(
            epoch=0, iteration=0, max_epochs=epochs, epoch_length=length, dataloader=data, metrics=Metrics(),
            output=None, batch=None, times={}, seed=None,
        )  # fmt: skip

    def on(self, moment: Any, *given: Any, **keywords: Any) -> Callable[[Any], Any]:
        """A decorator for handlers."""

        def add(handler: Any) -> Any:
            self.add_event_handler(moment, handler, *given)
            return handler

        return add

    def add_event_handler(self, moment: Any, handler: Any, *given: Any, **keywords: Any) -> Any:
        """Call a handler at a moment from now on; one at a moment of the user's own is never called."""
        if isinstance(moment, Moment) and callable(handler):
            self.handlers.append((moment, handler, given))

    def register_events(self, *names: Any, **keywords: Any) -> None:
        """Moments of the user's own."""

    def fire_event(self, moment: Any) -> None:
        """Call the handlers of a moment."""
        if isinstance(moment, Moment):
            self._fire(moment.names[0][0])

    def terminate(self) -> None:
        """End soon."""
        self.is_over = True

    terminate_epoch = terminate

    def run(self, data: Any = None, max_epochs: int | None = None, epoch_length: int | None = None, **rest: Any) -> Any:
        """All epochs."""
        self.state, self.is_over = self._state(data, max_epochs or 1, epoch_length or _length(data)), False
        self._fire("STARTED")
        while self.state.epoch < self.state.max_epochs and not self.is_over:
            self.state.epoch += 1
            self._fire("EPOCH_STARTED")
            for number, batch in enumerate(data):
                if self.is_over or (epoch_length is not None and number >= epoch_length):
                    break
                self._step(batch)
            self._fire("EPOCH_COMPLETED")
        self._fire("COMPLETED")
        return self.state

    def _step(self, batch: Any) -> None:
        self.state.iteration += 1
        self.state.batch = batch
        self._fire("ITERATION_STARTED")
        self.state.output = self.process_function(self, batch)
        self._fire("ITERATION_COMPLETED")

    def _fire(self, name: str) -> None:
        count = self.state.epoch if "EPOCH" in name else self.state.iteration
        for moment, handler, given in list(self.handlers):
            if any(own == name and wanted(count) for own, wanted in moment.names):
                _called(handler, self, *given)


def _called(handler: Callable[..., Any], engine: Engine, *given: Any) -> None:
    """Handlers may do without the engine."""
    try:
        inspect.signature(handler).bind(engine, *given)
    except TypeError:
        handler(*given)
        return
    handler(engine, *given)


def _length(data: Any) -> int | None:
    return len(data) if hasattr(data, "__len__") else None


def _pair(batch: Any, **rest: Any) -> tuple[Any, Any]:
    return batch[0], batch[1]


def create_supervised_trainer(
    model: Any,
    optimizer: Any,
    loss_fn: Any,
    *rest: Any,
    prepare_batch: Any = _pair,
    output_transform: Any = lambda x, y, y_pred, loss: loss.item(),
    gradient_accumulation_steps: int = 1,
    **keywords: Any,
) -> Engine:
    """An engine that trains: it clears, differentiates and steps, in training mode."""

    def step(engine: Any, batch: Any) -> Any:
        if (engine.state.iteration - 1) % gradient_accumulation_steps == 0:
            optimizer.zero_grad()
        model.train()
        x, y = prepare_batch(batch, device=None, non_blocking=False)
        predicted = model(x)
        loss = loss_fn(predicted, y)
        (loss / gradient_accumulation_steps if gradient_accumulation_steps > 1 else loss).backward()
        if engine.state.iteration % gradient_accumulation_steps == 0:
            optimizer.step()
        return output_transform(x, y, predicted, loss)

    return Engine(step)


def create_supervised_evaluator(
    model: Any,
    metrics: Any = None,
    *rest: Any,
    prepare_batch: Any = _pair,
    output_transform: Any = lambda x, y, y_pred: (y_pred, y),
    **keywords: Any,
) -> Engine:
    """An engine that evaluates, in evaluation mode and without gradients."""

    def step(engine: Any, batch: Any) -> Any:
        model.eval()
        with torch.no_grad():
            x, y = prepare_batch(batch, device=None, non_blocking=False)
            return output_transform(x, y, model(x))

    engine = Engine(step)
    for name, metric in (metrics or {}).items():
        metric.attach(engine, name)
    return engine
