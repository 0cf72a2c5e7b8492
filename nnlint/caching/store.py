"""A folder of small files, each with what was found for one key.

Any number of processes may use it at once: a file is written aside and put in its place as a whole. What cannot be read, or is
not what was written, is as if it were not there; what cannot be written is left out. Nothing here ever raises for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from nnlint.digest import digest

MOST_BYTES = 64_000_000
"""The size at which the entries that were not used for the longest time are removed."""

SUFFIX = ".json"
IGNORE = "# Made by nnlint: results of earlier runs.\n*\n"


class Store:
    """Texts by key (a name of hexadecimal digits), in one folder that is made when something is kept."""

    def __init__(self, folder: str, most_bytes: int = MOST_BYTES) -> None:
        self.folder = Path(folder)
        self.most_bytes = most_bytes

    def get(self, key: str) -> str | None:
        """What was kept under a key; None where there is nothing that can be trusted."""
        file = self.folder / f"{key}{SUFFIX}"
        try:
            checksum, _, body = file.read_bytes().partition(b"\n")
            if checksum.decode() != digest(body):
                return None
            os.utime(file)
            return body.decode()
        except (OSError, ValueError):
            return None

    def put(self, key: str, text: str) -> None:
        """Keep a text under a key, in the place of what was there."""
        body = text.encode()
        aside = self.folder / f"{key}.{os.getpid()}.new"
        try:
            self._make_folder()
            aside.write_bytes(digest(body).encode() + b"\n" + body)
            aside.replace(self.folder / f"{key}{SUFFIX}")
        except BaseException as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            if not isinstance(error, OSError):
                raise

    def trouble(self) -> str:
        """Why nothing can be kept here; "" where something can. The folder is made."""
        try:
            self._make_folder()
        except OSError as error:
            return error.strerror or str(error)
        return "" if os.access(self.folder, os.R_OK | os.W_OK | os.X_OK) else os.strerror(errno.EACCES)

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text(IGNORE, encoding="utf-8")

    def prune(self) -> None:
        """Remove what was not used for the longest time, and what a killed process left, until the rest is small enough."""
        with contextlib.suppress(OSError):
            with os.scandir(self.folder) as entries:
                found = [(entry.stat(), entry) for entry in entries if entry.name.endswith((SUFFIX, ".new"))]
            total = sum(status.st_size for status, _ in found)
            for status, entry in sorted(found, key=lambda each: each[0].st_mtime):
                if total <= self.most_bytes:
                    break
                os.unlink(entry.path)  # noqa: PTH108 - an entry knows its path as text
                total -= status.st_size
