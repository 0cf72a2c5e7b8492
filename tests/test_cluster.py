"""A cluster gives what one process gives: to the letter, whatever becomes of its workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nnlint
from nnlint.analysis import analyse
from nnlint.catalogue import all_rules
from nnlint.cluster import connection, parcels, spreading
from nnlint.lint import lint_documents
from nnlint.reading.disk import DISK
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.settings import Settings
from nnlint.units import units
from nnlint.words import Vocabulary
from tests.command import Command
from tests.fixture_cases import FIXTURES
from tests.scripts import FAULTY

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("cluster")

NETWORK = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
NETWORK += "        self.out = nn.Linear(4, 2)\n\n    def forward(self, x):\n        return self.out(x).softmax(1)\n"
TRAINING = """\
import torch
from {} import *

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in torch.utils.data.DataLoader(data, 32, shuffle=True):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
DEADLY = "# this ends a worker"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers, each a process that is started again when it ends."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", silence_logs=50
        ) as started,
    ):
        yield started


@pytest.fixture
def project(command: Command) -> Command:
    """Scripts that import files which are not linted, scripts alone, a notebook, and files that are no Python."""
    command.write("library/net.py", NETWORK)
    for number in range(3):
        command.write(f"scripts/train_{number}.py", TRAINING.format("library.net"))
        command.write(f"scripts/alone_{number}.py", FAULTY)
    command.write("scripts/broken.py", "def (:\n")
    command.write("scripts/latin.py", b"# caf\xe9\n")
    cells = [{"cell_type": "code", "source": FAULTY, "metadata": {}, "outputs": []}]
    command.write(
        "scripts/study.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return command


def workers(cluster: Any) -> dict[str, int]:
    """The processes of the workers, by their address."""
    with distributed.Client(cluster, set_as_default=False) as client:
        return dict(client.run(os.getpid))


def test_the_output_is_that_of_one_process(project: Command, cluster: Any) -> None:
    arguments = ("scripts", "--no-cache", "--verbose", "--output-format", "json")
    alone = project(*arguments)
    assert {"NN201", "NN102", "NN901"} <= {finding["code"] for finding in json.loads(alone.output)}
    spread = project(*arguments, "--executor", cluster.scheduler_address)
    assert (spread.status, spread.raw_output, spread.errors) == (alone.status, alone.raw_output, alone.errors)


def test_what_was_found_on_the_cluster_is_kept_and_fixed_like_any_other(project: Command, cluster: Any) -> None:
    first = project("scripts", "--executor", cluster.scheduler_address)
    assert project("scripts").raw_output == first.raw_output
    project("scripts", "--fix", "--executor", cluster.scheduler_address)
    assert "NN102" not in project("scripts", "--no-cache").output


def test_a_worker_needs_none_of_the_files(project: Command) -> None:
    documents = read_paths(["."], Patterns(".", ())).documents
    rules = [rule for rule in all_rules() if rule.default]
    found = units(documents, DISK, Vocabulary({}))
    sent = [parcels.packed(unit, DISK) for unit in found]
    expected = [analyse(unit, rules, DISK) for unit in found]
    shutil.rmtree("library")
    shutil.rmtree("scripts")
    for unit, parcel, analysis in zip(found, sent, expected, strict=True):
        order = parcels.Order((parcels.portion(unit, 0),), tuple(rule.code for rule in rules), parcels.own_code())
        assert parcels.analyse_parcels(order, parcel) == [analysis]


def test_what_was_not_sent_is_analysed_by_the_one_who_asks(
    project: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(unit: Any, disk: Any) -> parcels.Parcel:
        return parcels.Parcel(parcels.packed(unit, disk).files, {})

    monkeypatch.setattr(spreading, "packed", forgetful)
    alone = project("scripts", "--no-cache")
    assert project("scripts", "--no-cache", "--executor", cluster.scheduler_address).raw_output == alone.raw_output


def test_a_library_in_portions_is_sent_once(command: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlint.units.LINES_AT_ONCE", 10)
    monkeypatch.setattr(spreading, "FEWEST_LINES", 10)
    command.write("net.py", NETWORK)
    for number in range(6):
        command.write(f"train_{number}.py", TRAINING.format("net"))
    sent: list[object] = []
    monkeypatch.setattr(connection.Cluster, "kept", _counting(connection.Cluster.kept, sent))
    alone = command(".", "--no-cache")
    spread = command(".", "--no-cache", "--executor", cluster.scheduler_address)
    assert spread.raw_output == alone.raw_output
    assert len(sent) == 1


def _counting(kept: Callable[..., object], sent: list[object]) -> Callable[..., object]:
    def counted(self: Any, value: object) -> object:
        sent.append(value)
        return kept(self, value)

    return counted


def test_the_work_of_a_lost_worker_is_done_by_another(command: Command, cluster: Any) -> None:
    documents = read_paths([str(FIXTURES / "missing_zero_grad"), str(FIXTURES / "seeds")], Patterns(".", ())).documents
    alone = lint_documents(documents, Settings())
    victims = [*workers(cluster).values()][:1]

    def end_one(path: str) -> None:
        while victims:
            os.kill(victims.pop(), signal.SIGKILL)

    with spreading.spreading(cluster.scheduler_address) as analyses:
        spread = lint_documents(documents, Settings(), progress=end_one, analyses=analyses)
    assert not victims
    assert spread == alone


def deadly(order: parcels.Order, *sent: parcels.Parcel) -> object:
    """As `analyse_parcels`, on a worker that a certain text ends."""
    if any(DEADLY.encode() in sent[each.parcel].files[n][2] for each in order.portions for n in each.files):
        os._exit(1)
    return parcels.analyse_parcels(order, *sent)


def test_what_ends_every_worker_is_named_and_the_run_goes_on(
    command: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "analyse_parcels", deadly)
    for number in range(4):
        command.write(f"train_{number}.py", FAULTY)
    command.write("train_2.py", DEADLY + "\n" + FAULTY)
    outcome = command(".", "--no-cache", "--output-format", "json", "--executor", cluster.scheduler_address)
    assert (outcome.status, outcome.output[:1]) == (2, "["), outcome.errors
    assert [finding["path"] for finding in json.loads(outcome.output)] == ["train_0.py", "train_1.py", "train_3.py"]
    (told,) = outcome.errors.splitlines()
    assert told.startswith("nnlint: error: train_2.py: not linted: each worker")


def test_a_worker_with_another_version_is_told(command: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "own_code", lambda: ("0.0.1", "3.9", ""))
    command.write("train.py", FAULTY)
    outcome = command(".", "--no-cache", "--executor", cluster.scheduler_address)
    assert (outcome.status, outcome.output) == (2, "")
    assert f"a worker has nnlint {nnlint.__version__} on Python" in outcome.errors
    assert "this machine nnlint 0.0.1 on Python 3.9" in outcome.errors


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere"])
def test_an_address_without_a_scheduler_is_an_error_in_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)
    command.write("train.py", FAULTY)
    outcome = command("--executor", address)
    assert (outcome.status, outcome.output) == (2, "")
    (told,) = outcome.errors.splitlines()
    assert told.startswith(f"nnlint: error: --executor: there is no Dask scheduler at {address}: ")


def test_a_scheduler_without_workers_is_an_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WORKERLESS_SECONDS", 0.5)
    command.write("train.py", FAULTY)
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=50) as empty:
        outcome = command("--executor", empty.scheduler_address)
    assert outcome.status == 2
    assert "has no workers" in outcome.errors


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_the_connecting_gets_a_whole_document(tmp_path: Path, asked: signal.Signals) -> None:
    (tmp_path / "train.py").write_text(FAULTY)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        line = [sys.executable, "-m", "nnlint", "--isolated", "--output-format", "json", "--executor", address, "."]
        with subprocess.Popen(line, cwd=tmp_path, stdout=-1, stderr=-1) as process:
            silent.settimeout(60)
            with silent.accept()[0]:
                process.send_signal(asked)
                output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"[]\n")
    assert errors.decode() == "nnlint: interrupted before any file was linted\n"


def test_what_was_found_before_all_workers_were_lost_is_told(
    command: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "FEWEST_LINES", 1)
    for number in range(12):
        command.write(f"train_{number:02}.py", FAULTY)
    results = connection.Cluster.results
    kept: list[int] = []

    def lost_soon(self: Any, *work: Any) -> Iterator[Any]:
        for task, result in results(self, *work):
            kept.extend(task.numbers)
            yield task, result
            if len(kept) > 3:
                raise spreading.ClusterError("it has lost all its workers")

    monkeypatch.setattr(connection.Cluster, "results", lost_soon)
    outcome = command("--no-cache", "--output-format", "json", "--executor", cluster.scheduler_address, ".")
    found = {finding["path"] for finding in json.loads(outcome.output)}
    assert (outcome.status, found) == (2, {f"train_{number:02}.py" for number in kept})
    assert outcome.errors.splitlines() == [
        f"nnlint: interrupted after {len(found)} of 12 files",
        "nnlint: error: --executor: it has lost all its workers",
    ]


def test_without_dask_the_command_says_what_to_install(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = command("--executor", "tcp://127.0.0.1:8786")
    assert outcome.status == 2
    assert "pip install 'nnlint[dask]'" in outcome.errors


def test_a_parquet_set_is_linted_though_a_worker_is_lost(tmp_path: Path, cluster: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    sources, findings = tmp_path / "sources", tmp_path / "findings"
    sources.mkdir()
    texts = {f"crawl/{number}.py": FAULTY + "\n" * number for number in range(120)}
    for start in range(0, 120, 40):
        rows = [{"path": path, "text": text} for path, text in [*texts.items()][start : start + 40]]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sources / f"{start}.parquet", row_group_size=10)
    recipe = [
        sys.executable,
        "-m",
        "tests.recipes.lint_parquet",
        cluster.scheduler_address,
        str(sources),
        str(findings),
    ]
    victim = next(iter(workers(cluster).values()))
    with subprocess.Popen(recipe, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        made = [running.stdout.readline().strip()]
        os.kill(victim, signal.SIGKILL)
        made += running.stdout.read().split()
    assert running.returncode == 0
    assert len(made) == len({*made}) == 12
    found = sorted(
        row_of(row) for file in findings.glob("*.parquet") for row in pyarrow.parquet.read_table(file).to_pylist()
    )
    expected = sorted(
        (each.place.path, each.place.line, each.code)
        for path, text in texts.items()
        for each in nnlint.lint_text(text, path)
    )
    assert found == expected
    (findings / "40.2.parquet").unlink()
    again = subprocess.run(recipe, stdout=subprocess.PIPE, text=True, check=True)
    assert again.stdout.split() == [str(findings / "40.2.parquet")]
    assert [file.suffix for file in findings.iterdir()] == [".parquet"] * 12


def row_of(row: dict[str, Any]) -> tuple[str, int, str]:
    """What tells a row apart."""
    return row["path"], row["line"], row["code"]
