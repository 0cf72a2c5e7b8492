"""The yardstick: how well the network does on a few batches it was trained on, in a unit that no mended fault changes.

Accuracy where the targets are classes, R squared where they are numbers: neither depends on the scale of the loss, on an extra
softmax (argmax stays) or on a factor on the targets. A network that takes long is scored on fewer samples, and less often.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures
from nnlint.verify.child.recorder import Call, Recorder

MOST_BATCHES = 64
MOST_SAMPLES = 512
LONGEST_SCORE, SHARE_OF_SCORES = 1.0, 0.25
"""What one score may take, in seconds, and all of them together of the run."""

CLASS_LOSSES = ("cross_entropy", "nll_loss")
BINARY_LOSSES = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss")


class Yardstick:
    """Keeps the first batches of training, and scores the network on them along the run.

    A script may train one network after another (folds, trials): the first is scored; the batches are those of the last.
    """

    def __init__(self, recorder: Recorder, every: int) -> None:
        self.recorder = recorder
        self.every = max(1, every)
        self.model: Callable[[], nn.Module | None] = lambda: None
        self.batches: list[tuple[tuple[Any, ...], dict[str, Any], Tensor]] = []
        self.samples = self.offered = 0
        self.most_batches = MOST_BATCHES
        self.spent = 0.0
        self.kind = ""
        self.is_first = True
        self.waiting: tuple[str, Tensor, Call | None] | None = None
        recorder.on_training_loss.append(self._lost)
        recorder.on_call.append(self._called)
        recorder.on_step.append(self._step)

    def _lost(self, loss: str, prediction: Tensor, target: Tensor) -> None:
        """A loss belongs to the last call of a network, or, where it is computed in a call, perhaps to that one."""
        if self._is_full() and self.model() is not None:
            return
        if self.recorder.depth:
            self.waiting = (loss, target, self.recorder.last_call)
        else:
            self.keep(loss, target, self.recorder.last_call)

    def _called(self) -> None:
        if self.waiting is not None:
            loss, target, before = self.waiting
            self.waiting, now = None, self.recorder.last_call
            fits = now is not None and _matching(now[3], target, loss) is not None
            self.keep(loss, target, now if fits else before)

    def keep(self, loss: str, target: Tensor, call: Call | None) -> None:
        """Keep a batch: a call of a network in training, and the target that its output was compared with."""
        if self.batches and self.model() is None:
            self.batches, self.samples, self.offered, self.kind, self.is_first = [], 0, 0, "", False
        if call is None or self._is_full() or (loss not in CLASS_LOSSES and _is_one_answer(target)):
            return
        model, inputs, keywords, output = call
        if self.batches and (self.model() is not model or self.kind != loss):
            return
        if _matching(output, target, loss) is None:
            return
        self.model, self.kind = weakref.ref(model), loss
        self.offered += 1
        if not any(_is_same(batch, (inputs, keywords, target)) for batch in self.batches):
            self.batches.append((_copied(inputs), _copied(keywords), target.detach().clone()))
            self.samples += len(target) if target.dim() else 1

    def _is_full(self) -> bool:
        if not self.batches:
            return False
        return max(len(self.batches), self.offered) >= self.most_batches or self.samples >= MOST_SAMPLES

    def _step(self, taken: int) -> None:
        if taken % self.every and taken not in (1, 2, 5):
            return
        elapsed = time.monotonic() - self.recorder.start
        if self.spent < SHARE_OF_SCORES * elapsed + LONGEST_SCORE / 2:
            self.tell()

    def tell(self) -> None:
        """Send the score of the first network as it is now."""
        start = time.monotonic()
        numbers = self.score() if self.is_first else {}
        self.spent += time.monotonic() - start
        if numbers:
            self.recorder.tell("Scored", [], {**numbers, "steps": float(self.recorder.most_steps)}, loss=self.kind)

    def score(self) -> measures.Numbers:
        """Accuracy or R squared in evaluation mode, and the spread of the predictions; nothing where no batch was kept."""
        model = self.model()
        if model is None or not self.batches:
            return {}
        modes = {part: part.training for part in model.modules()}
        with self.recorder.pause(), torch.no_grad(), torch.random.fork_rng(devices=[]):
            try:
                for part in modes:
                    part.training = False
                outputs = self._outputs(model)
            except Exception:  # the network may not take its own first inputs any more: then there is no score
                return {}
            finally:
                for part, training in modes.items():
                    part.training = training
        targets = [target for _, _, target in self.batches]
        pairs = [
            (_matching(output, target, self.kind), target) for output, target in zip(outputs, targets, strict=True)
        ]
        return _scored([(output, target) for output, target in pairs if output is not None], self.kind)

    def _outputs(self, model: nn.Module) -> list[Any]:
        """What the network gives for the batches; those for which there is no time are not kept any longer."""
        start = time.monotonic()
        outputs: list[Any] = []
        for inputs, keywords, _ in self.batches:
            if outputs and time.monotonic() - start > LONGEST_SCORE:
                self.most_batches = len(outputs)
                del self.batches[self.most_batches :]
                break
            outputs.append(model(*inputs, **keywords))
        return outputs


def _is_one_answer(target: Tensor) -> bool:
    """Whether a batch asks for the same of all of its samples: a discriminator that is shown what is real, a residual."""
    return target.numel() > 1 and not bool((target != target.reshape(-1)[0]).any())


def _is_same(first: Any, second: Any) -> bool:
    """Whether two batches hold the same: a script that trains on all of its data at each step is scored on them once."""
    if isinstance(first, Tensor):
        try:
            return isinstance(second, Tensor) and first.dtype == second.dtype and torch.equal(first, second)
        except (RuntimeError, TypeError):  # kinds of tensors that cannot be compared, or on different devices
            return False
    if type(first) is not type(second):
        return False
    if isinstance(first, (tuple, list)):
        return len(first) == len(second) and all(map(_is_same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_is_same(each, second[name]) for name, each in first.items())
    return first is second or (isinstance(first, (int, float, str)) and first == second)


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (tuple, list)):
        return type(value)(_copied(each) for each in value) if type(value) in (tuple, list) else value
    return {key: _copied(each) for key, each in value.items()} if type(value) is dict else value


def _matching(output: Any, target: Tensor, loss: str) -> Tensor | None:
    """The tensor of a network's output that the target can be compared with."""
    for tensor in measures.tensors_in(output):
        fits = _fits_classes(tensor, target) if loss in CLASS_LOSSES else tensor.numel() == target.numel()
        if fits:
            return tensor
    return None


def _fits_classes(tensor: Tensor, target: Tensor) -> bool:
    """Whether a tensor holds a score of every class for each target: classes in dimension 1, or in the last one."""
    if target.is_floating_point():
        return tensor.shape == target.shape
    if tensor.dim() < 2 or not target.numel():
        return False
    return target.numel() in (tensor.numel() // tensor.shape[1], tensor.numel() // tensor.shape[-1])


def _scored(pairs: list[tuple[Tensor, Tensor]], loss: str) -> measures.Numbers:
    if not pairs:
        return {}
    if loss in CLASS_LOSSES:
        hits = torch.cat([_hits(output, target) for output, target in pairs])
        choices = torch.cat([_choices(output).reshape(-1) for output, _ in pairs])
        return {
            "accuracy": float(hits.float().mean()),
            "classes_chosen": float(len(set(choices.tolist()))),
            "spread": _spread(pairs),
        }
    outputs = torch.cat([output.reshape(-1).double() for output, _ in pairs])
    targets = torch.cat([target.reshape(-1).double() for _, target in pairs])
    if loss in BINARY_LOSSES:
        return _ranking(outputs, targets > 0.5) | {"spread": float(outputs.std(unbiased=False))}
    variance = float(((targets - targets.mean()) ** 2).sum())
    error = float(((outputs - targets) ** 2).sum())
    spread = float(outputs.std(unbiased=False))
    target_spread = float(targets.std(unbiased=False))
    numbers = {"spread": spread / target_spread if target_spread else spread}
    return numbers | ({"r2": 1.0 - error / variance} if variance else {})


def _ranking(outputs: Tensor, positive: Tensor) -> measures.Numbers:
    """The area under the ROC curve, which no threshold and no monotone function of the output changes."""
    ones, zeros = outputs[positive], outputs[~positive]
    if not len(ones) or not len(zeros):
        return {}
    ordered = zeros.sort().values
    below = torch.searchsorted(ordered, ones).double()
    not_above = torch.searchsorted(ordered, ones, right=True).double()
    return {"auc": float((below + not_above).mean() / 2 / len(zeros))}


def _choices(output: Tensor) -> Tensor:
    return output.argmax(-1 if output.dim() == 2 else 1)


def _hits(output: Tensor, target: Tensor) -> Tensor:
    if output.dim() > 2 and output.reshape(-1, output.shape[-1]).shape[0] == target.numel() and target.dim() == 1:
        output = output.reshape(-1, output.shape[-1])
    if target.is_floating_point() and target.shape == output.shape:
        target = target.argmax(1)
    return (_choices(output).reshape(-1) == target.reshape(-1)).reshape(-1)


def _spread(pairs: list[tuple[Tensor, Tensor]]) -> float:
    """The deviation of an output over the inputs, averaged over outputs."""
    outputs = torch.cat(
        [output.reshape(len(output), -1).double() for output, _ in pairs if output.dim() > 1] or [torch.zeros(1, 1)]
    )
    return float(outputs.std(0, unbiased=False).mean())
