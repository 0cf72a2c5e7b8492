"""What a call imports: each module costs every user its time at every commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nnlint
from tests.scripts import FAULTY

LARGE = (
    "dataclasses difflib hashlib json libcst matplotlib numpy pathspec shutil statistics subprocess tempfile tomllib torch "
    "nnlint.editor nnlint.reading.notebook nnlint.silencing.baseline nnlint.silencing.changes nnlint.silencing.git nnlint.verify"
).split()
"""Modules that linting a script has no use for."""

MENDING = ("nnlint.mending.fixes", "nnlint.output.text", "nnlint.silencing.unused_suppressions")
"""What a report in lines of a script without comments has no use for."""

ENGINE = ("nnlint.lint", "nnlint.rules", "nnlint.static", "nnlint.events")
"""What only linting has a use for."""

CALL = """
import sys
from nnlint.cli import exit_status

exit_status(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""

COMPILED = """
import re, sys

compiled, compile = [], re.compile

def noted(pattern, *flags):
    if sys._getframe(1).f_globals["__name__"].startswith("nnlint."):
        compiled.append(pattern)
    return compile(pattern, *flags)

re.compile = noted
from nnlint.catalogue import loaded_rules

loaded_rules()
print(compiled)
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a call with these arguments has imported."""
    done = subprocess.run([sys.executable, "-c", CALL, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def rule_files(modules: set[str]) -> set[str]:
    """The names of those that are files of rules."""
    return {each.rpartition(".")[2] for each in modules if each.startswith("nnlint.rules.") and each.count(".") == 3}


def outside_nnlint() -> set[str]:
    """What is imported without nnlint: by the interpreter, for coverage, by click."""
    show = "import sys, click; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A script with a finding."""
    file = tmp_path / "train.py"
    file.write_text(FAULTY, encoding="utf-8")
    return str(file)


def test_the_version_is_told_without_the_engine() -> None:
    assert not imported("--version") & set(ENGINE)


def test_linting_a_script_imports_only_what_that_needs(script: str) -> None:
    found = imported("--isolated", "--no-cache", script)
    assert "nnlint.rules" in found
    assert not (found - outside_nnlint()) & {*LARGE, *MENDING}


def test_an_unchanged_script_is_told_of_without_the_engine(script: str, tmp_path: Path) -> None:
    call = ("--isolated", f"--cache-dir={tmp_path / 'cache'}", script)
    assert set(ENGINE) & imported(*call)
    assert not (imported(*call) - outside_nnlint()) & {*LARGE, *MENDING, *ENGINE} - {"json"}


def test_loading_the_rules_compiles_no_regular_expression() -> None:
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_linting_loads_the_files_of_rules_that_may_find_something_in_the_run(script: str) -> None:
    loaded = rule_files(imported("--isolated", "--no-cache", script))
    assert "missing_zero_grad" in loaded
    assert not loaded & {"symmetric_init", "clip_before_unscale", "dropout_then_batchnorm", "logits_into_nll"}


def test_a_page_is_shown_without_the_files_of_other_rules() -> None:
    assert rule_files(imported("--explain", "NN102")) == {"missing_zero_grad"}


@pytest.mark.parametrize("name", ["signal", "datetime", "enum", "click"])
def test_a_file_of_the_user_hides_no_module_of_that_name(script: str, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('hidden')\n", encoding="utf-8")
    call = [sys.executable, "-m", "nnlint", "--isolated", "--no-cache", script]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_classes_of_findings_are_imported_when_they_are_asked_for() -> None:
    show = "import sys, nnlint; print('nnlint.finding' in sys.modules, nnlint.Finding.__module__)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout == "False nnlint.finding\n"
    assert all(getattr(nnlint, name) for name in nnlint.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Rule'"):
        getattr(nnlint, "Rule")  # noqa: B009
