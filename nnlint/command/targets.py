"""The files that a run is asked to write, looked at before anything is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from nnlint.command.console import OutputError
from nnlint.reading.files import SUFFIXES
from nnlint.settings import OWN_FILE, PROJECT_FILE


def check_target(
    target: str, linted: Iterable[str] = (), settings: Iterable[str] = (), baselines: Iterable[str] = ()
) -> None:
    """Raises OutputError where a file cannot be written, or where that would overwrite one of these files, any source code or
    any settings."""
    problem = _unwritable(target)
    if problem:
        raise OutputError(f"{target}: the output cannot be written: {os.strerror(problem)}")
    name = Path(target).name
    reasons = {
        "it is linted": _is_one_of(target, linted),
        "it is source code": name.lower().endswith(SUFFIXES) and _is_regular(target),
        "it holds settings": (name in (OWN_FILE, PROJECT_FILE) and _is_regular(target)) or _is_one_of(target, settings),
        "it is the baseline": _is_one_of(target, baselines),
    }
    for reason, holds in reasons.items():
        if holds:
            raise OutputError(f"{target}: the output would overwrite this file, and {reason}")


def _unwritable(target: str) -> int:
    """The number of the error that opening the file for writing would give; 0 where there is none to foresee."""
    if os.path.isdir(target):  # noqa: PTH112 - Path.is_dir raises where a path may not be entered
        return errno.EISDIR
    folder = os.path.dirname(os.path.realpath(target))  # noqa: PTH120
    if os.path.isdir(folder):  # noqa: PTH112
        return 0
    return errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT  # noqa: PTH110


def _is_regular(target: str) -> bool:
    return os.path.isfile(target)  # noqa: PTH113


def _is_one_of(target: str, files: Iterable[str]) -> bool:
    """Whether the target is one of the files, whatever the names: a link leads to what it links."""
    identity = _identity(target)
    return identity is not None and any(_identity(file) == identity for file in files)


def _identity(file: str) -> tuple[int, int] | None:
    """What tells a regular file from all others; None for what is none."""
    if not _is_regular(file):
        return None
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
