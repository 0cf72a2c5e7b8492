"""JSON with stable keys, for programs that read findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json import dumps

from nnlint.finding import Edit, Finding, Fix, Place, Related, Verdict
from nnlint.output import Presentation
from nnlint.report import Report


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """A list with one object for each finding; its keys are part of the documented interface.

    Findings that a verifying run refuted are among them, with their verdict.
    """
    findings: Iterable[Finding] = report.findings
    if report.withdrawn:
        findings = sorted((*report.findings, *report.withdrawn), key=lambda finding: finding.sort_key)
    yield from listed(map(_finding, findings))
    yield "\n"


def listed(entries: Iterable[object], depth: int = 0) -> Iterator[str]:
    """A list, as `json.dumps` writes it with an indent of 2 at that depth of a document, entry by entry."""
    margin = "\n" + "  " * depth
    opening = "["
    for entry in entries:
        text = dumps(entry, ensure_ascii=False, indent=2)  # a line end within a string is written as \\n
        yield f"{opening}{margin}  " + text.replace("\n", f"{margin}  ")
        opening = ","
    yield "[]" if opening == "[" else f"{margin}]"


def _finding(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "path": place.path,
        "cell": place.cell,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "related": [_related(related) for related in finding.related],
        "help": finding.help,
        "url": finding.url,
        "fix": _fix(finding.fix) if finding.fix else None,
        "verdict": _verdict(finding.verdict) if finding.verdict else None,
    }


def _related(related: Related) -> dict[str, object]:
    place = related.place
    return {"path": place.path, **_cell(place), "line": place.line, "message": related.message}


def _fix(fix: Fix) -> dict[str, object]:
    return {
        "applicability": fix.applicability.value,
        "message": fix.message,
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: Edit) -> dict[str, object]:
    place = edit.place
    return {
        "path": place.path,
        **_cell(place),
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "content": edit.content,
    }


def _cell(place: Place) -> dict[str, object]:
    """In a notebook, where a line means nothing without it, one key more."""
    return {} if place.cell is None else {"cell": place.cell}


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "status": verdict.status.value,
        "reason": verdict.reason,
        "evidence": dict(verdict.evidence),
        "effect": None if verdict.effect is None else dict(verdict.effect),
    }
