"""SARIF 2.1.0 (OASIS standard), which GitHub code scanning and many editors read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from json import dumps
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from nnlint import __version__
from nnlint.catalogue import all_rules
from nnlint.finding import Edit, Finding, Fix, Place, Severity, Status
from nnlint.output import Presentation
from nnlint.output.in_file import InFile
from nnlint.output.json import listed
from nnlint.output.pages import section
from nnlint.output.places import repository_path, told
from nnlint.report import InternalError, Report
from nnlint.rule import Rule
from nnlint.silencing.baseline import fingerprints

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/nnlint/nnlint"
_ROOT = "SRCROOT"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}

Object = dict[str, object]


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """One log with one run: every rule's metadata, a result for each finding, a notification for each failure.

    In a notebook a region is one of its JSON; the cell stands in the properties and before the message.
    """
    places = _Places(presentation.base, InFile(report.texts))
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report, places)]}
    before, _, behind = dumps(log, ensure_ascii=False, indent=2).rpartition("[]")
    yield before
    yield from listed(_results(report, places), depth=3)
    yield f"{behind}\n"


class _Places(NamedTuple):
    base: Path
    in_file: InFile


def _run(report: Report, places: _Places) -> Object:
    """A run whose results, which come last, are still to be put in."""
    return {
        "tool": {"driver": _driver(all_rules())},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(report, places)],
        "results": [],
    }


def _results(report: Report, places: _Places) -> Iterator[Object]:
    indices = {rule.code: index for index, rule in enumerate(all_rules())}
    findings = chain(report.findings, report.withdrawn)
    again = chain(report.findings, report.withdrawn)
    prints = fingerprints(again, report.texts, lambda path: repository_path(path, places.base))
    return (_result(finding, print_, indices, places) for finding, print_ in zip(findings, prints, strict=True))


def _driver(rules: Sequence[Rule]) -> Object:
    return {
        "name": "nnlint",
        "version": __version__,
        "semanticVersion": __version__,
        "informationUri": _HOME,
        "rules": [_rule(rule) for rule in rules],
    }


def _rule(rule: Rule) -> Object:
    page = (rule.page or "").strip()
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": section(rule.page, "What it does") or f"{rule.title}."},
        "help": {"text": page, "markdown": page},
        "helpUri": rule.url,
        "defaultConfiguration": {"enabled": rule.default, "level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.topic], "since": rule.since},
    }


def _result(finding: Finding, print_: str, indices: dict[str, int], places: _Places) -> Object:
    result: Object = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": told(finding, places.base)},
        "locations": [_location(finding.place, places)],
        "partialFingerprints": {"nnlint/v1": print_},
    }
    if finding.code in indices:
        result["ruleIndex"] = indices[finding.code]
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(related.place, places), "message": {"text": related.message}}
            for number, related in enumerate(finding.related, start=1)
        ]
    edits = places.in_file.edits(finding.fix) if finding.fix else ()
    if finding.fix and edits:
        result["fixes"] = [_fix(finding.fix, edits, places.base)]
    properties = _properties(finding)
    if properties:
        result["properties"] = properties
    if finding.verdict is not None and finding.verdict.status is Status.REFUTED:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": f"refuted by a run: {finding.verdict.reason}"}
        ]
    return result


def _properties(finding: Finding) -> Object:
    properties: Object = {} if finding.place.cell is None else {"cell": finding.place.cell}
    if finding.verdict is not None:
        properties["verdict"] = {"status": finding.verdict.status.value, "reason": finding.verdict.reason}
    return properties


def _location(place: Place, places: _Places) -> Object:
    physical: Object = {"artifactLocation": _artifact(place.path, places.base)}
    in_file = places.in_file.place(place)
    return {"physicalLocation": physical | ({"region": _region(in_file)} if in_file else {})}


def _artifact(path: str, base: Path) -> Object:
    relative = repository_path(path, base)
    if Path(relative).is_absolute():
        return {"uri": Path(relative).as_uri()}
    return {"uri": quote(relative, errors="surrogateescape"), "uriBaseId": _ROOT}


def _region(place: Place) -> Object:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _fix(fix: Fix, edits: Sequence[Edit], base: Path) -> Object:
    changes: dict[str, list[Edit]] = {}
    for edit in edits:
        changes.setdefault(edit.place.path, []).append(edit)
    return {
        "description": {"text": fix.message},
        "artifactChanges": [
            {"artifactLocation": _artifact(path, base), "replacements": [_replacement(edit) for edit in edits]}
            for path, edits in changes.items()
        ],
        "properties": {"applicability": fix.applicability.value},
    }


def _replacement(edit: Edit) -> Object:
    return {"deletedRegion": _region(edit.place), "insertedContent": {"text": edit.content}}


def _invocation(report: Report, places: _Places) -> Object:
    return {
        "executionSuccessful": not report.errors and not report.interrupted,
        "toolExecutionNotifications": [_notification(error, places) for error in report.errors],
    }


def _notification(error: InternalError, places: _Places) -> Object:
    place: Object = {"artifactLocation": _artifact(error.path, places.base)}
    line = places.in_file.line(error)
    if line:
        place["region"] = {"startLine": line}
    return {"level": "error", "message": {"text": error.message}, "locations": [{"physicalLocation": place}]}
