"""Linting from Python: pure functions with plain, picklable results."""

from __future__ import annotations

import ast
import gc
import json
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import nnlint
from nnlint.api import LintError
from nnlint.settings import Settings, SettingsError

FIXTURES = Path(__file__).parent.parent / "fixtures"

made_up = pytest.mark.usefixtures("made_up_rules")


@made_up
def test_lint_text_prints_and_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    [finding] = nnlint.lint_text("x = 1\nFAULT = 1\n", "train.py")
    assert (finding.code, finding.name, finding.severity) == ("NN101", "plain-fault", nnlint.Severity.ERROR)
    assert finding.place == nnlint.Place("train.py", None, 2, 1, 2, 6)
    assert finding.fix is not None
    assert capfd.readouterr() == ("", "")


@made_up
@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(is_enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        nnlint.lint_text("import torch\n")
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_garbage_is_collected_once_much_has_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    collections: list[str] = []
    monkeypatch.setattr("nnlint.garbage.MOST_AFTER_ALL", 0)
    monkeypatch.setattr(gc, "collect", lambda: collections.append("whole"))
    nnlint.lint_text("import torch\n")
    assert collections == ["whole"]


def test_what_an_analysis_leaves_needs_no_garbage_collector() -> None:
    text = (FIXTURES / "seeds" / "story_1_mnist_collapse.py").read_text(encoding="utf-8")
    nnlint.lint_text(text)
    gc.collect()
    nnlint.lint_text(text)
    assert gc.collect() < 500


def test_results_can_be_pickled() -> None:
    findings = nnlint.lint_text("FAULT = 1\n")
    assert pickle.loads(pickle.dumps(findings)) == findings


def test_it_can_be_mapped_over_processes() -> None:
    with ProcessPoolExecutor(1) as pool:
        results = list(pool.map(nnlint.lint_text, ["x = (\n", "x = 1\n"]))
    assert [[finding.code for finding in findings] for findings in results] == [["NN901"], []]


@made_up
def test_lint_paths_takes_strings_and_paths_and_reads_the_settings(tmp_path: Path) -> None:
    (tmp_path / "nnlint.toml").write_text('ignore = ["NN102"]\n')
    (tmp_path / "a.py").write_text("FAULT = RISKY = 1\n")
    for paths in (tmp_path, str(tmp_path), [tmp_path / "a.py"]):
        assert [finding.code for finding in nnlint.lint_paths(paths)] == ["NN101"]
    assert [finding.code for finding in nnlint.lint_paths(tmp_path, Settings(select=("NN102",)))] == ["NN102"]
    assert [finding.code for finding in nnlint.lint_paths(tmp_path, {"ignore": "NN101"})] == ["NN102"]


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean 'select'"):
        nnlint.lint_text("", settings={"selekt": []})
    with pytest.raises(SettingsError, match="NN999"):
        nnlint.lint_text("", settings=Settings(select=("NN999",)))


@made_up
def test_what_fails_is_raised_with_the_findings_of_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("FAULT = RAISE\n")
    with pytest.raises(LintError, match=r"missing\.py.*NN201") as failure:
        nnlint.lint_paths([tmp_path / "a.py", tmp_path / "missing.py"])
    assert [finding.code for finding in failure.value.findings] == ["NN101"]
    copy = pickle.loads(pickle.dumps(failure.value))
    assert (copy.errors, copy.findings) == (failure.value.errors, failure.value.findings)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        ("\ufeffx = 1\r\n", []),
        ("# coding: klingon\nx = 1\n", []),
        ("x = (\n", ["NN901"]),
        ("x = '\0'", ["NN901"]),
        ("x = '\ud800'", ["NN901"]),
    ],
)
def test_a_text_has_no_encoding(text: str, codes: list[str]) -> None:
    assert [finding.code for finding in nnlint.lint_text(text)] == codes


@made_up
def test_a_text_may_be_a_notebook() -> None:
    text = json.dumps({"cells": [{"cell_type": "code", "source": "FAULT = 1"}]})
    [finding] = nnlint.lint_text(text, "a.ipynb")
    assert finding.place.cell == 1


def test_the_package_has_the_names_of_its_interface_and_no_others() -> None:
    code = (
        "import nnlint, types; print({n for n in dir(nnlint) if not isinstance(getattr(nnlint, n), types.ModuleType)})"
    )
    names = ast.literal_eval(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.decode()
    )
    assert {name for name in names if name[0] != "_"} - {"annotations"} == set(nnlint.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None,), "lint_text takes a text of type str, not NoneType"),
        ((b"x = 1",), "lint_text takes a text of type str, not bytes"),
        (("x = 1", Path("a.py")), "lint_text takes a path of type str, not PosixPath"),
    ],
)
def test_what_is_no_text_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        nnlint.lint_text(*arguments)
