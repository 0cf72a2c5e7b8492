"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(file: Path, data: bytes) -> None:
    """Replaces the content of `file` in one step; permissions are kept and links followed. Raises OSError.

    What is no regular file (a pipe, /dev/stdout) cannot be replaced and is written to.
    """
    target = Path(os.path.realpath(file))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    from tempfile import mkstemp

    handle, name = mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        _copy_mode(target, name)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _copy_mode(target: Path, name: str) -> None:
    if target.exists():
        from shutil import copymode

        copymode(target, name)
        return
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)
