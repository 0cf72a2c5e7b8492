"""The texts that people see around findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnlint.finding import Finding
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.report import SourceText


def texts_of(findings: Iterable[Finding], documents: Mapping[str, Document], disk: Disk) -> dict[str, SourceText]:
    """The texts that code frames show, by path: those of the findings and of the places that belong to them.

    They are in `documents` (by path), or in files to which an import led.
    """
    paths = {place.path for finding in findings for place in (finding.place, *(r.place for r in finding.related))}
    found = {path: documents.get(path) or disk.read(path) for path in sorted(paths)}
    return {path: document.text for path, document in found.items() if document is not None}
