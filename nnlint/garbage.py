"""When Python's garbage collector looks through what an analysis makes: seldom while it works, and not at once at the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

MOST_AFTER_ALL = 500_000
"""Objects, 50 MB or so, that may wait for the garbage collector when all is done."""

MOST_BETWEEN_UNITS = 150_000
"""Objects, 15 MB or so, that may wait between units to be taken apart."""

MOST_LEFT_OVER = 25_000
"""Objects that may be left then, and wait for the garbage collector."""

COLLECTIONS_OF_YOUNG = 8
"""How often it looks through what is new alone, which takes less time, before what has outlived that may have gathered."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps the garbage collector from looking through trees and values, of which nearly all live as long as the analysis.

    On large repositories it would take half of the time, and free a tenth of the memory. What is left at the end is not looked
    through at once either, but with the next whole collection, or when enough of it has gathered.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    _grow_old()
    try:
        yield
    finally:
        if was_enabled:
            _take_apart()
            _leave_for_later()
            gc.enable()


_left_behind: list[int] = []
"""How many objects each analysis has left since the last collection of them all."""


def _leave_for_later() -> None:
    _left_behind.append(gc.get_count()[0])
    if sum(_left_behind) > MOST_AFTER_ALL:
        _left_behind.clear()
        gc.collect()
    else:
        _grow_old()


def _grow_old() -> None:
    """Moves young objects to the oldest generation, unless somebody keeps objects frozen, which would thaw."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


_forgetting: list[Callable[[], None]] = []
"""What gives up the answers to each question that is `remembered`."""


def remembered(most: int) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """`functools.lru_cache` for questions about trees and runs: the last answers, given up with the unit that they are about."""

    def remember(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        cached = lru_cache(most)(function)
        _forgetting.append(cached.cache_clear)
        return cached  # type: ignore[return-value]

    return remember


def forget() -> None:
    """Gives up all answers that are `remembered`."""
    for clear in _forgetting:
        clear()


_holding_themselves: list[Callable[[], None]] = []
"""What takes apart each analysis that is done, of which everything holds everything."""


def take_apart_later(take_apart: Callable[[], None]) -> None:
    """Has an analysis that is done taken apart once much has gathered: a process that ends before need not."""
    _holding_themselves.append(take_apart)


def _take_apart() -> None:
    """Frees nearly all that is left of analyses, in a quarter of the time in which the garbage collector finds it out."""
    while _holding_themselves:
        _holding_themselves.pop()()


def collect_between_units() -> None:
    """Frees what units have left behind that is remembered or holds itself, the latter when there is much of it."""
    forget()
    if gc.get_count()[0] <= MOST_BETWEEN_UNITS:
        return
    _take_apart()
    young, _, old = gc.get_count()
    if young > MOST_LEFT_OVER:
        gc.collect(2 if old >= COLLECTIONS_OF_YOUNG else 1)
