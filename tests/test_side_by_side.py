"""Several scripts verified at a time: on one server, in the order in which they were given, and ended together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("torch")

from nnlint.lint import lint_documents
from nnlint.reading.documents import read_document
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.protocol import Record, Request
from nnlint.verify.runner import Runner, RunsEnded, runner
from nnlint.verify.side_by_side import side_by_side
from nnlint.verify.verify import Limits, verified
from tests.fixture_cases import FIXTURES

pytestmark = pytest.mark.xdist_group("real runs")

SCRIPTS = (
    "optimizer_in_loop/faulty_stateless_sgd.py",
    "missing_zero_grad/faulty_plain_loop.py",
    "implausible_learning_rate/faulty_tiny_rate.py",
    "accumulated_graph/faulty_running_total.py",
)


@pytest.fixture
def runs() -> Iterator[Runner]:
    with runner() as started:
        yield started


def nothing() -> None:
    pass


def test_the_results_come_in_the_order_of_the_items() -> None:
    meeting = threading.Barrier(3, timeout=20)  # broken, unless three are under way at a time

    def work(item: int) -> int:
        meeting.wait()
        time.sleep((3 - item % 3) / 100)
        return item * item

    assert side_by_side(work, range(6), 3, nothing) == [0, 1, 4, 9, 16, 25]


def test_one_at_a_time_needs_no_thread() -> None:
    assert side_by_side(lambda item: threading.current_thread(), [1, 2], 1, nothing) == [threading.main_thread()] * 2


def test_a_failure_gives_up_what_is_under_way_and_begins_no_more() -> None:
    given_up = threading.Event()
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("broken")
        assert given_up.wait(20)

    with pytest.raises(ValueError, match="broken"):
        side_by_side(work, range(50), 2, given_up.set)
    assert given_up.is_set()
    assert len(begun) < 10


def test_of_several_failures_the_one_is_raised_that_is_not_about_being_given_up() -> None:
    given_up = threading.Event()

    def work(item: int) -> None:
        if item == 1:
            time.sleep(0.1)
            given_up.set()
            raise ValueError("broken")
        assert given_up.wait(20)
        raise RunsEnded

    with pytest.raises(ValueError, match="broken"):
        side_by_side(work, range(2), 2, given_up.set)


def report_on(runs: Runner, jobs: int) -> Report:
    settings = Settings()
    paths = [str(FIXTURES / script) for script in SCRIPTS]
    documents = read_paths(paths, Patterns(settings.root, ())).documents
    report = lint_documents(documents, settings)
    limits = Limits(60, 120.0, jobs)
    return verified(report, documents, limits, lambda now: lint_documents(now, settings), lambda said: None, runs)


def said(report: Report) -> list[tuple[str, int, str]]:
    return [(f.code, f.place.line, f.verdict.status.value if f.verdict else "") for f in report.findings]


def test_scripts_at_a_time_give_the_report_of_one_after_the_other(runs: Runner) -> None:
    apart, together = report_on(runs, 1), report_on(runs, 4)
    assert said(together) == said(apart)
    assert [trial.path for trial in together.trials] == [trial.path for trial in apart.trials]
    assert [[arm.label for arm in trial.arms] for trial in together.trials] == [
        [arm.label for arm in trial.arms] for trial in apart.trials
    ]
    assert runs.starts == 1


def test_a_runner_that_is_closed_ends_what_is_under_way_and_runs_nothing_more(runs: Runner) -> None:
    request = Request("", "train.py", {"train.py": "while True: pass\n"}, seconds=60)
    threading.Timer(1.0, runs.close).start()
    start = time.monotonic()
    ended = [runs.run(request)[-1]["words"]["how"] for _ in range(2)]
    assert ended == ["lost", "lost"]
    assert time.monotonic() - start < 30


TWO_FINDINGS = """
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(256, 12)
targets = (inputs @ torch.randn(12, 4)).argmax(1)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(2000):
    loss = nn.functional.cross_entropy(torch.softmax(model(inputs), dim=1), targets)
    loss.backward()
    optimizer.step()
"""


def test_all_but_one_of_two_findings_is_the_other_one_alone(runs: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = []
    make = runs.run

    def noted(request: Request) -> list[Record]:
        requests.append(request)
        return make(request)

    monkeypatch.setattr(runs, "run", noted)
    settings = Settings(select=("NN102", "NN201"))
    document = read_document("train.py", None, TWO_FINDINGS.encode())
    report = lint_documents([document], settings)
    done = verified(
        report, [document], Limits(150, 300.0, 2), lambda now: lint_documents(now, settings), lambda said: None, runs
    )
    (trial,) = done.trials
    labels = [arm.label for arm in trial.arms]
    assert {"all but NN102 mended", "all but NN201 mended"} < set(labels)
    assert len([request for request in requests if request.seed == 0]) == 4
    assert trial.runs == len(requests)
    curves = {arm.label.partition(" (")[0]: arm.scores for arm in trial.arms}
    assert curves["all but NN201 mended"] == curves["NN102 mended"] != curves["all mended"]
