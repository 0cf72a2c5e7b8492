"""Fixes: edits applied to the bytes of files, all of a fix or none, until nothing is left to mend."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from nnlint.finding import Applicability, Edit, Finding, Fix
from nnlint.mending.fixed import Fixed
from nnlint.mending.writing import write_atomically
from nnlint.reading.document import DecodeError, Document, decode
from nnlint.reading.documents import read_document
from nnlint.reading.positions import NoSuchPlaceError, Positions
from nnlint.reading.raw import read_bytes
from nnlint.records import replace
from nnlint.report import InternalError, Note, Report, outer_error

MAX_ROUNDS = 50
WRITABLE = 0o222
"""The bits of a mode of which one is set where anybody may write; replacing a file asks for none of them."""

Span = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last line and column of an edit."""

Documents = Mapping[str, Document]


class UnfitFixError(Exception):
    """A fix that cannot be applied; the message says why."""


def fix_documents(documents: Sequence[Document], lint: Callable[[Sequence[Document]], Report], unsafe: bool) -> Fixed:
    """Applies the fixes of all findings, round by round, until `lint` yields no more of them.

    In a round the fixes are applied in the order of the findings; one whose edits touch those of another waits for the
    next round. A fix whose result would not parse is left out and becomes an error.
    """
    fixed = Fixed(list(documents), lint(documents), lint=lint)
    rejected: set[tuple[str, Fix]] = set()
    for _ in range(MAX_ROUNDS):
        by_path = {document.path: document for document in fixed.documents}
        wanted = [f for f in _fixable(fixed.report, by_path, unsafe) if (f.code, f.fix) not in rejected]
        if not wanted:
            return fixed
        changed, applied = _apply_round(by_path, wanted, rejected, fixed.errors)
        if applied:
            fixed.count += applied
            fixed.documents = [changed[document.path] for document in fixed.documents]
            fixed.report = lint(fixed.documents)
    left = wanted[0].place
    note = Note(left.path, left.line, "the fixes did not settle; the rest is left as it is", left.cell)
    fixed.report = replace(fixed.report, notes=(*fixed.report.notes, note))
    return fixed


def write_documents(before: Iterable[Document], after: Iterable[Document]) -> Iterator[InternalError]:
    """Writes every file whose bytes changed; yields those that could not be written."""
    for old, new in zip(before, after, strict=True):
        if old.data != new.data and new.file is not None:
            try:
                if not Path(new.file).stat().st_mode & WRITABLE:
                    yield outer_error(new.path, "the fixed file cannot be written: it is read-only")
                    continue
                if read_bytes(new.file) != old.data:  # an editor, or another formatter, was faster
                    yield outer_error(new.path, "the file changed while it was linted, and is left as it is")
                    continue
                write_atomically(Path(new.file), new.data)
            except OSError as error:
                yield outer_error(new.path, f"the fixed file cannot be written: {error.strerror or error}")


def unified_diff(before: Document, after: Document) -> bytes:
    """The change of one file as a unified diff; empty where nothing changed."""
    import difflib

    old, new = _byte_lines(before.data), _byte_lines(after.data)
    path = before.path.encode("utf-8", "surrogateescape")
    lines = difflib.diff_bytes(difflib.unified_diff, old, new, path, path, lineterm=b"\n")
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text (with each line's own end) after these edits. Raises UnfitFixError."""
    positions = Positions(text)
    spans = sorted((*_span(positions, edit), edit.content, edit.place.line) for edit in edits)
    if any(second[0] < first[1] for first, second in pairwise(spans)):
        raise UnfitFixError("its edits overlap")
    pieces, done = [], 0
    for start, end, content, line in spans:
        pieces += [text[done:start], _with_ends(content, positions.ends(content.count("\n"), start, end, line))]
        done = end
    return "".join([*pieces, text[done:]])


def _with_ends(content: str, ends: Sequence[str]) -> str:
    first, *others = content.split("\n")
    return first + "".join(end + line for end, line in zip(ends, others, strict=True))


def _fixable(report: Report, documents: Documents, unsafe: bool) -> list[Finding]:
    allowed = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    parses = cache(lambda path: _parses(documents.get(path)))
    return [
        finding
        for finding in report.findings
        if finding.fix
        and finding.fix.applicability in allowed
        and finding.fix.edits
        and all(parses(edit.place.path) for edit in finding.fix.edits)
    ]


def _apply_round(
    documents: Documents, wanted: Sequence[Finding], rejected: set[tuple[str, Fix]], errors: list[InternalError]
) -> tuple[dict[str, Document], int]:
    applied, kept = documents, list[Finding]()
    waiting = [_apart(wanted)]
    while waiting:  # one that does not fit is found by halving: each half is tried on what fitted so far
        group = waiting.pop()
        try:
            applied = _apply(documents, [*kept, *group])
            kept += group
        except UnfitFixError as error:
            if len(group) > 1:
                middle = len(group) // 2
                waiting += [group[middle:], group[:middle]]
            else:
                errors.append(_rejection(group[0], error))
                rejected |= {(finding.code, finding.fix) for finding in group if finding.fix}
    return dict(applied), len(kept)


def _rejection(finding: Finding, error: UnfitFixError) -> InternalError:
    place = finding.place
    message = f"the fix of {finding.code} {finding.name} is not applied: {error}"
    return InternalError(place.path, place.line, message, place.cell)


def _apart(findings: Sequence[Finding]) -> list[Finding]:
    """Those findings whose edits do not touch the edits of an earlier one."""
    taken: dict[tuple[str, int | None], list[Span]] = {}
    chosen = []
    for finding in findings:
        edits = finding.fix.edits if finding.fix else ()
        if not any(_touches(taken.get(_text_of(edit), []), _extent(edit)) for edit in edits):
            for edit in edits:
                insort(taken.setdefault(_text_of(edit), []), _extent(edit))
            chosen.append(finding)
    return chosen


def _text_of(edit: Edit) -> tuple[str, int | None]:
    return edit.place.path, edit.place.cell


def _extent(edit: Edit) -> Span:
    place = edit.place
    return (place.line, place.column), (place.end_line, place.end_column)


def _touches(taken: Sequence[Span], extent: Span) -> bool:
    """Whether an extent touches one of those taken, which are in order and never overlap."""
    start, end = extent
    before = bisect_right(taken, end, key=lambda other: other[0])
    return before > 0 and taken[before - 1][1] >= start


def _apply(documents: Documents, findings: Sequence[Finding]) -> dict[str, Document]:
    """The documents after the fixes of these findings. Raises UnfitFixError."""
    edits: dict[str, list[Edit]] = {}
    for finding in findings:
        for edit in finding.fix.edits if finding.fix else ():
            edits.setdefault(edit.place.path, []).append(edit)
    changed = dict(documents)
    for path, of_path in edits.items():
        changed[path] = edited_document(documents[path], of_path)
        if not _parses(changed[path], documents[path]):
            raise UnfitFixError("the result would not parse")
    return changed


def edited_document(document: Document, edits: Sequence[Edit]) -> Document:
    """The document after these edits of it. Raises UnfitFixError."""
    try:
        data = _edited_notebook(document, edits) if document.is_notebook else _edited_text(document, edits)
    except (DecodeError, UnicodeError) as error:
        raise UnfitFixError(f"the result cannot be encoded: {error}") from error
    return read_document(document.path, document.file, data)


def _edited_text(document: Document, edits: Sequence[Edit]) -> bytes:
    decoded = decode(document.data)
    return decoded.encode(apply_edits(decoded.text, edits))


def _edited_notebook(document: Document, edits: Sequence[Edit]) -> bytes:
    from nnlint.reading.notebook import notebook_text
    from nnlint.reading.notebook_cells import cell_sources, replace_sources

    notebook, mark = notebook_text(document.data)
    sources = cell_sources(notebook)
    by_cell: dict[int, list[Edit]] = {}
    for edit in edits:
        if edit.place.cell not in sources:
            raise UnfitFixError("it edits a cell that is not there")
        by_cell.setdefault(edit.place.cell, []).append(edit)
    texts = {number: apply_edits(sources[number].text(notebook), of_cell) for number, of_cell in by_cell.items()}
    return mark + replace_sources(notebook, texts).encode()


def _parses(document: Document | None, before: Document | None = None) -> bool:
    """Whether the source still parses: of a notebook, no other cell than `before` is broken."""
    if document is None or document.source is None:
        return False
    if len(document.broken) > len((before or document).broken):
        return False
    try:
        ast.parse(document.source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _span(positions: Positions, edit: Edit) -> tuple[int, int]:
    place = edit.place
    try:
        start = positions.offset(place.line, place.column)
        end = positions.offset(place.end_line, place.end_column)
    except NoSuchPlaceError as error:
        raise UnfitFixError(f"it edits {error}") from error
    if end < start:
        raise UnfitFixError("an edit of it ends before it starts")
    return start, end


def _byte_lines(data: bytes) -> list[bytes]:
    return [line for line in re.split(rb"(?<=\n)", data) if line]
