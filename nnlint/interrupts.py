"""What happens where the user interrupts, or asks the process to end: when that takes effect, and what is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)
CAN_HOLD_BACK = hasattr(signal, "pthread_sigmask")


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Who asks the process to end gets what an interrupt gets: other processes are ended, and what is known is printed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_IGN:  # whoever started the process wants it so
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def finished_first() -> Iterator[None]:
    """Puts an interrupt off until the work within is done; a second one ends it at once. Raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in ENDING}
    before = {n: handler for n, handler in handlers.items() if handler in (signal.default_int_handler, signal.SIG_DFL)}
    asked: list[int] = []

    def put_off(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, put_off)
    try:
        yield
    finally:
        restore()
    if asked:
        raise KeyboardInterrupt


def held_back() -> AbstractContextManager[None]:
    """Lets interrupts take effect at the end, or within `let_through`, so that nothing half done is lost."""
    return _masked("SIG_BLOCK")


def let_through() -> AbstractContextManager[None]:
    """Lets interrupts take effect at once, also those that were held back."""
    return _masked("SIG_UNBLOCK")


@contextmanager
def _masked(how: str) -> Iterator[None]:
    if not CAN_HOLD_BACK:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(getattr(signal, how), ENDING)  # what waited may take effect in this very call
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
