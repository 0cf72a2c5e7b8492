"""Which input a network takes: candidates from its first layer, tried until a forward pass works."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures

BATCH = 8
SIDES = (32, 28, 64, 96, 128, 224, 16, 256, 299, 84, 48)
LENGTHS = (16, 32, 64, 100, 128, 24, 48, 96)
MASKS = ("mask", "lengths", "lens", "hidden", "state", "h0", "c0", "cache", "past")
RECURRENT = (nn.RNNBase, nn.RNNCellBase)


@dataclass
class Fit:
    """A network, the shape and kind of the input that it takes, and an output for it."""

    model: nn.Module
    shape: tuple[int, ...]
    words: int = 0
    further: tuple[Any, ...] = ()
    output: Tensor = field(default_factory=lambda: torch.zeros(0))

    def inputs(self, count: int, generator: torch.Generator) -> Tensor:
        """Random inputs: numbers, or words where the network takes these."""
        if self.words:
            return torch.randint(self.words, (count, *self.shape), generator=generator)
        return torch.randn(count, *self.shape, generator=generator)


def fitted(model: nn.Module) -> Fit | None:
    """What the network takes; None where no candidate works."""
    modes = {part: part.training for part in model.modules()}
    for shape, words in candidates(model):
        for further in _further(model, shape, words):
            fit = Fit(model, shape, words, further)
            output = _output(fit)
            if output is not None:
                fit.output = output
                for part, training in modes.items():
                    part.training = training
                return fit
    return None


def _output(fit: Fit) -> Tensor | None:
    fit.model.eval()
    inputs = fit.inputs(BATCH, torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            result = fit.model(inputs, *[inputs if each is Tensor else each for each in fit.further])
    except Exception:  # whatever the user's code raises, this candidate is not the one
        return None
    outputs = [each for each in measures.tensors_in(result) if each.is_floating_point() and each.numel()]
    return outputs[0] if outputs else None


def candidates(model: nn.Module) -> Iterator[tuple[tuple[int, ...], int]]:
    """Shapes without the batch, and how many words there are where the input is words; by the first layer with weights."""
    for layer in _first_layers(model):
        if isinstance(layer, nn.Embedding):
            yield from (((length,), layer.num_embeddings) for length in LENGTHS)
            yield (), layer.num_embeddings
        elif isinstance(layer, nn.Conv2d):
            yield from (((layer.in_channels, side, side), 0) for side in SIDES)
        elif isinstance(layer, nn.Conv1d):
            yield from (((layer.in_channels, length), 0) for length in LENGTHS)
        elif isinstance(layer, nn.Conv3d):
            yield (layer.in_channels, 16, 32, 32), 0
        elif isinstance(layer, RECURRENT):
            yield (12, layer.input_size), 0
            yield (layer.input_size,), 0
        elif isinstance(layer, nn.Linear | nn.Bilinear):
            size = layer.in_features if isinstance(layer, nn.Linear) else layer.in1_features
            yield (size,), 0
            yield from _images(size)
            yield (12, size), 0
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            yield (layer.num_features,), 0
            yield from (((layer.num_features, side, side), 0) for side in SIDES)


def _images(size: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Images of so many numbers."""
    for channels in (1, 3):
        side = round((size / channels) ** 0.5)
        if channels * side * side == size:
            yield (channels, side, side), 0


def _first_layers(model: nn.Module) -> list[nn.Module]:
    """Layers with weights: the first of them, then some others, as definition and use may differ in order."""
    leaves = [part for part in model.modules() if not list(part.children()) and list(part.parameters(recurse=False))]
    return leaves[:4]


def _further(model: nn.Module, shape: tuple[int, ...], words: int) -> Iterator[tuple[Any, ...]]:
    """What else `forward` requires: nothing, for masks and states, else the input once more."""
    names = [
        parameter.name
        for parameter in list(inspect.signature(model.forward).parameters.values())[1:]
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    yield tuple(None if any(mask in name for mask in MASKS) else Tensor for name in names)
