"""Files that nnlint writes: whole or not at all, and never over what is linted or what rules the run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.command import Command

pytestmark = pytest.mark.usefixtures("made_up_rules")

posix = pytest.mark.skipif(os.name == "nt", reason="links of POSIX")


@pytest.fixture
def project(command: Command) -> Command:
    """Sources, settings and a baseline, all of which a report could overwrite."""
    command.write("a.py", "FAULT = 1\n")
    command.write("other.py", "x = 1\n")
    command.write("script", "FAULT = 1\n")
    command.write("b.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "FAULT = 1"}]}))
    command.write("pyproject.toml", "[tool.nnlint]\n")
    command.write("strict.toml", 'ignore = ["NN104"]\n')
    command("--write-baseline", "known.json", "other.py")
    return command


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("option", ["--output-file", "--write-baseline"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("a.py", "it is linted"),
        ("./a.py", "it is linted"),
        ("script", "it is linted"),
        ("b.ipynb", "it is linted"),
        ("other.py", "it is source code"),
        ("pyproject.toml", "it holds settings"),
        ("strict.toml", "it holds settings"),
    ],
)
def test_sources_and_settings_are_not_overwritten(project: Command, option: str, target: str, reason: str) -> None:
    before = contents(project.folder)
    outcome = project("--fix", "--config", "strict.toml", option, target, "a.py", "b.ipynb", "script")
    assert outcome.status == 2
    assert outcome.errors == f"nnlint: error: {target}: the output would overwrite this file, and {reason}\n"
    assert contents(project.folder) == before, "nothing is fixed either"


def test_the_page_of_measurements_overwrites_no_source_either(project: Command) -> None:
    outcome = project("--verify", "--report", "a.py", "a.py")
    assert outcome.status == 2
    assert "a.py: the output would overwrite this file, and it is linted" in outcome.errors
    assert (project.folder / "a.py").read_text() == "FAULT = 1\n"


def test_the_baseline_in_force_is_not_overwritten_by_a_report(project: Command) -> None:
    before = contents(project.folder)
    outcome = project("--baseline", "known.json", "--output-file", "known.json", "a.py")
    assert outcome.status == 2
    assert "known.json: the output would overwrite this file, and it is the baseline" in outcome.errors
    assert contents(project.folder) == before
    assert project("--baseline", "known.json", "--write-baseline", "known.json", "a.py").status == 0


@posix
@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_another_name_of_a_source_is_seen_through(project: Command, make: object) -> None:
    assert callable(make)
    make(project.folder / "a.py", project.folder / "report.txt")
    outcome = project("--output-file", "report.txt", "a.py")
    assert outcome.status == 2
    assert "report.txt: the output would overwrite this file, and it is linted" in outcome.errors
    assert (project.folder / "a.py").read_text() == "FAULT = 1\n"


@pytest.mark.parametrize("arguments", [["--explain", "NN101"], ["--list-rules"]])
def test_pages_overwrite_no_source_either(project: Command, arguments: list[str]) -> None:
    outcome = project(*arguments, "--output-file", "a.py")
    assert outcome.status == 2
    assert "it is source code" in outcome.errors
    assert (project.folder / "a.py").read_text() == "FAULT = 1\n"


@pytest.mark.parametrize("option", ["--output-file", "--write-baseline"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [("missing/out", "No such file or directory"), (".", "Is a directory"), ("a.py/out", "Not a directory")],
)
def test_what_cannot_be_written_is_said_before_anything_is_fixed(
    project: Command, option: str, target: str, reason: str
) -> None:
    outcome = project("--fix", option, target, "a.py")
    assert outcome.status == 2
    assert len(outcome.errors.splitlines()) == 1
    assert f"{target}: " in outcome.errors
    assert f"cannot be written: {reason}" in outcome.errors
    assert (project.folder / "a.py").read_text() == "FAULT = 1\n"


@pytest.mark.parametrize("option", ["--output-file", "--write-baseline", "--baseline", "--config"])
def test_an_empty_name_is_an_error(project: Command, option: str) -> None:
    outcome = project(option, "", "a.py")
    assert outcome.status == 2
    assert f"{option}: an empty name is no file" in outcome.errors


def test_a_dash_is_standard_output(project: Command) -> None:
    project.write("nnlint.toml", 'output-file = "report.txt"\n')
    outcome = project("--output-file", "-", "a.py")
    assert outcome.findings == ["a.py:1:1 NN101"]
    assert not (project.folder / "-").exists()
    assert not (project.folder / "report.txt").exists()


def test_an_older_report_is_replaced(project: Command) -> None:
    project.write("report.txt", "old\n" * 100)
    assert project("--output-file", "report.txt", "a.py").status == 1
    assert "old" not in (project.folder / "report.txt").read_text()
    assert project("--output-file", "new.py.txt", "a.py").status == 1


def test_a_report_that_fails_halfway_leaves_the_older_one(project: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("report.txt", "old\n")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    outcome = project("--output-file", "report.txt", "a.py")
    assert outcome.status == 2
    assert "report.txt: the output cannot be written: No space left on device" in outcome.errors
    assert (project.folder / "report.txt").read_text() == "old\n"
    assert not [path for path in project.folder.iterdir() if path.suffix == ".tmp"]
