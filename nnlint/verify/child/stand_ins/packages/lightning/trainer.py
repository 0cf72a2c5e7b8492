"""Lightning's Trainer with a plain loop: the user's steps, hooks, optimizers and schedules take part."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child.stand_ins.packages.lightning.module import Callback, LightningModule
from nnlint.verify.child.stand_ins.permissive import permissive

EPOCHS = 1000
"""So many epochs there are where nobody says how many."""

Schedule = tuple[Any, str, str]
"""A schedule, the interval of its steps, and the figure that it asks for."""


class Trainer:
    """Trains a module; what it is not told is as in the original."""

    def __init__(self, *arguments: Any, **given: Any) -> None:
        self.given = given
        self.max_epochs = given.get("max_epochs") or EPOCHS
        self.max_steps = given.get("max_steps") or -1
        self.callbacks = [each for each in given.get("callbacks") or [] if isinstance(each, Callback)]
        self.callback_metrics: dict[str, Any] = {}
        self.logged_metrics = self.progress_bar_metrics = self.callback_metrics
        self.current_epoch, self.global_step, self.should_stop = 0, 0, False
        self.optimizers: list[Any] = []
        self.schedules: list[Schedule] = []
        self.model: Any = None
        self.datamodule: Any = None
        self.logger, self.checkpoint_callback = permissive("logger"), permissive("checkpoint")
        self.train_dataloader: Any = None
        self.val_dataloaders: Any = None
        self.is_global_zero, self.world_size, self.num_devices, self.sanity_checking = True, 1, 1, False

    lightning_module = property(lambda self: self.model)

    @property
    def estimated_stepping_batches(self) -> int:
        """The steps of the whole training."""
        try:
            count = len(self.train_dataloader)
        except TypeError:
            count = 100
        steps = max(1, count // self._every) * self.max_epochs
        return min(steps, self.max_steps) if self.max_steps > 0 else steps

    @property
    def _every(self) -> int:
        held = self.given.get("accumulate_grad_batches", 1)
        return held if isinstance(held, int) else 1

    def fit(
        self,
        model: Any,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: Any = None,
        *rest: Any,
        **keywords: Any,
    ) -> None:
        """All epochs, each with its validation."""
        train_dataloaders = keywords.get("train_dataloader", train_dataloaders)
        if hasattr(train_dataloaders, "train_dataloader"):
            train_dataloaders, datamodule = None, train_dataloaders
        self._begin(model, datamodule, "fit")
        self.train_dataloader = self._loader(train_dataloaders, "train_dataloader")
        self.val_dataloaders = self._loader(val_dataloaders, "val_dataloader")
        self.optimizers, self.schedules = _optimizers_of(self.configured(model))
        self._call("on_fit_start")
        self._call("on_train_start")
        model.train()
        while self.current_epoch < self.max_epochs and not self._is_over():
            self._train_epoch(model)
            self.current_epoch += 1
        self._call("on_train_end")
        self._call("on_fit_end")

    def configured(self, model: Any) -> Any:
        """What the module configures."""
        return model.configure_optimizers()

    def one_step(self, model: Any, batch: Any) -> Any:
        """What the module's step returns for a batch, outside of any training."""
        self._attach(model)
        return _called(model.training_step, batch, 0, 0)

    def validate(self, model: Any = None, dataloaders: Any = None, datamodule: Any = None, **keywords: Any) -> Any:
        """One evaluation."""
        return self._asked(model, dataloaders, datamodule, "validate", "val_dataloader", "validation")

    def test(self, model: Any = None, dataloaders: Any = None, datamodule: Any = None, **keywords: Any) -> Any:
        """One evaluation."""
        return self._asked(model, dataloaders, datamodule, "test", "test_dataloader", "test")

    def predict(self, model: Any = None, dataloaders: Any = None, datamodule: Any = None, **keywords: Any) -> Any:
        """The predictions for all batches."""
        return self._asked(model, dataloaders, datamodule, "predict", "predict_dataloader", "predict")

    def save_checkpoint(self, *arguments: Any, **keywords: Any) -> None:
        """Keeps nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return permissive(f"trainer.{name}")

    # The parts

    def _begin(self, model: Any, datamodule: Any, stage: str) -> None:
        self.datamodule = datamodule
        self._attach(model)
        if datamodule is not None:
            datamodule.trainer = self
        for each in (datamodule, model):
            if each is not None:
                each.prepare_data()
                each.setup(stage)

    def _attach(self, model: Any) -> None:
        """Be the trainer of a module; one of the installed package does without."""
        self.model = model
        if isinstance(model, LightningModule):
            model.attach(self)

    def _loader(self, given: Any, name: str) -> Any:
        """The loader that is given, or that the data module or the module makes; None for none."""
        if given is not None:
            return given
        for each in (self.datamodule, self.model):
            make = getattr(each, name, None)
            if callable(make):
                return make()
        return None

    def _is_over(self) -> bool:
        return self.should_stop or 0 <= self.max_steps <= self.global_step

    def _train_epoch(self, model: Any) -> None:
        self._call("on_train_epoch_start")
        outputs = []
        for index, batch in enumerate(_batches(self.train_dataloader)):
            self._call("on_train_batch_start", batch, index)
            outputs.append(self._step(model, batch, index))
            self._call("on_train_batch_end", outputs[-1], batch, index)
            self._advance("step")
            if self._is_over():
                break
        self._evaluate(model, self.val_dataloaders, "validation")
        ended = getattr(model, "training_epoch_end", None)
        if ended is not None:
            ended([each for each in outputs if each is not None])
        self._call("on_train_epoch_end")
        self._advance("epoch")

    def _step(self, model: Any, batch: Any, index: int) -> Any:
        """One step of each optimizer; the user's own where it is not automatic."""
        if not model.automatic_optimization:
            result = _called(model.training_step, batch, index)
            self.global_step += 1
            return result
        several = "optimizer_idx" in inspect.signature(model.training_step).parameters
        result = None
        for number, optimizer in enumerate(self.optimizers if several else self.optimizers[:1]):
            result = _called(model.training_step, batch, index, *([number] if several else []))
            if result is not None:
                self._learn(model, optimizer, result, index)
        return _cut(result)

    def _learn(self, model: Any, optimizer: Any, result: Any, index: int) -> None:
        loss = result["loss"] if isinstance(result, dict) else result
        if not isinstance(loss, Tensor):
            raise TypeError("`training_step` must return a tensor, a dictionary with a loss, or None")
        every = self._every
        if index % every == 0:
            optimizer.zero_grad()
        self._call("on_before_backward", loss)
        part: Any = loss / every if every > 1 else loss
        part.backward()
        self._call("on_after_backward")
        if (index + 1) % every:
            return
        clip = self.given.get("gradient_clip_val")
        if clip and self.given.get("gradient_clip_algorithm", "norm") == "norm":
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        elif clip:
            nn.utils.clip_grad_value_(model.parameters(), clip)
        self._call("on_before_optimizer_step", optimizer)
        optimizer.step()
        self.global_step += 1

    def _advance(self, interval: str) -> None:
        """One step of the schedules of an interval; those that ask for a figure that nobody has logged wait."""
        for schedule, own, monitor in self.schedules:
            if own != interval:
                continue
            if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
                if monitor in self.callback_metrics:
                    schedule.step(self.callback_metrics[monitor])
            else:
                schedule.step()

    def _asked(self, model: Any, loaders: Any, datamodule: Any, stage: str, loader: str, kind: str) -> Any:
        if hasattr(loaders, loader):
            loaders, datamodule = None, loaders
        self._begin(model or self.model, datamodule or self.datamodule, stage)
        found = self._evaluate(self.model, self._loader(loaders, loader), kind)
        return found if kind == "predict" else [self.callback_metrics]

    def _evaluate(self, model: Any, loaders: Any, kind: str) -> list[Any]:
        """The user's step on all batches, in evaluation mode and without gradients, as Lightning calls it."""
        step = getattr(model, f"{kind}_step", model if kind == "predict" else None)
        if loaders is None or step is None:
            return []
        modes = [(part, part.training) for part in model.modules()]
        model.eval()
        outputs = []
        with torch.no_grad():
            self._call(f"on_{kind}_epoch_start")
            for number, loader in enumerate(loaders if isinstance(loaders, (list, tuple)) else [loaders]):
                outputs += [_called(step, batch, index, number) for index, batch in enumerate(loader)]
            ended = getattr(model, f"{kind}_epoch_end", None)
            if ended is not None:
                ended([each for each in outputs if each is not None])
            self._call(f"on_{kind}_epoch_end")
        for part, training in modes:
            part.training = training
        return outputs

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a hook of the user's module and of the callbacks."""
        own = getattr(self.model, name, None)
        if own is not None:
            _called(own, *arguments)
        for each in self.callbacks:
            getattr(each, name)(self, self.model, *arguments)


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call with as many of the arguments as the function takes by position."""
    parameters = list(inspect.signature(function).parameters.values())
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return function(*arguments)
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return function(*arguments[: len(places)])


def _cut(result: Any) -> Any:
    """A result without its graph."""
    if isinstance(result, dict):
        return {name: _cut(value) for name, value in result.items()}
    return result.detach() if isinstance(result, Tensor) else result


def _batches(loaders: Any) -> Iterator[Any]:
    """The batches of a loader; of several together, as long as the shortest has some."""
    if isinstance(loaders, dict):
        for batch in zip(*loaders.values(), strict=False):
            yield dict(zip(loaders, batch, strict=True))
    elif isinstance(loaders, (list, tuple)):
        yield from zip(*loaders, strict=False)
    elif loaders is not None:
        yield from loaders


def _optimizers_of(made: Any) -> tuple[list[Any], list[Schedule]]:
    """The optimizers and schedules of what `configure_optimizers` returns, in all of its forms."""
    if made is None:
        return [], []
    if isinstance(made, dict):
        schedule = made.get("lr_scheduler")
        return [made["optimizer"]], [_schedule(schedule, made)] if schedule is not None else []
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], (list, tuple)):
        return list(made[0]), [_schedule(each, {}) for each in made[1]]
    if not isinstance(made, (list, tuple)):
        return [made], []
    pairs = [_optimizers_of(each) for each in made]
    return [each for held, _ in pairs for each in held], [each for _, held in pairs for each in held]


def _schedule(given: Any, around: dict[str, Any]) -> Schedule:
    held = given if isinstance(given, dict) else {"scheduler": given}
    monitor = held.get("monitor") or around.get("monitor") or ""
    return held["scheduler"], held.get("interval", "epoch"), monitor
