"""The recorder: torch's own hooks, and a few of its functions wrapped, tell what happens in the run.

Every record has the lines of the user's code that led to it and, on the steps that are measured, numbers. A run of many steps is
measured on its first steps and then at regular intervals, so that recording costs little.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim import optimizer as optimizer_hooks

from nnlint.verify.child import measures, numbers_of
from nnlint.verify.child.gradients import GradientBook
from nnlint.verify.child.layers import SITE, LayerBook
from nnlint.verify.child.places import Places, Spot
from nnlint.verify.protocol import Record, Request

ALL_UNTIL = 16
MEASUREMENTS = 32
FEW_VALUES = 4
FEW_PASSES = 2
"""The backward passes at a line whose graphs are walked through."""

USUALLY_DROPPED = 0.5
"""Of dropouts that drop more, it is counted how much they let through."""

PATIENCE_SECONDS = 8.0
HASTE_SHARE = 0.5
"""After this part of its time a run hastens to the flagged lines that it has not seen."""

LATE_SHARE = 0.75
"""After this part of the time for them it goes by those that lie in the loops that it is in."""

SLOW_BACKWARDS = 4
"""A training that has not done so many backward passes when a request's patience ends is slow."""

MOST_UNTRAINED = 4
"""So many networks are measured at the end of a run that trains none."""

MOST_CALLED = 8
"""So many networks are measured at the end of a run, each by what it was first called with."""

LOSSES = (
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "kl_div",
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "soft_margin_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "hinge_embedding_loss",
)
"""Losses of torch.nn.functional that take a prediction and a target; the modules of the same names call them."""

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
"""Functions that the modules of these names call, too."""

OUT_OF_RANGE = "between 0 and 1"
"""What a loss says of probabilities that are none; these are told, too."""

ATTENTION = "scaled_dot_product_attention"

LOSS_MODULES = (nn.modules.loss._Loss, nn.modules.loss._WeightedLoss)


Call = tuple[nn.Module, tuple[Any, ...], dict[str, Any], Any]
"""A network that was called, on what, and what it gave."""


class Recorder:
    """Installs the hooks; `observers` are told of training steps and of losses of training."""

    def __init__(self, request: Request, places: Places, tell: Callable[[Record], None]) -> None:
        self.request = request
        self.places = places
        self.send = tell
        self.interval = max(1, request.steps // MEASUREMENTS)
        self.kinds: dict[type[nn.Module], str] = {}
        self.start = time.monotonic()
        self.steps_done = 0.0
        self.called_first = 0.0
        self.dropped = 0
        self.dropping: nn.Module | None = None
        self.depth = 0
        self.outermost_trains = True
        self.is_evaluating = False
        self.paused = 0
        self.pausing = _Pause(self)
        self.steps = 0
        self.backwards = 0
        self.network_calls = 0
        self.steps_of: dict[int, int] = {}
        self.identities: dict[int, tuple[weakref.ref[Any], int]] = {}
        self.made = 0
        self.seen_lines: dict[tuple[str, Any], int] = {}
        self.gradients = GradientBook()
        self.layers = LayerBook()
        self.last_call: Call | None = None
        self.untrained: dict[int, Call] = {}
        self.called: dict[int, tuple[weakref.ref[nn.Module], tuple[Any, ...], dict[str, Any]]] = {}
        self.has_dropped = False
        self.watch_dropout: Callable[..., Any] | None = None
        self.on_training_loss: list[Callable[[str, Tensor, Tensor], None]] = []
        self.on_call: list[Callable[[], None]] = []
        self.on_backward: list[Callable[[Any], None]] = []
        self.on_step: list[Callable[[int], None]] = []
        self.on_begin: Callable[[], None] = lambda: None
        self.on_end: Callable[[str], None] = lambda how: None
        self.is_waiting: Callable[[], bool] = lambda: False

    # What is told

    def tell(self, kind: str, calls: list[Spot], numbers: measures.Numbers, subject: Any = None, **words: Any) -> None:
        """Send a record of an event."""
        record: Record = {"kind": kind, "calls": calls, "numbers": numbers, "step": self.steps}
        if subject is not None:
            record["subject"] = self.identity(subject)
            record["subject_kind"] = type(subject).__name__
            record["subject_at"] = getattr(subject, "__dict__", {}).get(SITE)
        if words:
            record["words"] = words
        self.send(record)

    def identity(self, subject: Any) -> int:
        """A small number that stays with an object as long as it lives."""
        known = self.identities.get(id(subject))
        if known is not None and known[0]() is subject:
            return known[1]
        try:
            reference = weakref.ref(subject)
        except TypeError:
            return 0
        self.made += 1
        self.identities[id(subject)] = (reference, self.made)
        return self.made

    @property
    def most_steps(self) -> int:
        """How often the most stepped parameters were stepped."""
        return max(self.steps_of.values(), default=0)

    def pause(self) -> _Pause:
        """What the verifier itself does is no event of the run."""
        return self.pausing

    def is_measured(self, kind: str, calls: list[Spot]) -> bool:
        """Whether numbers are due: at each line the first times, then every so often."""
        return self.is_due((kind, calls[0] if calls else None))

    def is_due(self, slot: tuple[str, Any]) -> bool:
        """The same of what happens not at a line, but to an object."""
        count = self.seen_lines[slot] = self.seen_lines.get(slot, 0) + 1
        return count <= ALL_UNTIL or count % self.interval == 0

    def check_steps(self, taken: int) -> None:
        """Ends the run after as many steps as asked for; a while later where a flagged line has not been reached yet."""
        if taken >= self.request.steps:
            self.steps_done = self.steps_done or time.monotonic()
            if not self.is_waiting() or time.monotonic() - self.steps_done > PATIENCE_SECONDS:
                self.on_end("steps")

    def check_time(self) -> None:
        """Ends the run where its time is up."""
        if not self.paused and time.monotonic() - self.start > self.request.seconds:
            self.on_end("time")

    def is_in_haste(self) -> bool:
        """Whether enough of the training has been seen, or half of the time is over, and a flagged line not yet."""
        if not self.is_waiting():
            return False
        return bool(self.steps_done) or time.monotonic() - self.start > HASTE_SHARE * self.request.seconds

    def is_late(self) -> bool:
        """Whether most of the time is over in which a flagged line is waited for."""
        now = time.monotonic()
        if self.steps_done and now - self.steps_done > LATE_SHARE * PATIENCE_SECONDS:
            return True
        return now - self.start > LATE_SHARE * self.request.seconds

    def is_slow(self) -> bool:
        """Whether the training has hardly come forward in as long as the request has patience for."""
        patience = self.request.patience
        if not patience or not self.called_first or self.backwards >= SLOW_BACKWARDS:
            return False
        return time.monotonic() - self.called_first > patience

    # The hooks

    def install(self) -> None:
        """Put all hooks in place, once in the life of the process."""
        self.wrap(nn.Module, "__init__", self._module_made)
        self.wrap(nn.Module, "train", self._mode_switched)
        self.wrap(nn.Module, "zero_grad", self._cleared)
        self.wrap(Optimizer, "zero_grad", self._cleared)
        self.wrap(Optimizer, "__init__", self._optimizer_made)
        self.wrap(torch.autograd, "backward", self._backward)
        for name in DROPOUTS:
            self.wrap(nn.functional, name, self._dropped, even_in_experiments=True)
        if hasattr(nn.functional, ATTENTION):
            self.wrap(nn.functional, ATTENTION, self._attended, even_in_experiments=True)
        for name in LOSSES:
            if hasattr(nn.functional, name):
                self.wrap(nn.functional, name, functools.partial(self._loss, name))
        nn.Module.__call__ = self._watched(nn.Module.__call__)  # type: ignore[method-assign]
        optimizer_hooks.register_optimizer_step_post_hook(self._after_step)

    def wrap(self, owner: Any, name: str, around: Callable[..., Any], even_in_experiments: bool = False) -> None:
        """Replace a function of torch by one that passes each call to `around`, which calls the original."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if self.paused and not (even_in_experiments and (self.is_evaluating or self.watch_dropout)):
                return original(*arguments, **keywords)
            return around(original, *arguments, **keywords)

        setattr(owner, name, wrapped)

    def subclasses(self, cls: type[Any]) -> list[type[Any]]:
        """A class and all that derive from it so far."""
        found = [cls]
        for subclass in cls.__subclasses__():
            found += self.subclasses(subclass)
        return list(dict.fromkeys(found))

    def _module_made(self, original: Callable[..., Any], module: nn.Module, *arguments: Any, **keywords: Any) -> None:
        calls = self.places.calls(module)
        if calls:
            module.__dict__[SITE] = list(calls[0])
            self.layers.made(module, in_forward=self.depth > 0)
        original(module, *arguments, **keywords)

    def _optimizer_made(self, original: Callable[..., Any], optimizer: Optimizer, *rest: Any, **keywords: Any) -> None:
        original(optimizer, *rest, **keywords)
        calls = self.places.calls(optimizer)
        if calls:
            optimizer.__dict__[SITE] = list(calls[0])
        self.gradients.watch(numbers_of.parameters_of(optimizer))
        self.layers.optimized(optimizer)
        numbers = {name: float(value) for name, value in optimizer.defaults.items() if numbers_of.is_number(value)}
        numbers["first_parameter"] = float(self.gradients.number(numbers_of.parameters_of(optimizer)))
        numbers["empty_groups"] = float(sum(not group["params"] for group in optimizer.param_groups))
        self.tell("OptimizerMade", calls, numbers, optimizer)

    def _mode_switched(self, original: Callable[..., Any], module: nn.Module, mode: bool = True) -> Any:
        with self.pause():
            result = original(module, mode)
        self.tell("ModeSwitched", self.places.calls(), {"training": float(bool(mode))}, module)
        return result

    def _cleared(self, original: Callable[..., Any], owner: Any, *rest: Any, **keywords: Any) -> None:
        with self.pause():
            original(owner, *rest, **keywords)
        parameters = owner.parameters() if isinstance(owner, nn.Module) else numbers_of.parameters_of(owner)
        self.gradients.clear(parameters)
        if self.is_due(("cleared", id(owner))):
            self.tell("GradientsCleared", self.places.calls(), {}, owner)

    def _loss(self, name: str, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        prediction, target = numbers_of.prediction_and_target(arguments, keywords)
        try:
            with self.pause():
                value = original(*arguments, **keywords)
        except RuntimeError as error:
            if OUT_OF_RANGE in str(error):
                self._tell_loss(name, self.places.calls(), prediction, target, None)
            raise
        if isinstance(prediction, Tensor) and isinstance(target, Tensor):
            calls = self.places.calls()
            if calls and self.is_measured("loss", calls):
                self._tell_loss(name, calls, prediction, target, value)
            if prediction.requires_grad:
                for observer in self.on_training_loss:
                    observer(name, prediction, target)
        return value

    def _tell_loss(self, name: str, calls: list[Spot], prediction: Any, target: Any, value: Any) -> None:
        """Tell of a loss, and which network gave its prediction, where that is the last one that was called."""
        with self.pause():
            numbers = numbers_of.loss_numbers(prediction, target, value)
            if self.last_call is not None and numbers_of.is_part(prediction, self.last_call[3]):
                numbers["network"] = float(self.identity(self.last_call[0]))
        self.tell("LossComputed", calls, numbers, loss=name)

    def _backward(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        calls = self.places.calls()
        roots = arguments[0] if arguments else keywords.get("tensors")
        with self.pause():
            for observer in self.on_backward:
                observer(roots)
            numbers = numbers_of.value_of(roots)
            measured = self.is_measured("backward", calls)
            if measured:
                self.gradients.watch_leaves(roots)
                before, by_hand = self.gradients.before_backward()
                numbers["piled_by_hand"] = float(by_hand)
                if self.seen_lines[("backward", calls[0] if calls else None)] <= FEW_PASSES:
                    numbers["unheld"] = float(self.gradients.unheld(roots))
            else:
                self.gradients.pass_by()
        try:
            result = original(*arguments, **keywords)
        except Exception:
            self.tell("Backward", calls, numbers)  # the run did come to its training
            raise
        self.backwards += 1
        self.untrained.clear()
        if measured:
            with self.pause():
                numbers |= self.gradients.after_backward(before)
        self.tell("Backward", calls, numbers)
        self.check_time()
        if not self.steps:
            self.check_steps(self.backwards // 2)
        return result

    def _dropped(self, original: Callable[..., Any], values: Any, p: float = 0.5, *rest: Any, **keywords: Any) -> Any:
        is_training = bool(rest[0] if rest else keywords.get("training", True))
        self._note_dropout(is_training and p > 0)
        if self.watch_dropout is not None:
            return self.watch_dropout(original, values, p, is_training)
        if not is_training or p <= USUALLY_DROPPED or self.paused:
            return original(values, p, *rest, **keywords)
        before = int(torch.count_nonzero(values))
        result = original(values, p, *rest, **keywords)
        calls = self.places.calls()
        if before and self.is_measured("thinned", calls):
            passed = int(torch.count_nonzero(result)) / before
            self.tell("LayerApplied", calls, {"passed": passed}, self.dropping, does="dropout")
        return result

    def _attended(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        probability = arguments[4] if len(arguments) > 4 else keywords.get("dropout_p", 0.0)
        self._note_dropout(probability > 0)
        return original(*arguments, **keywords)

    def _note_dropout(self, is_active: bool) -> None:
        """Count it, and tell of what is asked for in evaluation mode."""
        if self.paused and not self.is_evaluating:
            return
        self.dropped += is_active
        self.has_dropped |= is_active
        if self.depth and not self.outermost_trains:
            calls = self.places.calls()
            if calls and self.is_measured("dropout", calls):
                self.tell("LayerApplied", calls, {"active_in_evaluation": float(is_active)}, does="dropout")

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What calls a module; torch's own global hooks would make every layer take its slower way."""

        @functools.wraps(original)
        def call(module: nn.Module, *inputs: Any, **keywords: Any) -> Any:
            self._before_forward(module, inputs)
            try:
                output = original(module, *inputs, **keywords)
            finally:
                self.depth -= 1
                self.dropping = None
            if not self.depth and not self.paused:
                self._after_forward(module, inputs, keywords, output)
            return output

        return call

    def _before_forward(self, module: nn.Module, inputs: Any) -> None:
        if not self.depth:
            self.dropped = 0
            self.outermost_trains = module.training
            if not self.called_first:
                self.called_first = time.monotonic()
                self.on_begin()
        self.depth += 1
        if not self.paused:
            self.layers.called(module, is_outermost=self.depth == 1)
        kind = self.kinds.get(type(module))
        if kind == "":
            return
        if kind is None:
            kind = self.kinds[type(module)] = _kind(type(module))
        if kind == "dropout":
            self.dropping = module
        elif kind == "batchnorm" and module.training and not self.paused:
            self._normalised(module, inputs)

    def _normalised(self, layer: nn.Module, inputs: Any) -> None:
        """Tell of a BatchNorm that averages over hardly any values, or over those of a single sample."""
        given = next(measures.tensors_in(inputs), None)
        if given is None or given.dim() < 2 or (len(given) > 1 and given.numel() > FEW_VALUES * given.shape[1]):
            return
        calls = self.places.calls()
        if self.is_measured("batchnorm", calls):
            values = given.numel() / max(1, given.shape[1])
            numbers = {"values_per_channel": values, "samples": float(len(given))}
            self.tell("LayerApplied", calls, numbers, layer, does="batchnorm")

    def _after_forward(self, module: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        if not isinstance(module, LOSS_MODULES):
            self.last_call = (module, inputs, keywords, output)
            self.network_calls += 1
        for observer in self.on_call:
            observer()
        if isinstance(module, LOSS_MODULES):
            return
        calls = self.places.calls()
        if calls and id(module) not in self.called and len(self.called) < MOST_CALLED:
            self.called[id(module)] = (weakref.ref(module), inputs, keywords)
        if not self.backwards and calls and len(self.untrained) < MOST_UNTRAINED:
            self.untrained[id(module)] = (module, inputs, keywords, output)
        if calls and self.is_measured("call", calls):
            with self.pause():
                numbers = numbers_of.call_numbers(module, output) | {"dropouts": float(self.dropped)}
            self.tell("ModelCalled", calls, numbers, module)
        self.check_time()

    def _after_step(self, optimizer: Optimizer, arguments: Any, keywords: Any) -> None:
        calls = self.places.calls()
        numbers: measures.Numbers = {}
        if self.is_measured("step", calls):
            with self.pause():
                numbers = numbers_of.step_numbers(optimizer)
                self.layers.note_gradients()
        parameters = numbers_of.parameters_of(optimizer)
        numbers["piled"] = float(self.gradients.step(parameters))
        self.tell("OptimizerStepped", calls, numbers, optimizer)
        self.steps += 1
        first = self.gradients.number(parameters)
        taken = self.steps_of[first] = self.steps_of.get(first, 0) + 1
        with self.pause():
            for observer in self.on_step:
                observer(taken)
        self.check_steps(taken)
        self.check_time()


def _kind(cls: type[nn.Module]) -> str:
    """What kind of layer the modules of a class are, of those that are looked at before they are called; "" for any other."""
    if issubclass(cls, nn.modules.dropout._DropoutNd):
        return "dropout"
    return "batchnorm" if issubclass(cls, nn.modules.batchnorm._BatchNorm) else ""


class _Pause:
    """A block in which nothing is recorded: made once, as every step enters it several times."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __enter__(self) -> None:
        self.recorder.paused += 1

    def __exit__(self, *error: object) -> None:
        self.recorder.paused -= 1
