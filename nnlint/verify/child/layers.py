"""Bookkeeping over the layers that the user's code makes, whether or not a network holds them: what became of their weights."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from nnlint.verify.child import measures
from nnlint.verify.child.places import Spot

SITE = "_nnlint_site"
"""The attribute under which a module keeps the line that made it."""

MOST_LAYERS = 2000
SAMPLE = 64
"""So many elements of each weight are kept to see whether they move."""


class _Kept:
    """What is known of one layer."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = weakref.ref(layer)
        self.calls = 0
        self.first: list[Tensor] = []
        self.gradients: list[float] = []


class LayerBook:
    """Every layer made at a line of the user's code, the networks that were called, and the optimizers over their weights."""

    def __init__(self) -> None:
        self.kept: dict[int, _Kept] = {}
        self.roots: dict[int, weakref.ref[nn.Module]] = {}
        self.optimizers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self.sites: Counter[tuple[str, int]] = Counter()
        self.sites_in_forward: Counter[tuple[str, int]] = Counter()

    def made(self, layer: nn.Module, in_forward: bool) -> None:
        """A layer is about to be constructed."""
        site = _site(layer)
        self.sites[site] += 1
        if in_forward:
            self.sites_in_forward[site] += 1
        if len(self.kept) < MOST_LAYERS:
            self.kept[id(layer)] = _Kept(layer)

    def called(self, layer: nn.Module, is_outermost: bool) -> None:
        """A layer is about to be called, alone or in a network."""
        if is_outermost and ((root := self.roots.get(id(layer))) is None or root() is not layer):
            self.roots[id(layer)] = weakref.ref(layer)
        kept = self.kept.get(id(layer))
        if kept is None or kept.layer() is not layer:
            return
        kept.calls += 1
        if kept.calls == 1:
            kept.first = [each.detach().reshape(-1)[:SAMPLE].clone() for each in _own(layer)]

    def optimized(self, optimizer: Optimizer) -> None:
        """An optimizer was made; what it holds is looked up at the end."""
        self.optimizers.add(optimizer)

    def note_gradients(self) -> None:
        """Keep the norms of the gradients that are there now."""
        for kept in self.kept.values():
            layer = kept.layer()
            if layer is not None:
                gradients = [each.grad for each in _own(layer) if each.grad is not None]
                if gradients:
                    kept.gradients.append(measures.norm(gradients))

    def tell(self, tell: Callable[..., None]) -> None:
        """Send what is known of each layer with weights that still lives, and of lines that made others in a forward pass."""
        roots = [root for reference in self.roots.values() if (root := reference()) is not None]
        registered = {id(parameter) for root in roots for parameter in root.parameters()}
        groups = [group for optimizer in list(self.optimizers) for group in optimizer.param_groups]
        optimized = {id(parameter) for group in groups for parameter in group["params"]}
        alive = set()
        for kept in list(self.kept.values()):
            layer = kept.layer()
            own = _own(layer) if layer is not None else []
            if layer is None or not own:
                continue
            alive.add(_site(layer))
            numbers = {
                "calls": float(kept.calls),
                "registered": float(all(id(each) in registered for each in own)),
                "optimized": float(all(id(each) in optimized for each in own)),
                "moved": _moved(own, kept.first),
                **({"gradient": sum(kept.gradients) / len(kept.gradients)} if kept.gradients else {}),
                **next((measures.unit_spread(each) for each in own if each.dim() > 1), {}),
                **self._counts(_site(layer)),
            }
            tell("WeightsSeen", [Spot(*_site(layer))], numbers, layer)
        for site in self.sites_in_forward.keys() - alive:
            tell("WeightsSeen", [Spot(*site)], self._counts(site))

    def _counts(self, site: tuple[str, int]) -> measures.Numbers:
        return {"made": float(self.sites[site]), "made_in_forward": float(self.sites_in_forward[site])}


def _site(layer: nn.Module) -> tuple[str, int]:
    path, line = layer.__dict__[SITE]
    return path, line


def _own(layer: nn.Module) -> list[Tensor]:
    """The layer's own weights, without those of its parts; lazy ones have none yet."""
    held: dict[str, Any] = layer.__dict__.get("_parameters") or {}
    lazy = nn.parameter.UninitializedParameter
    return [each for each in held.values() if each is not None and not isinstance(each, lazy)]


def _moved(now: list[Tensor], first: list[Tensor]) -> float:
    if len(now) != len(first):
        return 0.0
    pairs = [(each.detach().reshape(-1)[:SAMPLE], old) for each, old in zip(now, first, strict=True)]
    return measures.norm(each - old for each, old in pairs if each.shape == old.shape)
