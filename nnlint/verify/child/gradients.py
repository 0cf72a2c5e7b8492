"""Whose gradients are filled, used by a step, or cleared: bookkeeping over the parameters that a run trains."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from nnlint.verify.child import measures

MOST_NODES = 5000
NOISE_SAMPLES = 200
LARGEST_NOISE = 1000.0
"""A larger noise scale cannot be told from so few samples."""

LOOKED_AT = 8
"""So many elements of a parameter show whether it has changed."""


class GradientBook:
    """The parameters seen so far, which of their gradients a step has already used, and which have piled up on such ones.

    A parameter that no optimizer has is updated by hand: that it was stepped shows in its values.
    """

    def __init__(self) -> None:
        self.parameters: dict[int, weakref.ref[Tensor]] = {}
        self.numbers: dict[int, int] = {}
        self.used: set[int] = set()
        self.piled: set[int] = set()
        self.managed: set[int] = set()
        self.looked_at: dict[int, Tensor] = {}
        self.noises: dict[int, NoiseScale] = {}

    def watch(self, parameters: Iterable[Tensor]) -> None:
        """Look after these parameters from now on."""
        for parameter in parameters:
            known = self.parameters.get(id(parameter))
            if known is None or known() is not parameter:
                self.parameters[id(parameter)] = weakref.ref(parameter)

    def number(self, parameters: list[Tensor]) -> int:
        """A small number that stands for a set of parameters: that of the first."""
        if not parameters:
            return 0
        return self.numbers.setdefault(id(parameters[0]), len(self.numbers) + 1)

    def watch_leaves(self, roots: Any) -> None:
        """Where no optimizer has told the parameters: the leaves of the graph behind a loss."""
        if not self.live():
            self.watch(_leaves(roots))

    def unheld(self, roots: Any) -> int:
        """How many leaves of the graph behind a loss no optimizer holds."""
        held = {id(each) for each in self.live()}
        return sum(id(leaf) not in held for leaf in _leaves(roots)) if held else 0

    def live(self) -> list[Tensor]:
        """The parameters that still exist."""
        return [parameter for reference in self.parameters.values() if (parameter := reference()) is not None]

    def step(self, parameters: Iterable[Tensor]) -> int:
        """A step has used these gradients; how many of them had piled up."""
        stepped = {id(parameter) for parameter in parameters if parameter.grad is not None}
        self.used |= stepped
        self.managed |= stepped
        return len(stepped & self.piled)

    def clear(self, parameters: Iterable[Tensor]) -> None:
        """These gradients begin anew."""
        cleared = {id(parameter) for parameter in parameters}
        self.used -= cleared
        self.piled -= cleared

    def pass_by(self) -> None:
        """A backward pass that is not measured: what has piled up is not known any more."""
        self.piled.clear()
        self.looked_at.clear()

    def before_backward(self) -> tuple[dict[int, Tensor], int]:
        """Copies of the gradients that are there already, and how many piled up ones were used by hand."""
        held = [p for p in self.live() if p.grad is not None and bool(p.grad.any())]
        kept = {id(parameter) for parameter in held}
        self.piled &= kept
        by_hand = {id(parameter) for parameter in held if self._was_changed_by_hand(parameter)}
        self.used = (self.used | by_hand) & kept
        return {id(p): p.grad.detach().clone() for p in held if p.grad is not None}, len(by_hand & self.piled)

    def _was_changed_by_hand(self, parameter: Tensor) -> bool:
        before = self.looked_at.get(id(parameter))
        return before is not None and id(parameter) not in self.managed and not torch.equal(before, _glance(parameter))

    def after_backward(self, before: dict[int, Tensor]) -> measures.Numbers:
        """Norms: of the gradient now, of what this pass added (`fresh`), of what was there (`waiting`).

        Where it was added to gradients that a step had used already (`stale`), the same of these alone (`piled`, `piled_fresh`).
        """
        filled = [parameter for parameter in self.live() if parameter.grad is not None]
        fresh = {id(p): _difference(p.grad, before.get(id(p))) for p in filled if p.grad is not None}
        stale = {key for key in before if key in self.used and key in fresh and bool(fresh[key].any())}
        self.piled |= stale
        self.looked_at = {id(p): _glance(p) for p in filled if id(p) not in self.managed}
        numbers = {
            "gradient_norm": measures.norm(p.grad for p in filled if p.grad is not None),
            "fresh_norm": measures.norm(fresh.values()),
            "stale_norm": measures.norm(before[key] for key in stale),
            "waiting_norm": measures.norm(tensor for key, tensor in before.items() if key not in self.used),
        }
        if stale:
            numbers["piled_norm"] = measures.norm(p.grad for p in filled if id(p) in stale and p.grad is not None)
            numbers["piled_fresh_norm"] = measures.norm(fresh[key] for key in stale)
        return numbers | self._noise(fresh)

    def _noise(self, fresh: dict[int, Tensor]) -> measures.Numbers:
        """The noise scale of the network that this pass has trained, which may be one of several."""
        touched = {key: tensor for key, tensor in fresh.items() if bool(tensor.any())}
        if not touched:
            return {}
        return self.noises.setdefault(next(iter(touched)), NoiseScale()).added(touched)


class NoiseScale:
    """The gradient noise scale so far: the variance of the gradients over the square of their mean.

    Source: McCandlish et al. 2018, "An Empirical Model of Large-Batch Training" (the simple noise scale, for the batch size at
    hand).
    """

    def __init__(self) -> None:
        self.sum_of_fresh: dict[int, Tensor] = {}
        self.sum_of_squares = 0.0
        self.samples = 0

    def added(self, fresh: dict[int, Tensor]) -> measures.Numbers:
        """The scale with one more gradient."""
        if self.samples >= NOISE_SAMPLES:
            return {}
        self.samples += 1
        for key, tensor in fresh.items():
            held = self.sum_of_fresh.get(key)
            if held is None:
                self.sum_of_fresh[key] = tensor.clone()
            elif held.shape == tensor.shape:
                held += tensor
        self.sum_of_squares += measures.norm(fresh.values()) ** 2
        mean_square = (measures.norm(self.sum_of_fresh.values()) / self.samples) ** 2
        if self.samples < 2 or not mean_square:
            return {}
        variance = max(0.0, self.sum_of_squares / self.samples - mean_square) * self.samples / (self.samples - 1)
        signal = max(mean_square - variance / self.samples, variance / LARGEST_NOISE)
        return {"noise_scale": variance / signal if signal > 0 else 0.0}


def _glance(parameter: Tensor) -> Tensor:
    return parameter.detach().reshape(-1)[:LOOKED_AT].clone()


def _difference(now: Tensor, before: Tensor | None) -> Tensor:
    gradient = now.detach()
    return gradient if before is None or before.shape != gradient.shape else gradient - before


def _leaves(roots: Any) -> list[Tensor]:
    tensors = [roots] if isinstance(roots, Tensor) else list(roots or ())
    pending = [each.grad_fn for each in tensors if isinstance(each, torch.Tensor) and each.grad_fn is not None]
    seen: set[Any] = set(pending)
    found = []
    while pending and len(seen) < MOST_NODES:
        node = pending.pop()
        if hasattr(node, "variable"):
            found.append(node.variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                pending.append(following)
    return found
