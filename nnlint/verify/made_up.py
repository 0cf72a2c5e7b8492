"""What a verdict is worth where the data were made up: a mechanism shows on any data, a judgement of the data does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nnlint.events import Run
from nnlint.finding import Status, Verdict

DATA = ("data set ", "file ", "images in ", "folder ", "download ", "environment ", "the program that uses ")
"""How what is told of stand-ins begins where it is data; a harness makes its own for the program that it replaces."""

NO_DATA = ("environment variable ",)

UNBEARABLE: Mapping[str, tuple[Status, ...]] = {
    "data": (Status.HARMLESS, Status.REFUTED),
    "hyper_parameters": (Status.HARMLESS,),
}
"""The verdicts that made-up data cannot bear, by the topic of the rule; its others are given with the reservation said."""


def made_up(run: Run) -> list[str]:
    """The data that were stood in for in a run."""
    return [what for what in run.stood_in if what.startswith(DATA) and not what.startswith(NO_DATA)]


def reserved(verdict: Verdict, topic: str, run: Run) -> Verdict:
    """The verdict, with what has to be said of it where it is about data that were made up."""
    unbearable, data = UNBEARABLE.get(topic), made_up(run)
    if unbearable is None or not data or verdict.status is Status.UNVERIFIED:
        return verdict
    status = Status.UNVERIFIED if verdict.status in unbearable else verdict.status
    more = f" and {len(data) - 1} more" if len(data) > 1 else ""
    return replace(verdict, status=status, reason=f"{verdict.reason}; this is on made-up data ({data[0]}{more})")
