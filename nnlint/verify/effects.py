"""What mending a finding changes, and which finding does the harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnlint.events import Backward, Raised, Run, Scored
from nnlint.finding import Finding, Status, Verdict
from nnlint.trials import Arm, Points

MEASURES = {"accuracy": "accuracy", "auc": "AUC", "r2": "R²"}
"""The yardsticks, by their name in records, as people call them."""

NOTABLE = 0.05
"""A smaller difference between two scores is no effect."""


def arm_of(label: str, mended: tuple[Finding, ...], run: Run) -> Arm:
    """One run as plain data."""
    scores = _curve(run, MEASURES)
    raised = next(iter(run.events(Raised)), None)
    backwards = list(run.events(Backward))
    return Arm(
        label,
        mended,
        score=scores[-1][1] if scores else None,
        steps=max((step for step, _ in scores), default=0),
        ended=run.ended,
        trouble=f"{raised.error}: {raised.message}" if raised else "",
        scores=scores,
        losses=tuple((i, e.numbers["loss"]) for i, e in enumerate(backwards) if "loss" in e.numbers),
        gradients=tuple(
            (i, e.numbers["gradient_norm"]) for i, e in enumerate(backwards) if "gradient_norm" in e.numbers
        ),
        spreads=_curve(run, ("spread",)),
    )


def _curve(run: Run, names: Sequence[str] | Mapping[str, str]) -> Points:
    return tuple(
        (int(event.numbers.get("steps", 0)), event.numbers[name])
        for event in run.events(Scored)
        for name in names
        if name in event.numbers
    )


def effect(arms: Sequence[Arm], arm: Arm) -> tuple[tuple[str, float | str], ...] | None:
    """The scores as written and mended, after as many steps; None where one of them has no score."""
    written = arms[0]
    if written.score is None or arm.score is None or arm.ended == "raised":
        return None
    steps = min(written.steps, arm.steps)
    before, after = _at(written.scores, steps), _at(arm.scores, steps)
    return (("steps", float(steps)), ("as_written", before), ("mended", after), ("change", after - before))


def _at(points: Points, steps: int) -> float:
    return [value for step, value in points if step <= steps][-1] if points else float("nan")


def conclude(arms: Sequence[Arm], verdicts: Mapping[Finding, Verdict]) -> str:
    """Which finding does the harm, in one sentence."""
    changes = [
        (dict(verdict.effect or ()).get("change", 0.0), finding)
        for finding, verdict in verdicts.items()
        if verdict.effect is not None and verdict.status is not Status.REFUTED
    ]
    helpful = sorted((c for c in changes if isinstance(c[0], float) and c[0] > NOTABLE), key=lambda c: -float(c[0]))
    if not helpful:
        return "no finding alone changes what the run reaches in these steps" if changes else ""
    _, finding = helpful[0]
    return f"{finding.code} {finding.name} (line {finding.place.line}) does the harm"
