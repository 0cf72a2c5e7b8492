"""JUnit's XML, for continuous integration that shows test results."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from nnlint.finding import Finding, Severity
from nnlint.lazy import regex
from nnlint.output import Presentation
from nnlint.output.in_file import InFile
from nnlint.output.places import position, repository_path, told
from nnlint.report import InternalError, Report

_NOT_XML = regex("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """One suite: a failing case for each error and warning, a passing one for each advice, an error for each failure.

    A run with nothing to say is a single passing case, because readers take an empty suite for a broken one.
    """
    failures = sum(1 for finding in report.findings if finding.severity is not Severity.ADVICE)
    counts = {"failures": str(failures), "errors": str(len(report.errors))}
    cases = len(report.findings) + len(report.errors)
    suites = Element("testsuites", {"name": "nnlint", "tests": str(max(1, cases)), **counts})
    suite = SubElement(suites, "testsuite", suites.attrib)
    SubElement(suite, "testcase")
    indent(suites)
    before, behind = tostring(suites, encoding="unicode").split("<testcase />")
    yield f"<?xml version='1.0' encoding='utf-8'?>\n{before}"
    between = ""
    for case in _cases(report, presentation):
        indent(case, level=2)
        yield between + tostring(case, encoding="unicode")
        between = "\n    "
    yield f"{behind}\n"


def _cases(report: Report, presentation: Presentation) -> Iterator[Element]:
    in_file = InFile(report.texts)
    yield from (_finding(finding, in_file, presentation) for finding in report.findings)
    yield from (_failure(error, in_file, presentation) for error in report.errors)
    if not report.findings and not report.errors:
        yield Element("testcase", {"classname": "nnlint", "name": f"{report.files} files"})


def _finding(finding: Finding, in_file: InFile, presentation: Presentation) -> Element:
    path = repository_path(finding.place.path, presentation.base)
    where = position(finding.place)[len(finding.place.path) + 1 :]
    name = f"{finding.code} {finding.name} at {where}"
    place = in_file.place(finding.place)
    case = _case(path, name, place.line if place else None)
    words = _xml(f"{told(finding, presentation.base)}\n{finding.url}".strip())
    if finding.severity is Severity.ADVICE:
        SubElement(case, "system-out").text = words
    else:
        failure = {"type": finding.severity.value, "message": _xml(finding.message)}
        SubElement(case, "failure", failure).text = words
    return case


def _failure(error: InternalError, in_file: InFile, presentation: Presentation) -> Element:
    case = _case(repository_path(error.path, presentation.base), "internal error", in_file.line(error))
    SubElement(case, "error", {"type": "internal error", "message": _xml(error.message)}).text = _xml(error.message)
    return case


def _case(path: str, name: str, line: int | None) -> Element:
    attributes = {"classname": _xml(path), "name": _xml(name), "file": _xml(path)}
    return Element("testcase", attributes | ({"line": str(line)} if line else {}))


def _xml(text: str) -> str:
    """`text` with the characters that XML cannot hold, even escaped, written as in a Python string."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
