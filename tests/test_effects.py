"""What the verifier concludes from the scores of its runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnlint.finding import Finding, Place, Severity, Status, Verdict
from nnlint.trials import Arm, Points
from nnlint.verify.arms import Plan
from nnlint.verify.effects import Effect, conclude, effects, fall, harm
from nnlint.verify.reached import told
from nnlint.verify.seeds import doubtful, is_other, pooled, repeated


def finding(code: str, name: str, line: int) -> Finding:
    return Finding(code, name, Severity.ERROR, "a fault", Place("train.py", None, line, 1, line, 9))


CLEAR = finding("NN102", "missing-zero-grad", 7)
SOFTMAX = finding("NN201", "softmax-before-cross-entropy", 3)
OPTIMIZER = finding("NN101", "optimizer-in-loop", 8)


def curve(*values: float) -> Points:
    return tuple((step * 100, value) for step, value in enumerate(values, start=1))


def arm(label: str, *values: float, mended: tuple[Finding, ...] = (), but: str = "") -> Arm:
    scores = curve(*values)
    return Arm(label, mended, but, steps=scores[-1][0], scores=scores)


COLLAPSED = (0.1, 0.5, 0.9, 0.9, 0.9, 0.6, 0.3, 0.1, 0.1, 0.1)
SLOW = (0.1,) * 10
LEARNED = (0.3, 0.6, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
WRITTEN = arm("as written", *COLLAPSED)


def said(arms: list[Arm]) -> str:
    found = effects(arms, "accuracy")
    verdicts = {f: Verdict(Status.CONFIRMED, "measured", effect=effect) for f, effect in found.items()}
    return conclude(told(arms), verdicts, "accuracy")


def test_a_single_fault_that_is_mended_does_the_harm() -> None:
    sentence = said([arm("as written", *SLOW), arm("NN102 mended", *LEARNED, mended=(CLEAR,))])
    assert sentence.startswith("NN102 missing-zero-grad (line 7) does the harm: it costs 0.90 of accuracy")


def test_a_collapse_is_laid_to_the_finding_without_which_the_score_does_not_fall() -> None:
    alone = [arm("a", *LEARNED, mended=(CLEAR,)), arm("b", *COLLAPSED, mended=(SOFTMAX,))]
    sentence = said([WRITTEN, *alone, arm("all mended", *LEARNED, mended=(CLEAR, SOFTMAX))])
    assert sentence.startswith("NN102 missing-zero-grad (line 7) causes the collapse")
    assert "as written accuracy is 0.90 at step 500 and falls from there" in sentence
    assert sentence.endswith("mended, accuracy is 1.00 after 1000 steps, as written 0.10")


def test_a_finding_whose_mending_ruins_the_mended_script_does_no_harm() -> None:
    low, good, bad = (0.1,) * 10, (0.95,) * 10, (0.2,) * 10
    alone = [arm("a", *good, mended=(CLEAR,)), arm("b", *bad, mended=(SOFTMAX,))]
    whole = arm("all mended", *bad, mended=(CLEAR, SOFTMAX))
    left = [arm("l", *bad, mended=(SOFTMAX,), but="NN102"), arm("m", *good, mended=(CLEAR,), but="NN201")]
    sentence = said([arm("as written", *low), *alone, whole, *left])
    assert sentence.startswith("NN102 missing-zero-grad (line 7) does the harm")
    assert "NN201 softmax-before-cross-entropy (line 3) also costs" not in sentence
    assert (
        "with all else mended, accuracy is 0.95, and 0.20 with NN201 softmax-before-cross-entropy (line 3) mended, too: "
        "the rest of the script is tuned to it"
    ) in sentence


def test_findings_that_do_harm_only_together_are_not_said_to_change_nothing() -> None:
    alone = [arm("a", *SLOW, mended=(CLEAR,)), arm("b", *SLOW, mended=(SOFTMAX,))]
    sentence = said([arm("as written", *SLOW), *alone, arm("all mended", *LEARNED, mended=(CLEAR, SOFTMAX))])
    assert sentence == (
        "NN102 missing-zero-grad (line 7) and NN201 softmax-before-cross-entropy (line 3) do harm together: none of them alone "
        "mended changes anything; mended, accuracy is 1.00 after 1000 steps, as written 0.10"
    )


def test_a_run_that_was_stopped_before_the_fall_clears_nobody() -> None:
    short = arm("c", *COLLAPSED[:5], mended=(OPTIMIZER,))
    sentence = said([WRITTEN, arm("a", *LEARNED, mended=(CLEAR,)), short])
    assert "optimizer-in-loop (line 8) causes" not in sentence


def test_a_fault_that_another_one_hides_shows_where_it_alone_is_left() -> None:
    arms = [
        WRITTEN,
        arm("a", *SLOW, mended=(CLEAR,)),
        arm("b", *COLLAPSED, mended=(SOFTMAX,)),
        arm("all mended", *LEARNED, mended=(CLEAR, SOFTMAX)),
        arm("all but NN201 mended", *SLOW, mended=(CLEAR,), but="NN201"),
        arm("all but NN102 mended", *COLLAPSED, mended=(SOFTMAX,), but="NN102"),
    ]
    assert harm(effects(arms, "accuracy")[SOFTMAX]) > 0.8
    assert "NN201 softmax-before-cross-entropy (line 3) also costs" in said(arms)


def test_a_change_within_the_unrest_of_the_scores_is_none() -> None:
    jumpy = (0.4, 0.7, 0.3, 0.8, 0.2, 0.7, 0.3, 0.8, 0.2, 0.6, 0.3, 0.8)
    arms = [arm("as written", *jumpy), arm("a", *reversed(jumpy), mended=(CLEAR,))]
    assert "NN102 missing-zero-grad (line 7) changes nothing here" in said(arms)


def test_a_run_that_raised_has_no_effect() -> None:
    broken = replace(arm("a", *LEARNED, mended=(CLEAR,)), ended="raised")
    assert effects([WRITTEN, broken], "accuracy") == {}
    assert said([WRITTEN, broken]) == ""


def test_a_score_that_only_rises_does_not_fall() -> None:
    assert fall(arm("as written", *LEARNED)) == 0


def effect(change: float, noise: float = 0.0, **more: float) -> Effect:
    values = {"as_written": 0.5, "mended": 0.5 + change, "change": change, "noise": noise}
    return tuple({**values, **more}.items())


def test_a_small_change_is_looked_at_again_and_a_clear_one_or_none_is_not() -> None:
    found = {CLEAR: effect(0.06), SOFTMAX: effect(0.4), OPTIMIZER: effect(0.001)}
    assert doubtful(found) == [CLEAR]


def test_a_change_within_much_unrest_is_looked_at_again() -> None:
    assert doubtful({CLEAR: effect(0.4, noise=0.15)}) == [CLEAR]


def test_what_a_fault_costs_when_it_alone_is_left_may_be_in_doubt_too() -> None:
    assert doubtful({CLEAR: effect(0.0, all_mended=0.9, all_but_this=0.84)}) == [CLEAR]


def test_a_change_that_is_seen_but_small_is_little() -> None:
    assert said_of(effect(0.04)) == "NN102 missing-zero-grad (line 7) changes little here"
    assert said_of(effect(0.004)) == "NN102 missing-zero-grad (line 7) changes nothing here"
    assert said_of(effect(0.04, noise=0.03)) == "NN102 missing-zero-grad (line 7) changes nothing here"


def test_seeds_that_agree_make_a_small_change_count() -> None:
    by_seed = [{CLEAR: effect(0.06, noise=0.02)}, {CLEAR: effect(0.07, noise=0.02)}, {CLEAR: effect(0.065, noise=0.02)}]
    together = pooled(by_seed)[CLEAR]
    assert dict(together)["seeds"] == 3
    assert harm(together) == pytest.approx(0.065)
    assert said_of(together) == "NN102 missing-zero-grad (line 7) does the harm: it costs 0.07 of R²"


def test_seeds_that_disagree_make_a_change_none() -> None:
    together = pooled([{CLEAR: effect(0.2)}, {CLEAR: effect(-0.1)}, {CLEAR: effect(0.05)}])[CLEAR]
    assert said_of(together) == "NN102 missing-zero-grad (line 7) changes nothing here"


def test_an_effect_that_was_clear_at_once_stays_as_it_was() -> None:
    clear = effect(0.4)
    together = pooled([{CLEAR: effect(0.06), SOFTMAX: clear}, {CLEAR: effect(0.05)}])
    assert dict(together[SOFTMAX]) == {**dict(clear), "seeds": 1}
    assert pooled([{SOFTMAX: clear}])[SOFTMAX] == clear


def test_only_the_runs_that_concern_a_finding_in_doubt_are_made_again() -> None:
    alone, other = Plan("a", (CLEAR,), {}), Plan("b", (SOFTMAX,), {})
    whole, left = Plan("all mended", (CLEAR, SOFTMAX), {}), Plan("c", (SOFTMAX,), {}, but="NN102")
    assert repeated([alone, other, whole, left], [CLEAR]) == [alone, whole, left]
    assert repeated([alone, other, whole], [SOFTMAX]) == [other]


def test_a_script_that_draws_nothing_at_random_runs_alike_under_all_seeds() -> None:
    assert not is_other(WRITTEN, WRITTEN)
    assert is_other(WRITTEN, arm("as written", *SLOW))


def said_of(known: Effect) -> str:
    verdicts = {CLEAR: Verdict(Status.CONFIRMED, "measured", effect=known)}
    return conclude(told([WRITTEN, arm("a", *LEARNED, mended=(CLEAR,))]), verdicts, "R²").partition(";")[0]


def test_too_few_steps_tell_nothing_of_what_a_finding_costs() -> None:
    def once(label: str, value: float, *mended: Finding) -> Arm:
        return Arm(label, mended, steps=1, scores=((1, value),))

    told = said([once("as written", 0.55), once("a", 0.58, CLEAR)])
    assert "cannot be told" in told
    assert "nothing here" not in told


def test_what_is_harmless_on_made_up_data_is_said_to_be_so_there() -> None:
    arms = [arm("as written", *LEARNED), arm("a", *LEARNED, mended=(CLEAR,))]
    verdicts = {CLEAR: Verdict(Status.CONFIRMED, "measured", effect=effects(arms, "accuracy")[CLEAR])}
    assert "changes nothing here, on data that were made up" in conclude(
        told(arms), verdicts, "accuracy", is_made_up=True
    )
