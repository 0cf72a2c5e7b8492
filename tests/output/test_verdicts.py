"""What the formats say of verdicts: confirmed ones, and findings that a run has withdrawn."""

from __future__ import annotations

import json
from dataclasses import replace

from nnlint.finding import Status, Verdict
from nnlint.report import Report
from nnlint.trials import Arm, Trial
from tests.output.samples import LOOP, fault, rendered, report, spot, zero_grad_fault

EFFECT = (("measure", "accuracy"), ("steps", 400.0), ("as_written", 0.11), ("mended", 1.0), ("change", 0.89))
CONFIRMED = Verdict(Status.CONFIRMED, "the gradient is 2.9 times the fresh one", (("ratio", 2.9),), EFFECT)
REFUTED = Verdict(Status.REFUTED, "no gradient was left over")


def verified() -> Report:
    """One confirmed finding, one that was withdrawn, and the runs that showed it."""
    written = Arm("as written", score=0.11, loss=2.25, after=400, steps=400)
    mended = Arm("NN102 mended (line 4)", (), score=1.0, loss=0.5, after=400, steps=400)
    stopped = Arm("NN101 mended (line 9)", (), score=None, steps=0, ended="raised", trouble="NameError: x")
    trial = Trial(
        "train.py", "with stand-ins", (written, stopped, mended), ("torchvision",), "accuracy", "NN102 does it", 9.4
    )
    shown = report(replace(zero_grad_fault(), verdict=CONFIRMED), train=LOOP)
    return replace(shown, trials=(trial,), withdrawn=(fault(spot(5, 9, 25), code="NN101", verdict=REFUTED),))


def test_text_has_the_verdict_and_the_effect_under_the_finding() -> None:
    text = rendered("text", verified())
    assert "  = confirmed: the gradient is 2.9 times the fresh one\n" in text
    assert "  = effect: mended alone, accuracy after 400 steps goes from 0.11 to 1.00\n" in text


def test_text_has_a_table_of_the_runs_best_mend_first_and_the_conclusion() -> None:
    lines = rendered("text", verified()).splitlines()
    start = lines.index("train.py: run with stand-ins, 3 runs in 9 s")
    assert lines[start + 1 : start + 8] == [
        "stood in for: torchvision",
        "  run                    steps  accuracy  loss",
        "  as written               400      0.11  2.25",
        "  NN102 mended (line 4)    400      1.00   0.5",
        "  NN101 mended (line 9)      0         -     -  raised NameError: x",
        "  accuracy and loss: the mean over the last quarter of these steps",
        "  NN102 does it",
    ]


def test_the_seconds_that_pytorch_took_to_start_are_told_beside_those_of_the_runs() -> None:
    shown = verified()
    started = replace(shown, trials=(replace(shown.trials[0], start_seconds=3.2),))
    assert "train.py: run with stand-ins, 3 runs in 9 s, after 3 s to start PyTorch\n" in rendered("text", started)


def test_what_a_script_tried_and_may_not_is_told() -> None:
    shown = verified()
    noted = replace(shown.trials[0], notes=("it asked for the network, which is closed to it",))
    told = replace(shown, trials=(noted,))
    assert "note: it asked for the network, which is closed to it\n" in rendered("text", told)


def test_text_tells_that_a_finding_was_withdrawn_and_does_not_show_it() -> None:
    text = rendered("text", verified())
    assert "1 finding was withdrawn: the run showed that the fault is not there." in text
    assert "NN101 missing" not in text


def test_concise_adds_the_verdict() -> None:
    assert "(confirmed: the gradient is 2.9 times the fresh one) [fix]\n" in rendered("concise", verified())


def test_json_keeps_what_was_withdrawn_with_its_verdict() -> None:
    first, second = json.loads(rendered("json", verified()))
    assert first["verdict"]["status"] == "confirmed"
    assert first["verdict"]["evidence"] == {"ratio": 2.9}
    assert first["verdict"]["effect"]["change"] == 0.89
    assert (second["code"], second["verdict"]["status"]) == ("NN101", "refuted")


def test_sarif_suppresses_what_was_withdrawn() -> None:
    first, second = json.loads(rendered("sarif", verified()))["runs"][0]["results"]
    assert "suppressions" not in first
    assert first["properties"]["verdict"]["status"] == "confirmed"
    assert second["suppressions"][0]["justification"] == "refuted by a run: no gradient was left over"
