"""What probes see: each sighting of a flagged value becomes a record with numbers."""

from __future__ import annotations

import contextlib
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nnlint.verify.child import measures
from nnlint.verify.child.places import Spot
from nnlint.verify.protocol import Probe, Record

MOST_KEPT = 4
MOST_COPIED = 4_000_000
"""So many weights of a kept state, of so many elements at most, are looked at again."""

ALL_UNTIL = 64
"""The first sightings are all measured; later ones ever more rarely."""


class _Part(NamedTuple):
    """An operand as it was before the operation, its numbers, and the same operand, which the operation may change."""

    value: Any
    numbers: measures.Numbers
    live: Any


class Sightings:
    """The functions that probes call, and what they have seen; nothing while it `is_paused`."""

    def __init__(
        self, probes: tuple[Probe, ...], tell: Callable[[Record], None], calls: Callable[[], list[Spot]] = list
    ) -> None:
        self.tell = tell
        self.calls = calls
        self.probes = {probe.number: probe for probe in probes}
        self.counts = dict.fromkeys(self.probes, 0)
        self.parts: dict[int, dict[str, _Part]] = {}
        self.kept: dict[int, list[tuple[Tensor, Tensor]]] = {}
        self.changes: dict[int, float] = {}
        self.expected: set[int] = set()
        self.is_paused = False
        self.is_over = False

    def expect(self, numbers: Iterable[int]) -> None:
        """These probes stand in code that was compiled."""
        self.expected.update(number for number in numbers if self.probes[number].awaited)

    def is_waiting(self) -> bool:
        """Whether a probe that matters has not been reached yet."""
        return bool(self.expected)

    def part(self, number: int, role: str, value: Any) -> Any:
        """An operand of the probed expression; `role` is left, right, receiver or argument."""
        if self._is_wanted(number) and not self.is_paused:
            with contextlib.suppress(Exception):  # what the script computes may be anything, and must go on to it
                self.parts.setdefault(number, {})[role] = self._part(number, role, value)
        return value

    def _part(self, number: int, role: str, value: Any) -> _Part:
        receiver = self.parts.get(number, {}).get("receiver") if role == "argument" else None
        drawn = state_of(receiver.value) if receiver is not None else {}
        return _Part(_frozen(value), measures.summary(value) | drawn, value)

    def value(self, number: int, value: Any) -> Any:
        """The probed value itself."""
        if self.is_paused:
            return value
        is_wanted = self._is_wanted(number)
        self.counts[number] += 1
        self.expected.discard(number)
        parts = self.parts.pop(number, {})
        if is_wanted:
            try:
                self._tell(number, value, parts)
            except Exception:  # a value that cannot be measured has been seen all the same
                self._record(number, "value", {})
        return value

    def reached(self, number: int) -> None:
        """A probed statement is about to run."""
        if self.is_paused:
            return
        self.expected.discard(number)
        if self._is_wanted(number):
            self._record(number, "reached", {})

    def changed_since_kept(self) -> None:
        """Tells of every kept state how far its tensors have moved since they were seen.

        The script is over then: what is called from now on is not its doing.
        """
        self.is_over = True
        for number in self.kept:
            self._note_change(number)
            spread = measures.unit_spread(self.kept[number][0][0]) if self.kept[number] else {}
            self._record(number, "kept", {"change": self.changes[number], **spread})

    def _is_wanted(self, number: int) -> bool:
        count = self.counts[number]
        return not self.is_over and (count < ALL_UNTIL or count & (count - 1) == 0)

    def _tell(self, number: int, value: Any, parts: dict[str, _Part]) -> None:
        numbers = measures.summary(value) | measures.sum_gaps(value)
        if "requires_grad" in numbers:
            numbers["is_parameter"] = float(isinstance(value, torch.nn.Parameter))
            numbers["graph"] = float(graph_size(measures.tensors_in(value)))
        for role, part in parts.items():
            numbers |= {f"{role}_{name}": each for name, each in part.numbers.items()}
        raw = next((parts[role].value for role in ("argument", "left") if role in parts), None)
        if raw is not None:
            numbers |= affine_map(raw, value)
        for role in ("receiver", "argument"):
            if role in parts:
                numbers |= measures.displaced(parts[role].value, value)
        whole = parts.get("whole") or (parts.get("argument") if value is None else None)
        if whole is not None:
            numbers |= reordered(whole.value, whole.live if value is None else value)
        if "index" in parts:
            numbers |= scattered(parts["index"].value)
        self._keep(number, parts["argument"].value if value is None and "argument" in parts else value)
        self._record(number, "value", numbers)

    def _keep(self, number: int, value: Any) -> None:
        """Of a state dict, a network or a part of one: its weights as they are now, and copies."""
        weights = list(islice((held for held in _weights(value) if _is_kept(held)), MOST_KEPT))
        if weights:
            self._note_change(number)
            self.kept[number] = [(tensor, tensor.detach().clone()) for tensor in weights]

    def _note_change(self, number: int) -> None:
        """How far what is kept has moved since it was kept; the largest such change counts."""
        pairs = self.kept.get(number, [])
        moved = measures.norm(live.detach() - copy for live, copy in pairs)
        self.changes[number] = max(self.changes.get(number, 0.0), moved)

    def _record(self, number: int, what: str, numbers: measures.Numbers) -> None:
        probe = self.probes[number]
        self.tell(
            {
                "kind": "ValueSeen",
                "calls": [[probe.path, probe.line], *self.calls()[1:]],
                "words": {"probe": number, "what": what, "span": probe.span},
                "numbers": {**numbers, "count": float(self.counts[number])},
            }
        )


def _weights(value: Any) -> Iterator[Tensor]:
    """The weights that a value refers to: a network, its state, or a tuple with one of them in it."""
    if isinstance(value, torch.nn.Module):
        yield from value.parameters()
    elif isinstance(value, (tuple, list)):
        for each in value[:MOST_KEPT]:
            yield from _weights(each)
    elif isinstance(value, (dict, Tensor)):
        yield from (each for each in measures.tensors_in(value) if each.is_floating_point() and each.is_leaf)


def _is_kept(weight: Tensor) -> bool:
    """Whether a weight is looked at again: a lazy one has no elements yet."""
    return not torch.nn.parameter.is_lazy(weight) and 0 < weight.numel() < MOST_COPIED


def _frozen(value: Any) -> Any:
    """A copy of an array, which the operation may overwrite; anything else as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone() if value.numel() < measures.LARGEST_MEASURED else value
    if hasattr(value, "__array__") and hasattr(value, "copy") and getattr(value, "size", 0) < measures.LARGEST_MEASURED:
        return value.copy()
    return value


def state_of(generator: Any) -> measures.Numbers:
    """A mark of the state in which a generator of random numbers is: equal states have equal marks."""
    kind = (getattr(generator, "__name__", "") or type(generator).__module__).partition(".")[0]
    if kind not in ("random", "numpy"):
        return {}
    read = getattr(generator, "getstate", None) or getattr(generator, "get_state", None)
    state = read() if read is not None else getattr(getattr(generator, "bit_generator", None), "state", None)
    return {} if state is None else {"generator": float(zlib.crc32(pickle.dumps(state)))}


def reordered(before: Any, after: Any) -> measures.Numbers:
    """The share of rows that are others than before, of arrays of the same shape."""
    first, second = measures.as_tensor(before), measures.as_tensor(after)
    if before is after or first is None or second is None or first.shape != second.shape or not first.dim():
        return {}
    if not 0 < first.numel() <= measures.LARGEST_MEASURED:
        return {}
    rows = (first != second).reshape(len(first), -1).any(1)
    return {"moved": float(rows.double().mean())}


def scattered(index: Any) -> measures.Numbers:
    """The share of the places in an index by whole numbers that do not follow one another."""
    if not str(getattr(index, "dtype", "")).rpartition(".")[2].startswith("int"):
        return {}
    places = measures.as_tensor(index)
    if places is None or places.dim() != 1 or len(places) < 2:
        return {}
    return {"moved": float((places != places[0] + torch.arange(len(places))).double().mean())}


def graph_size(values: Iterable[Tensor], most: int = 20_000) -> int:
    """How many nodes of the graph hang behind tensors; `most` where they are more."""
    pending = [value.grad_fn for value in values if value.grad_fn is not None]
    seen = set(pending)
    while pending and len(seen) < most:
        for following, _ in pending.pop().next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                pending.append(following)
    return len(seen)


def affine_map(raw: Any, scaled: Any) -> measures.Numbers:
    """`scaled = factor * raw + offset`, fitted over all elements, and the deviation left; nothing where shapes differ."""
    before, after = measures.as_tensor(raw), measures.as_tensor(scaled)
    if before is None or after is None or before.shape != after.shape or before.numel() < 2:
        return {}
    x, y = before.reshape(-1)[: measures.LARGEST_MEASURED], after.reshape(-1)[: measures.LARGEST_MEASURED]
    centred = x - x.mean()
    spread = float((centred * centred).sum())
    if spread == 0:
        return {}
    factor = float((centred * (y - y.mean())).sum()) / spread
    offset = float(y.mean()) - factor * float(x.mean())
    return {"factor": factor, "offset": offset, "misfit": float((y - factor * x - offset).std(unbiased=False))}
