"""The fixes of all rules together, on the fixtures, as a person applies them."""

from __future__ import annotations

import shutil

import pytest

from tests.command import Command
from tests.fixture_cases import Case, all_cases

FAULTY = [case for case in all_cases() if case.is_faulty]


@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_fixes_of_all_rules_settle_and_leave_nothing_to_fix(case: Case, command: Command) -> None:
    path = command.folder / case.path.name
    if case.path.is_dir():
        shutil.copytree(case.path, path)
    else:
        shutil.copy(case.path, path)
    first = command("--fix", "--unsafe-fixes", "--verbose", path.name)
    assert first.status in (0, 1), first.output + first.errors
    assert "did not settle" not in first.errors
    assert command("--diff", "--unsafe-fixes", path.name).output == ""
