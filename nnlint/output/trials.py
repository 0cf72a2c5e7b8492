"""What verifying runs measured, for people: a line under each finding, and a table for each script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from nnlint.finding import Verdict
from nnlint.output.terminal import columns, paint, visible, wrap
from nnlint.trials import OTHER_ROWS, Arm, Trial

_TABLE_WIDTH = 100
HOW = {
    "steps": "",
    "finished": "",
    "time": "stopped by the clock",
    "exited": "ended itself",
    "raised": "raised",
    "lost": "was lost",
    "killed": "",
}


def effect_words(verdict: Verdict) -> str:
    """One sentence on what mending the finding alone changes; "" where that was not measured."""
    effect = dict(verdict.effect or ())
    before, after = effect.get("as_written"), effect.get("mended")
    if not isinstance(before, float) or not isinstance(after, float):
        return ""
    steps, measure = effect.get("steps"), effect.get("measure", "the score")
    words = f"mended alone, {measure}{_after(steps)} goes from {before:.2f} to {after:.2f}"
    whole, left = effect.get("all_mended"), effect.get("all_but_this")
    if isinstance(whole, float) and isinstance(left, float):
        words += f"; with all else mended,{_after(effect.get('steps_of_rest'))} from {left:.2f} to {whole:.2f}"
    if isinstance(seeds := effect.get("seeds"), float):
        words += f"; the mean of {seeds:.0f} seeds" if seeds > 1 else "; with the first seed"
    return words


def _after(steps: object) -> str:
    return f" after {steps:.0f} steps" if isinstance(steps, float) else ""


def table(trial: Trial, width: int, colour: bool) -> list[str]:
    """How a script was run, the runs in a table, and what follows from them."""
    lines = [f"{paint(visible(trial.path), 'strong', colour)}: {_way(trial)}"]
    lines += wrap(f"stood in for: {', '.join(trial.stood_in)}", width) if trial.stood_in else []
    lines += [line for note in trial.notes for line in wrap(f"note: {visible(note)}", width)]
    if trial.measure:
        lines += [f"  {row}" for row in _aligned(rows_of(trial))]
        lines += [f"  {line}" for line in wrap(legend(trial), (width or _TABLE_WIDTH) - 2)]
    if trial.conclusion:
        lines += [f"  {line}" for line in wrap(visible(trial.conclusion), (width or _TABLE_WIDTH) - 2)]
    return lines


def _way(trial: Trial) -> str:
    return f"run {trial.way}, {seconds_told(trial)}" if trial.way else "could not be run"


def seconds_told(trial: Trial) -> str:
    """How many runs were made, and how long the user waited for them."""
    count = trial.runs or len(trial.arms)
    runs = "1 run" if count == 1 else f"{count} runs"
    start = f", after {trial.start_seconds:.0f} s to start PyTorch" if trial.start_seconds >= 1 else ""
    return f"{runs} in {trial.seconds:.0f} s{start}"


def _ranked(arms: Sequence[Arm]) -> list[Arm]:
    """As written first, then the single changes by what they reach, then all of them."""
    alone = [arm for arm in arms[1:] if not arm.is_whole and not arm.but]
    rest = [arm for arm in arms[1:] if arm.is_whole or arm.but]
    return [*arms[:1], *sorted(alone, key=lambda arm: -(arm.score if arm.score is not None else -math.inf)), *rest]


def rows_of(trial: Trial) -> list[tuple[str, ...]]:
    """The table of the runs, its head first: what each reaches, after how many steps, in the mean of how many seeds."""
    is_pooled = any(arm.seeds > 1 for arm in trial.arms)
    head = ("run", *(("seeds",) if is_pooled else ()), "steps", trial.measure, "loss", "")
    return [head, *(_row(arm, is_pooled) for arm in _ranked(trial.arms))]


def _row(arm: Arm, is_pooled: bool) -> tuple[str, ...]:
    score = "-" if arm.score is None else f"{arm.score:.2f}"
    loss = "-" if arm.loss is None else f"{arm.loss:.3g}"
    remark = " ".join(filter(None, (HOW.get(arm.ended, ""), arm.trouble)))[:60]
    return (arm.label, *((str(arm.seeds),) if is_pooled else ()), str(arm.after), score, loss, remark)


def legend(trial: Trial) -> str:
    """What the numbers of the table are."""
    means = f"{trial.measure} and loss: the mean over the last quarter of these steps"
    if trial.measure == OTHER_ROWS:
        means = (
            f"{trial.measure} is of the training samples, each answered in the rows of others, as new data are; {means}"
        )
    if any(arm.seeds > 1 for arm in trial.arms):
        return f"{means}, and over the seeds; the verdicts are of the first seed"
    return means


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The first column to the left, the numbers to the right."""
    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))]
    for name, *numbers, remark in rows:
        cells = [f"{' ' * (size - columns(text))}{text}" for text, size in zip(numbers, widths[1:-1], strict=True)]
        yield "  ".join([name + " " * (widths[0] - columns(name)), *cells, remark]).rstrip()
