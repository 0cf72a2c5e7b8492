"""What a rule's witness is given, and how it answers: the events of a real run, and a verdict with its numbers.

A witness reads the mechanism of a fault off the run, not the loss. What the run did not show is `unverified`, never `refuted`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from nnlint.events import Backward, Event, LayerApplied, OptimizerStepped, Raised, Run, Scored, Subject, ValueSeen
from nnlint.finding import Finding, Place, Status, Verdict
from nnlint.records import dataclass

E_ = TypeVar("E_", bound=Event)


@dataclass(frozen=True)
class Case:
    """One finding, the run of the script as written, and that with this finding alone mended (None where it was not made)."""

    finding: Finding
    run: Run
    mended: Run | None = None

    def at(self, kind: type[E_], *places: Place) -> list[E_]:
        """The events of a kind on the lines of these places (of the finding's own, where none is named), in order.

        Of values, of which there may be several on a line, those at just these places.
        """
        wanted = places or (self.finding.place,)
        if kind is ValueSeen:
            return [event for event in self.run.events(kind) if event.at.place in wanted]
        return [event for event in self.run.events(kind) if any(happens_at(event, place) for place in wanted)]

    def related(self, kind: type[E_]) -> list[E_]:
        """The events of a kind on the lines of the finding's related places."""
        places = [related.place for related in self.finding.related]
        return self.at(kind, *places) if places else []

    def values(self, *places: Place) -> list[ValueSeen]:
        """What was measured of the values at these places (at the finding's own, where none is named)."""
        return [seen for seen in self.at(ValueSeen, *places) if seen.what == "value"]

    def values_within(self, place: Place) -> list[ValueSeen]:
        """What was measured of values in the calls that a place makes."""
        return [
            seen
            for seen in self.run.events(ValueSeen)
            if seen.what == "value" and any(_within(site.place, place) for site in seen.calls)
        ]

    def layers(self, *places: Place) -> list[LayerApplied]:
        """What was measured of the layers of the network that has one made at these places, in order of execution."""
        networks = {
            numbers.get("network") for numbers in (each.numbers for each in self.made_at(LayerApplied, *places))
        }
        measured = [event for event in self.run.events(LayerApplied) if event.numbers.get("network", -1.0) in networks]
        return sorted(measured, key=lambda event: event.numbers["order"])

    def losses(self, *places: Place) -> list[float]:
        """The losses that an optimizer made at these places stepped on, in order; all of the run where there is none."""
        return _losses_stepped_on(self.run, self.made_at(OptimizerStepped, *places))

    def mended_losses(self, *places: Place) -> list[float]:
        """The same of the run with the finding mended."""
        return [] if self.mended is None else Case(self.finding, self.mended).losses(*places)

    def compared_losses(self, *places: Place) -> tuple[list[float], list[float]]:
        """Both over as many steps as both runs took: a run that was stopped earlier has learned less."""
        own, other = self.losses(*places), self.mended_losses(*places)
        both = min(len(own), len(other))
        return own[:both], other[:both]

    def made_at(self, kind: type[E_], *places: Place) -> list[E_]:
        """The events of a kind whose subject (a layer, an optimizer) was constructed at these places."""
        wanted = places or (self.finding.place,)
        return [
            event
            for event in self.run.events(kind)
            if (site := made_site(event)) and any(_within(site, place) for place in wanted)
        ]

    def raised_at(self, *places: Place) -> Raised | None:
        """The exception that ended the run, if it passed the lines of these places (the finding's own, where none is named)."""
        return next(iter(self.at(Raised, *places)), None)


def _losses_stepped_on(run: Run, steps: Sequence[OptimizerStepped]) -> list[float]:
    if not steps:
        return list(losses(run))
    wanted, found, latest = {id(step) for step in steps}, [], math.nan
    for event in run.all_events:
        if isinstance(event, Backward):
            latest = event.numbers.get("loss", math.nan)
        elif id(event) in wanted:
            found.append(latest)
    return found


def happens_at(event: Event, place: Place) -> bool:
    """Whether an event's own line, or one of the calls that led to it, lies in a place."""
    return any(_within(site.place, place) for site in (event.at, *event.calls))


def made_site(event: Event) -> Place | None:
    """Where the subject of an event of a real run was constructed, if that is known."""
    named = (getattr(event, name, None) for name in ("layer", "optimizer", "model", "loader"))
    subject = next((each for each in named if each), None)
    return subject.at.place if isinstance(subject, Subject) and subject.at is not None else None


def _within(inner: Place, outer: Place) -> bool:
    return (inner.path, inner.cell) == (outer.path, outer.cell) and outer.line <= inner.line <= outer.end_line


def numbers(events: list[E_], name: str) -> list[float]:
    """One number of each event that has it, in order."""
    return [event.numbers[name] for event in events if name in event.numbers]


def losses(run: Run) -> Iterator[float]:
    """The losses that were differentiated, in order."""
    return (event.numbers["loss"] for event in run.events(Backward) if "loss" in event.numbers)


def confirmed(reason: str, **evidence: float) -> Verdict:
    """The fault was measured."""
    return Verdict(Status.CONFIRMED, reason, tuple(evidence.items()))


def harmless(reason: str, **evidence: float) -> Verdict:
    """The fault is there, and changes nothing measurable in this script."""
    return Verdict(Status.HARMLESS, reason, tuple(evidence.items()))


def harmless_here(reason: str, **evidence: float) -> Verdict:
    """The same by the course of the training, in which another fault of the script may have hidden the harm."""
    return Verdict(Status.HARMLESS, reason, tuple(evidence.items()), may_be_hidden=True)


def refuted(reason: str, **evidence: float) -> Verdict:
    """The run reached the place, and the fault is not there."""
    return Verdict(Status.REFUTED, reason, tuple(evidence.items()))


def unverified(reason: str, **evidence: float) -> Verdict:
    """The run could not decide."""
    return Verdict(Status.UNVERIFIED, reason, tuple(evidence.items()))


def not_reached(case: Case) -> Verdict:
    """The run ended before, or went by, the line of the finding."""
    return unverified(f"the run did not come to line {case.finding.place.line}")


Witness = Callable[[Case], Verdict]
"""A rule's witness."""


def last(events: list[E_], name: str, otherwise: float = math.nan) -> float:
    """The last of `numbers`."""
    found = numbers(events, name)
    return found[-1] if found else otherwise


def score(run: Run | None) -> float:
    """The last score of the yardstick; NaN where there is none."""
    events = list(run.events(Scored)) if run is not None else []
    found = [value for event in events for name, value in event.numbers.items() if name in ("accuracy", "auc", "r2")]
    return found[-1] if found else math.nan


def settled(found: Sequence[float]) -> float:
    """The mean of the last quarter of losses; NaN for none."""
    tail = found[-max(1, len(found) // 4) :]
    return sum(tail) / len(tail) if tail else math.nan
