"""How a script gets to run: as it is, else with stand-ins for what is missing, else its pieces in a harness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nnlint.events import Backward, BatchDrawn, ModelCalled, OptimizerStepped, Raised, Run, ValueSeen

WAYS = {"as-is": "as it is", "stand-ins": "with stand-ins", "harness": "as a harness"}
"""The ways of a request, in the order in which they are tried, as people call them."""

PATIENCE = 6.0
"""A training that has hardly taken a step in so many seconds is tried again with smaller batches."""

CHANGED = "modified by an inplace operation"
"""What PyTorch says since 1.5 of scripts that take a step between a forward pass and its backward pass."""

FEW_SAMPLES = 4
"""The size of these: a larger one would be as slow, and fewer make no batch."""

SMALL_SIDE = 64
"""The width of images then, at most: five halvings leave something of them."""

FEW_STEPS = 4
"""A training that has done fewer backward passes when its time was up is slow, too."""


@dataclass(frozen=True)
class Rung:
    """One try: its way, the `samples` of a batch at most (0: as many as the script says), the `patience` with its pace.

    Images are at most `side` pixels wide, where it is not 0.
    With `old_steps` it runs as PyTorch before 1.5 did.
    """

    way: str
    samples: int = 0
    side: int = 0
    patience: float = 0.0
    old_steps: bool = False


def climb(
    run: Callable[[Rung], Run],
    ways: Sequence[str],
    is_answer: Callable[[Run], bool] = lambda run: False,
    is_enough: Callable[[Run], bool] | None = None,
) -> tuple[Rung, Run]:
    """The first rung on which the script trains, and that run; where none does, the one with the reason to be told.

    A run that `is_answer` says enough even where it raised: at the fault itself. `is_enough` says of a run that has ended well
    whether another way is not worth a try; without it, that it has trained.
    """
    is_enough = is_enough or has_trained
    tried: list[tuple[Rung, Run]] = []
    for way in ways:
        if way == "harness" and any(is_enough(result) for _, result in tried):
            break
        tried.append(_trained_in_time(run, way))
        result = tried[-1][1]
        if result.ended == "raised" and is_answer(result):
            return tried[-1]
        if result.ended == "lost" or (is_enough(result) and result.ended != "raised"):
            break
    return max(reversed(tried), key=lambda each: (*_progress(each[1]), _reason(each[0].way, each[1])))


def _trained_in_time(run: Callable[[Rung], Run], way: str) -> tuple[Rung, Run]:
    """A run in one way; with smaller batches, which stand in for the script's own, where it is slow and the script bears them."""
    rung = Rung(way) if way == "as-is" else Rung(way, patience=PATIENCE)
    result = run(rung)
    if way != "as-is" and any(CHANGED in raised.message for raised in result.events(Raised)):
        rung = replace(rung, old_steps=True)
        result = run(rung)
    if not _is_slow(result):
        return rung, result
    rung, tried = replace(rung, patience=0.0), [(rung, result)]
    few = replace(rung, way="stand-ins" if way == "as-is" else way, samples=FEW_SAMPLES)
    for each in (replace(few, side=SMALL_SIDE), few, *([rung] if result.ended == "slow" else [])):
        tried.append((each, run(each)))
        if tried[-1][1].ended != "raised" or has_trained(tried[-1][1]):
            break
    return max(reversed(tried), key=lambda each: _progress(each[1]))


def _is_slow(run: Run) -> bool:
    """Whether a training has hardly taken a step: patience with it has ended, or its time."""
    if run.ended != "time":
        return run.ended == "slow"
    has_begun = any(run.events(ModelCalled)) or any(run.events(BatchDrawn))
    return has_begun and len(list(run.events(Backward))) < FEW_STEPS


def _progress(run: Run) -> tuple[bool, int]:
    """How far a run came."""
    return has_trained(run), len(list(run.events(Backward)))


def _reason(way: str, run: Run) -> int:
    """How much the reason of a run that did not train says of what the script lacks.

    The most where it failed with everything stood in for; less where the program that a harness makes around it failed, or where
    nothing in it trains; the least where things are missing that are then stood in for.
    """
    if way == "stand-ins":
        return 1 if run.ended == "finished" else 3
    return 2 if way == "harness" else 0


def has_trained(run: Run) -> bool:
    """Whether a run came to its training, or, without torch, to the lines in question and on to its end."""
    if has_learned(run):
        return True
    return run.ended in ("finished", "steps", "time") and any(run.events(ValueSeen))


def has_learned(run: Run) -> bool:
    """Whether a run came to a backward pass or a step."""
    return any(run.events(Backward)) or any(run.events(OptimizerStepped))


def hindrance(run: Run) -> str:
    """Why a run did not come to its training, in words."""
    raised = next(iter(run.events(Raised)), None)
    if raised is not None:
        place = raised.at.place
        where = f" at {place.path}:{place.line}" if place.line else ""
        return f"the script does not get to its training: {raised.error}{where}: {raised.message}"
    reasons = {
        "exited": "the script ends itself before its training",
        "time": "the script does not get to its training in the time given",
        "lost": f"the run was lost; {run.trouble}",
        "killed": f"the script does not get to its training: {run.trouble}",
    }
    return reasons.get(run.ended, "nothing in this file trains when it is run")
