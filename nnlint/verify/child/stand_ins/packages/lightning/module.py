"""What users derive their classes from: hooks that do nothing, and settings that are kept."""

from __future__ import annotations

import inspect
import sys
from types import FrameType
from typing import Any

import torch
from torch import nn

from nnlint.verify.child.stand_ins.permissive import Attributes, Base, permissive


class Hooks:
    """What modules and data modules share: `hparams`, and hooks, which do nothing where the user writes none."""

    hparams: Attributes

    def save_hyperparameters(self, *names: Any, ignore: Any = (), **keywords: Any) -> None:
        """Keep what the constructors were called with: all of it, or what is named, or settings as they are given."""
        kept: Attributes = self.__dict__.setdefault("hparams", Attributes())
        given = [each for each in names if not isinstance(each, str)]
        for each in given:
            kept.update(each if isinstance(each, dict) else vars(each))
        if given:
            return
        left_out = {ignore} if isinstance(ignore, str) else set(ignore or ())
        for name, value in _constructed_with(self, sys._getframe(1)).items():
            if name not in left_out and (not names or name in names):
                kept[name] = value

    def prepare_data(self) -> None:
        """Nothing is to be fetched."""

    def setup(self, stage: Any = None) -> None:
        """Nothing is to be made ready."""

    @classmethod
    def load_from_checkpoint(cls, path: Any = None, *arguments: Any, **keywords: Any) -> Any:
        """A new one, as there is no checkpoint."""
        names = inspect.signature(cls).parameters
        return cls(**{name: value for name, value in keywords.items() if name in names})


def _constructed_with(held: Any, frame: FrameType | None) -> dict[str, Any]:
    """The arguments of the constructors that are being run for an object, those of the outermost last."""
    found: dict[str, Any] = {}
    while frame is not None and frame.f_code.co_name == "__init__" and held in _identical(frame, held):
        arguments = inspect.getargvalues(frame)
        found |= {name: arguments.locals[name] for name in arguments.args[1:] if name in arguments.locals}
        if arguments.keywords:
            found |= arguments.locals.get(arguments.keywords, {})
        frame = frame.f_back
    return found


def _identical(frame: FrameType, held: Any) -> list[Any]:
    return [value for value in frame.f_locals.values() if value is held]


class LightningModule(Hooks, nn.Module):
    """A network with its own step."""

    automatic_optimization = True
    trainer: Any = None
    hparams: Any = Attributes()
    logger: Any = permissive("logger")

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def current_epoch(self) -> int:
        """The number of the epoch."""
        return self.trainer.current_epoch if self.trainer else 0

    @property
    def global_step(self) -> int:
        """The number of the step."""
        return self.trainer.global_step if self.trainer else 0

    def attach(self, trainer: Any) -> None:
        """Take a trainer, which is no part of the network."""
        object.__setattr__(self, "trainer", trainer)

    def log(self, name: str, value: Any, *arguments: Any, **keywords: Any) -> None:
        """Keep a figure, for schedules that ask for it."""
        if self.trainer is not None:
            self.trainer.callback_metrics[name] = value.detach() if isinstance(value, torch.Tensor) else value

    def log_dict(self, figures: Any, *arguments: Any, **keywords: Any) -> None:
        """Keep figures."""
        for name, value in figures.items():
            self.log(name, value)

    def print(self, *arguments: Any, **keywords: Any) -> None:
        """Says nothing."""

    def optimizers(self, *arguments: Any, **keywords: Any) -> Any:
        """The optimizers: one alone as it is."""
        held = self.trainer.optimizers
        return held[0] if len(held) == 1 else held

    def lr_schedulers(self) -> Any:
        """The schedules: one alone as it is, nothing for none."""
        held = [schedule for schedule, _, _ in self.trainer.schedules]
        return held[0] if len(held) == 1 else held or None

    def manual_backward(self, loss: Any, *arguments: Any, **keywords: Any) -> None:
        """Differentiate."""
        loss.backward(*arguments, **keywords)

    def clip_gradients(self, optimizer: Any, gradient_clip_val: float | None = None, **keywords: Any) -> None:
        """Clip the gradients of all parameters of an optimizer by their norm."""
        if gradient_clip_val:
            held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(held, gradient_clip_val)

    def freeze(self) -> None:
        """Let nothing learn any more."""
        self.requires_grad_(False).eval()

    def unfreeze(self) -> None:
        """Let all learn."""
        self.requires_grad_(True).train()

    def toggle_optimizer(self, *arguments: Any, **keywords: Any) -> None:
        """Leaves the gradients as they are."""

    untoggle_optimizer = toggle_optimizer


class LightningDataModule(Hooks):
    """Makes the loaders."""

    trainer: Any = None
    hparams: Any = Attributes()

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__()


class Callback(Base):
    """Has every hook, each of which does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *arguments, **keywords: None
        return super().__getattr__(name)
