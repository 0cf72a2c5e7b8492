"""Linting by several processes: the output of one, whatever happens to the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from nnlint.analyses import _unasked
from nnlint.catalogue import all_rules
from nnlint.reading.disk import DISK
from nnlint.reading.documents import read_text
from nnlint.shares import SPAWN, shares
from nnlint.units import Unit, units
from nnlint.words import Vocabulary
from nnlint.workers import by_workers
from tests.fixture_cases import FIXTURES
from tests.made_up_command import AT_WORK
from tests.scripts import FAULTY

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


def called(folder: Path, *arguments: str, module: str = "tests.made_up_command") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a cache."""
    line = [sys.executable, "-m", module, "--isolated", "--no-cache", *arguments]
    return subprocess.run(line, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def written(folder: Path, **texts: str) -> None:
    """Writes a file of each name."""
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with what goes wrong when it is read or parsed."""
    written(
        tmp_path, conflict="<<<<<<< a\n", two="print 1\n", imported="import broken\n", broken="x = (\n", fine=FAULTY
    )
    written(tmp_path, many="".join(f"x{number} = torch.zeros(3)\n" for number in range(4_000)))
    (tmp_path / "bytes.py").write_bytes(b"s = '\xff'\n")
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    (tmp_path / "study.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": FAULTY}]}))
    (tmp_path / "torn.ipynb").write_text("{")
    return tmp_path


@forked
def test_the_output_is_that_of_one_process_to_the_letter(odd: Path) -> None:
    folders = [str(folder) for folder in sorted(FIXTURES.iterdir()) if folder.name[0] in "abstu"]
    one, three = (
        called(odd, "--jobs", jobs, "--verbose", "--output-format", "json", ".", *folders, module="nnlint")
        for jobs in "13"
    )
    assert one.returncode == 2
    assert len(json.loads(one.stdout)) > 100
    assert "gone.py" in one.stderr
    assert (three.returncode, three.stdout, three.stderr) == (one.returncode, one.stdout, one.stderr)


@forked
def test_a_rule_that_raises_is_an_internal_error_as_in_one_process(tmp_path: Path) -> None:
    written(tmp_path, a="FAULT\n", b="RAISE\n", c="FAULT\n", d="CRASH\n", e="NOTED\n")
    one, two = (called(tmp_path, "--jobs", jobs, "--verbose", ".") for jobs in "12")
    assert one.returncode == 2
    assert "b.py: internal error: the rule NN201 raising-rule failed" in one.stdout
    assert (two.returncode, two.stdout, two.stderr) == (one.returncode, one.stdout, one.stderr)


@forked
@pytest.mark.parametrize(("word", "how"), [("DIE", "was killed by SIGKILL"), ("EXIT", "ended with status 3")])
def test_a_process_that_dies_is_named_with_the_file_it_was_at(tmp_path: Path, word: str, how: str) -> None:
    written(tmp_path, a="FAULT\n", b=f"{word}\n", c="FAULT\n", d=f"{word}\n", e="FAULT\n")
    done = called(tmp_path, "--jobs", "2", "--output-format", "concise", ".")
    assert done.returncode == 2
    found = [row.partition(" ")[0] for row in done.stdout.splitlines() if " NN101 " in row]
    assert found == ["a.py:1:1:", "c.py:1:1:", "e.py:1:1:"]
    errors = [row for row in done.stdout.splitlines() if "internal error" in row]
    assert [row.partition(":")[0] for row in errors] == ["b.py", "d.py"]
    assert all(f"the process that analysed this file {how}" in row for row in errors)
    assert "Traceback" not in done.stderr


@forked
def test_files_that_died_with_another_are_analysed_by_themselves(tmp_path: Path) -> None:
    written(tmp_path, a="import b\nFAULT\n", b="import c\nDIE\n", c="FAULT\n", z="FAULT\n")
    done = called(tmp_path, "--jobs", "2", "--output-format", "concise", "--verbose", ".")
    assert done.returncode == 2
    found = [row.partition(" ")[0] for row in done.stdout.splitlines() if " NN101 " in row]
    assert found == ["a.py:2:1:", "c.py:1:1:", "z.py:1:1:"]
    assert [row.partition(":")[0] for row in done.stdout.splitlines() if "internal error" in row] == ["b.py"]
    assert "a.py: note: analysed by itself" in done.stderr


@forked
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_who_ends_the_command_ends_all_processes(tmp_path: Path, asked: signal.Signals, jobs: str) -> None:
    written(tmp_path, a="WAIT\n", b="FAULT\n")
    line = [sys.executable, "-m", "tests.made_up_command", "--isolated", "--jobs", jobs, "."]
    with subprocess.Popen(line, cwd=tmp_path, env=ENVIRONMENT, stdout=-1, stderr=-1, text=True) as process:
        worker = process_at_work(tmp_path, "a")
        process.send_signal(asked)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output + errors
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def process_at_work(folder: Path, name: str) -> int:
    """The number of the process that waits at the file of that name, as soon as it does."""
    while True:
        with_number = folder / AT_WORK.format(name)
        if with_number.exists() and with_number.read_text():
            return int(with_number.read_text())
        time.sleep(0.05)


def sized(*lines: int) -> list[Unit]:
    """Units of one file each, of so many lines."""
    documents = [read_text(f"{number}.py", "\n" * (each - 1)) for number, each in enumerate(lines)]
    return [Unit((document,), (document,)) for document in documents]


def test_spawned_processes_find_the_same_and_tell_where_they_are() -> None:
    documents = [read_text(f"{name}.py", FAULTY) for name in "abc"]
    todo = units(documents, DISK, Vocabulary({rule.code: rule.words for rule in all_rules()}))
    work = partial(_unasked, all_rules(), DISK)
    seen: list[str] = []
    found = list(by_workers(todo, work, 2, seen.append, SPAWN))
    assert [[place.path for _, place in each.findings] for each, _ in filter(None, found)] == [
        ["a.py"],
        ["b.py"],
        ["c.py"],
    ]
    assert seen
    assert set(seen) <= {"a.py", "b.py", "c.py"}


def test_all_units_are_shared_out_and_the_largest_share_is_first() -> None:
    todo = sized(10, 5_000, 400, 700, 9_000, 20, 30)
    found = shares(todo, 2)
    assert sorted(number for share in found for number in share) == list(range(len(todo)))
    sizes = [sum(todo[number].lines for number in share) for share in found]
    assert sizes == sorted(sizes, reverse=True)


def test_the_portions_of_one_library_stay_neighbours() -> None:
    together = tuple(read_text(f"{number}.py", "x = 1\n" * 8_000) for number in range(40))
    todo = [*sized(10), *(Unit((each,), together) for each in together), *sized(20)]
    found = shares(todo, 2)
    assert sorted(number for share in found for number in share) == list(range(len(todo)))
    assert max(len(share) for share in found) == 5


def test_no_units_are_no_shares() -> None:
    assert shares([], 2) == []
