"""JUnit's XML, for continuous integration that shows test results."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from nnlint.finding import Finding, Severity
from nnlint.lazy import regex
from nnlint.output import Presentation
from nnlint.output.in_file import InFile
from nnlint.output.places import position, repository_path, told
from nnlint.report import InternalError, Report

_NOT_XML = regex("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, presentation: Presentation) -> str:
    """One suite: a failing case for each error and warning, a passing one for each advice, an error for each failure.

    A run with nothing to say is a single passing case, because readers take an empty suite for a broken one.
    """
    failures = [finding for finding in report.findings if finding.severity is not Severity.ADVICE]
    counts = {"failures": str(len(failures)), "errors": str(len(report.errors))}
    cases = max(1, len(report.findings) + len(report.errors))
    suites = Element("testsuites", {"name": "nnlint", "tests": str(cases), **counts})
    suite = SubElement(suites, "testsuite", {"name": "nnlint", "tests": str(cases), **counts})
    in_file = InFile(report.texts)
    for finding in report.findings:
        _add_finding(suite, finding, in_file, presentation)
    for error in report.errors:
        _add_failure(suite, error, in_file, presentation)
    if not len(suite):
        SubElement(suite, "testcase", {"classname": "nnlint", "name": f"{report.files} files"})
    indent(suites)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(suites, encoding='unicode')}\n"


def _add_finding(suite: Element, finding: Finding, in_file: InFile, presentation: Presentation) -> None:
    path = repository_path(finding.place.path, presentation.base)
    where = position(finding.place)[len(finding.place.path) + 1 :]
    name = f"{finding.code} {finding.name} at {where}"
    place = in_file.place(finding.place)
    case = _add_case(suite, path, name, place.line if place else None)
    words = _xml(f"{told(finding, presentation.base)}\n{finding.url}".strip())
    if finding.severity is Severity.ADVICE:
        SubElement(case, "system-out").text = words
    else:
        failure = {"type": finding.severity.value, "message": _xml(finding.message)}
        SubElement(case, "failure", failure).text = words


def _add_failure(suite: Element, error: InternalError, in_file: InFile, presentation: Presentation) -> None:
    case = _add_case(suite, repository_path(error.path, presentation.base), "internal error", in_file.line(error))
    SubElement(case, "error", {"type": "internal error", "message": _xml(error.message)}).text = _xml(error.message)


def _add_case(suite: Element, path: str, name: str, line: int | None) -> Element:
    attributes = {"classname": _xml(path), "name": _xml(name), "file": _xml(path)}
    return SubElement(suite, "testcase", attributes | ({"line": str(line)} if line else {}))


def _xml(text: str) -> str:
    """`text` with the characters that XML cannot hold, even escaped, written as in a Python string."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
