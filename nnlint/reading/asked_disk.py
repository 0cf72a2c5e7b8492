"""A disk that remembers what it was asked and what it answered: the files that a result depends on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnlint.digest import digest
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.records import dataclass, field

Answer = list[Any]
"""The kind of a question, the path it was about, and what was answered; a content by its digest."""

UNSTEADY = "not the same each time"
"""The answer to a question that was answered in two ways in one run, because the disk changed meanwhile: no digest."""


@dataclass(frozen=True)
class AskedDisk(Disk):
    """Answers as another disk does, and keeps each answer."""

    disk: Disk = field(default_factory=Disk)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)

    def is_file(self, path: Path) -> bool:
        """See `Disk`."""
        found = self.disk.is_file(path)
        self._keep("is file", str(path), found)
        return found

    def names(self, folder: str) -> frozenset[str] | None:
        """See `Disk`."""
        found = self.disk.names(folder)
        self._keep("names", folder, _digest_of_names(found))
        return found

    def holds(self, folder: str, name: str) -> bool:
        """See `Disk`."""
        found = self.disk.holds(folder, name)
        self._keep("holds", str(Path(folder, name)), found)
        return found

    def size(self, file: str) -> int:
        """See `Disk`."""
        found = self.disk.size(file)
        self._keep("size", file, found)
        return found

    def read(self, path: str) -> Document | None:
        """See `Disk`."""
        found = self.disk.read(path)
        self._keep("read", path, digest(found.data) if found is not None else None)
        return found

    def plain(self) -> list[Answer]:
        """All answers, in the order of the questions."""
        return [[kind, path, answer] for (kind, path), answer in self.answers.items()]

    def still_answers(self, answers: Iterable[Answer]) -> bool:
        """Whether everything is answered as it was then, each question asked once. Raises ValueError for what is no answer."""
        return all(self._answer(kind, path) == answer for kind, path, answer in answers)

    def learn(self, answers: Iterable[Answer]) -> None:
        """Keep what was asked elsewhere, of the same disk."""
        for kind, path, answer in answers:
            self._keep(kind, path, answer)

    def _answer(self, kind: str, path: str) -> object:
        if (kind, path) not in self.answers:
            self.answers[kind, path] = _asked(self.disk, kind, path)
        return self.answers[kind, path]

    def _keep(self, kind: str, path: str, answer: object) -> None:
        if self.answers.setdefault((kind, path), answer) != answer:
            self.answers[kind, path] = UNSTEADY


def are_steady(answers: Iterable[Answer]) -> bool:
    """Whether a result can rest upon these answers."""
    return all(answer != UNSTEADY for _, _, answer in answers)


def _asked(disk: Disk, kind: str, path: str) -> object:
    if kind == "is file":
        return disk.is_file(Path(path))
    if kind == "names":
        return _digest_of_names(disk.names(path))
    if kind == "holds":
        return disk.holds(str(Path(path).parent), Path(path).name)
    if kind == "size":
        return disk.size(path)
    data = disk.data(path)
    return None if data is None else digest(data)


def _digest_of_names(names: frozenset[str] | None) -> str | None:
    """What stands for the modules and packages that a folder may hold: the results that a training leaves there are none."""
    if names is None:
        return None
    modules = (name for name in names if name.endswith(".py") or "." not in name or name == ".git")
    return digest("\n".join(sorted(modules)).encode("utf-8", "surrogateescape"))
