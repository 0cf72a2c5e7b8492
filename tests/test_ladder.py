"""How far a script is helped to run: until it trains, or raises at the fault that was found."""

from __future__ import annotations

from nnlint.events import Backward, BatchDrawn, Raised, Run
from nnlint.finding import Place
from nnlint.source import Source
from nnlint.verify.ladder import WAYS, Rung, climb


class At:
    place: Place = Source("train.py", "", None).place(1, 1, 1, 1)


def run(ended: str, backwards: int = 0) -> Run:
    made = Run("train.py", ended=ended)
    for _ in range(backwards):
        made.record(Backward(At(), object()))  # type: ignore[arg-type]
    if ended == "raised":
        made.record(Raised(At(), "RuntimeError", ""))
    return made


def test_a_run_that_raises_before_its_training_is_helped() -> None:
    runs = {"as-is": run("raised"), "stand-ins": run("steps", 3)}
    assert climb(lambda rung: runs[rung.way], ("as-is", "stand-ins"))[0].way == "stand-ins"


def test_a_run_that_raises_at_the_fault_needs_no_help() -> None:
    tried: list[str] = []

    def first(rung: Rung) -> Run:
        tried.append(rung.way)
        return run("raised")

    assert climb(first, tuple(WAYS), lambda seen: True)[0].way == "as-is"
    assert tried == ["as-is"]


def test_a_training_that_is_slow_as_it_is_gets_smaller_batches_in_the_place_of_its_own() -> None:
    began = run("time")
    began.record(BatchDrawn(At(), object()))  # type: ignore[arg-type]
    rung, seen = climb(lambda rung: run("steps", 40) if rung.samples else began, ("as-is", "stand-ins"))
    assert (rung.way, rung.samples, seen.ended) == ("stand-ins", 4, "steps")
