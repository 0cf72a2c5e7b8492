"""Experiments on the trained network at the end of a run: what each layer gets and gives in training and evaluation mode.

The network is called on the batches that the yardstick kept, without gradients; its running statistics, its modes and the state
of the random generators are put back afterwards. A large network is called less often, and no more of a large layer is kept than
tells its statistics: the run ends soon whatever it trains.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures
from nnlint.verify.child.layers import SITE
from nnlint.verify.child.places import Spot
from nnlint.verify.child.recorder import Recorder
from nnlint.verify.child.yardstick import Yardstick

MASKS, FEWEST_MASKS = 16, 4
LARGEST_RANKED = 256
LARGEST_KEPT = 40_000
"""So many numbers of what a layer gets or gives are kept, spread evenly over it."""

OTHERS_SECONDS = 2.0
"""No further network is begun after so long."""

PASSES_SECONDS, RANKS_SECONDS = 2.0, 1.0
"""What the passes with dropout, and the ranks of the layers, may take."""

DROPOUT = nn.modules.dropout._DropoutNd
BATCHNORM = nn.modules.batchnorm._BatchNorm
AFFINE = (nn.Linear, nn.modules.conv._ConvNd)
LARGEST_FINGERPRINT = 4096
FORKED = 4
"""So many layers may take the output of one."""


class FunctionalDropout:
    """A line of a forward method that calls `F.dropout`: a layer like any other, but for its being no module."""

    def __init__(self, site: list[Any]) -> None:
        self.p = 0.0
        self.__dict__[SITE] = site


class LayerStatistics:
    """What the layers of one network get and give, by order of execution; with `ranks`, also the ranks of their outputs.

    `functions` are the calls of `F.dropout`, by their place, which have to be the same objects in all passes.
    """

    def __init__(
        self, recorder: Recorder, functions: dict[Spot, FunctionalDropout], with_ranks: bool, dropping: bool
    ) -> None:
        self.recorder = recorder
        self.functions = functions
        self.dropping = dropping
        self.in_module = False
        self.layers: list[Any] = []
        self.inputs: list[list[Tensor]] = []
        self.outputs: list[list[Tensor]] = []
        self.ranks: dict[int, measures.Numbers] = {}
        self.after_affine: set[int] = set()
        self.affine: deque[Tensor] = deque(maxlen=FORKED)
        self.ranks_until = time.monotonic() + (RANKS_SECONDS if with_ranks else -1.0)
        self.index = 0

    def enter(self, layer: nn.Module, inputs: Any) -> None:
        """A hook before a forward: what a module for dropout calls is no further dropout."""
        self.in_module = isinstance(layer, DROPOUT)

    def dropout(self, original: Callable[..., Tensor], values: Tensor, p: float, training: bool) -> Tensor:
        """In the place of `F.dropout` and its kin."""
        if self.in_module:
            return original(values, p, training)
        output = original(values, p, training and self.dropping)
        calls = self.recorder.places.calls()
        if calls:
            layer = self.functions.setdefault(calls[0], FunctionalDropout(list(calls[0])))
            layer.p = float(p)
            self.see(layer, (values,), output)
        return output

    def see(self, layer: Any, inputs: Any, output: Any) -> None:
        """A forward hook: keep what the layer got and gave in this pass."""
        self.in_module = False
        given = next(measures.tensors_in(inputs), None)
        made = next(measures.tensors_in(output), None)
        if self.index == len(self.layers):
            self.layers.append(layer)
            self.inputs.append([])
            self.outputs.append([])
        if (
            self.index < len(self.layers)
            and self.layers[self.index] is layer
            and given is not None
            and made is not None
        ):
            self.inputs[self.index].append(_kept(given))
            self.outputs[self.index].append(_kept(made))
            if time.monotonic() < self.ranks_until:
                self.ranks[self.index] = _rank(made.detach().double())
        self._follow(layer, given, made)
        self.index += 1

    def _follow(self, layer: nn.Module, given: Tensor | None, made: Tensor | None) -> None:
        """Note a layer that gets exactly what an affine one has put out, perhaps in another shape."""
        is_affine = isinstance(layer, AFFINE)
        gets_affine = given is not None and any(_is_same(given, each) for each in self.affine)
        if gets_affine and is_affine:
            self.after_affine.add(self.index)
        if made is not None and (is_affine or (gets_affine and isinstance(layer, BATCHNORM))):
            self.affine.append(_fingerprint(made))


def _fingerprint(tensor: Tensor) -> Tensor:
    """Some of the numbers, and how many there are; a copy, as layers behind may work in place."""
    sizes = torch.tensor([float(tensor.numel())], dtype=torch.float64)
    return torch.cat([sizes, tensor.detach().reshape(-1)[:LARGEST_FINGERPRINT].double().cpu()])


def _is_same(tensor: Tensor, fingerprint: Tensor) -> bool:
    return torch.equal(_fingerprint(tensor), fingerprint) and bool(fingerprint[1:].any())


def _kept(tensor: Tensor) -> Tensor:
    """A tensor with a row for each sample, of which large ones are but every so manieth number."""
    rows = tensor.detach().reshape(len(tensor), -1) if tensor.dim() > 1 else tensor.detach()
    every = -(-rows.numel() // LARGEST_KEPT)
    return rows[..., :: min(every, max(1, rows.shape[-1]))].double() if rows.dim() else rows.double()


def experiment(recorder: Recorder, yardstick: Yardstick) -> set[Spot]:
    """Measure the layers of the network that the yardstick knows, and tell of each; then, in the time left, of all others.

    Returns the lines that made them.
    """
    start, measured, spots = time.monotonic(), {}, set[Spot]()
    known = yardstick.model()
    if known is not None and yardstick.batches:
        inputs, keywords, _ = yardstick.batches[0]
        measured[id(known)] = known
        spots |= _measure(recorder, known, inputs, keywords, 0)
    for number, (model, inputs, keywords, _) in enumerate(recorder.untrained.values()):
        measured[id(model)] = model
        spots |= _measure(recorder, model, inputs, keywords, number)
    for other, inputs, keywords in list(recorder.called.values()):
        network = other()
        if network is not None and id(network) not in measured and time.monotonic() - start < OTHERS_SECONDS:
            measured[id(network)] = network
            spots |= _measure(recorder, network, inputs, keywords, len(measured) - 1)
    return spots


def _measure(recorder: Recorder, model: nn.Module, inputs: Any, keywords: Any, network: int) -> set[Spot]:
    functions: dict[Spot, FunctionalDropout] = {}

    def passes(training: bool, dropping: bool, times: int) -> LayerStatistics:
        statistics = LayerStatistics(recorder, functions, not training, dropping)
        recorder.watch_dropout, recorder.is_evaluating = statistics.dropout, not training
        try:
            _call_often(model, inputs, keywords, statistics, training, times)
        finally:
            recorder.watch_dropout, recorder.is_evaluating = None, False
        return statistics

    with recorder.pause(), _undisturbed(model), torch.no_grad():
        try:
            start = time.monotonic()
            evaluated = passes(training=False, dropping=False, times=1)
            control = passes(training=True, dropping=False, times=1)
            masks = _masks(recorder, model, time.monotonic() - start)
            masked = passes(training=True, dropping=True, times=masks)
        except Exception:  # a network that fails here has told why in the run, or cannot be called alone
            return set()
    for order, layer in enumerate(evaluated.layers):
        numbers = _numbers(order, evaluated, masked, control)
        numbers["network"] = float(network)
        numbers["rate"] = float(layer.p) if _is_dropout(layer) else 0.0
        _tell(recorder, layer, numbers)
    return {Spot(*layer.__dict__[SITE]) for layer in evaluated.layers if layer.__dict__.get(SITE)}


def affine_twice(recorder: Recorder, model: nn.Module, inputs: tuple[Any, ...]) -> list[Spot]:
    """Which layers of a network get the output of an affine one, by the lines that made them, on inputs that it takes."""
    statistics = LayerStatistics(recorder, {}, False, False)
    with recorder.pause(), _undisturbed(model), torch.no_grad():
        _call_often(model, inputs, {}, statistics, False, 1)
    sites = [statistics.layers[order].__dict__.get(SITE) for order in sorted(statistics.after_affine)]
    return [Spot(*site) for site in sites if site is not None]


def _is_dropout(layer: Any) -> bool:
    return isinstance(layer, (DROPOUT, FunctionalDropout))


def _masks(recorder: Recorder, model: nn.Module, seconds: float) -> int:
    """How many passes with dropout there is time for, given what two without it have taken; none is needed without dropout."""
    if not recorder.has_dropped and not any(isinstance(part, DROPOUT) for part in model.modules()):
        return 1
    fitting = int(2 * PASSES_SECONDS / max(seconds, 1e-6))
    return min(MASKS, fitting) if fitting >= FEWEST_MASKS else 1


def _tell(recorder: Recorder, layer: Any, numbers: measures.Numbers) -> None:
    site = layer.__dict__.get(SITE)
    kind = "batchnorm" if isinstance(layer, BATCHNORM) else "dropout" if _is_dropout(layer) else ""
    recorder.tell("LayerApplied", [Spot(*site)] if site else [], numbers, layer, does=kind)


def _call_often(
    model: nn.Module, inputs: Any, keywords: Any, statistics: LayerStatistics, training: bool, times: int
) -> None:
    leaves = [part for part in model.modules() if not list(part.children())]
    handles = [leaf.register_forward_hook(statistics.see) for leaf in leaves]
    handles += [leaf.register_forward_pre_hook(statistics.enter) for leaf in leaves]
    for part in model.modules():
        part.training = statistics.dropping if isinstance(part, DROPOUT) else training
    try:
        for _ in range(times):
            statistics.index = 0
            model(*inputs, **keywords)
    finally:
        for handle in handles:
            handle.remove()


def _numbers(
    order: int, evaluated: LayerStatistics, masked: LayerStatistics, control: LayerStatistics
) -> measures.Numbers:
    numbers: measures.Numbers = {"order": float(order), "layers": float(len(evaluated.layers))}
    for name, statistics in (("evaluated", evaluated), ("masked", masked), ("control", control)):
        if order >= len(statistics.layers) or not statistics.inputs[order]:
            continue
        inputs = torch.cat([each.reshape(-1) for each in statistics.inputs[order]])
        outputs = statistics.outputs[order]
        numbers[f"{name}_input_variance"] = float(inputs.var(unbiased=False))
        numbers[f"{name}_input_square"] = float((inputs * inputs).mean())
        numbers[f"{name}_output_deviation"] = float(outputs[0].std(unbiased=False))
        numbers[f"{name}_output_largest"] = float(outputs[0].abs().max())
    numbers |= evaluated.ranks.get(order, {})
    numbers["after_affine"] = float(order in evaluated.after_affine)
    if order < len(masked.layers) and len(masked.outputs[order]) >= FEWEST_MASKS:
        numbers |= _mask_variance(masked.outputs[order])
    return numbers


def _rank(output: Tensor) -> measures.Numbers:
    """The rank of a batch of outputs as rows, and how many rows there are."""
    if output.dim() < 2 or not bool(torch.isfinite(output).all()):
        return {}
    rows = (
        output.reshape(-1, output.shape[-1])
        if output.dim() < 4
        else output.transpose(1, -1).reshape(-1, output.shape[1])
    )
    rows = rows[:LARGEST_RANKED]
    return {
        "output_rank": float(torch.linalg.matrix_rank(rows, rtol=1e-6)),
        "output_rows": float(len(rows)),
        "output_width": float(rows.shape[1]),
    }


def _mask_variance(outputs: list[Tensor]) -> measures.Numbers:
    """The variance of an output over masks, for one input, and of its mean over inputs."""
    if any(each.shape != outputs[0].shape for each in outputs) or outputs[0].dim() == 0:
        return {}
    stacked = torch.stack(outputs)
    return {
        "mask_variance": float(stacked.var(0).mean()),
        "sample_variance": float(stacked.mean(0).var(0, unbiased=False).mean()) if len(outputs[0]) > 1 else 0.0,
    }


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Put back modes, buffers and random generators."""
    modes = {part: part.training for part in model.modules()}
    buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            for part, training in modes.items():
                part.training = training
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name in buffers:
                        buffer.copy_(buffers[name])
