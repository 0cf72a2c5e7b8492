"""The processes below one of ours: who they are, what memory they hold, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

MOST_COUNTED = 1000
MOST_MEASURED = 12


def descendants(process: int, most: int = MOST_COUNTED) -> list[int]:
    """All processes that descend from one, nearest first; none where the machine has no /proc.

    Of more than `most` only some: one cannot catch up with those that are made while one counts.
    """
    children = _children if os.path.exists(f"/proc/{process}/task/{process}/children") else _children_by_parent()
    found = children(process)
    for each in found:
        if len(found) > most:
            break
        found += children(each)
    return found


def _children(process: int) -> list[int]:
    """The children of a process, of whichever of its threads."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except (OSError, ValueError):
        pass
    return found


def _children_by_parent() -> Callable[[int], list[int]]:
    """The same for kernels that do not list children: from the parents of all processes."""
    found: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            found.setdefault(parent(int(name)), []).append(int(name))
    return lambda process: list(found.get(process, ()))


def parent(process: int) -> int:
    """The parent of a process; 0 where it is not known."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def memory(processes: list[int], enough: int) -> int:
    """The bytes that processes hold beyond what they share with this one, from which they were forked.

    What they share with each other is told apart where it is a matter of few processes and of more than `enough`: to find
    that out takes a look at every page.
    """
    own = _held(os.getpid())
    roughly = sum(max(0, _held(each) - own) for each in processes)
    if roughly <= enough or len(processes) > MOST_MEASURED:
        return roughly
    return sum(map(_proportional, processes))


def _held(process: int) -> int:
    """The bytes in memory that are no pages of files, by the kernel's own count."""
    try:
        with open(f"/proc/{process}/status") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
        return sum(int(line[1]) * 1024 for line in lines)
    except (OSError, ValueError, IndexError):
        return 0


def _proportional(process: int) -> int:
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            lines = [line.split() for line in file]
        return sum(int(line[1]) * 1024 for line in lines if line[0] in ("Pss_Anon:", "Pss_Shmem:"))
    except (OSError, ValueError, IndexError):
        return _held(process)


def count_left() -> int:
    """How many processes below this one still run, once those that have ended are collected."""
    _reap()
    with contextlib.suppress(OSError, ValueError):
        return len(descendants(int(os.readlink("/proc/self"))))
    return 0


def end_all(seconds: float = 10.0) -> None:
    """End everything below this process, which adopts orphans.

    Stopped first, so that none can start another while the rest are ended.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = descendants(os.getpid())
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for each in found:
                with contextlib.suppress(OSError):
                    os.kill(each, what)
        if not _reap():
            break
        time.sleep(0.005)


def _reap() -> bool:
    """Collect the children that have ended; whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
