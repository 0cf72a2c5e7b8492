"""The texts that people see around findings."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping

from nnlint.finding import Finding
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.report import SourceText

MOST_AT_HAND = 8
"""Texts that are at hand at a time: those of a finding and of the places that belong to it."""


class Texts(Mapping[str, SourceText]):
    """The texts of the documents of these paths: taken back when they are asked for, a few at a time.

    `others` are documents of further paths, of files to which an import led.
    """

    def __init__(
        self, paths: Collection[str], documents: Mapping[str, Document], others: Mapping[str, Document]
    ) -> None:
        self.paths, self.documents, self.others = paths, documents, others
        self._at_hand: deque[Document] = deque()

    def __getitem__(self, path: str) -> SourceText:
        if path not in self.paths and path not in self.others:
            raise KeyError(path)
        document = self.documents.get(path) or self.others[path]
        if document not in self._at_hand:
            self._at_hand.append(document)
            if len(self._at_hand) > MOST_AT_HAND:
                self._at_hand.popleft().release()
        return document.text

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self.paths if path in self.documents)
        yield from self.others

    def __len__(self) -> int:
        return sum(1 for _ in self)


def texts_of(findings: Iterable[Finding], documents: Mapping[str, Document], disk: Disk) -> Texts:
    """The texts that code frames show, by path: those of the findings and of the places that belong to them.

    They are in `documents` (by path), or in files to which an import led.
    """
    paths = {path for finding in findings for path in paths_of(finding)}
    others = {path: disk.read(path) for path in sorted(paths - documents.keys())}
    return Texts(paths, documents, {path: document for path, document in others.items() if document is not None})


def paths_of(finding: Finding) -> Iterator[str]:
    """Those of a finding and of the places that belong to it."""
    yield finding.place.path
    yield from (related.place.path for related in finding.related)
