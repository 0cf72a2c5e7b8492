"""The rules' reference figures: what a fault does to a small run. `python -m tests.gallery [CODE...]` draws them anew.

For every rule whose findings can be mended, its faulty fixtures are run as written and with that finding alone mended, on the
same data with the same seed. Drawn is the fixture in which the two differ most, by the yardstick where it has one, else by the
loss. A fault that shows in neither (memory, the mode of an evaluation) gets no figure.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnlint.catalogue import all_rules
from nnlint.docs import figure_file
from nnlint.finding import Status
from nnlint.lint import lint_documents
from nnlint.output.curves import Curve, Look, drawn
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.rule import Rule
from nnlint.settings import Settings
from nnlint.trials import Arm, Points
from nnlint.verify.effects import at_step
from nnlint.verify.reached import WORST
from nnlint.verify.runner import Runner, runner
from nnlint.verify.verify import Limits, verified
from tests.fixture_cases import Case, all_cases

LIMITS = Limits(steps=300, seconds=20.0)
MOST_CASES = 6
LOOK = Look(size=(5.4, 2.4), most_points=60, has_text=True)
LEAST_STEPS = 40
"""A shorter run is drawn only where there is no other."""

LEAST_CHANGE = 0.02
"""Of a score; curves that are nearer to each other show nothing."""

LEAST_RATIO = 1.3
"""Between the losses at the end, where there is no score."""


@dataclass(frozen=True)
class Pair:
    """Two runs of one fixture, and how far apart they end."""

    case: str
    measure: str
    written: Points
    mended: Points
    distance: float


def main() -> None:
    """Draws the figures of the rules named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", nargs="*")
    codes = parser.parse_args().codes
    with runner() as runs:
        for rule in all_rules():
            if rule.witness is not None and (not codes or rule.code in codes):
                print(rule.code, _draw(rule, runs), flush=True)


def _draw(rule: Rule, runs: Runner) -> str:
    """Draw the figure of one rule, or remove it where no fixture shows anything; what was done."""
    file = figure_file(rule)
    pairs = [pair for case in _cases(rule) for pair in _pairs(rule, case, runs)]
    best = max(pairs, key=lambda pair: pair.distance, default=None)
    if best is None:
        file.unlink(missing_ok=True)
        return "no figure"
    file.parent.mkdir(exist_ok=True)
    file.write_text(_figure(rule, best), encoding="utf-8", newline="\n")
    return f"{best.case}: {best.measure}, {file.stat().st_size} bytes"


def _cases(rule: Rule) -> list[Case]:
    """The rule's own faulty fixtures, and the stories that show its fault."""
    faulty = [case for case in all_cases() if case.is_faulty]
    own = [case for case in faulty if case.rule_name == rule.name]
    stories = [case for case in faulty if case.rule_name == "seeds"]
    return own[:MOST_CASES] + [case for case in stories if any(name == rule.name for *_, name in case.expected())]


def _pairs(rule: Rule, case: Case, runs: Runner) -> Iterator[Pair]:
    for trial in _report(case, runs).trials:
        written = trial.arms[0]
        for arm in trial.arms[1:]:
            if len(arm.mended) == 1 and not arm.but and arm.mended[0].code == rule.code and _is_confirmed(arm):
                yield from _apart(case.name, trial.measure, written, arm)


def _report(case: Case, runs: Runner) -> Report:
    settings = Settings()
    documents = read_paths([str(case.path)], Patterns(settings.root, ())).documents
    report = lint_documents(documents, settings)
    return verified(report, documents, LIMITS, lambda now: lint_documents(now, settings), lambda said: None, runs)


def _is_confirmed(arm: Arm) -> bool:
    verdict = arm.mended[0].verdict
    return verdict is None or verdict.status is Status.CONFIRMED


def _apart(case: str, measure: str, written: Arm, mended: Arm) -> Iterator[Pair]:
    """The pair of curves, where they show a difference: scores before losses."""
    if written.scores and mended.scores:
        last = min(written.steps, mended.steps)
        change = at_step(mended, last) - at_step(written, last)
        if change >= LEAST_CHANGE:
            length = 10 if last >= LEAST_STEPS else 5
            yield Pair(case, measure, _bounded(written.scores), _bounded(mended.scores), length + change)
            return
    if written.losses and mended.losses:
        ratio = _end(written.losses) / max(_end(mended.losses), 1e-12)
        if ratio >= LEAST_RATIO:
            yield Pair(case, "loss", written.losses, mended.losses, min(1.0, math.log10(ratio) / 10))


def _bounded(scores: Points) -> Points:
    return tuple((step, max(WORST, score)) for step, score in scores)


def _end(losses: Points) -> float:
    tail = [value for _, value in losses[-max(1, len(losses) // 10) :]]
    return sum(tail) / len(tail)


def _figure(rule: Rule, pair: Pair) -> str:
    curves: Sequence[Curve] = (
        Curve("as written", pair.written, "#e05a47", 1.6),
        Curve("mended", pair.mended, "#3d8fd1", 1.6),
    )
    look = Look(LOOK.size, LOOK.ink, LOOK.most_points, pair.measure == "loss", LOOK.has_text)
    text = drawn(f"{rule.code} {rule.name}", curves, look, named=pair.measure)
    return re.sub(r" +\n", "\n", text).rstrip() + "\n"


if __name__ == "__main__":
    main()
