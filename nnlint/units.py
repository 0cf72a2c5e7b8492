"""What is analysed together: files that hang together by their imports, in portions of a bounded size.

What is found in a unit depends on nothing but its files and what they import. So units can be analysed in any order, in different
processes, or be taken from a cache, and the findings are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.records import dataclass

LINES_AT_ONCE = 8_000
"""Lines of one unit. A library of which every file imports another is cut into several; no training project is as large."""


@dataclass(frozen=True)
class Unit:
    """Documents whose runs are made, and all linted documents that hang together with them, themselves included."""

    documents: tuple[Document, ...]
    together: tuple[Document, ...]


def units(documents: Sequence[Document], disk: Disk) -> list[Unit]:
    """The units of these documents, each of which is in one of them: the same for the same documents and imports."""
    from nnlint.static.connections import Connections

    if len(documents) <= 1:
        return [Unit(tuple(documents), tuple(documents))] if documents else []
    connections = Connections()
    connections.add(documents, disk)
    return [
        Unit(portion, together)
        for together in _groups(documents, connections.together())
        for portion in _portions(together)
    ]


def _groups(documents: Iterable[Document], names: dict[str, str]) -> list[tuple[Document, ...]]:
    """Documents by what they hang together with, in the order of the first of each group. One without a file is alone."""
    groups: dict[object, list[Document]] = {}
    for document in documents:
        real = os.path.realpath(document.file) if document.file else None
        groups.setdefault(names.get(real, real) if real else id(document), []).append(document)
    return [tuple(group) for group in groups.values()]


def _portions(documents: Sequence[Document]) -> Iterator[tuple[Document, ...]]:
    portion: list[Document] = []
    lines = 0
    for document in sorted(documents, key=lambda each: each.path):
        own = document.source.text.count("\n") + 1 if document.source else 0
        if portion and lines + own > LINES_AT_ONCE:
            yield tuple(portion)
            portion, lines = [], 0
        portion.append(document)
        lines += own
    yield tuple(portion)
