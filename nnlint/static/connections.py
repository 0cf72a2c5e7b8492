"""Which first-party files hang together by their imports, read off the text: no other has a part in an abstract run of theirs."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from nnlint.lazy import regex
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.static.imports import LARGEST_IMPORT, Folders, imported_file, other_than_itself
from nnlint.words import Vocabulary

IMPORT = regex(
    r"(?:^|[;:])[ \t\f]*(?:from\b(?P<base>[.\w \t\f]+?)\bimport\b[ \t\f]*(?P<names>\([^)]*\)|.*)|import\b(?P<modules>.*))",
    re.MULTILINE,
)
SPACE = regex(r"\s+")
COMMENT = regex(r"#.*")
NAME = regex(r"[\w.]+")


class Connections:
    """Files, by their path without links, and what they import and are imported by.

    `found` is what each has of a vocabulary, by itself.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.links: dict[str, set[str]] = defaultdict(set)
        self.importers: dict[str, set[str]] = defaultdict(set)
        self.vocabulary = vocabulary
        self.found: dict[str, int] = {}
        self.folder: str | None = None
        self.resolved: dict[tuple[str, int], str | None] = {}

    def add(self, documents: Iterable[Document], disk: Disk) -> None:
        """Adds documents and, as far as imports lead, the files on that disk."""
        self.folder = None
        folders = Folders(disk)
        waiting = [document for document in documents if document.lines and document.file]
        seen = {folders.real(document.file) for document in waiting if document.file}
        while waiting:
            document = waiting.pop()
            here = folders.real(document.file or "")
            if self.vocabulary and document.source:
                self.found[here] = self.vocabulary.found_in(document.source.text)
            files = list(self._imports(document, folders))
            document.release()
            for file in files:
                other = folders.real(file)
                self.links[here].add(other)
                self.links[other].add(here)
                self.importers[other].add(here)
                waiting += _unread(file, seen, folders)

    def found_from(self, document: Document, disk: Disk, found: int) -> int:
        """What is `found` in a document, and what all that it reaches by imports has: no more is read once that is everything."""
        assert self.vocabulary is not None
        folders = Folders(disk)
        seen = {folders.real(document.file or "")}
        reached = [document]
        for current in reached:  # which grows: the nearest files come first, where most of it is found
            files = list(self._imports(current, folders))
            current.release()
            for imported in (each for file in files for each in _unread(file, seen, folders)):
                assert imported.source is not None
                found = self.vocabulary.found_in(imported.source.text, found)
                if found == self.vocabulary.all:
                    return found
                reached.append(imported)
        return found

    def around(self, files: Iterable[str]) -> frozenset[str]:
        """These files and all that hang together with them."""
        reached = set(files)
        waiting = list(reached)
        while waiting:
            for file in self.links.get(waiting.pop(), ()):
                if file not in reached:
                    reached.add(file)
                    waiting.append(file)
        return frozenset(reached)

    def together(self) -> dict[str, str]:
        """For each file that is connected to another one, the first, by its name, of all that hang together with it."""
        first: dict[str, str] = {}
        for file in sorted(self.links):
            if file not in first:
                first.update(dict.fromkeys(self.around([file]), file))
        return first

    def found_behind(self) -> dict[str, int]:
        """What each file has of the vocabulary together with all that it reaches by imports."""
        found = dict(self.found)
        waiting = list(found)
        while waiting:
            file = waiting.pop()
            for other in self.importers.get(file, ()):
                joined = found.get(other, 0) | found[file]
                if joined != found.get(other):
                    found[other] = joined
                    waiting.append(other)
        return found

    def _imports(self, document: Document, folders: Folders) -> Iterator[str]:
        text = document.source.text if document.source else ""
        folder = os.path.dirname(document.file or "")  # noqa: PTH120 - asked once for each file
        if folder != self.folder:  # files come folder by folder, mostly
            self.folder, self.resolved = folder, {}
        for name, level in _imported_names(text):
            key = (name, level)
            if key not in self.resolved:
                self.resolved[key] = imported_file(folders, folder, name, level)
            file = other_than_itself(folders, document.file or "", self.resolved[key], name, level)
            if file is not None:
                yield file


def _unread(file: str, seen: set[str], folders: Folders) -> list[Document]:
    """The document of a file that an import leads to, if it has not been `seen` before, is not too large, and can be decoded."""
    real, disk = folders.real(file), folders.disk
    document = disk.read(file) if real not in seen and disk.size(file) <= LARGEST_IMPORT else None
    seen.add(real)
    return [document] if document is not None and document.source else []


def _imported_names(text: str) -> Collection[tuple[str, int]]:
    """The dotted names that the import statements of a text may mean, each with the dots of a relative import."""
    found: dict[tuple[str, int], None] = {}
    for statement in _statements(text.replace("\\\n", " ")):
        written = SPACE.sub("", statement["base"] or "")
        base = written.lstrip(".")
        level = len(written) - len(base)
        named = NAME.findall(COMMENT.sub("", statement["names"] or statement["modules"] or ""))
        for name in named or [""]:  # of `import *` there is none
            parts = [part for part in (*base.split("."), *name.split(".")) if part]
            found.update(
                {(".".join(parts[:length]), level): None for length in range(0 if level else 1, len(parts) + 1)}
            )
    return found


def _statements(text: str) -> Iterator[re.Match[str]]:
    """The import statements of a text: looked for only in lines with that word."""
    end, at = 0, text.find("import")
    while at >= 0:
        statement = IMPORT.search(text, max(end, text.rfind("\n", 0, at) + 1))
        if statement is None:
            return
        yield statement
        end = statement.end()
        at = text.find("import", end)
