"""Every rule's witness on real runs: it confirms faulty fixtures, does not confirm them mended, and is not fooled by look-alikes.

A rule gets its test by having fixtures. tests/README.md says how a fixture asks for a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("torch")

from nnlint.catalogue import all_rules
from nnlint.finding import Status
from nnlint.program import PROGRAM_RULES
from nnlint.rule import Rule
from nnlint.verify.runner import Runner, runner
from tests.fixture_cases import Case, all_cases
from tests.short_runs import Seen, witnessed

RULES = {rule.name: rule for rule in all_rules() if rule not in PROGRAM_RULES and not rule.undecidable}
FAULTY = [case for case in all_cases() if case.is_faulty and case.rule_name in RULES]
CLAIMING = [case for case in all_cases() if case.expected_verdicts()]
ENOUGH = 2


@pytest.fixture(scope="module")
def runs() -> Iterator[Runner]:
    """One server for all runs of a process."""
    with runner() as started:
        yield started


def by_promise(case: Case) -> tuple[bool, bool, str]:
    """Scripts that say they are confirmed come first, those that say otherwise last, notebooks behind scripts."""
    said = set(case.expected_verdicts().values())
    return ("confirmed" not in said and bool(said), "confirmed" not in said, case.name)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_confirms_faulty_fixtures_and_not_their_mended_text(rule: Rule, runs: Runner) -> None:
    own = sorted((case for case in FAULTY if case.rule_name == rule.name), key=by_promise)
    said, good = [], 0
    for case in own:
        seen = witnessed(case, {rule.name}, runs)
        assert still_confirmed(seen) == [], case.name
        said += [f"{case.name}:{each.finding.place.line}: {each.faulty.reason}" for each in seen]
        good += any(each.faulty.status is Status.CONFIRMED for each in seen)
        if good == ENOUGH:
            return
    pytest.fail("\n".join(["too few faulty fixtures are confirmed", *said]))


@pytest.mark.parametrize("case", CLAIMING, ids=lambda case: case.name)
def test_gives_the_verdicts_that_the_comments_expect(case: Case, runs: Runner) -> None:
    expected = case.expected_verdicts()
    seen = witnessed(case, {name for *_, name in expected}, runs)
    found = {case.spot(each.finding): each.faulty.status.value for each in seen}
    assert {spot: found.get(spot) for spot in expected} == expected
    assert still_confirmed(seen) == []


def still_confirmed(seen: list[Seen]) -> list[str]:
    """What the witness says of findings that it confirms after they are mended, too."""
    return [each.mended.reason for each in seen if each.mended and each.mended.status is Status.CONFIRMED]
