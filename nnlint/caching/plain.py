"""Findings and notes as JSON, and back: what is kept of a report. Plans of verifying runs are not."""

from __future__ import annotations

from typing import Any

from nnlint.finding import Applicability, Edit, Finding, Fix, Place, Related, Severity
from nnlint.report import Note

Plain = list[Any]
"""What `json` writes and reads."""


def of_finding(finding: Finding) -> Plain:
    """A finding without its verdict and plan."""
    return [
        finding.code,
        finding.name,
        finding.severity.value,
        finding.message,
        _of_place(finding.place),
        finding.label,
        [[_of_place(related.place), related.message] for related in finding.related],
        finding.help,
        finding.url,
        _of_fix(finding.fix) if finding.fix else None,
    ]


def to_finding(plain: Plain) -> Finding:
    """The finding that was made plain. Raises ValueError or TypeError for anything else."""
    code, name, severity, message, place, label, related, help, url, fix = plain
    return Finding(
        code=code,
        name=name,
        severity=Severity(severity),
        message=message,
        place=_to_place(place),
        label=label,
        related=tuple(Related(_to_place(where), words) for where, words in related),
        help=help,
        url=url,
        fix=_to_fix(fix) if fix else None,
    )


def of_note(note: Note) -> Plain:
    """A note."""
    return [note.path, note.line, note.message, note.cell]


def to_note(plain: Plain) -> Note:
    """The note that was made plain. Raises ValueError or TypeError for anything else."""
    path, line, message, cell = plain
    return Note(path, line, message, cell)


def _of_fix(fix: Fix) -> Plain:
    return [fix.applicability.value, fix.message, [[_of_place(edit.place), edit.content] for edit in fix.edits]]


def _to_fix(plain: Plain) -> Fix:
    applicability, message, edits = plain
    return Fix(Applicability(applicability), message, tuple(Edit(_to_place(place), text) for place, text in edits))


def _of_place(place: Place) -> Plain:
    return [place.path, place.cell, place.line, place.column, place.end_line, place.end_column]


def _to_place(plain: Plain) -> Place:
    path, cell, line, column, end_line, end_column = plain
    return Place(path, cell, line, column, end_line, end_column)
