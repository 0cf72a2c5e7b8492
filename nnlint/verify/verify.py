"""`--verify`: a report in, the same report with a verdict for every finding and what the short runs measured out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from nnlint.finding import Finding, Status
from nnlint.reading.document import Document
from nnlint.report import Report
from nnlint.verify.runner import Runner, require_torch, runner
from nnlint.verify.scripts import Lint, scripts
from nnlint.verify.side_by_side import side_by_side
from nnlint.verify.verifying import Limits, Progress, Verifying

__all__ = ["Limits", "verified", "verify"]

MOST_AT_ONCE = 4
"""Runs of one script at a time, at most."""


def verify(report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress) -> Report:
    """The report with verdicts; refuted findings are withdrawn. Raises VerifierMissing and RunnerFailed.

    Where the user interrupts, it is `interrupted`, with the verdicts known so far, and nothing that was begun is left.
    """
    require_torch()
    start, started = time.monotonic(), 0.0
    works: list[Verifying] = []
    try:
        works += _works(report, documents, limits, lint, progress)
        if not works:
            return report
        with runner({work.script.root for work in works} - {""}) as runs:
            started = time.monotonic() - start
            _carry_out(works, limits, runs)
    except KeyboardInterrupt:
        return replace(_report(report, works, started), interrupted=True)
    return _report(report, works, started)


def verified(
    report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress, runs: Runner
) -> Report:
    """The same with a runner that is there already, and was made for the folders of these scripts; an interrupt is raised."""
    works = _works(report, documents, limits, lint, progress)
    _carry_out(works, limits, runs)
    return _report(report, works, 0.0)


def _works(
    report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress
) -> list[Verifying]:
    found = scripts(report, documents)
    own = replace(limits, jobs=min(MOST_AT_ONCE, limits.jobs // max(1, min(limits.jobs, len(found)))))
    one_at_a_time = Lock()

    def lint_alone(current: Sequence[Document]) -> Report:
        with one_at_a_time:  # it is not made for threads, and takes little of the time
            return lint(current)

    return [Verifying(script, own, lint_alone, progress) for script in found]


def _carry_out(works: Sequence[Verifying], limits: Limits, runs: Runner) -> None:
    side_by_side(lambda work: work.carry_out(runs), works, min(limits.jobs, len(works)), runs.close)


def _report(report: Report, works: Sequence[Verifying], started: float) -> Report:
    """The report with what the runs of each script say; `started` are the seconds that passed before the first of them."""
    results = [work.outcome() for work in works]
    verdicts = {finding: verdict for _, of_script in results for finding, verdict in of_script.items()}
    findings = [replace(f, verdict=verdicts[f]) if f in verdicts else f for f in report.findings]
    return replace(
        report,
        findings=tuple(f for f in findings if not _is_refuted(f)),
        withdrawn=tuple(f for f in findings if _is_refuted(f)),
        trials=tuple(
            replace(trial, start_seconds=0.0 if place else started) for place, (trial, _) in enumerate(results)
        ),
    )


def _is_refuted(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.status is Status.REFUTED
