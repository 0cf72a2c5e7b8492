"""Room for the interpreter's frames, so that a deep analysis does not ask the system for memory at each call."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

ROOM = 16_000
"""Words that a frame is said to need. CPython then takes a chunk of 256 KiB, half of which is left for the frames of what is
called: some five hundred, more than the deepest analysis has."""


def with_room(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, whose calls have their frames, and those of all that they call, in one piece of memory.

    CPython keeps frames in chunks of 16 KiB, which it gives back with the last frame in them. Calls in a loop whose frames lie
    just behind the end of a chunk take a new one from the system each time (https://github.com/python/cpython/issues/142183,
    mended in the last releases alone): of an analysis that was one call in five hundred, and a fiftieth of the time.
    """
    if isinstance(function, FunctionType):
        code = function.__code__
        function.__code__ = code.replace(co_stacksize=max(ROOM, code.co_stacksize))
    return function
