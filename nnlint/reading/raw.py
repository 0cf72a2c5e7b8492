"""The bytes of files that users name, without waiting for what may never come."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

HELD_OPEN = ("/dev/", "/proc/")
"""Where a shell shows the pipes that it holds open: `<(command)`, /dev/stdin."""


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises OSError, also for a named pipe: reading it would wait for whoever writes to it."""
    if stat.S_ISFIFO(os.stat(path).st_mode) and not is_held_open(path):  # noqa: PTH116 - as short for text and Path
        raise OSError(errno.EINVAL, "it is a named pipe; give its content on standard input, as -")
    return Path(path).read_bytes()


def is_held_open(path: str | os.PathLike[str]) -> bool:
    """Whether a pipe has somebody at its other end."""
    return os.path.realpath(path).startswith(HELD_OPEN)
