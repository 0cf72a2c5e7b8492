"""Doing several things at a time, in threads that wait for runs, with the results in order and an end when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from nnlint.verify.runner import RunsEnded

Item = TypeVar("Item")
Result = TypeVar("Result")

STACK_BYTES = 64 << 20
"""What a thread needs for the analysis of a deeply nested script."""


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], at_once: int, give_up: Callable[[], None]
) -> list[Result]:
    """What `work` makes of each item, in their order, so many at a time.

    Where one raises, or the user interrupts, nothing more is begun, `give_up` is called to end what is under way, and the
    exception is raised: of several one that is not about being given up.
    """
    if at_once < 2 or len(items) < 2:
        return [work(item) for item in items]
    before = threading.stack_size(STACK_BYTES)
    try:
        with ThreadPoolExecutor(at_once) as pool:
            under_way = [pool.submit(work, item) for item in items]
            try:
                return [each.result() for each in under_way]
            except BaseException as error:
                for each in under_way:
                    each.cancel()
                give_up()
                raise _cause(error, under_way) from None
    finally:
        threading.stack_size(before)


def _cause(error: BaseException, under_way: Sequence[Future[Result]]) -> BaseException:
    if not isinstance(error, RunsEnded):
        return error
    failures = [each.exception() for each in wait(under_way).done if not each.cancelled()]
    return next((each for each in failures if each is not None and not isinstance(each, RunsEnded)), error)
