"""The disk of the machine that asks, as far as an analysis on another machine needs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.records import dataclass, field

Question = tuple[str, str]
"""The kind of a question, and the path it is about."""


@dataclass(frozen=True)
class GatheringDisk(Disk):
    """Answers as another disk does, and keeps the answers to be sent."""

    disk: Disk = field(default_factory=Disk)
    answers: dict[Question, Any] = field(default_factory=dict)

    def is_file(self, path: Path) -> bool:
        """See `Disk`."""
        found = self.answers["is file", str(path)] = self.disk.is_file(path)
        return found

    def names(self, folder: str) -> frozenset[str] | None:
        """See `Disk`; kept are the names that a module or a repository may have."""
        found = self.disk.names(folder)
        if found is not None:
            self.answers["names", folder] = frozenset(
                name for name in found if name.endswith(".py") or "." not in name or name == ".git"
            )
        return found

    def holds(self, folder: str, name: str) -> bool:
        """See `Disk`."""
        found = self.answers["holds", _inside(folder, name)] = self.disk.holds(folder, name)
        return found

    def size(self, file: str) -> int:
        """See `Disk`."""
        found = self.answers["size", file] = self.disk.size(file)
        return found

    def read(self, path: str) -> Document | None:
        """See `Disk`."""
        found = self.disk.read(path)
        self.answers["read", path] = (found.path, found.file, found.data) if found is not None else None
        return found


@dataclass(frozen=True)
class SentDisk(Disk):
    """Answers with what was sent, and never with what the machine it is on has.

    A question without an answer is kept in `unanswered`: what was found after it is worth nothing.
    """

    answers: Mapping[Question, Any] = field(default_factory=dict)
    unanswered: list[Question] = field(default_factory=list)

    def is_file(self, path: Path) -> bool:
        """See `Disk`."""
        names = self.names(str(path.parent))
        return (names is None or path.name in names) and bool(self._answer("is file", str(path)))

    def names(self, folder: str) -> frozenset[str] | None:
        """See `Disk`; not to know them is an answer, too."""
        found: frozenset[str] | None = self.answers.get(("names", folder))
        return found

    def holds(self, folder: str, name: str) -> bool:
        """See `Disk`."""
        return bool(self._answer("holds", _inside(folder, name)))

    def size(self, file: str) -> int:
        """See `Disk`."""
        return int(self._answer("size", file))

    def data(self, path: str) -> bytes | None:
        """See `Disk`."""
        document = self.read(path)
        return None if document is None else document.data

    def read(self, path: str) -> Document | None:
        """See `Disk`."""
        found = self._answer("read", path)
        return read_document(*found) if found else None

    def _answer(self, kind: str, path: str) -> Any:
        question = (kind, path)
        if question not in self.answers:
            self.unanswered.append(question)
        return self.answers.get(question, False)


def _inside(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118
