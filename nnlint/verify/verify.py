"""`--verify`: a report in, the same report with a verdict for every finding and what the short runs measured out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from nnlint.catalogue import rules_by_code
from nnlint.cores import cores
from nnlint.events import OptimizerStepped, Run
from nnlint.finding import Finding, Status, Verdict
from nnlint.reading.document import Document
from nnlint.report import Report
from nnlint.trials import Arm, Trial
from nnlint.verify.arms import Plan, first_plans, left_plans
from nnlint.verify.effects import arm_of, conclude, effects, measure_of
from nnlint.verify.harness import DRIVER, driver
from nnlint.verify.ladder import WAYS, Rung, climb, has_trained, hindrance
from nnlint.verify.made_up import made_up, reserved
from nnlint.verify.protocol import Probe, Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner, require_torch, runner
from nnlint.verify.sandbox import most_memory
from nnlint.verify.scripts import Lint, Script, scripts
from nnlint.verify.scripts import written as written_files
from nnlint.verify.seeds import FURTHER, doubtful, is_other, pooled, repeated
from nnlint.verify.side_by_side import side_by_side
from nnlint.witness import Case, unverified

MOST_AT_ONCE = 4
"""Runs of one script at a time, at most."""

LEAST_SECONDS = 1.0
"""With less time left, no further run is begun."""

CURVE_POINTS = 40
"""How often a network is scored along a run; at the same steps in all runs of a script, so that they can be compared."""

SLACK = 1.3
"""How much longer a mended run may take than the one as written."""

SHARE_OF_ALONE, SHARE_OF_LONGER = 0.6, 0.5
"""The parts of the time then left that the mended runs, and a longer look at what is still open, may take."""

LONGER, LONGEST = 20, 20.0
"""A longer look takes so many times the steps, and at most so many seconds."""

SHARE_OF_FIRST = 0.4
"""The part of a script's time that its run as written may take."""

UNSCORED = (
    "no effect was measured: nothing that this script trains can be scored by accuracy or R², so the verdicts rest on what was "
    "seen at each place"
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """How long a script is run: `steps` of an optimizer, and `seconds` for all of its runs together.

    `jobs` are the runs at a time, of one script or of several. `memory` is what all processes of one run may hold, in bytes.
    """

    steps: int = 1000
    seconds: float = 60.0
    jobs: int = field(default_factory=cores)
    memory: int = field(default_factory=most_memory)


def verify(report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress) -> Report:
    """The report with verdicts; refuted findings are withdrawn. Raises VerifierMissing and RunnerFailed."""
    require_torch()
    roots = {script.root for script in scripts(report, documents)}
    if not roots:
        return report
    with runner(filter(None, roots)) as runs:
        return verified(report, documents, limits, lint, progress, runs)


def verified(
    report: Report, documents: Sequence[Document], limits: Limits, lint: Lint, progress: Progress, runs: Runner
) -> Report:
    """The same with a runner that is there already, and was made for the folders of these scripts."""
    found = scripts(report, documents)
    at_once = max(1, min(limits.jobs, len(found)))
    own = replace(limits, jobs=min(MOST_AT_ONCE, limits.jobs // at_once))
    one_at_a_time = Lock()

    def lint_alone(current: Sequence[Document]) -> Report:
        with one_at_a_time:  # it is not made for threads, and takes little of the time
            return lint(current)

    def measured(script: Script) -> tuple[Trial, dict[Finding, Verdict]]:
        trial = _Trial(script, runs, own, lint_alone, progress)
        return trial.measure(), trial.verdicts

    results = side_by_side(measured, found, at_once, runs.close)
    verdicts = {finding: verdict for _, of_script in results for finding, verdict in of_script.items()}
    findings = [replace(f, verdict=verdicts[f]) if f in verdicts else f for f in report.findings]
    return replace(
        report,
        findings=tuple(f for f in findings if not _is_refuted(f)),
        withdrawn=tuple(f for f in findings if _is_refuted(f)),
        trials=tuple(trial for trial, _ in results),
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
        self.notes: list[str] = []
        self.driver = driver(script)
        self.ways = tuple(WAYS) if self.driver else ("as-is", "stand-ins")
        self.rung = Rung("as-is")
        self.pace = 0.01
        self.steps = limits.steps

    def measure(self) -> Trial:
        """Run as written, then with the findings mended; fills `verdicts`."""
        texts = self.script.texts(written_files(self.script))
        self._tell("running as written")
        first = Plan("as written", (), texts)
        self.rung, written = climb(lambda rung: self._first(first, rung), self.ways, self._is_confirmed)
        measure = measure_of(written)
        arms = [arm_of("as written", (), written)]
        alone: dict[Finding, Run] = {}
        plans = first_plans(self.script, self.lint) if any(written.events(OptimizerStepped)) else []
        self.pace = (time.monotonic() - self.start) / max(1, arms[0].steps)
        self.steps = arms[0].steps or self.limits.steps
        for plan, run in self._round(plans, SHARE_OF_ALONE):
            arms.append(arm_of(plan.label, plan.mended, run))
            if len(plan.mended) == 1:
                alone[plan.mended[0]] = run
        for finding in self.script.findings:
            self.verdicts[finding] = verdict_of(finding, written, alone.get(finding))
        self._look_longer(first, written)
        repeats = 0
        if measure:
            left = self._left(alone)
            arms += [arm for _, arm in left]
            repeats = self._add_effects(arms, measure, [first, *plans, *(plan for plan, _ in left)])
        return Trial(
            self.script.document.path,
            WAYS[self.rung.way] if has_trained(written) else "",
            tuple(arms),
            stood_in=written.stood_in,
            measure=measure,
            conclusion=conclude(arms, self.verdicts, measure, bool(made_up(written)))
            if measure
            else self._without_score(),
            repeats=repeats,
            seconds=time.monotonic() - self.start,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _without_score(self) -> str:
        """What is said where findings were confirmed, but nothing can be scored: a network by hand, a GAN, a policy."""
        is_confirmed = any(verdict.status is Status.CONFIRMED for verdict in self.verdicts.values())
        return UNSCORED if is_confirmed else ""

    def _first(self, plan: Plan, rung: Rung) -> Run:
        self.rung = rung
        left = self.limits.seconds - (time.monotonic() - self.start)
        seconds = max(LEAST_SECONDS, min(self.limits.seconds * SHARE_OF_FIRST, left))
        return self._run(plan, seconds, self.limits.steps, self.script.probes())

    def _is_confirmed(self, run: Run) -> bool:
        """Whether the run ended at a fault, and confirms it."""
        return any(verdict_of(finding, run, None).status is Status.CONFIRMED for finding in self.script.findings)

    def _look_longer(self, first: Plan, written: Run) -> None:
        """Where a run of so many steps could not decide, see whether a longer one can."""
        undecided = [f for f in self.script.findings if self.verdicts[f].status is Status.UNVERIFIED]
        left = self._left_seconds()
        if not undecided or written.ended != "steps" or left < LEAST_SECONDS:
            return
        self._tell("running on, to come to what is still open")
        seconds = min(LONGEST, left * SHARE_OF_LONGER)
        longer = self._run(first, seconds, LONGER * self.limits.steps, self.script.probes())
        for finding in undecided:
            verdict = verdict_of(finding, longer, None)
            if verdict.status is not Status.UNVERIFIED:
                self.verdicts[finding] = verdict

    def _left(self, alone: Mapping[Finding, Run]) -> list[tuple[Plan, Arm]]:
        """The runs in which one fault alone is left, of those that the run as written confirmed."""
        confirmed = [f.code for f in alone if self.verdicts[f].status is Status.CONFIRMED]
        plans = left_plans(self.script, self.lint, confirmed)
        return [(plan, arm_of(plan.label, plan.mended, run, plan.but)) for plan, run in self._round(plans)]

    def _round(self, plans: Sequence[Plan], share: float = 1.0, seed: int = 0) -> list[tuple[Plan, Run]]:
        """Run these plans side by side within their share of the time that is left, all for as many steps as fit into it."""
        left = share * self._left_seconds()
        if not plans or left < LEAST_SECONDS:
            return []
        seconds = max(LEAST_SECONDS, left / math.ceil(len(plans) / self.limits.jobs))
        steps = min(self.steps, max(1, int(seconds / self.pace / SLACK)))

        def run(plan: Plan) -> Run:
            self._tell(f"{plan.label}, with another seed" if seed else plan.label)
            return self._run(plan, seconds, steps, seed=seed)

        return list(zip(plans, side_by_side(run, plans, self.limits.jobs, self.runs.close), strict=True))

    def _left_seconds(self) -> float:
        return self.limits.seconds - (time.monotonic() - self.start)

    def _tell(self, what: str) -> None:
        self.progress(f"{self.script.document.path}: {what}")

    def _run(self, plan: Plan, seconds: float, steps: int, probes: tuple[Probe, ...] = (), seed: int = 0) -> Run:
        path, texts = self.script.path, plan.texts
        if self.rung.way == "harness" and self.driver:
            path, texts = DRIVER, {**texts, DRIVER: self.driver}
        request = Request(
            self.script.root,
            path,
            texts,
            probes=probes,
            steps=steps,
            seconds=seconds,
            every=max(1, self.limits.steps // CURVE_POINTS),
            seed=seed,
            way=self.rung.way,
            samples=self.rung.samples,
            side=self.rung.side,
            old_steps=self.rung.old_steps,
            patience=self.rung.patience if probes else 0.0,
            memory=self.limits.memory,
        )
        run = self.reader.run(self.script.document.path, self.runs.run(request))
        self.notes += run.notes
        return run

    def _add_effects(self, arms: Sequence[Arm], measure: str, plans: Sequence[Plan]) -> int:
        """Add the effects to the verdicts; returns how many runs were made again with other seeds to be sure of them."""
        by_seed = [effects(arms, measure)]
        repeats = 0
        for seed in FURTHER:
            findings = doubtful(pooled(by_seed))
            again = [arm_of(plan.label, plan.mended, run, plan.but) for plan, run in self._again(plans, findings, seed)]
            repeats += len(again)
            if not again or not is_other(arms[0], again[0]):
                break
            by_seed.append(effects(again, measure))
        for finding, effect in pooled(by_seed).items():
            self.verdicts[finding] = replace(self.verdicts[finding], effect=effect)
        return repeats

    def _again(self, plans: Sequence[Plan], findings: Sequence[Finding], seed: int) -> list[tuple[Plan, Run]]:
        """The runs that concern these findings with another seed, where the time that is left suffices for all of their steps."""
        wanted = repeated(plans[1:], findings)
        if not wanted:
            return []
        seconds = self.steps * self.pace * SLACK * math.ceil((len(wanted) + 1) / self.limits.jobs)
        return self._round([plans[0], *wanted], seed=seed) if seconds < self._left_seconds() else []


def verdict_of(finding: Finding, written: Run, alone: Run | None) -> Verdict:
    """What the witness of a finding's rule reads off the run as written and, where there is one, that with it alone mended."""
    rule = rules_by_code()[finding.code]
    if rule.witness is None:
        return unverified(rule.undecidable or "this rule has nothing that a run could measure")
    if written.ended == "lost":
        return unverified(f"the run was lost; {written.trouble}")
    try:
        verdict = rule.witness(Case(finding, written, alone))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        return unverified(f"its witness failed with {type(error).__name__}: {error}")
    if verdict.status is Status.UNVERIFIED and not has_trained(written):
        return unverified(hindrance(written))
    return _with_trouble(reserved(verdict, rule.topic, written), written)


def _with_trouble(verdict: Verdict, run: Run) -> Verdict:
    """A run that was ended from outside has its part in what could not be decided."""
    if verdict.status is not Status.UNVERIFIED or not run.trouble:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; {run.trouble}")
