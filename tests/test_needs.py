"""What a run must hold for a rule to be asked of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nnlint import catalogue
from nnlint.events import Backward, LossComputed, Run
from nnlint.finding import Severity
from nnlint.needs import Needs, are_met, held_by, needs
from nnlint.rule import Problem, Rule
from tests import made_up
from tests.command import Command


def test_a_need_is_a_kind_of_event_an_operation_or_one_of_several() -> None:
    assert needs(Backward, "softmax", (LossComputed, "log")) == (
        frozenset({"Backward"}),
        frozenset({"softmax"}),
        frozenset({"LossComputed", "log"}),
    )


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        (needs(), True),
        (needs(Backward), True),
        (needs(("log", "softmax")), True),
        (needs(Backward, "log"), False),
        (needs(LossComputed), False),
    ],
)
def test_one_of_each_group_must_be_in_the_run(wanted: Needs, met: bool) -> None:
    run = Run("train.py", by_kind={Backward: []}, operations={"softmax": []})
    assert are_met(wanted, held_by(run)) is met


@pytest.mark.usefixtures("made_up_rules")
def test_a_rule_is_asked_only_of_runs_that_hold_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    def check(run: Run) -> Iterator[Problem]:
        assert isinstance(run, made_up.TextRun)
        yield Problem(made_up.At(run.source.place(1, 1, 1, 2)), "the training is spoiled")

    def rule(name: str, code: str, wanted: Needs) -> Rule:
        return Rule(f"nnlint.rules.made_up.{name}", "Made up.\n", check, code, Severity.ERROR, "0.1", needs=wanted)

    rules = (rule("asked_rule", "NN101", ()), rule("idle_rule", "NN102", needs(Backward)))
    monkeypatch.setattr(catalogue, "_catalogue_rules", lambda: iter(rules))
    command.write("a.py", "x = 1\n")
    assert command("a.py").findings == ["a.py:1:1 NN101"]
