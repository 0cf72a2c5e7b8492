"""Doing several things at a time, in threads that wait for runs, with the results in order and an end when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

STACK_BYTES = 64 << 20
"""What a thread needs for the analysis of a deeply nested script."""


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], at_once: int, give_up: Callable[[], None]
) -> list[Result]:
    """What `work` makes of each item, in their order, so many at a time.

    Where one raises, or the user interrupts, nothing more is begun, `give_up` is called to end what is under way, and the
    exception is raised.
    """
    if at_once < 2 or len(items) < 2:
        return [work(item) for item in items]
    before = threading.stack_size(STACK_BYTES)
    try:
        with ThreadPoolExecutor(at_once) as pool:
            under_way = [pool.submit(work, item) for item in items]
            try:
                return [each.result() for each in under_way]
            except BaseException:
                for each in under_way:
                    each.cancel()
                give_up()
                raise
    finally:
        threading.stack_size(before)
