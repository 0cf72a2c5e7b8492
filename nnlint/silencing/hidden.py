"""What a run does not report: the findings that a baseline knows, and those that no change since a revision brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.finding import Finding
from nnlint.reading.document import Document
from nnlint.reading.files import shown_path
from nnlint.records import replace
from nnlint.report import Note, Report
from nnlint.settings import Settings

if TYPE_CHECKING:
    from nnlint.silencing.changes import Line, LinesBefore, Lint


class Hidden:
    """The findings that are known, or older than the changes.

    `all` are the findings of the last report, hidden ones included; `first` are those shown of the first one.
    """

    def __init__(self, settings: Settings, writes_baseline: bool, lint: Lint) -> None:
        self.all: Sequence[Finding] = ()
        self.first: Sequence[Finding] | None = None
        self.settings = settings
        self.anchor = Path(settings.baseline or "baseline")
        if writes_baseline and not settings.fix:  # all are written: the one in force need not even be there
            settings = replace(settings, baseline=None, diff_base=None)
        self.known = _known(self.anchor) if settings.baseline else frozenset()
        self.older = _Older(settings.diff_base, lint) if settings.diff_base is not None else None

    def without(self, report: Report, documents: Sequence[Document]) -> Sequence[Finding]:
        """The findings of a report on these documents that are not hidden."""
        self.all = report.findings
        shown = self._without_known(report)
        if self.older is not None:
            shown = self.older.without(tuple(shown), documents)
        self.first = shown if self.first is None else self.first
        return shown

    def stale(self, report: Report, documents: Sequence[Document]) -> tuple[Note, ...]:
        """How many entries of the baseline nothing is behind any more, of those that this run can judge."""
        if not self.known or report.errors:
            return ()
        from nnlint.selection import select_rules
        from nnlint.silencing.baseline import stale_entries

        rules = select_rules(self.settings.select, self.settings.extend_select, self.settings.ignore)
        paths = [document.path for document in documents]
        count = stale_entries(self.anchor, report.findings, report.texts, paths, {rule.code for rule in rules})
        if not count:
            return ()
        entries = "1 of its findings is" if count == 1 else f"{count} of its findings are"
        return (Note(shown_path(str(self.anchor)), None, f"{entries} not there any more"),)

    def certainly_shown(self, report: Report, documents: Sequence[Document]) -> Sequence[Finding]:
        """Those of which that is known at once: the base of changes is not linted for them."""
        shown = self._without_known(report)
        if self.older is not None:
            from nnlint.silencing.changes import on_changed_lines

            shown = on_changed_lines(tuple(shown), documents, self.older.revision)
        return shown

    def _without_known(self, report: Report) -> Sequence[Finding]:
        if not self.known:
            return report.findings
        from nnlint.silencing.baseline import without_known

        return without_known(report.findings, report.texts, self.anchor, self.known)


def _known(baseline: Path) -> frozenset[str]:
    from nnlint.silencing.baseline import read_baseline

    return read_baseline(baseline)


class _Older:
    """The findings that no change brought. This is decided once, before anything is fixed; then fixes move their lines."""

    def __init__(self, revision: str, lint: Lint) -> None:
        self.revision = revision
        self.lint = lint
        self.documents: dict[str, Document] | None = None
        self.older: set[tuple[str, str, Line]] = set()

    def without(self, findings: tuple[Finding, ...], documents: Sequence[Document]) -> tuple[Finding, ...]:
        """The findings in these documents that are not older."""
        if self.documents is not None:
            return self._without_older(findings, documents)
        from nnlint.silencing.changes import brought_by_changes

        self.documents = {document.path: document for document in documents}
        brought = brought_by_changes(findings, documents, self.revision, self.lint)
        kept = {id(finding) for finding in brought}
        self.older = {
            (finding.code, finding.place.path, (finding.place.cell, finding.place.line))
            for finding in findings
            if id(finding) not in kept
        }
        return brought

    def _without_older(self, findings: tuple[Finding, ...], documents: Sequence[Document]) -> tuple[Finding, ...]:
        from nnlint.silencing.baseline import plain
        from nnlint.silencing.changes import lines_by_text

        first = self.documents or {}
        before: dict[str, LinesBefore] = {
            document.path: lines_by_text(first[document.path], document, plain)
            for document in documents
            if document.data != first[document.path].data
        }

        def is_older(finding: Finding) -> bool:
            place = finding.place
            line: Line = (place.cell, place.line)
            was = before[place.path](line) if place.path in before else line
            return was is not None and (finding.code, place.path, was) in self.older

        return tuple(finding for finding in findings if not is_older(finding))
