"""Who interrupts --verify gets what is known by then: the findings, and the verdicts of the runs that were made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from nnlint.verify.protocol import Record, Request
from nnlint.verify.runner import Runner, runner
from tests.command import Command, Outcome

pytestmark = pytest.mark.xdist_group("real runs")

SCRIPT = """
import torch
from torch import nn
inputs = torch.randn(40, 3)
targets = inputs.argmax(1)
model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.2)
for step in range({steps}):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()
    optimizer.step()
"""
CODES = ["NN102", "NN201", "NN602"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with runner([str(tmp_path_factory.getbasetemp())]) as started:
        yield started


class Interrupted:
    """A runner whose run of this number the user interrupts."""

    def __init__(self, runs: Runner, number: int) -> None:
        self.runs = runs
        self.number = number
        self.is_closed = False

    def run(self, request: Request) -> list[Record]:
        """The records of a run; what is asked for after the interrupt is lost, as with a runner that was closed."""
        self.number -= 1
        if self.number == 0:
            raise KeyboardInterrupt
        return self.runs.run(request)

    def close(self) -> None:
        """The real one goes on for other tests."""
        self.is_closed = True


def interrupted_at(
    number: int, runs: Runner, command: Command, monkeypatch: pytest.MonkeyPatch, *options: str
) -> Outcome:
    """What the command says where it is interrupted in the run of this number."""

    @contextmanager
    def run_by(roots: object) -> Iterator[Interrupted]:
        yield Interrupted(runs, number)

    monkeypatch.setattr("nnlint.verify.verify.runner", run_by)
    command.write("train.py", SCRIPT.format(steps=60))
    return command("--verify", "--verify-steps", "60", "--isolated", *options, "train.py")


def verdicts(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {finding["code"]: finding["verdict"] for finding in json.loads(outcome.output)}


def test_an_interrupt_in_the_first_run_leaves_the_findings(
    runs: Runner, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = interrupted_at(1, runs, command, monkeypatch, "--output-format", "json", "--jobs", "1")
    assert outcome.status == 130
    assert outcome.errors == "nnlint: interrupted: 0 of 3 findings verified\n"
    assert sorted(verdicts(outcome)) == CODES
    assert {(each["status"], each["reason"]) for each in verdicts(outcome).values()} == {("unverified", "interrupted")}


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_an_interrupt_in_a_later_run_leaves_the_verdicts_of_the_runs_before(
    runs: Runner, command: Command, monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    outcome = interrupted_at(2, runs, command, monkeypatch, "--output-format", "json", "--jobs", jobs)
    assert outcome.status == 130
    assert outcome.errors == "nnlint: interrupted: 2 of 3 findings verified\n"
    found = verdicts(outcome)
    assert [found[code]["status"] for code in CODES] == ["confirmed", "confirmed", "unverified"]
    assert found["NN602"]["reason"] == "interrupted"


def test_an_interrupted_script_says_so_and_concludes_nothing(
    runs: Runner, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = interrupted_at(
        4, runs, command, monkeypatch, "--output-format", "text", "--jobs", "1", "--color", "never"
    )
    assert "note: it was interrupted, so not all runs were made\n" in outcome.output
    assert "as written" in outcome.output
    assert "does the harm" not in outcome.output
    assert "changes nothing here" not in outcome.output


def test_an_interrupted_run_writes_no_baseline(runs: Runner, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = interrupted_at(1, runs, command, monkeypatch, "--write-baseline", "known.json")
    assert (outcome.status, len(outcome.findings)) == (130, 3)
    assert not (command.folder / "known.json").exists()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("jobs", ["1", "4"])
def test_nothing_is_left_of_runs_that_were_under_way(tmp_path: Path, asked: signal.Signals, jobs: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "train.py").write_text(SCRIPT.format(steps=10**9))
    (tmp_path / "other.py").write_text(SCRIPT.format(steps=10**9))
    line = [sys.executable, "-m", "nnlint", "--verify", "--verify-steps", "100000000", "--jobs", jobs]
    process = subprocess.Popen(
        [*line, "train.py", "other.py"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not list(temporary.glob("nnlint-*/*")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(asked)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.startswith("nnlint: interrupted: ") and errors.count("\n") == 1
    assert output.count("NN602 implausible-learning-rate") == 2
    assert list(temporary.iterdir()) == []
