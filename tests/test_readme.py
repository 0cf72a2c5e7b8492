"""What the README says is true."""

from __future__ import annotations

import re
import sys
from typing import Any

import click
import yaml

from nnlint.cli import command
from nnlint.settings import settings_from
from tests import readme
from tests.working_tree import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def lines_with(words: str) -> list[str]:
    """The single lines to paste that hold these words."""
    return [line for block in readme.blocks("sh") for line in block.splitlines() if words in line]


def test_the_shown_output_is_the_real_one() -> None:
    shown_command, shown = readme.sample()
    assert "missing-zero-grad" in shown
    assert shown == readme.output(shown_command)


def test_one_line_installs_and_lints_what_is_shown() -> None:
    shown_command, _ = readme.sample()
    (line,) = lines_with("fixtures/seeds")
    assert line == f"python3 -m venv .venv && .venv/bin/pip install -q -e . && .venv/bin/{shown_command}"


def test_ci_runs_the_one_line_that_tests() -> None:
    (line,) = lines_with("-m pytest")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"tests=\$\(grep -E '(.+)' README\.md\)", script)
    assert pattern
    assert re.findall(pattern[1] + ".*", readme.text(), re.MULTILINE) == [line]
    assert "--cov-fail-under=90" in line
    assert "pytest" not in script.replace(pattern[1], "")


def test_the_table_names_every_option_and_no_other() -> None:
    rows = re.findall(r"^\| (`--.+?) \|", readme.text(), re.MULTILINE)
    named = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    options = {parameter.opts[0] for parameter in command.params if isinstance(parameter, click.Option)}
    assert named == options


def test_every_command_shown_uses_options_that_exist() -> None:
    options = {parameter.opts[0] for parameter in command.params if isinstance(parameter, click.Option)}
    used = {option for line in lines_with("nnlint --") for option in re.findall(r"--[a-z-]+", line)}
    assert used <= options
    assert used


def test_the_workflow_is_short_and_asks_the_action_for_what_it_takes() -> None:
    (text,) = [block for block in readme.blocks("yaml") if "runs-on" in block]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 10
    (job,) = yaml.safe_load(text)["jobs"].values()
    step: dict[str, Any] = job["steps"][-1]
    assert step["uses"].startswith("nnlint/nnlint@")
    assert step["with"].keys() <= action["inputs"].keys()


def test_the_pre_commit_hook_shown_exists() -> None:
    (text,) = [block for block in readme.blocks("yaml") if "hooks" in block]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (repository,) = yaml.safe_load(text)["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [hook["id"] for hook in hooks]


def test_the_settings_shown_are_accepted() -> None:
    (text,) = readme.blocks("toml")
    settings_from(tomllib.loads(text)["tool"]["nnlint"], "README.md")


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", readme.text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_drawing_names_what_is_there() -> None:
    drawing = re.search(r"^ files ─.*?^```", readme.text(), re.DOTALL | re.MULTILINE)
    assert drawing
    named = re.findall(r"[a-z/]+(?:\.py|/)", drawing[0])
    assert named
    assert [path for path in named if not ((ROOT / "nnlint" / path).exists() or (ROOT / path).exists())] == []
