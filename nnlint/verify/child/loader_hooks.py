"""Loaders: how they were made, and the first batches of each pass over them."""

from __future__ import annotations

import contextlib
import weakref
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from nnlint.verify.child import measures
from nnlint.verify.child.layers import SITE
from nnlint.verify.child.places import Spot

if TYPE_CHECKING:
    from nnlint.verify.child.recorder import Recorder

FIRST_BATCHES = 4
"""So many batches of each pass are told of."""

MOST_FILES = 1000
PLAIN = (("num_workers", 0), ("pin_memory", False), ("persistent_workers", False), ("timeout", 0))
LEFT_OUT = ("prefetch_factor", "multiprocessing_context", "pin_memory_device")


ENOUGH_SAMPLES = 64
"""A sample may come out of a random transform as it went in: so many are drawn again before they count as always the same."""

MOST_UNUSED = 4
"""So many flagged loaders are kept until the end, to be drawn from where the script does it once at most."""


def install(recorder: Recorder) -> LoaderHooks:
    """Put these hooks in place."""
    hooks = LoaderHooks(recorder)
    recorder.wrap(torch.utils.data.DataLoader, "__init__", hooks.made)
    recorder.wrap(torch.utils.data.DataLoader, "__iter__", hooks.pass_begun)
    recorder.wrap(torch.utils.data.dataloader._BaseDataLoaderIter, "__next__", hooks.batch_drawn)
    return hooks


class LoaderHooks:
    """What is told of loaders."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.flagged = {(probe.path, probe.line) for probe in recorder.request.probes}
        self.unused: list[Any] = []
        self.passes: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self.by_hand: set[Spot] = set()
        self.drawn_from: weakref.WeakKeyDictionary[Any, tuple[Any, int]] = weakref.WeakKeyDictionary()
        self.may_end: weakref.WeakSet[Any] = weakref.WeakSet()

    def made(self, original: Callable[..., Any], loader: Any, *rest: Any, **keywords: Any) -> None:
        """A loader works in this process, whatever its script asks for."""
        keywords |= {name: plain for name, plain in PLAIN if name in keywords}
        for name in LEFT_OUT:
            keywords.pop(name, None)
        original(loader, *rest, **keywords)
        numbers = {"batch_size": float(loader.batch_size or 0), "drop_last": float(loader.drop_last)}
        numbers["sequential"] = float(isinstance(loader.sampler, torch.utils.data.SequentialSampler))
        if hasattr(loader.dataset, "__len__"):
            numbers["samples"] = float(len(loader.dataset))
        numbers["contents"] = _contents(loader.dataset, self.recorder)
        calls = self.recorder.places.calls(loader)
        if calls:
            loader.__dict__[SITE] = list(calls[0])
            if numbers["sequential"] and tuple(calls[0]) in self.flagged and len(self.unused) < MOST_UNUSED:
                self.unused.append(loader)
        self.recorder.tell("LoaderMade", calls, numbers, loader)

    def pass_begun(self, original: Callable[..., Any], loader: Any) -> Any:
        """Remember which loader an iterator draws from."""
        drawn = original(loader)
        if not self.recorder.paused:
            self.passes[loader] = self.passes.get(loader, 0) + 1
        with contextlib.suppress(TypeError):
            self.drawn_from[drawn] = (loader, 0)
            calls = self.recorder.places.calls()
            if calls and calls[0] not in self.by_hand:
                self.may_end.add(drawn)
        return drawn

    def batch_drawn(self, original: Callable[..., Any], drawn: Any) -> Any:
        """Tell of the batch, if it is one of the first of its pass; in haste there are no others."""
        loader, number = self.drawn_from.get(drawn, (None, FIRST_BATCHES))
        if number >= FIRST_BATCHES and self.recorder.is_in_haste() and drawn in self.may_end:
            raise StopIteration
        batch = original(drawn)
        if number >= FIRST_BATCHES:
            return batch
        self.drawn_from[drawn] = (loader, number + 1)
        calls = self.recorder.places.calls()
        if calls and self.recorder.is_measured(f"batch {number}", calls):
            with self.recorder.pause():
                numbers = measures.batch(batch) | {"number": float(number), "batches": _batches(loader)}
            self.recorder.tell("BatchDrawn", calls, numbers, loader)
        return batch

    def draw_from_unused(self, has_time: Callable[[], bool]) -> None:
        """Draw the first batch of each flagged loader that the script has not drawn from twice, until it is another one.

        Tells what it amounted to first and last, and how many samples were drawn again.
        """
        for loader in [each for each in self.unused if self.passes.get(each, 0) < 2]:
            if not has_time():
                return
            with contextlib.suppress(Exception), self.recorder.pause():  # its data may need what is not there
                numbers = _drawn_again(loader, has_time)
                self.recorder.tell("LoaderMade", [Spot(*loader.__dict__[SITE])], numbers, loader)


def _drawn_again(loader: Any, has_time: Callable[[], bool]) -> measures.Numbers:
    first = again = measures.batch(next(iter(loader)))
    samples = 0.0
    while samples < ENOUGH_SAMPLES and has_time() and again["sum"] == first["sum"]:
        again = measures.batch(next(iter(loader)))
        samples += again["rows"]
    return {"first_sum": first["sum"], "second_sum": again["sum"], "samples_again": samples}


def _contents(dataset: Any, recorder: Recorder) -> float:
    """A number that data sets share which hold the same arrays or files, else one of the object's own."""
    held = getattr(dataset, "tensors", getattr(dataset, "data", None))
    with recorder.pause():
        found = measures.batch(held) if not hasattr(held, "__array__") else measures.summary(held)
    files = getattr(dataset, "samples", None)
    if isinstance(files, list) and files and isinstance(files[0], tuple):
        return float(zlib.crc32(repr(files[:MOST_FILES]).encode()))
    return found.get("sum", found.get("mean", float(recorder.identity(dataset))))


def _batches(loader: Any) -> float:
    try:
        return float(len(loader))
    except (TypeError, NotImplementedError):
        return 0.0
