"""What a report adds up to: the closing lines, and the counts per rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nnlint.finding import Applicability, Finding, Fix, Severity
from nnlint.output import Presentation
from nnlint.output.terminal import paint
from nnlint.report import NEWER_SYNTAX, Report

_FIX_MARKS = {Applicability.SAFE: "[fix]", Applicability.UNSAFE: "[unsafe fix]"}
_COUNTED = {
    Severity.ERROR: ("error", "errors"),
    Severity.WARNING: ("warning", "warnings"),
    Severity.ADVICE: ("piece of advice", "pieces of advice"),
}


def fix_mark(fix: Fix | None) -> str:
    """The mark of a finding that `--fix` can mend; empty for the others."""
    return _FIX_MARKS[fix.applicability] if fix else ""


def summary(report: Report, presentation: Presentation) -> list[str]:
    """The closing lines: what was found and mended, where the run failed, what can be mended, where to read on."""
    return [
        _found(report, presentation),
        *_withdrawn(len(report.withdrawn)),
        *_failures(len(report.errors), presentation.colour),
        *_cut_short(len({note.path for note in report.notes if note.is_of_cut})),
        *_unread(len({note.path for note in report.notes if note.is_of_newer_syntax})),
        *_fixable(report.findings),
        *_reading(report.findings, presentation.colour),
    ]


def _found(report: Report, presentation: Presentation) -> str:
    fixed = f"Fixed {_count(presentation.fixed, 'finding', 'findings')}. " if presentation.fixed else ""
    checked = _count(report.files, "file", "files")
    if not report.findings:
        left = "left to report" if fixed else "to report"
        return f"{fixed}{paint(f'Nothing {left}', 'good', presentation.colour)} in {checked}."
    counts = Counter(finding.severity for finding in report.findings)
    parts = [
        paint(_count(counts[severity], *words), severity.value, presentation.colour)
        for severity, words in _COUNTED.items()
        if counts[severity]
    ]
    faulty = len({finding.place.path for finding in report.findings})
    return f"{fixed}Found {_enumerated(parts)} in {faulty} of {checked}."


def _withdrawn(count: int) -> Iterator[str]:
    if count:
        yield f"{_count(count, 'finding was', 'findings were')} withdrawn: the run showed that the fault is not there."


def _failures(failures: int, colour: bool) -> Iterator[str]:
    if failures:
        counted = _count(failures, "failure", "failures")
        yield f"{paint(counted, 'error', colour)}: findings may be missing."


def _cut_short(files: int) -> Iterator[str]:
    if files:
        yield f"The analysis of {_count(files, 'file', 'files')} was cut short: findings may be missing; --verbose names them."


def _unread(files: int) -> Iterator[str]:
    if files:
        yield f"Of {_count(files, 'file', 'files')} {NEWER_SYNTAX}: findings may be missing; --verbose names them."


def _fixable(findings: Sequence[Finding]) -> Iterator[str]:
    counts = Counter(finding.fix.applicability for finding in findings if finding.fix)
    safe, unsafe = counts[Applicability.SAFE], counts[Applicability.UNSAFE]
    if safe and unsafe:
        yield f"{safe} can be fixed with --fix, {unsafe} more with --fix --unsafe-fixes."
    elif safe or unsafe:
        yield f"{safe or unsafe} can be fixed with --fix{' --unsafe-fixes' if unsafe else ''}."


def _reading(findings: Sequence[Finding], colour: bool) -> Iterator[str]:
    if findings:
        yield paint(f"nnlint --explain {findings[0].code} tells more about this fault.", "quiet", colour)


def statistics(findings: Sequence[Finding]) -> list[str]:
    """One line per rule, the most frequent first: count, code, name, fix mark."""
    counts = Counter((finding.code, finding.name) for finding in findings)
    marks = {finding.code: fix_mark(finding.fix) for finding in findings if finding.fix}
    count_width = len(str(max(counts.values(), default=0)))
    name_width = max((len(name) for _, name in counts), default=0)
    return [
        f"{count:>{count_width}}  {code}  {name:<{name_width}}  {marks.get(code, '')}".rstrip()
        for (code, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


def _enumerated(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
