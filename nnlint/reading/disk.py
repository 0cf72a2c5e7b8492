"""First-party files as imports find them: those on disk, or some of them as they were at another time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.reading.files import shown_path
from nnlint.records import dataclass, field


@dataclass(frozen=True)
class Disk:
    """The files on disk. `others` replaces some of them, by their path without links: None stands for one that is not there."""

    others: Mapping[str, bytes | None] = field(default_factory=dict)

    def is_file(self, path: Path) -> bool:
        """Whether there is a file of that path."""
        is_other, data = self._other(path)
        return data is not None if is_other else path.is_file()

    def names(self, folder: str) -> frozenset[str] | None:
        """The names in a folder; None where they are not known, or some files are those of another time."""
        if self.others:
            return None
        try:
            return frozenset(os.listdir(folder))  # noqa: PTH208 - only the names are wanted
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        except OSError:
            return None

    def holds(self, folder: str, name: str) -> bool:
        """Whether there is something of that name in a folder."""
        return os.path.lexists(os.path.join(folder, name))  # noqa: PTH118

    def size(self, file: str) -> int:
        """The bytes of a file; 0 where it is not there."""
        is_other, data = self._other(file)
        if is_other:
            return len(data or b"")
        try:
            return Path(file).stat().st_size
        except OSError:
            return 0

    def data(self, path: str) -> bytes | None:
        """The bytes of a file; None where it is not there or cannot be read."""
        is_other, data = self._other(path)
        if is_other:
            return data
        try:
            return Path(path).read_bytes()
        except OSError:
            return None

    def read(self, path: str) -> Document | None:
        """The document of a file; None where it is not there or cannot be read."""
        full = os.path.abspath(path)  # noqa: PTH100 - links stay as they are named
        data = self.data(full)
        return None if data is None else read_document(shown_path(full), full, data)

    def _other(self, file: str | Path) -> tuple[bool, bytes | None]:
        """Whether a file is one of the others, and its bytes as they were then."""
        if not self.others:
            return False, None
        real = os.path.realpath(file)
        return real in self.others, self.others.get(real)


DISK = Disk()
"""The files as they are."""
