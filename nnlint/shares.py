"""How units are shared out among processes: the largest pieces first, neighbours together, and only where that pays."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from nnlint.units import Unit

Method = Literal["fork", "spawn"]
FORK: Method = "fork"
SPAWN: Method = "spawn"
LINES_THAT_PAY = {FORK: 3_000, SPAWN: 20_000}
"""Lines below which one process is done before two have begun, which takes a tenth of a second or, with all imports, one."""

LEAST_LINES = 1_000
"""Lines of units that are handed out together, so that small files do not wait for messages."""

SHARES_EACH = 4
"""Into how many pieces, for each process, the files of a large library are cut: fewer parse more of them only once, more end
together."""


def method_of_starting() -> Method | None:
    """How processes are started here; None where that is not safe.

    Forked ones stand where this one stands, with all that is imported, and so with the locks that other threads hold.
    """
    if sys.platform != "linux":
        return SPAWN
    return FORK if threading.active_count() == 1 else None


def pays(todo: Sequence[Unit], jobs: int, method: Method) -> bool:
    """Whether several processes, started so, would be done earlier than one."""
    return jobs > 1 and len(todo) > 1 and sum(unit.lines for unit in todo) >= LINES_THAT_PAY[method]


def shares(todo: Sequence[Unit], jobs: int) -> list[range]:
    """The numbers of all units, in pieces for so many processes, the largest piece first."""
    return sorted(_pieces(todo, jobs), key=lambda piece: (-_lines(todo, piece), piece.start))


def _pieces(todo: Sequence[Unit], jobs: int) -> Iterator[range]:
    """Runs of neighbours: the portions of one library in a few pieces, small units until they are worth a message."""
    start = 0
    small = 0
    for _, group in groupby(range(len(todo)), key=lambda number: id(todo[number].together)):
        numbers = list(group)
        end = numbers[-1] + 1
        if len(numbers) > 1:
            if numbers[0] > start:
                yield range(start, numbers[0])
            yield from _cut(range(numbers[0], end), jobs * SHARES_EACH)
            start, small = end, 0
            continue
        small += todo[numbers[0]].lines
        if small >= LEAST_LINES:
            yield range(start, end)
            start, small = end, 0
    if start < len(todo):
        yield range(start, len(todo))


def _cut(numbers: range, pieces: int) -> Iterator[range]:
    size = -(-len(numbers) // pieces)
    for start in range(numbers.start, numbers.stop, size):
        yield range(start, min(start + size, numbers.stop))


def _lines(todo: Sequence[Unit], piece: range) -> int:
    return sum(todo[number].lines for number in piece)
