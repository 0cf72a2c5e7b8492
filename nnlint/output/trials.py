"""What verifying runs measured, for people: a line under each finding, and a table for each script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from nnlint.finding import Verdict
from nnlint.output.terminal import columns, paint, visible, wrap
from nnlint.trials import Arm, Trial

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
    after_steps = f" after {steps:.0f} steps" if isinstance(steps, float) else ""
    words = f"mended alone, {measure}{after_steps} goes from {before:.2f} to {after:.2f}"
    if isinstance(seeds := effect.get("seeds"), float):
        words += f", in the mean of {seeds:.0f} seeds"
    whole, left = effect.get("all_mended"), effect.get("all_but_this")
    if isinstance(whole, float) and isinstance(left, float):
        words += f"; with all else mended, from {left:.2f} to {whole:.2f}"
    return words


def table(trial: Trial, width: int, colour: bool) -> list[str]:
    """How a script was run, the runs in a table, and what follows from them."""
    lines = [f"{paint(visible(trial.path), 'strong', colour)}: {_way(trial)}"]
    lines += wrap(f"stood in for: {', '.join(trial.stood_in)}", width) if trial.stood_in else []
    lines += [line for note in trial.notes for line in wrap(f"note: {visible(note)}", width)]
    rows = [_row(arm, trial.measure) for arm in _ranked(trial.arms)] if trial.measure else []
    lines += [f"  {row}" for row in _aligned([("run", "steps", trial.measure, "loss", ""), *rows])] if rows else []
    if trial.conclusion:
        lines += [f"  {line}" for line in wrap(visible(trial.conclusion), (width or _TABLE_WIDTH) - 2)]
    return lines


def _way(trial: Trial) -> str:
    if not trial.way:
        return "could not be run"
    count = len(trial.arms) + trial.repeats
    runs = "1 run" if count == 1 else f"{count} runs"
    return f"run {trial.way}, {runs} in {trial.seconds:.0f} s"


def _ranked(arms: Sequence[Arm]) -> list[Arm]:
    """As written first, then the single changes by what they reach, then all of them."""
    alone = [arm for arm in arms[1:] if not arm.is_whole and not arm.but]
    rest = [arm for arm in arms[1:] if arm.is_whole or arm.but]
    return [*arms[:1], *sorted(alone, key=lambda arm: -(arm.score if arm.score is not None else -math.inf)), *rest]


def _row(arm: Arm, measure: str) -> tuple[str, ...]:
    score = "-" if arm.score is None else f"{arm.score:.2f}"
    tail = [value for _, value in arm.losses][-max(1, len(arm.losses) // 10) :]
    loss = f"{sum(tail) / len(tail):.3g}" if tail else "-"
    return (arm.label, str(arm.steps), score, loss, " ".join(filter(None, (HOW.get(arm.ended, ""), arm.trouble)))[:60])


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The first column to the left, the numbers to the right."""
    widths = [max(columns(row[place]) for row in rows) for place in range(len(rows[0]))]
    for name, *numbers, remark in rows:
        cells = [f"{' ' * (size - columns(text))}{text}" for text, size in zip(numbers, widths[1:-1], strict=True)]
        yield "  ".join([name + " " * (widths[0] - columns(name)), *cells, remark]).rstrip()
