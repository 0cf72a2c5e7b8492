"""What mending a finding changes, and which finding does the harm: read off the scores of several short runs.

A finding's harm shows in two ways: what the script reaches when it alone is mended, and what the mended script loses when it
alone is left. The first misses a fault that another one hides (a network that a second fault keeps from learning cannot show it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from nnlint.events import Backward, Raised, Run, Scored
from nnlint.finding import Finding, Status, Verdict
from nnlint.records import dataclass
from nnlint.trials import OTHER_ROWS, Arm, Points
from nnlint.verify.reached import SMOOTHED, WORST, common_steps, is_comparable, level

MEASURES = {"accuracy": "accuracy", "auc": "AUC", "r2": "R²", "r2_in_other_rows": OTHER_ROWS}
"""The yardsticks, by their name in records, as people call them."""

NOTABLE = 0.05
"""A smaller difference between two scores is no effect."""

VISIBLE = 0.02
"""A smaller one is hardly seen in two decimals."""

BOUNDED = frozenset({"accuracy", "AUC"})
"""Yardsticks that do not jump about: only of these a fall is called a collapse."""

COLLAPSE = 0.3
"""A score that ends this far below its peak has collapsed."""

ENOUGH_STEPS = 10
"""After fewer steps no network has learned enough to lose anything."""

Effect = tuple[tuple[str, float | str], ...]


def arm_of(label: str, mended: tuple[Finding, ...], run: Run, but: str = "") -> Arm:
    """One run as plain data, without what it reaches; `but` is the code that was left in it when all others were mended."""
    scores = _curve(run, MEASURES)
    raised = next(iter(run.events(Raised)), None)
    return Arm(
        label,
        mended,
        but=but,
        steps=max((step for step, _ in scores), default=0),
        ended=run.ended,
        trouble=f"{raised.error}: {raised.message}" if raised else run.trouble,
        scores=scores,
        losses=_numbered(run, "loss"),
        gradients=_numbered(run, "gradient_norm"),
        spreads=_curve(run, ("spread",)),
    )


def measure_of(run: Run) -> str:
    """What the scores of a run are: "accuracy", "AUC", "R²"; empty where it has none."""
    names = (name for event in run.events(Scored) for name in MEASURES if name in event.numbers)
    return MEASURES.get(next(names, ""), "")


def _curve(run: Run, names: Iterable[str]) -> Points:
    wanted = tuple(names)
    return tuple(
        (int(event.numbers.get("steps", 0)), event.numbers[name])
        for event in run.events(Scored)
        for name in wanted
        if name in event.numbers
    )


def _numbered(run: Run, name: str) -> Points:
    backwards = enumerate(run.events(Backward), start=1)
    return tuple((step, event.numbers[name]) for step, event in backwards if name in event.numbers)


def effects(arms: Sequence[Arm], measure: str, steps: int = 0) -> dict[Finding, Effect]:
    """For each finding that was mended alone: what is reached as written, mended alone, all mended, all but this mended.

    All over the same steps (the common ones of these runs, unless `steps` are given); `steps_of_rest` are those of the last two,
    where one of them took fewer.
    """
    steps = steps or common_steps(arms)
    written, whole = arms[0], next((arm for arm in arms if arm.is_whole), None)
    left = {arm.but: arm for arm in arms if arm.but}
    found: dict[Finding, Effect] = {}
    for arm in arms[1:]:
        if len(arm.mended) != 1 or arm.but or arm.is_whole or not (is_comparable(written) and is_comparable(arm)):
            continue
        finding = arm.mended[0]
        both = min(steps, written.steps, arm.steps)
        (before, unrest), (after, other_unrest) = level(written, both), level(arm, both)
        values: list[tuple[str, float | str]] = [("measure", measure), ("steps", float(both)), ("as_written", before)]
        values += [("mended", after), ("change", after - before), ("noise", math.hypot(unrest, other_unrest))]
        found[finding] = (*values, *_rest(whole, left.get(finding.code), both))
    return found


def _rest(whole: Arm | None, other: Arm | None, steps: int) -> Effect:
    """What is reached with all mended, and with all but this, where there are such runs."""
    if whole is None or not is_comparable(whole):
        return ()
    if other is None or not is_comparable(other):
        least = min(steps, whole.steps)
        return (("all_mended", level(whole, least)[0]), *_fewer(least, steps))
    least = min(steps, whole.steps, other.steps)
    levels = (("all_mended", level(whole, least)[0]), ("all_but_this", level(other, least)[0]))
    return (*levels, *_fewer(least, steps))


def _fewer(least: int, steps: int) -> Effect:
    return (("steps_of_rest", float(least)),) if least < steps else ()


def at_step(arm: Arm, step: int) -> float:
    """The score of a run after so many steps, the last one before where there is none; no worse than `WORST`."""
    reached = [max(WORST, value) for at, value in arm.scores if at <= step][-SMOOTHED:]
    return sum(reached) / len(reached) if reached else WORST


def fall(arm: Arm) -> float:
    """How far a run ends below its best score."""
    values = [at_step(arm, step) for step, _ in arm.scores]
    return max(values) - values[-1] if values else 0.0


def _fallen_after(arm: Arm) -> int:
    """The step by which a run has fallen from its best score."""
    values = [(step, at_step(arm, step)) for step, _ in arm.scores]
    peak = max(values, key=lambda each: each[1])
    return next((step for step, value in values if step > peak[0] and value < peak[1] - COLLAPSE), arm.steps)


def _change(effect: Effect) -> float:
    change = dict(effect).get("change", 0.0)
    return change if isinstance(change, float) else 0.0


def threshold(effect: Effect, least: float = NOTABLE) -> float:
    """The least change of a score that is more than its own unrest, and than `least`."""
    unrest = dict(effect).get("noise", 0.0)
    return max(least, 2 * unrest) if isinstance(unrest, float) else least


def harm(effect: Effect) -> float:
    """What a finding costs: by the gain of mending it alone, or by the loss of leaving it alone, whichever is larger."""
    values = {name: value for name, value in effect if isinstance(value, float)}
    gain = values.get("change", 0.0)
    if "all_but_this" in values and "all_mended" in values:
        return max(gain, values["all_mended"] - values["all_but_this"])
    return gain


def conclude(arms: Sequence[Arm], verdicts: Mapping[Finding, Verdict], measure: str, is_made_up: bool = False) -> str:
    """Which finding does the harm, which ones are harmless here, and what the mended run reaches; in plain sentences.

    The runs are those of `nnlint.verify.reached.told`.
    On data that were made up (`is_made_up`) a fault may be harmless that is none on the user's own.
    """
    effects = {f: verdict.effect for f, verdict in verdicts.items() if verdict.effect and _stands(verdict)}
    if not effects:
        return ""
    kinds = _told_apart(arms, effects, measure)
    sentences = [
        *kinds.collapsing.values(),
        *_of_harmful(kinds, effects, measure),
        *(_of_tuned(finding, effects[finding], measure) for finding in kinds.tuned),
        *(_of_hiding(finding, effects[finding], measure) for finding in kinds.hiding),
    ]
    if kinds.unsure:
        names = _listed(_name(f) for f in kinds.unsure)
        sentences.append(f"what {names} {_costs(kinds.unsure)} cannot be told from so few or unsteady scores")
    if kinds.idle and not sentences and _is_harm_of_several(arms, [effects[finding] for finding in kinds.idle]):
        names = _listed(_name(f) for f in kinds.idle)
        sentences.append(f"{names} do harm together: none of them alone mended changes anything")
    elif kinds.idle:
        sentences.append(_of_idle(kinds.idle, effects, is_made_up))
    return "; ".join([*sentences, _reached(arms, measure)])


@dataclass(frozen=True)
class _Kinds:
    """Findings by what their mends do, each in one list, the most harmful first; `collapsing` with a sentence on each."""

    collapsing: Mapping[Finding, str]
    harmful: Sequence[Finding]
    tuned: Sequence[Finding]
    hiding: Sequence[Finding]
    unsure: Sequence[Finding]
    idle: Sequence[Finding]


def _told_apart(arms: Sequence[Arm], effects: Mapping[Finding, Effect], measure: str) -> _Kinds:
    collapsing = _collapse(arms, effects, measure)
    left: Sequence[Finding] = sorted(
        (f for f in effects if f not in collapsing), key=lambda finding: -harm(effects[finding])
    )
    tuned, left = _parted(left, lambda f: _is_tuned_to(effects[f]))
    harmful, left = _parted(left, lambda f: harm(effects[f]) > threshold(effects[f]))
    hiding, left = _parted(left, lambda f: _change(effects[f]) < -max(COLLAPSE, threshold(effects[f])))
    idle, unsure = _parted(left, lambda f: _is_idle(effects[f]))
    return _Kinds(collapsing, harmful, tuned, hiding, unsure, idle)


def _parted(
    findings: Sequence[Finding], is_one: Callable[[Finding], bool]
) -> tuple[Sequence[Finding], Sequence[Finding]]:
    """Those for which it holds, and the others."""
    ones = [finding for finding in findings if is_one(finding)]
    return ones, [finding for finding in findings if finding not in ones]


def _of_harmful(kinds: _Kinds, effects: Mapping[Finding, Effect], measure: str) -> Iterator[str]:
    for place, finding in enumerate(kinds.harmful):
        more = "also costs" if place or kinds.collapsing else "does the harm: it costs"
        yield f"{_name(finding)} {more} {_cost(effects[finding])} of {measure}"


def _of_tuned(finding: Finding, effect: Effect, measure: str) -> str:
    values = dict(effect)
    return (
        f"with all else mended, {measure} is {values['all_but_this']:.2f}, and {values['all_mended']:.2f} with "
        f"{_name(finding)} mended, too: the rest of the script is tuned to it"
    )


def _of_hiding(finding: Finding, effect: Effect, measure: str) -> str:
    apart = _apart(effect, "as_written", "mended")
    return f"with {_name(finding)} alone mended, {measure} goes down by {apart}: the rest of the script is tuned to it"


def _of_idle(idle: Sequence[Finding], effects: Mapping[Finding, Effect], is_made_up: bool) -> str:
    where = "here, on data that were made up" if is_made_up else "here"
    changes = "changes" if len(idle) == 1 else "change"
    much = "little" if any(harm(effects[f]) > threshold(effects[f], VISIBLE) for f in idle) else "nothing"
    return f"{_listed(_name(f) for f in idle)} {changes} {much} {where}"


def _is_harm_of_several(arms: Sequence[Arm], of_each: Sequence[Effect]) -> bool:
    """Whether the run with all of these mended reaches more, where those with one of them mended do not."""
    whole = next((arm for arm in arms if arm.is_whole and is_comparable(arm)), None)
    if whole is None or whole.score is None or arms[0].score is None or len(whole.mended) != len(of_each):
        return False
    return whole.score - arms[0].score > max(map(threshold, of_each))


def _is_tuned_to(effect: Effect) -> bool:
    """Whether mending a finding helps little or not at all as written, and ruins what is reached with all others mended."""
    values = {name: value for name, value in effect if isinstance(value, float)}
    if "all_but_this" not in values or "all_mended" not in values:
        return False
    ruined = values["all_but_this"] - values["all_mended"]
    return -COLLAPSE < values.get("change", 0.0) < COLLAPSE and ruined > max(COLLAPSE, threshold(effect))


def _is_idle(effect: Effect) -> bool:
    """Whether a finding that costs no more than the unrest of the scores costs little, seen over enough steps."""
    steps = dict(effect).get("steps")
    is_early = isinstance(steps, float) and steps < ENOUGH_STEPS
    return not is_early and harm(effect) < COLLAPSE


def _costs(findings: Sequence[Finding]) -> str:
    return "costs" if len(findings) == 1 else "cost"


def _stands(verdict: Verdict) -> bool:
    return verdict.status is not Status.REFUTED


def _collapse(arms: Sequence[Arm], effects_of: Mapping[Finding, Effect], measure: str) -> dict[Finding, str]:
    """The findings without which the score does not fall after its peak, each with its sentence."""
    written = arms[0]
    if measure not in BOUNDED or fall(written) < COLLAPSE:
        return {}
    found = {}
    for arm in arms[1:]:
        finding = arm.mended[0] if arm.mended else None
        if finding is None or len(arm.mended) != 1 or finding not in effects_of:
            continue
        if arm.steps < _fallen_after(written) or fall(arm) > fall(written) / 3 or not _bears_out(arms, arm):
            continue
        peak, step = max((at_step(written, step), -step) for step, _ in written.scores)
        found[finding] = (
            f"{_name(finding)} causes the collapse: as written {measure} is {peak:.2f} at step {-step} and falls from there, "
            "with it mended it does not fall"
        )
    return found


def _bears_out(arms: Sequence[Arm], alone: Arm) -> bool:
    """Whether the run in which this finding alone is left falls, too, where there is such a run of enough steps."""
    left = next((arm for arm in arms if arm.but == alone.mended[0].code), None)
    return left is None or left.steps < arms[0].steps or fall(left) >= COLLAPSE


def _reached(arms: Sequence[Arm], measure: str) -> str:
    written = arms[0]
    best = next((arm for arm in arms if arm.is_whole), None) or (arms[1] if len(arms) == 2 else None)
    if best is None or not (is_comparable(written) and is_comparable(best)):
        return f"as written, {measure} is {written.score:.2f} after {written.after} steps"
    sooner = f" after {written.after}" if written.after != best.after else ""
    return f"mended, {measure} is {best.score:.2f} after {best.after} steps, as written {written.score:.2f}{sooner}"


def _cost(effect: Effect) -> str:
    """What a finding costs, as the difference of the numbers that are told of it."""
    by_rest = "all_but_this" in dict(effect) and harm(effect) > _change(effect)
    return _apart(effect, "all_mended", "all_but_this") if by_rest else _apart(effect, "mended", "as_written")


def _apart(effect: Effect, more: str, less: str) -> str:
    values = {name: value for name, value in effect if isinstance(value, float)}
    return f"{round(values[more], 2) - round(values[less], 2):.2f}"


def _name(finding: Finding) -> str:
    return f"{finding.code} {finding.name} (line {finding.place.line})"


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
