"""The benchmarks run, and say what they are for; what they measure is no matter here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import comparison, growth, speed
from tests.scripts import FAULTY


def test_a_repository_is_compared_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for name in ("train.py", "model.py", "study.ipynb"):
        (repository / name).write_text(FAULTY, encoding="utf-8")
    assert speed.main([str(repository), "--rounds=1"]) == 0
    assert re.fullmatch(
        r"repository \(2 files\): median [\d.]+, least [\d.]+, most [\d.]+\n",
        capsys.readouterr().out,
    )


def test_growth_is_told_for_each_number_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert growth.main(["--counts", "2", "4", "--jobs", "1", "--lines", "20"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^4 files, 1 jobs: .* ms a file, .* MB, \d+ findings$", told, re.MULTILINE)
    assert "memory at 4 files over that at 2: " in told


def test_tools_are_compared_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train.py", "model.py"):
        (tmp_path / name).write_text(FAULTY, encoding="utf-8")
    assert comparison.main([str(tmp_path), "--rounds=1"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"{tmp_path.name}: 2 files, 18 lines, 2 files with torch"
    assert re.fullmatch(r"  nnlint, one process +1\.00 of the processor time, +1\.00 of the clock .*", lines[0])
    assert {"nnlint, warm", "libcst.parse_module alone"} <= {line[2:28].strip() for line in lines}
