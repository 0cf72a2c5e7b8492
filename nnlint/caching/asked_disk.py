"""A disk that remembers what it was asked and what it answered: the files that a result depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.records import dataclass, field

Answer = list[Any]
"""The kind of a question, the path it was about, and what was answered; a content by its digest."""


@dataclass(frozen=True)
class AskedDisk(Disk):
    """Answers as another disk does."""

    disk: Disk = field(default_factory=Disk)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)

    def is_file(self, path: Path) -> bool:
        """See `Disk`."""
        found = self.disk.is_file(path)
        self.answers["is file", str(path)] = found
        return found

    def names(self, folder: str) -> frozenset[str] | None:
        """See `Disk`."""
        found = self.disk.names(folder)
        self.answers["names", folder] = _digest_of_names(found)
        return found

    def size(self, file: str) -> int:
        """See `Disk`."""
        found = self.disk.size(file)
        self.answers["size", file] = found
        return found

    def read(self, path: str) -> Document | None:
        """See `Disk`."""
        found = self.disk.read(path)
        self.answers["read", path] = digest(found.data) if found is not None else None
        return found

    def plain(self) -> list[Answer]:
        """All answers, in the order of the questions."""
        return [[kind, path, answer] for (kind, path), answer in self.answers.items()]


def still_answers(disk: Disk, answers: Iterable[Answer]) -> bool:
    """Whether a disk answers everything as it did then. Raises ValueError for what is no answer."""
    return all(_asked(disk, kind, path) == answer for kind, path, answer in answers)


def _asked(disk: Disk, kind: str, path: str) -> object:
    if kind == "is file":
        return disk.is_file(Path(path))
    if kind == "names":
        return _digest_of_names(disk.names(path))
    if kind == "size":
        return disk.size(path)
    data = disk.data(path)
    return None if data is None else digest(data)


def digest(data: bytes) -> str:
    """What stands for a content."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _digest_of_names(names: frozenset[str] | None) -> str | None:
    """What stands for the modules and packages that a folder may hold: the results that a training leaves there are none."""
    if names is None:
        return None
    modules = (name for name in names if name.endswith(".py") or "." not in name or name == ".git")
    return digest("\n".join(sorted(modules)).encode("utf-8", "surrogateescape"))
