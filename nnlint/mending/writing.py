"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def write_atomically(file: Path, data: bytes | Iterable[bytes]) -> None:
    """Replaces the content of `file` in one step; permissions are kept and links followed. Raises OSError.

    The bytes may come in pieces. What is no regular file (a pipe, /dev/stdout) cannot be replaced and is written to.
    """
    target = Path(os.path.realpath(file))
    pieces = (data,) if isinstance(data, bytes) else data
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            stream.writelines(pieces)
        return
    from tempfile import mkstemp

    handle, name = mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(pieces)
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
