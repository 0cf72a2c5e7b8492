"""Every fix of every rule, on the fixtures: it settles, still parses, and gives the text that stands beside the script."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nnlint.document import Document
from nnlint.files import read_paths
from nnlint.fixes import Fixed, fix_documents
from nnlint.lint import lint_documents
from nnlint.patterns import Patterns
from nnlint.settings import Settings
from tests.fixture_cases import Case, all_cases

FAULTY = [case for case in all_cases() if case.is_faulty]
SHOWN = [case for case in FAULTY if case.path.with_name(f"{case.path.name}.fixed").exists()]


def fix_all(path: Path) -> Fixed:
    """The case after all fixes, safe and unsafe, with the default rules."""
    documents = read_paths([str(path)], Patterns(str(path), ())).documents
    return fix_documents(documents, lambda current: lint_documents(current, Settings()), unsafe=True)


def texts(documents: list[Document]) -> dict[str, bytes]:
    """The bytes of each document."""
    return {document.path: document.data for document in documents}


@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_fixes_settle_and_leave_nothing_to_fix(case: Case) -> None:
    fixed = fix_all(case.path)
    assert fixed.errors == []
    assert [note for note in fixed.report.notes if "did not settle" in note.message] == []
    assert [finding for finding in fixed.report.findings if finding.fix] == []


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.name)
def test_the_fixed_text_is_the_one_beside_the_script(case: Case, tmp_path: Path) -> None:
    beside = case.path.with_name(f"{case.path.name}.fixed")
    (document,) = fix_all(case.path).documents
    assert document.data.decode() == beside.read_text(encoding="utf-8")
    again = Path(shutil.copy(beside, tmp_path / case.path.name))
    assert fix_all(again).count == 0


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.name)
def test_what_is_fixed_is_found_no_more(case: Case, tmp_path: Path) -> None:
    again = Path(shutil.copy(case.path.with_name(f"{case.path.name}.fixed"), tmp_path / case.path.name))
    left = {finding.name for finding in fix_all(again).report.findings}
    assert case.rule_name not in left
