"""All runs of one script: which are made within its time, and what they say together, also where they were interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nnlint.cores import cores
from nnlint.events import OptimizerStepped, Run, ValueSeen
from nnlint.finding import Finding, Status, Verdict
from nnlint.trials import Arm, Trial
from nnlint.verify.arms import Plan, first_plans, left_plans
from nnlint.verify.effects import arm_of, conclude, effects, measure_of
from nnlint.verify.harness import DRIVER, driver
from nnlint.verify.ladder import WAYS, Rung, climb, has_learned, has_trained
from nnlint.verify.made_up import made_up
from nnlint.verify.moved import moved
from nnlint.verify.protocol import Probe, Request
from nnlint.verify.reached import common_steps, told
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner, RunsEnded
from nnlint.verify.sandbox import most_memory
from nnlint.verify.scripts import Lint, Script, is_mendable, unscored, yardstick_by_hand
from nnlint.verify.scripts import written as written_files
from nnlint.verify.seeds import FURTHER, doubtful, is_other, pooled, repeated
from nnlint.verify.side_by_side import side_by_side
from nnlint.verify.verdicts import INTERRUPTED, hiding, unhidden, verdict_of
from nnlint.witness import unverified

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


Made = list[tuple[Plan, Run]]


class Key(NamedTuple):
    """What makes a run: its seed, the files that differ from the user's, what is looked at."""

    seed: int
    texts: frozenset[tuple[str, str]]
    probes: tuple[Probe, ...]


class Verifying:
    """The runs of one script. `carry_out` makes them; `outcome` says what those that were made show, at any time."""

    def __init__(self, script: Script, limits: Limits, lint: Lint, progress: Progress) -> None:
        self.script = script
        self.limits = limits
        self.lint = lint
        self.progress = progress
        self.start = self.end = 0.0
        self.reader = Reader(script.sources())
        self.driver = driver(script)
        self.ways = tuple(WAYS) if self.driver else ("as-is", "stand-ins")
        self.rung = Rung("as-is")
        self.by_hand = yardstick_by_hand(script)
        self.pace = 0.01
        self.steps = limits.steps
        self.first = Plan("as written", (), script.texts(written_files(script)))
        self.written: Run | None = None
        self.plans: list[Plan] = []
        self.made: Made = []
        self.again: list[Made] = []
        self.known: dict[Key, Run] = {}
        self.verdicts: dict[Finding, Verdict] = {}
        self.effects: dict[Finding, tuple[tuple[str, float | str], ...]] = {}
        self.notes: list[str] = []
        self.is_done = False

    def carry_out(self, runs: Runner) -> None:
        """Run as written, then with the findings mended. Raises RunsEnded where the runner is closed meanwhile."""
        self.runs = runs
        self.start = time.monotonic()
        try:
            self._run_all()
            self.is_done = True
        finally:
            self.end = time.monotonic()

    def outcome(self) -> tuple[Trial, dict[Finding, Verdict]]:
        """What was measured, and a verdict on each finding; what an interrupt left open is unverified."""
        if not self.is_done:
            self.notes.append("it was interrupted, so not all runs were made")
        verdicts = self.verdicts if self.is_done else self._verdicts_so_far()
        verdicts = {f: replace(v, effect=self.effects[f]) if f in self.effects else v for f, v in verdicts.items()}
        written = self.written or Run(self.script.document.path)
        measure, arms = measure_of(written), self._arms() if self.written else []
        trial = Trial(
            self.script.document.path,
            WAYS[self.rung.way] if has_trained(written) else "",
            tuple(told(arms, [self._arms_of(made) for made in self.again])),
            stood_in=written.stood_in,
            measure=measure,
            runs=len(self.known) + 1,
            seconds=self.end - self.start,
            notes=tuple(dict.fromkeys(self.notes)),
        )
        return replace(trial, conclusion=self._conclusion(trial, verdicts)), verdicts

    def _run_all(self) -> None:
        self._tell("running as written")
        self.rung, self.written = climb(self._run_first, self.ways, self._is_confirmed, self._has_come_to_findings)
        if self._has_time() and (any(self.written.events(OptimizerStepped)) or measure_of(self.written)):
            self.plans = first_plans(self.script, self.lint)
        taken = arm_of("as written", (), self.written).steps
        self.pace = (time.monotonic() - self.start) / max(1, taken)
        self.steps = taken or self.limits.steps
        self._round(self.plans, SHARE_OF_ALONE)
        self.verdicts = {f: verdict_of(f, self.written, self._alone(f)) for f in self.script.findings}
        self._look_longer(self.written)
        self._look_at_what_is_left()
        self._measure_effects()

    def _conclusion(self, trial: Trial, verdicts: dict[Finding, Verdict]) -> str:
        """Which finding does the harm; or, where nothing can be scored (a network by hand, a GAN, a policy), that."""
        if not self.is_done or self.written is None:
            return ""
        if trial.measure:
            words = conclude(trial.arms, verdicts, trial.measure, bool(made_up(self.written)))
            return "; ".join(filter(None, (words, unscored(verdicts))))
        is_confirmed = any(verdict.status is Status.CONFIRMED for verdict in verdicts.values())
        return UNSCORED if is_confirmed else ""

    def _verdicts_so_far(self) -> dict[Finding, Verdict]:
        """What can be said after an interrupt: what further runs could have turned into something else is left open."""
        found = dict.fromkeys(self.script.findings, unverified(INTERRUPTED))
        if self.written is None:
            return found
        for finding in self.script.findings:
            verdict = self.verdicts.get(finding) or verdict_of(finding, self.written, self._alone(finding))
            if verdict.status is not Status.UNVERIFIED and not verdict.may_be_hidden:
                found[finding] = verdict
        return found

    # What the runs were

    def _alone(self, finding: Finding) -> Run | None:
        """The run in which this finding alone was mended."""
        return next((run for plan, run in self.made if plan.mended == (finding,) and not plan.but), None)

    def _arms(self) -> list[Arm]:
        """The run as written, then the others in the order in which they were planned."""
        assert self.written is not None
        order = {id(plan): place for place, plan in enumerate(self.plans)}
        made = sorted(self.made, key=lambda each: order.get(id(each[0]), 0))
        return [arm_of("as written", (), self.written), *self._arms_of(made)]

    def _arms_of(self, made: Made) -> list[Arm]:
        return [arm_of(plan.label, plan.mended, run, plan.but) for plan, run in made]

    # The steps of verifying

    def _run_first(self, rung: Rung) -> Run:
        self.rung = rung
        seconds = max(LEAST_SECONDS, min(self.limits.seconds * SHARE_OF_FIRST, self._left_seconds()))
        return self._run(self.first, seconds, self.limits.steps, self.script.probes())

    def _is_confirmed(self, run: Run) -> bool:
        """Whether the run ended at a fault, and confirms it."""
        return any(verdict_of(finding, run, None).status is Status.CONFIRMED for finding in self.script.findings)

    def _has_come_to_findings(self, run: Run) -> bool:
        """Whether the run trained, or at least came to all findings: a file of functions for others runs to its end at once."""
        places = {finding.place for finding in self.script.findings}
        is_there = places <= {seen.at.place for seen in run.events(ValueSeen)}
        return has_learned(run) or (is_there and has_trained(run))

    def _look_longer(self, written: Run) -> None:
        """Where a run of so many steps could not decide, see whether a longer one can."""
        undecided = [f for f in self.script.findings if self.verdicts[f].status is Status.UNVERIFIED]
        left = self._left_seconds()
        if not undecided or written.ended != "steps" or left < LEAST_SECONDS:
            return
        self._tell("running on, to come to what is still open")
        seconds = min(LONGEST, left * SHARE_OF_LONGER)
        longer = self._run(self.first, seconds, LONGER * self.limits.steps, self.script.probes())
        for finding in undecided:
            verdict = verdict_of(finding, longer, None)
            if verdict.status is not Status.UNVERIFIED:
                self.verdicts[finding] = verdict

    def _look_at_what_is_left(self) -> None:
        """Run with one fault alone left: those that were confirmed, to see what they cost, and those that others may hide."""
        assert self.written is not None
        hidden = {f: others for f in self.script.findings if (others := hiding(f, self.verdicts))}
        confirmed = [
            f.code for f, verdict in self.verdicts.items() if self._alone(f) and verdict.status is Status.CONFIRMED
        ]
        codes = dict.fromkeys(finding.code for finding in hidden)
        wanted = confirmed if measure_of(self.written) else ()
        plans = left_plans(self.script, self.lint, wanted, codes) if self._has_time() else []
        self.plans += plans
        self._round(plans)
        for finding, others in hidden.items():
            plan, run = next(((p, run) for p, run in self.made if p.but == finding.code), (None, None))
            verdict = self._verdict_on_left(finding, plan, run) if plan is not None and run is not None else None
            unmended = [f for f in others if not is_mendable(f) or (plan is not None and f not in plan.mended)]
            self.verdicts[finding] = unhidden(self.verdicts[finding], others, unmended, verdict)

    def _verdict_on_left(self, finding: Finding, plan: Plan, run: Run) -> Verdict:
        """The verdict on a finding by the run in which it alone is left, and that in which it is mended, too."""
        whole = next((run for plan, run in self.made if plan.is_whole), None)
        return verdict_of(moved(self.script, finding, plan.documents).findings[0], run, whole)

    def _measure_effects(self) -> None:
        """The effects of mending the findings, with further seeds where one leaves them in doubt."""
        assert self.written is not None
        measure = measure_of(self.written)
        if not measure:
            return
        arms = self._arms()
        steps = common_steps(arms)
        by_seed = [effects(arms, measure, steps)]
        self.effects = pooled(by_seed)
        for seed in FURTHER:
            again = self._repeat(doubtful(self.effects), seed)
            of_seed = self._arms_of(again)
            if not again or not is_other(arms[0], of_seed[0]):
                break
            self.again.append(again)
            by_seed.append(effects(of_seed, measure, steps))
            self.effects = pooled(by_seed)

    def _repeat(self, findings: Sequence[Finding], seed: int) -> Made:
        """The runs that concern these findings with another seed, where the time that is left suffices for all of their steps."""
        wanted = repeated(self.plans, findings)
        if not wanted:
            return []
        seconds = self.steps * self.pace * SLACK * math.ceil((len(wanted) + 1) / self.limits.jobs)
        return self._round([self.first, *wanted], seed=seed) if seconds < self._left_seconds() else []

    def _round(self, plans: Sequence[Plan], share: float = 1.0, seed: int = 0) -> Made:
        """Run these plans side by side within their share of the time that is left, all for as many steps as fit into it.

        What is run with the first seed is among `made` as soon as it is done. Plans with the same texts are run once: of two
        findings, all but one mended is the other one mended alone.
        """
        keys = {id(plan): Key(seed, frozenset(plan.texts.items()), self._probes(plan)) for plan in plans}
        new = {key: plan for plan in reversed(plans) if (key := keys[id(plan)]) not in self.known}
        left = share * self._left_seconds()
        if not plans or (new and left < LEAST_SECONDS):
            return []
        seconds = max(LEAST_SECONDS, left / math.ceil(max(1, len(new)) / self.limits.jobs))
        steps = min(self.steps, max(1, int(seconds / self.pace / SLACK)))

        def note(wanted: Key) -> None:
            same = [plan for plan in plans if keys[id(plan)] == wanted]
            self.made.extend([] if seed else [(plan, self.known[wanted]) for plan in same])

        def run(key: Key) -> None:
            self._tell(f"{new[key].label}, with another seed" if seed else new[key].label)
            self.known[key] = self._run(new[key], seconds, steps, key.probes, seed=seed)
            note(key)

        for key in set(keys.values()) - new.keys():
            note(key)
        side_by_side(run, list(reversed(new)), self.limits.jobs, self.runs.close)
        return [(plan, self.known[keys[id(plan)]]) for plan in plans]

    def _probes(self, plan: Plan) -> tuple[Probe, ...]:
        """What is looked at in a run with one fault left: what that fault's acquittal needs."""
        wanted = [f for f in self.script.findings if f.code == plan.but and hiding(f, self.verdicts)]
        there = [moved(self.script, finding, plan.documents) for finding in wanted]
        probes = dict.fromkeys(probe for script in there for probe in script.probes())
        return tuple(replace(probe, number=number) for number, probe in enumerate(probes, start=1))

    def _has_time(self) -> bool:
        """Whether further runs can be made: to plan them takes a while, as each text is linted until all is mended."""
        return self._left_seconds() >= LEAST_SECONDS

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
            by_hand=self.by_hand,
            patience=self.rung.patience if probes else 0.0,
            memory=self.limits.memory,
        )
        records = self.runs.run(request)
        if self.runs.is_closed:
            raise RunsEnded
        run = self._reader(plan).run(self.script.document.path, records)
        self.notes += run.notes
        return run

    def _reader(self, plan: Plan) -> Reader:
        """What knows the lines of the files of a run: those with one fault left are read at the places to which it moved."""
        if not plan.but:
            return self.reader
        changed = {document.path: document for document in plan.documents}
        return Reader(replace(self.script, documents={**self.script.documents, **changed}).sources())
