"""What every rule of the catalogue owes: a page, fixtures, a name of its own, and independence of the others."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from nnlint import docs
from nnlint.catalogue import all_rules, loaded_rules
from nnlint.program import PROGRAM_RULES
from nnlint.records import fields
from nnlint.rule import Rule
from tests.fixture_cases import FIXTURES, Case, all_cases
from tests.scripts import FAULTY
from tests.working_tree import ROOT, copy_files

CATALOGUE = [rule for rule in all_rules() if rule not in PROGRAM_RULES]
RULE_FILES = sorted(file for file in (ROOT / "rules").rglob("*.py") if file.name != "__init__.py")
ENGINE_FILES = sorted((ROOT / "nnlint").rglob("*.py"))
CORE = ("NN101", "NN102", "NN201", "NN301", "NN401")
NOT_IN_NOTEBOOKS = {
    "NN118": "the processes of a distributed training are started from a file",
    "NN411": "the processes of a distributed training are started from a file",
}
HEADINGS = ["What it does", "Why it matters", "Example"]

each_rule = pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.code)


def headings(rule: Rule) -> list[str]:
    """The headings of a rule's page, in order."""
    return re.findall(r"^## (.+)$", rule.page or "", re.MULTILINE)


@cache
def cases() -> tuple[Case, ...]:
    """All fixtures."""
    return tuple(all_cases())


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports anywhere in it, by dotted name; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_page_has_its_sections_in_order(rule: Rule) -> None:
    fix = ["Fix safety"] if rule.fix else []
    witness = ["Witness"] if rule in CATALOGUE else []
    assert headings(rule) == HEADINGS + fix + witness


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_example_is_followed_by_what_to_write_instead(rule: Rule) -> None:
    faulty, _, better = (rule.page or "").partition("\nUse instead:\n")
    assert faulty.count("```python") == 1
    assert better.startswith("```python\n")


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_title_is_one_sentence_on_one_line(rule: Rule) -> None:
    first, _, rest = (rule.page or "").lstrip().partition("\n")
    assert first.endswith(".")
    assert rest.startswith("\n")


@each_rule
def test_has_enough_faulty_and_clean_fixtures(rule: Rule) -> None:
    least = 6 if rule.code in CORE else 3
    own = [case for case in cases() if case.rule_name == rule.name]
    assert len([case for case in own if case.is_faulty]) >= least
    assert len([case for case in own if not case.is_faulty]) >= least


@each_rule
def test_has_a_faulty_notebook_where_the_fault_occurs_in_notebooks(rule: Rule) -> None:
    own = [case for case in cases() if case.rule_name == rule.name and case.is_faulty]
    notebooks = [file for case in own for file in case.files() if file.suffix == ".ipynb"]
    assert bool(notebooks) == (rule.code not in NOT_IN_NOTEBOOKS)


@each_rule
def test_a_fix_is_shown_by_a_fixture(rule: Rule) -> None:
    fixed = list((FIXTURES / rule.name.replace("-", "_")).glob("faulty*.fixed"))
    assert bool(fixed) == (rule.fix is not None)


@each_rule
def test_has_a_witness_or_says_why_a_run_cannot_decide(rule: Rule) -> None:
    assert (rule.witness is None) == bool(rule.undecidable)


def test_every_folder_of_fixtures_belongs_to_a_rule() -> None:
    folders = {folder.name for folder in FIXTURES.iterdir() if folder.is_dir()}
    assert folders - {"seeds", "broken", "clean"} == {rule.name.replace("-", "_") for rule in CATALOGUE}


def test_every_name_has_a_hyphen() -> None:
    assert [rule.name for rule in all_rules() if "-" not in rule.name] == []  # by it `noqa` comments are told apart


def test_codes_and_names_are_unique() -> None:
    codes, names = [rule.code for rule in all_rules()], [rule.name for rule in all_rules()]
    assert len(set(codes)) == len(codes)
    assert len(set(names)) == len(names)


def test_the_changelog_tells_of_every_rule() -> None:
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split())
    assert [rule.code for rule in all_rules() if f"{rule.name} ({rule.code})" not in changelog] == []


def test_every_file_is_a_rule() -> None:
    assert len(CATALOGUE) == len(RULE_FILES)


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.stem)
def test_a_rule_imports_no_other_rule_no_torch_and_no_libcst(file: Path) -> None:
    forbidden = re.compile(r"\.|rules\b|nnlint\.rules\b|torch\b|libcst\b")
    assert [name for name in imported(file) if forbidden.match(name)] == []


def test_the_engine_names_no_rule() -> None:
    named = {str(file.relative_to(ROOT)): name for file in ENGINE_FILES for name in imported(file) if "rules." in name}
    assert named == {}


def test_linting_imports_neither_torch_nor_libcst() -> None:
    program = f"import sys, nnlint.cli; nnlint.lint_text({FAULTY!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "nnlint.rule" in modules
    assert not {"torch", "libcst"} & set(modules)


def test_a_wheel_ships_the_rules_the_engine_and_the_type_marker(tmp_path: Path) -> None:
    source = copy_files(tmp_path / "source")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    rules = {f"nnlint/{file.relative_to(source).as_posix()}" for file in (source / "rules").rglob("*.py")}
    engine = {file.relative_to(source).as_posix() for file in (source / "nnlint").rglob("*.py")}
    assert shipped == rules | engine | {"nnlint/py.typed"}


def test_every_figure_of_the_gallery_is_small_and_belongs_to_a_rule() -> None:
    figures = {file.stem: file for file in (ROOT / "rules" / "gallery").glob("*")}
    assert figures.keys() <= {rule.code for rule in CATALOGUE}
    assert [code for code, file in figures.items() if file.stat().st_size > 30_000] == []


def test_what_is_remembered_under_one_name_is_worked_out_in_one_way() -> None:
    ways: dict[str, set[str]] = {}
    for file in (*ENGINE_FILES, *RULE_FILES):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "remember" and len(node.args) == 3:
                ways.setdefault(ast.unparse(node.args[0]), set()).add(ast.unparse(node.args[2]))
    assert len(ways) > 20
    assert {name: each for name, each in ways.items() if len(each) > 1} == {}


def test_the_table_of_the_rules_is_what_they_declare() -> None:
    table = (ROOT / "rules" / "__init__.py").read_text(encoding="utf-8")
    assert table == docs.catalogue_package(loaded_rules()), "run python -m nnlint.docs"


@pytest.mark.parametrize(
    ("listed", "loaded"), [*zip(all_rules(), loaded_rules(), strict=True)], ids=lambda rule: rule.code
)
def test_a_rule_is_the_same_by_the_table_and_by_its_file(listed: Rule, loaded: Rule) -> None:
    names = [each.name for each in fields(Rule)]
    assert [getattr(listed, name) for name in names] == [getattr(loaded, name) for name in names]
    assert listed.url == loaded.url


def test_a_rule_of_the_table_survives_pickling() -> None:
    for rule in all_rules():
        assert pickle.loads(pickle.dumps(rule)).title == rule.title
