"""Workflow commands, from which GitHub makes annotations on the lines of a pull request."""

from __future__ import annotations

from nnlint.finding import Finding, Severity
from nnlint.output import Presentation
from nnlint.output.places import repository_path, told
from nnlint.report import InternalError, Report

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(report: Report, presentation: Presentation) -> str:
    """One command a line, advice as a notice; columns only for a span within one line, as GitHub takes no others."""
    commands = [_annotation(finding, presentation) for finding in report.findings]
    commands += [_failure(error, presentation) for error in report.errors]
    return "".join(f"{command}\n" for command in commands)


def _annotation(finding: Finding, presentation: Presentation) -> str:
    place = finding.place
    properties: dict[str, str | int] = {
        "file": repository_path(place.path, presentation.base),
        "line": place.line,
        "endLine": place.end_line,
    }
    if place.line == place.end_line:
        properties |= {"col": place.column, "endColumn": place.end_column}
    properties["title"] = f"{finding.code} {finding.name}"
    return _command(_COMMANDS[finding.severity], properties, told(finding, presentation.base))


def _failure(error: InternalError, presentation: Presentation) -> str:
    properties: dict[str, str | int] = {"file": repository_path(error.path, presentation.base)}
    if error.line:
        properties["line"] = error.line
    return _command("error", properties | {"title": "nnlint internal error"}, error.message)


def _command(name: str, properties: dict[str, str | int], message: str) -> str:
    listed = ",".join(f"{key}={str(value).translate(_PROPERTY)}" for key, value in properties.items())
    return f"::{name} {listed}::{message.translate(_DATA)}"
