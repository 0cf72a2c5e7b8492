"""The code quality report that GitLab shows in a merge request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from nnlint.finding import Finding, Severity
from nnlint.output import Presentation
from nnlint.output.in_file import InFile
from nnlint.output.json import listed
from nnlint.output.places import repository_path, told
from nnlint.report import InternalError, Report
from nnlint.silencing.baseline import fingerprint, fingerprints

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.ADVICE: "info"}
_FAILURE = "internal-error"


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """A list with one object for each finding and each failure of the run (a blocker); every fingerprint is unique."""
    prints = fingerprints(report.findings, report.texts, lambda path: repository_path(path, presentation.base))
    in_file = InFile(report.texts)
    entries = (_finding(*pair, in_file, presentation) for pair in zip(report.findings, prints, strict=True))
    failures = (_failure(error, number, in_file, presentation) for number, error in enumerate(report.errors))
    yield from listed(chain(entries, failures))
    yield "\n"


def _finding(finding: Finding, print_: str, in_file: InFile, presentation: Presentation) -> dict[str, object]:
    place = in_file.place(finding.place)
    return {
        "description": f"{finding.name}: {told(finding, presentation.base, separator='; ')}",
        "check_name": finding.code,
        "fingerprint": print_,
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": repository_path(finding.place.path, presentation.base),
            "lines": {"begin": place.line, "end": place.end_line} if place else {"begin": 1},
        },
    }


def _failure(error: InternalError, number: int, in_file: InFile, presentation: Presentation) -> dict[str, object]:
    path = repository_path(error.path, presentation.base)
    return {
        "description": f"{error.kind}: {error.message}",
        "check_name": _FAILURE,
        "fingerprint": fingerprint(path, _FAILURE, error.message, number),
        "severity": "blocker",
        "location": {"path": path, "lines": {"begin": in_file.line(error) or 1}},
    }
