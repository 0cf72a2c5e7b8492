"""Every fix of every rule, on the fixtures: it mends its finding, the result parses, and a second time there is nothing to do."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from nnlint import Finding
from nnlint.catalogue import all_rules
from nnlint.lint import lint_documents
from nnlint.mending.fixes import edited_document, fix_documents
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.report import Report
from nnlint.settings import Settings
from tests.fixture_cases import Case, all_cases

RULES = {rule.name: rule for rule in all_rules()}
FAULTY = [case for case in all_cases() if case.is_faulty and case.rule_name in RULES]
FIXABLE = [case for case in FAULTY if RULES[case.rule_name].fix is not None]
WITH_FIXED_TEXT = [case for case in FAULTY if case.path.with_name(f"{case.path.name}.fixed").exists()]


@dataclass(frozen=True)
class Mending:
    """The documents of a case, and how they are linted by one rule alone."""

    documents: Sequence[Document]
    settings: Settings

    def lint(self, documents: Sequence[Document]) -> Report:
        report = lint_documents(documents, self.settings)
        assert report.errors == ()
        return report

    def findings(self) -> Sequence[Finding]:
        return self.lint(self.documents).findings


def mending(case: Case) -> Mending:
    documents = [read_document(str(file), str(file), file.read_bytes()) for file in case.files()]
    return Mending(documents, Settings(select=(case.rule_name,)))


@pytest.mark.parametrize("case", WITH_FIXED_TEXT, ids=lambda case: case.name)
def test_the_fixes_produce_the_fixed_text(case: Case) -> None:
    mended = mending(case)
    fixed = fix_documents(mended.documents, mended.lint, unsafe=True)
    expected = case.path.with_name(f"{case.path.name}.fixed").read_bytes()
    assert (fixed.documents[0].data.decode(), fixed.errors) == (expected.decode(), [])


@pytest.mark.parametrize("case", FIXABLE, ids=lambda case: case.name)
def test_each_fix_alone_mends_its_finding(case: Case) -> None:
    mended = mending(case)
    before = mended.findings()
    for finding in before:
        if finding.fix is not None:
            after = mended.lint(applied(mended.documents, finding)).findings
            assert len(after) < len(before), finding


@pytest.mark.parametrize("case", FIXABLE, ids=lambda case: case.name)
def test_all_fixes_together_parse_and_settle(case: Case) -> None:
    mended = mending(case)
    once = fix_documents(mended.documents, mended.lint, unsafe=True)
    twice = fix_documents(once.documents, mended.lint, unsafe=True)
    assert once.errors == []
    assert all(parses(document) for document in once.documents)
    assert [finding for finding in once.report.findings if finding.fix is not None] == []
    assert (twice.count, [each.data for each in twice.documents]) == (0, [each.data for each in once.documents])


def test_rules_that_promise_a_fix_have_one_somewhere() -> None:
    fixing = {case.rule_name for case in FAULTY if any(finding.fix for finding in mending(case).findings())}
    assert fixing == {case.rule_name for case in FIXABLE}


def applied(documents: Sequence[Document], finding: Finding) -> list[Document]:
    """The documents after one fix alone."""
    edits = finding.fix.edits if finding.fix is not None else ()
    by_path = {document.path: document for document in documents}
    for path in {edit.place.path for edit in edits}:
        by_path[path] = edited_document(by_path[path], [edit for edit in edits if edit.place.path == path])
    return list(by_path.values())


def parses(document: Document) -> bool:
    ast.parse(document.source.text if document.source is not None else "")
    return document.broken == ()
