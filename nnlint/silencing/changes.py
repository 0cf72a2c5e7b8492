"""`--diff-base REV`: the findings that the changes since a git revision brought.

They stand on changed lines, or were not there at that time: a deleted line, or another file, may cause a fault on a line that
nobody touched. A file that git does not track is new, and so changed as a whole.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nnlint.finding import Finding, Place
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.reading.files import SUFFIXES
from nnlint.reading.patterns import repository_root
from nnlint.records import dataclass, field
from nnlint.report import Report
from nnlint.silencing.git import ChangesError, FileChange, Repository, merge_base, outer_of, submodule_base, top_of

Lint = Callable[[Sequence[Document], Disk], Report]
Line = tuple[int | None, int]
"""A cell (None outside notebooks) and a line in it."""
LinesBefore = Callable[[Line], Line | None]
"""Which line of the base a line is; None for a new one."""
Known = dict[tuple[str, str, Line, int], int]
"""The ranks of findings by code, file, line and column."""


def brought_by_changes(
    findings: Sequence[Finding], documents: Sequence[Document], revision: str, lint: Lint
) -> tuple[Finding, ...]:
    """Those of the findings in these documents that the changes since the revision brought. Raises ChangesError.

    The base is linted only where an unchanged line with a finding hangs together with a change. Standard input and texts
    have no history: their findings stay.
    """
    past = _past(documents, revision)
    unchanged = [finding for finding in findings if not past.is_changed(finding.place)]
    old = {id(finding) for finding in _known_at_base(unchanged, past, lint)}
    return tuple(finding for finding in findings if id(finding) not in old)


def on_changed_lines(findings: Sequence[Finding], documents: Sequence[Document], revision: str) -> tuple[Finding, ...]:
    """Those that the changes brought for certain, so that the base need not be linted. Raises ChangesError."""
    past = _past(documents, revision)
    return tuple(finding for finding in findings if past.is_changed(finding.place))


def _past(documents: Sequence[Document], revision: str) -> Past:
    past = Past({document.path: document for document in documents}, Repositories(revision))
    past.repositories.begin(next((document.file for document in documents if document.file), None))
    return past


class Repositories:
    """The repositories that the files of a run lie in, each read once."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.roots: dict[str, str] = {}
        self.by_root: dict[str, Repository] = {}

    def begin(self, file: str | None) -> None:
        """Reads the repository that the revision means a commit of: the one around the current folder, where the file lies in
        a submodule of it. Raises ChangesError."""
        root = top_of(_folder(file))
        here = str(Path.cwd())
        while not _is_inside(here, root) and (outer := outer_of(root)):
            root = outer
        self.by_root[root] = Repository(root, merge_base(root, self.revision))

    def of_file(self, file: str) -> Repository:
        """The repository of a file. Raises ChangesError."""
        folder = _folder(file)
        if folder not in self.roots:
            near = repository_root(folder)
            self.roots[folder] = near if near in self.by_root else top_of(folder)
        root = self.roots[folder]
        if root not in self.by_root:
            self.by_root[root] = Repository(root, self._base(root))
        return self.by_root[root]

    def _base(self, root: str) -> str | None:
        """A submodule has a base of its own: the commit that the repository around it had."""
        outer = outer_of(root)
        if outer is None or outer not in self.by_root:
            return merge_base(root, self.revision)
        return submodule_base(self.by_root[outer], root)


@dataclass(frozen=True)
class Past:
    """The documents of a run, and what they were at the base."""

    documents: Mapping[str, Document]
    repositories: Repositories
    lines: dict[str, LinesBefore] = field(default_factory=dict)

    def is_changed(self, place: Place) -> bool:
        """Whether a line of the place is new."""
        before = self._lines(place.path)
        return any(before((place.cell, line)) is None for line in range(place.line, place.end_line + 1))

    def key(self, finding: Finding) -> tuple[str, str, Line, int]:
        """Where the base would have a finding that stands on unchanged lines."""
        place = finding.place
        line = self._lines(place.path)((place.cell, place.line)) or (place.cell, place.line)
        return finding.code, self._file_before(place.path), line, place.column

    def file(self, path: str) -> str | None:
        """The file that a shown path means; None for standard input."""
        document = self.documents.get(path)
        return document.file if document else path

    def disk(self) -> Disk:
        """The files as they were at the base, where they are others now."""
        others: dict[str, bytes | None] = {}
        for repository in self.repositories.by_root.values():
            changes = [change for change in repository.changes if _is_code(change)]
            data = repository.at_base(change.before for change in changes if change.before)
            new = [*repository.untracked, *(change.now for change in changes if change.now)]
            others |= {repository.absolute(path): None for path in new if path.lower().endswith(SUFFIXES)}
            others |= {repository.absolute(path): of_path for path, of_path in data.items()}
        return Disk(others)

    def documents_before(self, disk: Disk) -> Iterator[Document]:
        """The documents that the run would have had at the base."""
        gone = set(disk.others)
        for document in self.documents.values():
            change = self._change(document.file) if document.file else None
            if document.file and change is None:
                yield document
            elif document.file and change and change.before is not None:
                repository = self.repositories.of_file(document.file)
                before = document.file if change.before == change.now else repository.absolute(change.before)
                gone.discard(os.path.realpath(before))
                yield from _read(disk, before)
        for file in sorted(gone):
            if not os.path.lexists(file):
                yield from _read(disk, file)

    def _lines(self, path: str) -> LinesBefore:
        if path not in self.lines:
            self.lines[path] = self._read_lines(path)
        return self.lines[path]

    def _read_lines(self, path: str) -> LinesBefore:
        file = self.file(path)
        change = FileChange() if file is None else self.repositories.of_file(file).change(file)
        if change is None:
            return lambda line: line
        if change.before is None or file is None:
            return lambda line: None
        document = self.documents.get(path)
        if document is None or not document.is_notebook:
            return _lines_by_hunks(change)
        data = self.repositories.of_file(file).at_base([change.before]).get(change.before, b"")
        return lines_by_text(read_document(path, file, data), document)

    def _change(self, file: str) -> FileChange | None:
        try:
            return self.repositories.of_file(file).change(file)
        except ChangesError:  # in no repository
            return None

    def _file_before(self, path: str) -> str:
        file = self.file(path) or path
        change = self._change(file)
        if change is None or change.before is None or change.before == change.now:
            return os.path.realpath(file)
        return self.repositories.of_file(file).absolute(change.before)


def _folder(file: str | None) -> str:
    return str(Path(os.path.realpath(file)).parent if file else Path.cwd())


def _is_inside(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(root.rstrip(os.sep) + os.sep)


def _known_at_base(findings: Sequence[Finding], past: Past, lint: Lint) -> Sequence[Finding]:
    """Those of the findings on unchanged lines that the base has as well, no less grave."""
    if not findings:
        return ()
    from nnlint.static.connections import Connections

    disk = past.disk()
    if not disk.others:
        return findings
    before = list(past.documents_before(disk))
    connections = Connections()
    connections.add(past.documents.values(), DISK)
    connections.add([document for document in before if past.documents.get(document.path) is not document], disk)
    reached = connections.around(disk.others)
    suspects = {id(finding) for finding in findings if os.path.realpath(past.file(finding.place.path) or "") in reached}
    if not suspects:
        return findings
    report = lint([document for document in before if os.path.realpath(document.file or "") in reached], disk)
    if report.errors:  # what failed there may have been found there
        return findings
    known = _ranks(report.findings)
    return [f for f in findings if id(f) not in suspects or known.get(past.key(f), 99) <= f.severity.rank]


def _ranks(findings: Iterable[Finding]) -> Known:
    known: Known = {}
    for finding in findings:
        place = finding.place
        key = (finding.code, os.path.realpath(place.path), (place.cell, place.line), place.column)
        known[key] = min(finding.severity.rank, known.get(key, finding.severity.rank))
    return known


def _lines_by_hunks(change: FileChange) -> LinesBefore:
    def before(line: Line) -> Line | None:
        found = change.line_before(line[1])
        return None if found is None else (line[0], found)

    return before


def lines_by_text(before: Document, now: Document, plain: Callable[[str], str] = str) -> LinesBefore:
    """The lines of a document that are those of another one, compared as `plain` makes them.

    In a notebook these are lines of code cells, whatever became of outputs and counts, and whatever git cleans away.
    """
    old, new = _text_lines(before), _text_lines(now)
    matcher = difflib.SequenceMatcher(
        None, [plain(text) for _, text in old], [plain(text) for _, text in new], autojunk=False
    )
    known: dict[Line, Line] = {}
    for block in matcher.get_matching_blocks():
        known |= {new[block.b + index][0]: old[block.a + index][0] for index in range(block.size)}
    return known.get


def _text_lines(document: Document) -> list[tuple[Line, str]]:
    cells = document.text.by_cell
    return [((cell, number), text) for cell in cells for number, text in enumerate(cells[cell], 1)]


def _is_code(change: FileChange) -> bool:
    return any(path is not None and path.lower().endswith(SUFFIXES) for path in (change.before, change.now))


def _read(disk: Disk, file: str) -> Iterator[Document]:
    document = disk.read(file)
    if document is not None:
        yield document
