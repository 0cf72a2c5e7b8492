"""What is analysed together: files that hang together by their imports, in portions of a bounded size.

What is found in a unit depends on nothing but its files and what they import. So units can be analysed in any order, in different
processes, or be taken from a cache, and the findings are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.reading.real_paths import RealPaths
from nnlint.records import dataclass
from nnlint.words import Silence, Vocabulary

LINES_AT_ONCE = 40_000
"""Lines of one unit. A library of which every file imports another is cut into several; no training project is as large."""


@dataclass(frozen=True)
class Unit:
    """Documents whose runs are made, and all linted documents that hang together with them, themselves included.

    `silences` tell for each of the documents which rules have nothing to say of it.
    """

    documents: tuple[Document, ...]
    together: tuple[Document, ...]
    silences: tuple[Silence, ...] = ()

    @property
    def silent(self) -> dict[str, frozenset[str]]:
        """The codes of the rules that have nothing to say of a document, by its path, if there are any."""
        told = zip(self.documents, self.silences, strict=False)
        return {document.path: silence.codes for document, silence in told if silence.codes}

    @property
    def idle(self) -> frozenset[str]:
        """The paths of the documents of which no rule has anything to say: no run is made of them."""
        told = zip(self.documents, self.silences, strict=False)
        return frozenset(document.path for document, silence in told if silence.is_idle)

    def alone(self, number: int) -> Unit:
        """One of the documents by itself, beside the same others."""
        return Unit(self.documents[number : number + 1], self.together, self.silences[number : number + 1])

    @property
    def lines(self) -> int:
        """Those of the documents, by which the work is shared out."""
        return sum(document.lines for document in self.documents)


def units(documents: Sequence[Document], disk: Disk, vocabulary: Vocabulary) -> list[Unit]:
    """The units of these documents, each of which is in one of them: the same for the same documents, imports and rules."""
    if not documents:
        return []
    if len(documents) == 1:
        return [_unit_alone(documents[0], disk, vocabulary)]
    from nnlint.static.connections import Connections

    connections = Connections(vocabulary)
    connections.add(documents, disk)
    behind = connections.found_behind()
    real_paths = RealPaths()
    reals = {document.path: real_paths.of(document.file) for document in documents if document.file}
    found = {path: behind.get(real, vocabulary.all) for path, real in reals.items()}
    found.update((document.path, _found_in(document, vocabulary)) for document in documents if not document.file)
    return [
        _unit(portion, together, vocabulary, found)
        for together in _groups(documents, reals, connections.together())
        for portion in _portions(together)
    ]


def _unit_alone(document: Document, disk: Disk, vocabulary: Vocabulary) -> Unit:
    """The unit of a document that is linted by itself: what it imports is read for its words alone, as far as any are missing."""
    found = _found_in(document, vocabulary)
    if found != vocabulary.all and document.file:
        from nnlint.static.connections import Connections

        found = Connections(vocabulary).found_from(document, disk, found)
    return _unit((document,), (document,), vocabulary, {document.path: found})


def _unit(
    portion: tuple[Document, ...], together: tuple[Document, ...], vocabulary: Vocabulary, found: Mapping[str, int]
) -> Unit:
    silences = tuple(vocabulary.silence(found[document.path]) for document in portion)
    return Unit(together if portion == together else portion, together, vocabulary.shared(silences))


def _found_in(document: Document, vocabulary: Vocabulary) -> int:
    return vocabulary.all if document.source is None else vocabulary.found_in(document.source.text)


def _groups(
    documents: Iterable[Document], reals: Mapping[str, str], names: Mapping[str, str]
) -> list[tuple[Document, ...]]:
    """Documents by what they hang together with, in the order of the first of each group. One without a file is alone."""
    groups: dict[object, list[Document]] = {}
    for document in documents:
        real = reals.get(document.path)
        groups.setdefault(id(document) if real is None else names.get(real, real), []).append(document)
    return [tuple(group) for group in groups.values()]


def _portions(documents: Sequence[Document]) -> Iterator[tuple[Document, ...]]:
    portion: list[Document] = []
    lines = 0
    for document in sorted(documents, key=lambda each: each.path):
        if portion and lines + document.lines > LINES_AT_ONCE:
            yield tuple(portion)
            portion, lines = [], 0
        portion.append(document)
        lines += document.lines
    yield tuple(portion)
