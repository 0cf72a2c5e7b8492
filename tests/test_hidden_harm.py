"""No finding is acquitted by the course of a training that another finding's fault has spoilt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnlint.catalogue import rules_by_code
from nnlint.finding import Finding, Place, Severity, Status, Verdict
from nnlint.lint import lint_documents
from nnlint.reading.documents import read_document
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.runner import Runner
from nnlint.verify.scripts import all_mended, scripts
from nnlint.verify.verdicts import hiding, unhidden
from nnlint.verify.verify import Limits, verified
from nnlint.witness import confirmed, harmless, harmless_here, unverified

pytestmark = pytest.mark.xdist_group("real runs")

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(256, 12)
targets = (inputs @ torch.randn(12, 4)).argmax(1)
model = nn.Sequential({layers}, nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr={rate})
for step in range(2000):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
"""
DEEP = "nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()"
SHALLOW = "nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh()"


def report_on(text: str, runs: Runner) -> Report:
    settings = Settings(select=("NN103", "NN107", "NN602"))
    document = read_document("train.py", None, text.encode())
    report = lint_documents([document], settings)
    return verified(
        report, [document], Limits(300, 300.0, 2), lambda now: lint_documents(now, settings), lambda said: None, runs
    )


def verdict_on(code: str, report: Report) -> Verdict:
    (verdict,) = [f.verdict for f in (*report.findings, *report.withdrawn) if f.code == code]
    assert verdict is not None
    return verdict


def test_a_rate_whose_harm_another_fault_hides_is_judged_where_that_is_mended(runs: Runner) -> None:
    report = report_on(SCRIPT.format(layers=DEEP, rate=0.3), runs)
    assert verdict_on("NN103", report).status is Status.CONFIRMED
    rate = verdict_on("NN602", report)
    assert rate.status is Status.CONFIRMED
    assert rate.reason.startswith("with all others mended: the loss settles at ")


def test_a_rate_that_does_no_harm_without_the_other_fault_either_stays_harmless(runs: Runner) -> None:
    report = report_on(SCRIPT.format(layers=SHALLOW, rate=0.06), runs)
    assert verdict_on("NN103", report).status is Status.CONFIRMED
    assert verdict_on("NN602", report).status is Status.HARMLESS


def test_a_rate_stays_open_where_the_fault_that_may_hide_its_harm_cannot_be_mended(runs: Runner) -> None:
    detached = SCRIPT.replace("model(inputs), targets)", "model(inputs).detach(), targets).requires_grad_()")
    detached = detached.replace(
        "    loss.backward()\n    optimizer.zero_grad()", "    optimizer.zero_grad()\n    loss.backward()"
    )
    report = report_on(detached.format(layers=DEEP, rate=0.3), runs)
    assert verdict_on("NN107", report).status is Status.CONFIRMED
    rate = verdict_on("NN602", report)
    assert rate.status is Status.UNVERIFIED
    assert rate.reason.endswith("but NN107 may hide the harm, and cannot be mended for a run")


def finding(code: str) -> Finding:
    rule = rules_by_code()[code]
    return Finding(code, rule.name, Severity.ERROR, "a fault", Place("train.py", None, 3, 1, 3, 9))


RATE, INIT, GRAPH = finding("NN602"), finding("NN311"), finding("NN501")
SPARED = harmless_here("the loss settles at 1.39", loss=1.39)
SEEN = confirmed("all units are alike")


def test_what_may_hide_harm_is_a_confirmed_fault_of_another_rule_that_changes_the_training() -> None:
    elsewhere = replace(RATE, place=Place("train.py", None, 9, 1, 9, 9))
    verdicts = {RATE: SPARED, INIT: SEEN, GRAPH: SEEN, elsewhere: SEEN}
    assert hiding(RATE, verdicts) == [INIT]
    assert hiding(RATE, {**verdicts, INIT: unverified("unknown")}) == []
    assert hiding(RATE, {**verdicts, RATE: harmless("its optimizer has no state")}) == []


def test_an_acquittal_needs_a_run_in_which_all_others_are_mended() -> None:
    assert unhidden(SPARED, [INIT], [], SPARED) == SPARED
    without_run = unhidden(SPARED, [INIT], [], None)
    assert (without_run.status, without_run.evidence) == (Status.UNVERIFIED, SPARED.evidence)
    assert without_run.reason == "the loss settles at 1.39, but NN311 may hide the harm, and no run was made without it"
    assert unhidden(SPARED, [INIT], [INIT], SPARED).status is Status.UNVERIFIED


def test_harm_that_shows_where_another_fault_is_still_there_is_harm() -> None:
    found = unhidden(SPARED, [INIT], [INIT], confirmed("the loss settles at 9"))
    assert (found.status, found.reason) == (Status.CONFIRMED, "with others mended: the loss settles at 9")


def test_a_finding_left_open_by_made_up_data_stays_open_for_that_reason() -> None:
    reserved = replace(SPARED, status=Status.UNVERIFIED, reason="this is on made-up data")
    assert unhidden(reserved, [INIT], [], None) == reserved


def test_of_two_findings_with_one_fix_neither_is_mended_without_the_other() -> None:
    text = """
import torch
from torch import nn

inputs, targets = torch.randn(64, 5), torch.randn(64, 1)
model = nn.Sequential(
    nn.Linear(5, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(32, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(100):
    loss = nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    settings = Settings(select=("NN301", "NN303"))
    document = read_document("train.py", None, text.encode())
    report = lint_documents([document], settings)
    assert [(each.code, each.place.line) for each in report.findings] == [("NN301", 7), ("NN301", 8), ("NN303", 8)]
    (script,) = scripts(report, [document])
    first, second, third = script.findings

    def without(code: str) -> tuple[int, list[Finding]]:
        changed, mended = all_mended(script, lambda now: lint_documents(now, settings), code)
        return sum(each.data.count(b"Dropout") for each in changed), mended

    assert without("") == (0, [first, second, third])
    assert without("NN303") == (1, [first])
    assert without("NN301") == (0, [])
    assert hiding(third, {second: confirmed("it is there"), third: harmless_here("it is not")}) == []
    assert hiding(third, {first: confirmed("it is there"), third: harmless_here("it is not")}) == [first]
