"""The benchmarks run, and say what they are for; what they measure is no matter here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import growth, speed
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
