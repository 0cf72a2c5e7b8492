"""The hook, as the real pre-commit runs it in a real repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.scripts import CLEAN, FAULTY
from tests.working_tree import IDENTITY, ROOT, commit_all, copy_files, git

pytestmark = pytest.mark.xdist_group("pre-commit")


class Repository:
    """A git repository whose commits pass through the hook."""

    def __init__(self, folder: Path, clone: Path, cache: Path) -> None:
        folder.mkdir()
        self.folder, self.cache = folder, cache
        hook = {"repo": str(clone), "rev": git(clone, "rev-parse", "HEAD").strip(), "hooks": [{"id": "nnlint"}]}
        self.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [hook]}))
        commit_all(folder)
        installed = self.run(sys.executable, "-m", "pre_commit", "install", "--install-hooks")
        assert installed.returncode == 0, installed.stdout + installed.stderr

    def write(self, path: str, text: str) -> None:
        """Writes a file below the repository."""
        (self.folder / path).write_text(text, encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the repository, with a cache of pre-commit's own."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
        own = {"PRE_COMMIT_HOME": str(self.cache), "PRE_COMMIT_COLOR": "never", "GIT_CONFIG_GLOBAL": os.devnull}
        return subprocess.run(command, cwd=self.folder, env=variables | own, capture_output=True, text=True)

    def commit(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Stages everything and commits it as a person would, through the hook."""
        git(self.folder, "add", "--all")
        return self.run("git", *IDENTITY, "commit", "--message=Train", *options)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, committed as it stands."""
    folder = copy_files(tmp_path_factory.mktemp("nnlint"))
    commit_all(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the installed hook between the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def repository(tmp_path: Path, clone: Path, cache: Path) -> Repository:
    """A repository that uses the hook."""
    return Repository(tmp_path / "project", clone, cache)


def test_a_faulty_commit_is_stopped_and_told_why(repository: Repository) -> None:
    repository.write("train.py", FAULTY)
    before = git(repository.folder, "rev-parse", "HEAD")
    commit = repository.commit()
    assert commit.returncode == 1
    assert "train.py:8:5: error NN102 missing-zero-grad" in commit.stderr
    assert "^^^^^^^^^^^^^^^ " in commit.stderr
    assert git(repository.folder, "rev-parse", "HEAD") == before


def test_a_clean_commit_goes_through(repository: Repository) -> None:
    repository.write("train.py", CLEAN)
    commit = repository.commit()
    assert commit.returncode == 0, commit.stderr
    assert "Passed" in commit.stderr
    assert "train.py" in git(repository.folder, "show", "--name-only", "--format=")


def test_only_the_files_of_the_commit_are_linted(repository: Repository) -> None:
    repository.write("old.py", FAULTY)
    repository.commit("--no-verify")
    repository.write("train.py", CLEAN)
    assert repository.commit().returncode == 0


def test_a_faulty_notebook_is_stopped(repository: Repository) -> None:
    cell: dict[str, object] = {
        "cell_type": "code",
        "source": FAULTY,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    repository.write("study.ipynb", json.dumps(notebook))
    assert "study.ipynb:cell 1:8:5: error NN102" in repository.commit().stderr


def test_passes_where_there_are_no_files_for_it(repository: Repository) -> None:
    repository.write("notes.md", "no Python here\n")
    assert repository.commit().returncode == 0
    everything = repository.run(sys.executable, "-m", "pre_commit", "run", "--all-files")
    assert everything.returncode == 0
    assert "(no files to check)Skipped" in everything.stdout


def test_the_hook_never_runs_the_code_it_lints() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split() == ["nnlint"]
    assert not any("verify" in argument for argument in hook["args"])
