"""The texts that people see around findings."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from nnlint.finding import Finding
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.report import SourceText

MOST_UNPACKED = 8
"""Texts that are at hand at a time: those of a finding and of the places that belong to it."""


class Texts(Mapping[str, SourceText]):
    """The texts of documents, by path: unpacked when they are asked for, a few at a time."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self.documents = documents
        self._unpacked: deque[Document] = deque()

    def __getitem__(self, path: str) -> SourceText:
        document = self.documents[path]
        if document not in self._unpacked:
            self._unpacked.append(document)
            if len(self._unpacked) > MOST_UNPACKED:
                self._unpacked.popleft().release()
        return document.text

    def __iter__(self) -> Iterator[str]:
        return iter(self.documents)

    def __len__(self) -> int:
        return len(self.documents)


def texts_of(findings: Iterable[Finding], documents: Mapping[str, Document], disk: Disk) -> Texts:
    """The texts that code frames show, by path: those of the findings and of the places that belong to them.

    They are in `documents` (by path), or in files to which an import led.
    """
    paths = {place.path for finding in findings for place in (finding.place, *(r.place for r in finding.related))}
    found = {path: documents.get(path) or disk.read(path) for path in sorted(paths)}
    return Texts({path: document for path, document in found.items() if document is not None})
