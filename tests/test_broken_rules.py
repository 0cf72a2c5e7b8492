"""A rule whose file cannot be loaded costs that rule alone, and is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnlint
from nnlint import catalogue
from nnlint.api import LintError
from tests.command import Command
from tests.scripts import FAULTY

SOUND = '''"""A pass that does nothing."""

import ast

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule


def check(run):
    yield from ()


rule = Rule(__name__, __doc__, check, "{code}", Severity.ERROR, since="0.1")
'''
BROKEN = {
    "does_not_parse.py": ('"""A page."""\n\nrule = (\n', "SyntaxError: '(' was never closed", 3),
    "misses_a_package.py": ('"""A page."""\nimport no_such_package\n', "ModuleNotFoundError: No module named", 2),
    "ends_the_process.py": ('"""A page."""\nimport sys\n\nsys.exit(3)\n', "SystemExit: 3", 4),
    "has_no_page.py": (SOUND.format(code="NN198").replace('"""A pass', '_ = """A pass'), "ValueError: ", None),
    "has_no_rule.py": ('"""A page."""\n', "AttributeError: ", None),
}
TABLE = """
GROUPS = {{"NN199.1": "torch"}}
RULES = (("topic.{name}", "NN199", "error", "0.1", True, "", ("NN199.1",), ()),)
"""
names = pytest.mark.parametrize("name", BROKEN)


@pytest.fixture
def rules(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The topic folder of a catalogue of one sound rule, to which a test may add others."""
    root = tmp_path_factory.mktemp("catalogue")
    topic = root / "small_catalogue" / "topic"
    topic.mkdir(parents=True)
    for folder in (topic, topic.parent):
        (folder / "__init__.py").write_text("")
    (topic / "sound_rule.py").write_text(SOUND.format(code="NN199"))
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(catalogue, "CATALOGUE", "small_catalogue")
    catalogue.forget()
    yield topic
    catalogue.forget()
    for name in [name for name in sys.modules if name.startswith("small_catalogue")]:
        del sys.modules[name]


@names
def test_it_is_an_internal_error_that_names_the_file_and_the_others_go_on(
    rules: Path, command: Command, name: str
) -> None:
    content, reason, line = BROKEN[name]
    (rules / name).write_text(content)
    command.write("a.py", "x = (\n")
    outcome = command("--output-format", "concise", "a.py")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:5 NN901"]
    [told] = [row for row in outcome.output.splitlines() if "internal error" in row]
    file = (rules / name).as_posix()
    assert told.startswith(f"{file}:{line}: " if line else file)
    assert f"internal error: this rule cannot be loaded: {reason}" in told
    assert "Traceback" not in outcome.output + outcome.errors


@names
def test_the_others_can_be_listed_explained_and_selected(rules: Path, command: Command, name: str) -> None:
    (rules / name).write_text(BROKEN[name][0])
    listed = command("--list-rules", "--output-format", "json")
    assert listed.status == 2
    assert "NN199" in [rule["code"] for rule in json.loads(listed.output)]
    assert f"{name}" in listed.errors
    explained = command("--explain", "sound-rule")
    assert explained.status == 2
    assert "A pass that does nothing" in explained.output
    command.write("a.py", "x = (\n")
    assert command("--select", "NN199", "a.py").findings == ["a.py:1:5 NN901"]


def test_settings_may_still_name_the_rule(rules: Path, command: Command) -> None:
    (rules / "misses_a_package.py").write_text("import no_such_package\n")
    command.write("nnlint.toml", 'ignore = ["misses-a-package", "NN198"]\n')
    command.write("a.py", "x = (\n")
    outcome = command("a.py")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:5 NN901"]
    assert "no rule is called" not in outcome.errors


def test_two_rules_of_one_code_are_one_too_many(rules: Path, command: Command) -> None:
    (rules / "twin_rule.py").write_text(SOUND.format(code="NN199"))
    command.write("a.py", "x = 1\n")
    outcome = command("a.py")
    assert outcome.status == 2
    assert (
        "twin_rule.py: internal error: this rule cannot be loaded: its code NN199 is that of sound-rule"
        in outcome.output
    )


def test_a_topic_that_cannot_be_imported_is_told(rules: Path, command: Command) -> None:
    other = rules.parent / "other"
    other.mkdir()
    (other / "__init__.py").write_text("import no_such_package\n")
    (other / "lost_rule.py").write_text(SOUND.format(code="NN197"))
    outcome = command("--list-rules")
    assert outcome.status == 2
    assert "NN199" in outcome.output
    assert "other/__init__.py:1: these rules cannot be loaded: ModuleNotFoundError" in outcome.errors


def test_from_python_it_is_an_error_with_the_findings_of_the_rest(rules: Path) -> None:
    (rules / "does_not_parse.py").write_text("rule = (\n")
    with pytest.raises(LintError, match=r"does_not_parse\.py: this rule cannot be loaded") as failure:
        nnlint.lint_text("x = (\n")
    assert [finding.code for finding in failure.value.findings] == ["NN901"]


def test_a_rule_of_the_table_is_told_when_it_is_asked(rules: Path, command: Command) -> None:
    (rules / "sound_rule.py").write_text("import no_such_package\n")
    (rules.parent / "__init__.py").write_text(TABLE.format(name="sound_rule"))
    command.write("a.py", "import numpy\n\nprint(1)\n")
    assert command("--no-cache", "a.py").status == 0
    command.write("b.py", FAULTY)
    outcome = command("--no-cache", "b.py")
    assert outcome.status == 2
    assert "the rule NN199 sound-rule failed on this file with ModuleNotFoundError" in outcome.output


def test_a_table_of_other_files_than_there_are_is_left_alone(rules: Path, command: Command) -> None:
    (rules.parent / "__init__.py").write_text(TABLE.format(name="renamed_rule"))
    listed = command("--list-rules", "--output-format", "json")
    assert "sound-rule" in [rule["name"] for rule in json.loads(listed.output)]
    assert "renamed-rule" not in listed.output


def test_the_catalogue_as_it_is_has_none() -> None:
    assert catalogue.unloadable() == ()
