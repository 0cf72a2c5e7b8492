"""Every fixture says in its comments what nnlint must find in it; nothing else may be found."""

from __future__ import annotations

import pytest

from tests.fixture_cases import Case, all_cases

CASES = list(all_cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_finds_exactly_what_the_comments_expect(case: Case) -> None:
    assert case.found() == case.expected()


@pytest.mark.parametrize("case", [case for case in CASES if case.is_faulty], ids=lambda case: case.name)
def test_faulty_case_expects_something(case: Case) -> None:
    assert case.expected()
