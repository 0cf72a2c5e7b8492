"""One line for each finding, for search tools and editors."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.finding import Finding
from nnlint.output import Presentation
from nnlint.output.failures import error_line
from nnlint.output.places import position
from nnlint.output.summary import fix_mark, statistics
from nnlint.output.terminal import paint, visible
from nnlint.report import Report


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """`path:line:column: severity CODE name: message [fix]`, then the failures, then the statistics if asked for."""
    for finding in report.findings:
        yield f"{_line(finding, presentation.colour)}\n"
    for error in report.errors:
        yield f"{error_line(error, presentation.colour)}\n"
    if presentation.statistics:
        yield from (f"{line}\n" for line in statistics(report.findings))


def _line(finding: Finding, colour: bool) -> str:
    where = paint(visible(position(finding.place)), "strong", colour)
    kind = paint(f"{finding.severity.value} {finding.code}", finding.severity.value, colour)
    mark = paint(fix_mark(finding.fix), "good", colour)
    verdict = f" ({finding.verdict.status.value}: {visible(finding.verdict.reason)})" if finding.verdict else ""
    return f"{where}: {kind} {finding.name}: {visible(finding.message)}{verdict} {mark}".rstrip()
