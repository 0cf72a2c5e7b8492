"""The composite action: its steps, run as GitHub runs them, on a repository with a faulty script."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scripts import FAULTY
from tests.working_tree import ROOT, commit_all, copy_files, git

pytestmark = pytest.mark.xdist_group("action")

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


@dataclass(frozen=True)
class Runner:
    """What GitHub gives to the steps of an action: a folder for the workspace, one for the job, the action itself."""

    action: Path
    workspace: Path
    temporary: Path

    def step(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Runs a step in the workspace with these inputs (underscores for dashes), the others at their defaults."""
        given = {key.replace("_", "-"): value for key, value in inputs.items()}
        values = {key: given.pop(key, about["default"]) for key, about in ACTION["inputs"].items()}
        assert not given, "an input that the action does not have"
        script = self.temporary / "step.sh"
        script.write_text(STEPS[name]["run"], encoding="utf-8")
        environment = os.environ | {
            "GITHUB_ACTION_PATH": str(self.action),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.temporary / "output"),
            "RUNNER_TEMP": str(self.temporary),
        }
        environment |= {
            key: INPUT.sub(lambda match: values[match[1]], text) for key, text in STEPS[name]["env"].items()
        }
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        return subprocess.run(command, cwd=self.workspace, env=environment, capture_output=True, text=True)

    def lint(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Runs the step that lints."""
        return self.step("Lint", **inputs)

    def output(self) -> str:
        """What the steps have written as outputs."""
        return (self.temporary / "output").read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Writes a file into the workspace."""
        (self.workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (self.workspace / path).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner on which the action's own nnlint is installed."""
    folder = tmp_path_factory.mktemp("runner")
    for name in ("workspace", "temporary"):
        (folder / name).mkdir()
    runner = Runner(copy_files(folder / "action"), folder / "workspace", folder / "temporary")
    install = runner.step("Install nnlint")
    assert install.returncode == 0, install.stdout + install.stderr
    return runner


@pytest.fixture
def runner(installed: Runner, tmp_path: Path) -> Runner:
    """A runner that has checked out a repository with one clean and one faulty script."""
    runner = Runner(installed.action, tmp_path, installed.temporary)
    (installed.temporary / "output").write_text("", encoding="utf-8")
    runner.write("src/my models/train.py", FAULTY)
    runner.write("clean.py", "import torch\n")
    commit_all(tmp_path)
    return runner


def annotated(lint: subprocess.CompletedProcess[str]) -> list[str]:
    """The file, line and code of each annotation."""
    found = re.finditer(r"^::error file=(.+?),line=(\d+),.*title=(NN\d{3}) ", lint.stdout, re.MULTILINE)
    return [":".join(match.groups()) for match in found]


def test_annotates_the_faulty_line_with_its_path_in_the_repository(runner: Runner) -> None:
    lint = runner.lint()
    assert annotated(lint) == ["src/my models/train.py:8:NN102"]
    assert lint.returncode == 1
    assert runner.output() == "exit-status=1\n"


def test_takes_one_path_a_line(runner: Runner) -> None:
    assert annotated(runner.lint(paths="clean.py\nsrc/my models\n")) == ["src/my models/train.py:8:NN102"]
    assert runner.lint(paths="clean.py").returncode == 0


def test_passes_options_on(runner: Runner) -> None:
    lint = runner.lint(args="--ignore\nNN1\n")
    assert (lint.returncode, annotated(lint)) == (0, [])


def test_findings_need_not_fail_the_step(runner: Runner) -> None:
    lint = runner.lint(fail_on_findings="false")
    assert annotated(lint)
    assert lint.returncode == 0
    assert runner.output() == "exit-status=1\n"


def test_a_run_that_fails_always_fails_the_step(runner: Runner) -> None:
    assert runner.lint(paths="missing.py", fail_on_findings="false").returncode == 2


def test_writes_sarif_beside_the_annotated(runner: Runner) -> None:
    lint = runner.lint(sarif_file="nnlint.sarif")
    assert annotated(lint)
    assert lint.returncode == 1
    log = json.loads((runner.workspace / "nnlint.sarif").read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["NN102"]


def test_reports_only_changed_lines_when_asked(runner: Runner) -> None:
    base = git(runner.workspace, "rev-parse", "HEAD").strip()
    runner.write("other.py", FAULTY)
    commit_all(runner.workspace)
    assert annotated(runner.lint(diff_base=base)) == ["other.py:8:NN102"]
    assert annotated(runner.lint(diff_base="")) == ["other.py:8:NN102", "src/my models/train.py:8:NN102"]


def test_fetches_a_base_that_a_shallow_checkout_lacks(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = git(runner.workspace, "rev-parse", "HEAD").strip()
    runner.write("other.py", FAULTY)
    commit_all(runner.workspace)
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "--quiet", "--depth=1", runner.workspace.as_uri(), ".")
    assert annotated(Runner(runner.action, shallow, runner.temporary).lint(diff_base=base)) == ["other.py:8:NN102"]


@pytest.mark.parametrize(
    "name", [name for name in ACTION["inputs"] if name not in ("python-version", "nnlint-version")]
)
def test_no_input_of_the_lint_step_is_run_as_shell_code(runner: Runner, name: str) -> None:
    runner.lint(**{name.replace("-", "_"): "$(touch pwned) `touch pwned`; touch pwned #"})
    assert not list(runner.workspace.rglob("pwned"))


def test_no_path_is_taken_for_an_option(runner: Runner) -> None:
    assert runner.lint(paths="--exit-zero").returncode == 2


def test_a_version_that_does_not_exist_fails_and_is_no_shell_code(installed: Runner, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    runner = Runner(installed.action, tmp_path, tmp_path / "temporary")
    assert runner.step("Install nnlint", nnlint_version="0; touch pwned").returncode != 0
    assert not list(tmp_path.glob("pwned"))


def test_scripts_hold_no_expressions() -> None:
    assert STEPS.keys() == {"Install nnlint", "Lint"}
    assert not [name for name, step in STEPS.items() if "${{" in step["run"]]


def test_every_input_is_described_and_used() -> None:
    steps = str(ACTION["runs"]["steps"])
    assert all(about["description"] for about in ACTION["inputs"].values())
    assert {name for name in ACTION["inputs"] if f"inputs.{name}" not in steps} == set()
