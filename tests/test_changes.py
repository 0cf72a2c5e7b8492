"""`--diff-base`: findings on changed lines only, in real git repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nnlint.silencing.git import FileChange, Hunk, parse_diff
from tests.command import Command

pytestmark = pytest.mark.usefixtures("made_up_rules")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(command: Command) -> Command:
    """A repository with one commit: `a.py` with a fault on lines 1 and 3."""
    git(command.folder, "init", "-q", "-b", "main")
    command.write("a.py", "FAULT = 1\nx = 2\nFAULT = 3\n")
    commit(command)
    return command


def commit(command: Command) -> None:
    git(command.folder, "add", "-A")
    git(command.folder, "commit", "-q", "-m", "change")


def test_only_changed_lines(repository: Command) -> None:
    assert repository("--diff-base", "HEAD", ".").status == 0
    repository.write("a.py", "FAULT = 1\nx = 2\ny = 3\nFAULT = 4\nFAULT = 3\n")
    assert repository("--diff-base", "HEAD", ".").findings == ["a.py:4:1 NN101"]
    commit(repository)
    assert repository("--diff-base", "HEAD~1", ".").findings == ["a.py:4:1 NN101"]
    assert repository("--diff-base", "HEAD", ".").findings == []


def test_new_and_untracked_files_count_whole(repository: Command) -> None:
    repository.write("added.py", "FAULT = 1\n")
    git(repository.folder, "add", "added.py")
    repository.write("untracked.py", "FAULT = 1\n")
    assert repository("--diff-base", "HEAD", ".").findings == ["added.py:1:1 NN101", "untracked.py:1:1 NN101"]


def test_a_renamed_file_keeps_its_history(repository: Command) -> None:
    git(repository.folder, "mv", "a.py", "b.py")
    repository.write("b.py", "FAULT = 1\nx = 2\nFAULT = 3\nFAULT = 4\n")
    assert repository("--diff-base", "HEAD", ".").findings == ["b.py:4:1 NN101"]


def test_what_the_base_got_since_the_branch_left_it_is_no_change(repository: Command) -> None:
    git(repository.folder, "checkout", "-q", "-b", "feature")
    repository.write("b.py", "FAULT = 1\n")
    commit(repository)
    git(repository.folder, "checkout", "-q", "main")
    repository.write("a.py", "y = 1\nx = 2\ny = 3\n")
    commit(repository)
    git(repository.folder, "checkout", "-q", "feature")
    assert repository("--diff-base", "main", ".").findings == ["b.py:1:1 NN101"]


def test_an_unrelated_base_is_compared_as_it_is(repository: Command) -> None:
    git(repository.folder, "checkout", "-q", "--orphan", "other")
    repository.write("a.py", "FAULT = 1\nx = 2\nFAULT = 4\n")
    commit(repository)
    assert repository("--diff-base", "main", ".").findings == ["a.py:3:1 NN101"]


@pytest.mark.parametrize("name", ["with space.py", "训练/ещё.py", 'quo"te.py', "tab\there.py", "back\\slash.py"])
def test_names_of_any_kind(repository: Command, name: str) -> None:
    repository.write(name, "FAULT = 1\n")
    commit(repository)
    assert repository("--diff-base", "HEAD", ".").findings == []
    repository.write(name, "FAULT = 1\nFAULT = 2\n")
    assert len(repository("--diff-base", "HEAD", ".").findings) == 1


def test_from_a_folder_below_the_root(repository: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("sub/b.py", "FAULT = 1\n")
    commit(repository)
    repository.write("sub/b.py", "FAULT = 1\nFAULT = 2\n")
    monkeypatch.chdir(repository.folder / "sub")
    assert repository("--diff-base", "HEAD", "b.py", "../a.py").findings == ["b.py:2:1 NN101"]


def test_settings_of_git_do_not_disturb(repository: Command) -> None:
    for name, value in (("diff.noprefix", "true"), ("color.ui", "always"), ("diff.external", "false")):
        git(repository.folder, "config", name, value)
    git(repository.folder, "config", "diff.interHunkContext", "10")
    repository.write(".gitattributes", "*.py -diff\n")
    repository.write("a.py", "FAULT = 1\nx = 3\nFAULT = 3\n")
    assert repository("--diff-base", "HEAD", ".").findings == []
    repository.write("a.py", "FAULT = 1\nx = 2\nFAULT = 4\n")
    assert repository("--diff-base", "HEAD", ".").findings == ["a.py:3:1 NN101"]


def test_notebooks_by_the_lines_of_their_json(repository: Command) -> None:
    sources: list[str | list[str]] = [["FAULT = 1\n", "x = 1"], "FAULT = 2"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    repository.write("a.ipynb", json.dumps({"cells": cells}, indent=1))
    commit(repository)
    assert repository("--diff-base", "HEAD", ".").findings == []
    cells[0]["source"] = ["FAULT = 1\n", "FAULT = 3"]
    repository.write("a.ipynb", json.dumps({"cells": cells}, indent=1))
    found = json.loads(repository("--diff-base", "HEAD", "--output-format", "json", ".").output)
    assert [(finding["cell"], finding["line"]) for finding in found] == [(1, 2)]


def test_content_that_looks_like_a_header_is_content() -> None:
    diff = (
        b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-a\n+++ b/y\n\\ No newline\n+c\n@@ -9,2 +10,0 @@\n-\n-\n"
    )
    [change] = parse_diff(diff)
    assert change == FileChange("x", "x", [Hunk(1, 1, 2), Hunk(2, 10, 0)])
    assert [change.line_before(line) for line in (1, 2, 3, 10, 11)] == [None, None, 2, 9, 12]


def test_fixes_stay_on_changed_lines(repository: Command) -> None:
    repository.write("a.py", "FIRST = 0\nFAULT = 1\nx = 2\nFAULT = 3\n")
    assert repository("--fix", "--diff-base", "HEAD", ".").status == 0
    assert (repository.folder / "a.py").read_text() == "MENDED = 0\nFAULT = 1\nx = 2\nFAULT = 3\n"


def test_a_baseline_holds_what_did_not_change_as_well(repository: Command) -> None:
    repository.write("a.py", "FAULT = 1\nx = 2\nFAULT = 3\nFAULT = 4\n")
    assert repository("--diff-base", "HEAD", "--write-baseline", "known.json", ".").status == 0
    assert len(json.loads((repository.folder / "known.json").read_text())["findings"]) == 3


def test_standard_input_has_no_history(repository: Command) -> None:
    assert len(repository("--diff-base", "HEAD", "-", stdin=b"FAULT = 1\n").findings) == 1


@pytest.mark.parametrize("revision", ["no-such-branch", "--output=x", "HEAD~99", ""])
def test_a_bad_revision_exits_with_2_even_if_nothing_is_found(repository: Command, revision: str) -> None:
    repository.write("clean.py", "x = 1\n")
    outcome = repository(f"--diff-base={revision}", "clean.py")
    assert outcome.status == 2
    assert "revision" in outcome.errors
    assert len(outcome.errors.splitlines()) == 1


def test_outside_of_a_repository_exits_with_2(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    outcome = command("--diff-base", "HEAD", "a.py")
    assert outcome.status == 2
    assert "not a git repository" in outcome.errors


def test_without_git_exits_with_2(repository: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    outcome = repository("--diff-base", "HEAD", "a.py")
    assert outcome.status == 2
    assert "git cannot be run" in outcome.errors
