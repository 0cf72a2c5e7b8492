"""Workflow commands, from which GitHub makes annotations on the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.finding import Finding, Place, Severity
from nnlint.output import Presentation
from nnlint.output.in_file import InFile
from nnlint.output.places import repository_path, told
from nnlint.output.terminal import visible
from nnlint.report import InternalError, Report

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """One command a line, advice as a notice; columns only for a span within one line, as GitHub takes no others."""
    in_file = InFile(report.texts)
    for finding in report.findings:
        yield f"{_annotation(finding, in_file.place(finding.place), presentation)}\n"
    for error in report.errors:
        yield f"{_failure(error, in_file.line(error), presentation)}\n"


def _annotation(finding: Finding, place: Place | None, presentation: Presentation) -> str:
    properties: dict[str, str | int] = {"file": repository_path(finding.place.path, presentation.base)}
    if place:
        properties |= {"line": place.line, "endLine": place.end_line}
    if place and place.line == place.end_line:
        properties |= {"col": place.column, "endColumn": place.end_column}
    properties["title"] = f"{finding.code} {finding.name}"
    return _command(_COMMANDS[finding.severity], properties, told(finding, presentation.base))


def _failure(error: InternalError, line: int | None, presentation: Presentation) -> str:
    properties: dict[str, str | int] = {"file": repository_path(error.path, presentation.base)}
    if line:
        properties["line"] = line
    return _command("error", properties | {"title": f"nnlint {error.kind}"}, error.message)


def _command(name: str, properties: dict[str, str | int], message: str) -> str:
    listed = ",".join(f"{key}={_escaped(str(value), _PROPERTY)}" for key, value in properties.items())
    return f"::{name} {listed}::{_escaped(message, _DATA)}"


def _escaped(text: str, escapes: dict[int, str]) -> str:
    """`text` as a command takes it; what it has no escape for, and would steer whoever reads the log, is shown instead."""
    if text.isascii() and text.isprintable():
        return text.translate(escapes)
    return "".join(escapes.get(ord(character)) or visible(character) for character in text)
