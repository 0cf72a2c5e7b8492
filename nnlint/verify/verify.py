"""`--verify`: a report in, the same report with a verdict for every finding and what the short runs measured out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from nnlint.catalogue import rules_by_code
from nnlint.events import Run, Scored
from nnlint.finding import Finding, Status, Verdict
from nnlint.reading.document import Document
from nnlint.report import Report
from nnlint.trials import Arm, Trial
from nnlint.verify.effects import arm_of, conclude, effect
from nnlint.verify.ladder import WAYS, climb, has_trained, hindrance
from nnlint.verify.protocol import Probe, Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner, runner
from nnlint.verify.scripts import Lint, Script, all_mended, mended, scripts
from nnlint.witness import Case, unverified

AT_ONCE = 2
"""Runs at a time."""

MOST_ARMS = 10
"""More findings than these are not mended one by one."""

SHARE_OF_FIRST = 0.4
"""The part of a script's time that its run as written may take."""

Change = tuple[tuple[Finding, ...], dict[str, str]]
"""Findings, and the files of the script in which they are mended."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """How long a script is run: `steps` of an optimizer, and `seconds` for all of its runs together."""

    steps: int = 400
    seconds: float = 60.0


def verify(report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress) -> Report:
    """The report with verdicts; refuted findings are withdrawn. Raises VerifierMissing and RunnerFailed."""
    wanted = scripts(report, documents)
    if not wanted:
        return report
    verdicts: dict[Finding, Verdict] = {}
    trials = []
    with runner() as runs:
        for script in wanted:
            trial = _Trial(script, runs, limits, lint, progress)
            trials.append(trial.measure())
            verdicts |= trial.verdicts
    findings = [replace(f, verdict=verdicts[f]) if f in verdicts else f for f in report.findings]
    return replace(
        report,
        findings=tuple(f for f in findings if not _is_refuted(f)),
        withdrawn=tuple(f for f in findings if _is_refuted(f)),
        trials=tuple(trials),
    )


def _is_refuted(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.status is Status.REFUTED


class _Trial:
    """All runs of one script."""

    def __init__(self, script: Script, runs: Runner, limits: Limits, lint: Lint, progress: Progress) -> None:
        self.script = script
        self.runs = runs
        self.limits = limits
        self.lint = lint
        self.progress = progress
        self.start = time.monotonic()
        self.reader = Reader(script.sources())
        self.verdicts: dict[Finding, Verdict] = {}
        self.way = "as-is"

    def measure(self) -> Trial:
        """Run as written, then with the findings mended; fills `verdicts`."""
        self.progress(f"{self.script.document.path}: running as written")
        self.way, written = climb(self._as_written, ("as-is", "stand-ins"))
        taken = time.monotonic() - self.start
        changes = self._changes(written)
        runs = self._all_runs(changes, written, taken)
        alone = {
            finding: run
            for (findings, _), run in zip(changes, runs, strict=True)
            if len(findings) == 1
            for finding in findings
        }
        for finding in self.script.findings:
            self.verdicts[finding] = _verdict(finding, written, alone.get(finding))
        arms = [arm_of("as written", (), written)]
        arms += [
            arm_of(_label(findings, self.script), findings, run)
            for (findings, _), run in zip(changes, runs, strict=True)
        ]
        self._add_effects(arms)
        return Trial(
            self.script.document.path,
            WAYS[self.way] if has_trained(written) else "",
            tuple(arms),
            stood_in=written.stood_in,
            measure=_measure(written),
            conclusion=conclude(arms, self.verdicts),
            seconds=time.monotonic() - self.start,
        )

    def _as_written(self, way: str) -> Run:
        self.way = way
        return self._run(self.script.texts(), self.limits.seconds * SHARE_OF_FIRST, self.script.probes())

    def _changes(self, written: Run) -> list[Change]:
        """The files of each further run, with the findings that are mended in it."""
        if not any(written.events(Scored)):
            return []
        changes: list[Change] = []
        for finding in self.script.findings[:MOST_ARMS]:
            documents = mended(self.script, finding)
            if documents is not None:
                changes.append(((finding,), self.script.texts(documents)))
        if len(changes) > 1:
            documents, findings = all_mended(self.script, self.lint)
            if len(findings) > 1:
                changes.append((tuple(findings), self.script.texts(documents)))
        return changes

    def _all_runs(self, changes: list[Change], written: Run, taken: float) -> list[Run]:
        left = self.limits.seconds - (time.monotonic() - self.start)
        seconds = max(1.0, left * AT_ONCE / max(AT_ONCE, len(changes)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda change: self._run(change[1], seconds), changes))

    def _run(self, texts: dict[str, str], seconds: float, probes: tuple[Probe, ...] = ()) -> Run:
        request = Request(
            self.script.root, self.script.path, texts, probes, steps=self.limits.steps, seconds=seconds, way=self.way
        )
        return self.reader.run(self.script.document.path, self.runs.run(request))

    def _add_effects(self, arms: list[Arm]) -> None:
        for arm in arms[1:]:
            if len(arm.mended) == 1:
                finding = arm.mended[0]
                self.verdicts[finding] = replace(self.verdicts[finding], effect=effect(arms, arm))


def _label(findings: tuple[Finding, ...], script: Script) -> str:
    if len(findings) > 1:
        return "all mended"
    finding = findings[0]
    return f"{finding.code} mended (line {finding.place.line})"


def _measure(run: Run) -> str:
    last = [event.numbers for event in run.events(Scored)][-1:]
    return next((name for numbers in last for name in ("accuracy", "auc", "r2") if name in numbers), "")


def _verdict(finding: Finding, written: Run, alone: Run | None) -> Verdict:
    witness = rules_by_code()[finding.code].witness
    if witness is None:
        return unverified("this rule has nothing that a run could measure")
    try:
        verdict = witness(Case(finding, written, alone))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        return unverified(f"its witness failed with {type(error).__name__}: {error}")
    if verdict.status is Status.UNVERIFIED and not has_trained(written):
        return unverified(hindrance(written))
    return verdict
