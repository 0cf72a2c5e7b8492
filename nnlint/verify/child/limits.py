"""Limits on one process that the kernel enforces, set before the script starts and inherited by all that it starts."""

from __future__ import annotations

import contextlib
import os
import resource

LARGEST_FILE = 512_000_000
MOST_OPEN_FILES = 1024
MOST_TASKS = 512
SLOWEST = 19


def limit_process(memory: int, seconds: float, is_own_user: bool) -> None:
    """Limit this process: what it takes of memory beyond what it has, its files, its time on a processor.

    The number of tasks is limited only where that counts none of the user's own (`is_own_user`).
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    _limit(resource.RLIMIT_DATA, _own_data() + memory)
    _limit(resource.RLIMIT_CPU, int(seconds * 4) + 10)
    if is_own_user:
        _limit(resource.RLIMIT_NPROC, MOST_TASKS)
    _slow_grandchildren()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _slow_grandchildren() -> None:
    """From the second generation on, forked processes get what others leave: who watches over them must get to run."""
    generation, nice = 0, os.nice

    def forked() -> None:
        nonlocal generation
        generation += 1
        if generation > 1:
            with contextlib.suppress(OSError):
                nice(SLOWEST)

    os.register_at_fork(after_in_child=forked)


def _own_data() -> int:
    """The bytes of data that this process has mapped already."""
    with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmData:")).split()[1]) * 1024
    return 1 << 30


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (most, most))
