"""accelerate: what is prepared stays as it is, and the backward pass is PyTorch's own."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from nnlint.verify.child.stand_ins.permissive import permissive


class Accelerator:
    """One process on the CPU."""

    def __init__(self, *arguments: Any, gradient_accumulation_steps: int = 1, **keywords: Any) -> None:
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.device = torch.device("cpu")
        self.is_main_process = self.is_local_main_process = self.is_last_process = True
        self.num_processes, self.process_index, self.local_process_index = 1, 0, 0
        self.sync_gradients, self.optimizer_step_was_skipped = True, False
        self.mixed_precision, self.use_distributed = "no", False
        self.passes = 0
        self.scaler = None

    def prepare(self, *things: Any, **keywords: Any) -> Any:
        """The same things."""
        return things if len(things) != 1 else things[0]

    def prepare_model(self, thing: Any, *rest: Any, **keywords: Any) -> Any:
        """The same thing."""
        return thing

    prepare_optimizer = prepare_data_loader = prepare_scheduler = unwrap_model = prepare_model
    gather = gather_for_metrics = reduce = pad_across_processes = prepare_model

    def backward(self, loss: Any, **keywords: Any) -> None:
        """Differentiate, a loss of several passes by its share."""
        count = self.gradient_accumulation_steps
        part: Any = loss / count if count > 1 else loss
        part.backward(**keywords)

    @contextlib.contextmanager
    def accumulate(self, *models: Any) -> Iterator[None]:
        """Every so many passes gradients are to be used."""
        self.passes += 1
        self.sync_gradients = self.passes % self.gradient_accumulation_steps == 0
        yield

    @contextlib.contextmanager
    def autocast(self, *arguments: Any, **keywords: Any) -> Iterator[None]:
        """In full precision."""
        yield

    no_sync = main_process_first = local_main_process_first = profile = join_uneven_inputs = autocast

    def clip_grad_norm_(self, parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
        """Clip by the norm."""
        return nn.utils.clip_grad_norm_(parameters, max_norm, norm_type) if self.sync_gradients else None

    def clip_grad_value_(self, parameters: Any, clip_value: float) -> None:
        """Clip each by itself."""
        if self.sync_gradients:
            nn.utils.clip_grad_value_(parameters, clip_value)

    def get_state_dict(self, model: Any, *rest: Any, **keywords: Any) -> Any:
        """The state of a network."""
        return model.state_dict()

    def on_main_process(self, function: Any) -> Any:
        """The same function."""
        return function

    on_local_main_process = on_last_process = on_main_process

    def print(self, *things: Any, **keywords: Any) -> None:
        """Says nothing."""

    log = wait_for_everyone = save = save_model = save_state = load_state = init_trackers = end_training = print
    free_memory = clear = register_for_checkpointing = set_trigger = print

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return permissive(f"accelerator.{name}")


def set_seed(seed: int, *rest: Any, **keywords: Any) -> None:
    """Set the seeds."""
    random.seed(seed)
    torch.manual_seed(seed)
