"""One line for each finding, for search tools and editors."""

from __future__ import annotations

from nnlint.finding import Finding
from nnlint.output import Presentation
from nnlint.output.failures import error_line
from nnlint.output.places import position
from nnlint.output.summary import fix_mark, statistics
from nnlint.output.terminal import paint, visible
from nnlint.report import Report


def render(report: Report, presentation: Presentation) -> str:
    """`path:line:column: severity CODE name: message [fix]`, then the failures, then the statistics if asked for."""
    lines = [_line(finding, presentation.colour) for finding in report.findings]
    lines += [error_line(error, presentation.colour) for error in report.errors]
    if presentation.statistics:
        lines += statistics(report.findings)
    return "".join(f"{line}\n" for line in lines)


def _line(finding: Finding, colour: bool) -> str:
    where = paint(visible(position(finding.place)), "strong", colour)
    kind = paint(f"{finding.severity.value} {finding.code}", finding.severity.value, colour)
    mark = paint(fix_mark(finding.fix), "good", colour)
    verdict = f" ({finding.verdict.status.value}: {visible(finding.verdict.reason)})" if finding.verdict else ""
    return f"{where}: {kind} {finding.name}: {visible(finding.message)}{verdict} {mark}".rstrip()
