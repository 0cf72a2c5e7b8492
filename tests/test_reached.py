"""What a run reaches: one number of it, which every line about it tells."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nnlint.finding import Finding, Place, Severity, Status, Verdict
from nnlint.output.trials import effect_words, rows_of
from nnlint.output.trials import table as table_of
from nnlint.trials import ALL_MENDED, Arm, Trial
from nnlint.verify.effects import conclude, effects
from nnlint.verify.reached import told
from nnlint.verify.seeds import pooled

CLEAR = Finding("NN102", "missing-zero-grad", Severity.ERROR, "a fault", Place("train.py", None, 7, 1, 7, 9))
SOFTMAX = Finding("NN201", "softmax-before-loss", Severity.ERROR, "a fault", Place("train.py", None, 3, 1, 3, 9))


def arm(label: str, *mended: Finding, end: float, steps: int = 1000, start: float = 0.0, but: str = "") -> Arm:
    """A run that rises from `start` and is at `end` in its last step, with a loss that falls as far."""
    scores = tuple((step, start + (end - start) * step / steps) for step in range(25, steps + 1, 25))
    losses = tuple((step, 1 - (end - start) * step / steps) for step in range(1, steps + 1))
    return Arm(label, mended, but, steps=steps, scores=scores, losses=losses)


def trial_of(arms: list[Arm], *again: list[Arm]) -> tuple[Trial, list[str]]:
    """What is told of these runs, and the lines under the findings."""
    by_seed = [effects(arms, "R²"), *(effects(seed, "R²") for seed in again)]
    verdicts = {f: Verdict(Status.CONFIRMED, "seen", effect=effect) for f, effect in pooled(by_seed).items()}
    known = told(arms, again)
    words = conclude(known, verdicts, "R²")
    trial = Trial("train.py", "as it is", tuple(known), measure="R²", conclusion=words)
    return trial, [effect_words(verdict) for verdict in verdicts.values()]


def cells(trial: Trial) -> dict[str, dict[str, str]]:
    """The rows of the table, by the label of the run and the head of the column."""
    head, *rows = rows_of(trial)
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_the_table_the_effect_and_the_conclusion_tell_the_same_of_a_run() -> None:
    trial, (effect,) = trial_of([arm("as written", end=0.6), arm("mended", CLEAR, end=1.0)])
    shown = cells(trial)
    before, after = shown["as written"]["R²"], shown["mended"]["R²"]
    assert effect == f"mended alone, R² after 1000 steps goes from {before} to {after}"
    assert trial.conclusion.endswith(f"mended, R² is {after} after 1000 steps, as written {before}")
    assert f"it costs {float(after) - float(before):.2f} of R²" in trial.conclusion


def test_over_several_seeds_all_three_tell_the_mean_and_of_how_many_it_is() -> None:
    seeds = [[arm("as written", end=low), arm("mended", CLEAR, end=1.0)] for low in (0.9, 0.5, 0.1)]
    trial, (effect,) = trial_of(*seeds)
    shown = cells(trial)
    before, after = shown["as written"]["R²"], shown["mended"]["R²"]
    assert float(before) == pytest.approx(0.44, abs=0.02)
    assert shown["as written"]["seeds"] == shown["mended"]["seeds"] == "3"
    assert effect == f"mended alone, R² after 1000 steps goes from {before} to {after}; the mean of 3 seeds"
    assert trial.conclusion.endswith(f"mended, R² is {after} after 1000 steps, as written {before}")
    assert "over the seeds; the verdicts are of the first seed" in " ".join(" ".join(table_of(trial, 0, False)).split())


def test_what_was_run_with_the_first_seed_alone_says_so_where_others_were_not() -> None:
    first = [arm("as written", end=0.6), arm("a", CLEAR, end=0.7), arm("b", SOFTMAX, end=1.0)]
    again = [arm("as written", end=0.4), arm("a", CLEAR, end=0.7)]
    trial, words = trial_of(first, again)
    assert words[0].endswith("; the mean of 2 seeds")
    assert words[1].endswith("; with the first seed")
    assert [row["seeds"] for row in cells(trial).values()] == ["2", "1", "2"]


def test_runs_are_compared_over_the_steps_that_most_of_them_took() -> None:
    arms = [arm("as written", end=0.5), arm("a", CLEAR, end=1.0, steps=400), arm("b", SOFTMAX, end=0.9, steps=400)]
    trial, words = trial_of([*arms, arm(ALL_MENDED, CLEAR, SOFTMAX, end=1.0, steps=390)])
    shown = cells(trial)
    assert {row["steps"] for row in shown.values()} == {"390"}
    assert all("after 390 steps" in line for line in words)
    assert re.search(rf"after 390 steps, as written {shown['as written']['R²']}$", trial.conclusion)


def test_a_run_that_ended_much_earlier_is_told_with_its_own_steps() -> None:
    arms = [arm("as written", end=0.5), arm("a", CLEAR, end=0.9, steps=100), arm("b", SOFTMAX, end=0.9)]
    trial, words = trial_of(arms)
    assert [row["steps"] for row in cells(trial).values()] == ["1000", "1000", "100"]
    assert "after 100 steps" in words[0] and "after 1000 steps" in words[1]


def test_what_is_reached_with_all_else_mended_says_after_how_many_steps_where_these_are_fewer() -> None:
    arms = [arm("as written", end=0.5), arm("a", CLEAR, end=0.6), arm("b", SOFTMAX, end=0.5)]
    rest = [arm(ALL_MENDED, CLEAR, SOFTMAX, end=1.0), arm("left", SOFTMAX, end=0.2, steps=300, but="NN102")]
    _, words = trial_of([*arms, *rest])
    assert "; with all else mended, after 300 steps from 0.18 to 0.27" in words[0]


def test_the_loss_is_told_over_the_same_steps_and_as_the_verdicts_settle_it() -> None:
    trial, _ = trial_of([arm("as written", end=0.8), arm("mended", CLEAR, end=0.8, steps=500)])
    assert trial.arms[0].loss == pytest.approx(1 - 0.8 * 0.4375, abs=0.01)
    assert trial.arms[1].loss == pytest.approx(1 - 0.8 * 0.875, abs=0.01)


def test_a_run_that_failed_counts_neither_for_the_steps_nor_for_the_mean() -> None:
    broken = replace(arm("mended", CLEAR, end=0.9, steps=25), ended="raised", trouble="NameError: x")
    trial, words = trial_of([arm("as written", end=0.5), broken])
    assert cells(trial)["as written"]["steps"] == "1000"
    assert words == []
