"""How a script gets to run: as it is, else with stand-ins for what is missing, else its pieces in a harness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nnlint.events import Backward, OptimizerStepped, Raised, Run, ValueSeen

WAYS = {"as-is": "as it is", "stand-ins": "with stand-ins", "harness": "as a harness"}
"""The ways of a request, in the order in which they are tried, as people call them."""


def climb(
    run: Callable[[str], Run], ways: Sequence[str], is_answer: Callable[[Run], bool] = lambda run: False
) -> tuple[str, Run]:
    """The first way in which the script trains, and that run; where none does, the last that came furthest.

    A run that `is_answer` says enough even where it raised: at the fault itself.
    """
    tried: list[tuple[str, Run]] = []
    for way in ways:
        if way == "harness" and any(has_trained(result) for _, result in tried):
            break
        result = run(way)
        tried.append((way, result))
        if result.ended == "raised" and is_answer(result):
            return way, result
        if result.ended == "lost" or (has_trained(result) and result.ended != "raised"):
            break
    return max(reversed(tried), key=lambda each: (has_trained(each[1]), len(list(each[1].events(Backward)))))


def has_trained(run: Run) -> bool:
    """Whether a run came to its training, or, without torch, to the lines in question and on to its end."""
    if any(run.events(Backward)) or any(run.events(OptimizerStepped)):
        return True
    return run.ended in ("finished", "steps", "time") and any(run.events(ValueSeen))


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
