"""Findings in the words of the Language Server Protocol: diagnostics, code actions and the page shown on hovering."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from lsprotocol import types
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec

from nnlint.catalogue import rules_by_code
from nnlint.editor.open_files import Looked, OpenFile
from nnlint.finding import Applicability, Finding, Fix, Place, Severity
from nnlint.output.in_file import InFile
from nnlint.records import dataclass

SOURCE = "nnlint"
SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.ADVICE: types.DiagnosticSeverity.Information,
}
UNUSED_SUPPRESSION = "NN902"


@dataclass(frozen=True)
class Shown:
    """A finding as the editor has it: the document (of a notebook, the cell) it is shown in, and its diagnostic there."""

    uri: str
    diagnostic: types.Diagnostic
    finding: Finding
    looked: Looked


class Translator:
    """Knows the open files by the paths in findings, and how the client counts the characters of a line."""

    def __init__(self, files: Iterable[OpenFile], codec: PositionCodec) -> None:
        self.files = {file.shown: file for file in files}
        self.codec = codec

    def shown(self, looked: Looked) -> Iterator[Shown]:
        """The findings of a file, each in its document."""
        for finding in looked.findings:
            location = self._location(finding.place, looked)
            if location is not None:
                diagnostic = self._diagnostic(finding, location.range, looked)
                yield Shown(location.uri, diagnostic, finding, looked)

    def action(self, shown: Shown) -> types.CodeAction | None:
        """The quick fix of a finding; None where it has none, or where the editor cannot make it."""
        fix = shown.finding.fix
        edit = self._edit(fix, shown.looked) if fix else None
        if fix is None or edit is None:
            return None
        is_safe = fix.applicability is Applicability.SAFE
        return types.CodeAction(
            title=f"{shown.finding.code}: {fix.message}" + ("" if is_safe else " (unsafe)"),
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[shown.diagnostic],
            is_preferred=is_safe,
            edit=edit,
        )

    def _diagnostic(self, finding: Finding, span: types.Range, looked: Looked) -> types.Diagnostic:
        related = [
            types.DiagnosticRelatedInformation(location, each.message)
            for each in finding.related
            if (location := self._location(each.place, looked)) is not None
        ]
        return types.Diagnostic(
            range=span,
            message="\n".join(filter(None, (f"{finding.name}: {finding.message}", finding.help))),
            severity=SEVERITIES[finding.severity],
            code=finding.code,
            code_description=types.CodeDescription(finding.url) if finding.url else None,
            source=SOURCE,
            related_information=related or None,
            tags=[types.DiagnosticTag.Unnecessary] if finding.code == UNUSED_SUPPRESSION else None,
        )

    def _edit(self, fix: Fix, looked: Looked) -> types.WorkspaceEdit | None:
        changes: dict[str, list[types.TextEdit]] = {}
        for edit in fix.edits:
            location = self._location(edit.place, looked)
            if location is None:
                return None
            changes.setdefault(location.uri, []).append(types.TextEdit(location.range, edit.content))
        return types.WorkspaceEdit(changes=changes)

    def _location(self, place: Place, looked: Looked) -> types.Location | None:
        """Where a place is for the editor; None in a notebook that is not at hand."""
        file, text = self.files.get(place.path), looked.report.texts.get(place.path)
        if file is not None and place.cell is not None and place.cell <= len(file.cells):
            uri = file.cells[place.cell - 1]
        elif file is not None and place.cell is None:
            uri = file.uri
        else:
            uri = from_fs_path(os.path.abspath(place.path)) or ""  # noqa: PTH100 - links stay as they are named
            in_file = InFile(looked.report.texts).place(place)
            if in_file is None:
                return None
            place = in_file
        lines = text.lines(place.cell) if text is not None else ()
        start = self._position(lines, place.line, place.column)
        return types.Location(uri, types.Range(start, self._position(lines, place.end_line, place.end_column)))

    def _position(self, lines: Sequence[str], line: int, column: int) -> types.Position:
        before = lines[line - 1][: column - 1] if line <= len(lines) else ""
        return types.Position(line - 1, self.codec.client_num_units(before))


def page(finding: Finding) -> str:
    """The rule's page as Markdown, under its name."""
    rule = rules_by_code()[finding.code]
    return f"# {rule.code} {rule.name}\n\n{(rule.page or '').strip()}"
