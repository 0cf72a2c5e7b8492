"""Records of a real run, read as events: the same vocabulary as the abstract run's, with numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nnlint import events
from nnlint.events import Event, Run, Subject
from nnlint.finding import Place
from nnlint.source import Source
from nnlint.values import NONE
from nnlint.verify.protocol import Record


@dataclass(frozen=True)
class Spot:
    """A place in the source, as events have it."""

    place: Place


@dataclass
class Reader:
    """Turns the records of runs into events. `sources` are the files of the runs, by their path in the folder.

    `subjects` are the objects of the run that is being read, by their number in it.
    """

    sources: Mapping[str, Source]
    prefix: str = ""
    subjects: dict[int, Subject] = field(default_factory=dict)

    def run(self, path: str, records: Sequence[Record]) -> Run:
        """The run that these records tell of; a record that is none of ours is passed over."""
        run, own = Run(path), replace(self, subjects={})
        for record in records:
            try:
                own._read(run, record)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                continue
        return run

    def _read(self, run: Run, record: Record) -> None:
        kind, words = record["kind"], record.get("words") or {}
        if kind == "Ended":
            run.ended = str(words["how"])
            run.trouble = str(words.get("message", "")) if run.ended in ("time", "killed", "lost") else ""
            run.notes += [run.trouble] if run.trouble else []
            if run.ended == "raised":
                run.record(self._event(run, {**record, "calls": words.get("calls", [])}, _raised))
        elif kind == "StoodIn":
            run.stood_in = (*run.stood_in, str(words["what"]))
        elif kind == "Note":
            run.notes.append(str(words["message"]))
        elif kind in MAKERS:
            run.record(self._event(run, record, MAKERS[kind]))

    def _event(self, run: Run, record: Record, make: Maker) -> Event:
        words = record.get("words") or {}
        spots = [self.spot(*call) for call in record.get("calls", [])]
        if spots and "span" in words:
            spots[0] = self.span(record["calls"][0][0], *words["span"])
        at = spots[0] if spots else Spot(Place(run.path, None, 0, 0, 0, 0))
        event = make(at, self._subject(record), words)
        event.calls = tuple(spots[1:])
        event.numbers = {str(name): _number(value) for name, value in record.get("numbers", {}).items()}
        return event

    def spot(self, path: str, line: int) -> Spot:
        """The user's place of a line of a file in the run's folder."""
        return self.span(path, line, 1, line, 1)

    def span(self, path: str, line: int, column: int, end_line: int, end_column: int) -> Spot:
        """The user's place of a part of a file in the run's folder."""
        span = (int(line), int(column), int(end_line), int(end_column))
        source = self.sources.get(path)
        return Spot(source.place(*span) if source is not None else Place(f"{self.prefix}{path}", None, *span))

    def _subject(self, record: Record) -> Subject:
        number = int(record.get("subject") or 0)
        known = self.subjects.get(number)
        if known is not None and number:
            return known
        at = record.get("subject_at")
        made = Subject(number, str(record.get("subject_kind", "")), self.spot(*at) if at else None)
        self.subjects[number] = made
        return made


Maker = Callable[[Spot, Subject, Mapping[str, Any]], Event]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _raised(at: Spot, subject: Subject, words: Mapping[str, Any]) -> Event:
    return events.Raised(at, str(words.get("error", "")), str(words.get("message", "")))


MAKERS: dict[str, Maker] = {
    "OptimizerMade": lambda at, subject, words: events.OptimizerMade(at, subject),
    "SchedulerStepped": lambda at, subject, words: events.SchedulerStepped(at, subject),
    "GradientsClipped": lambda at, subject, words: events.GradientsClipped(at, NONE),
    "ScalerUpdated": lambda at, subject, words: events.ScalerUpdated(at, subject),
    "SchedulerMade": lambda at, subject, words: events.SchedulerMade(at, subject),
    "LoaderMade": lambda at, subject, words: events.LoaderMade(at, subject),
    "BatchDrawn": lambda at, subject, words: events.BatchDrawn(at, subject),
    "ModeSwitched": lambda at, subject, words: events.ModeSwitched(at, subject, None),
    "ModelCalled": lambda at, subject, words: events.ModelCalled(at, subject, (), NONE, None, None),
    "LossComputed": lambda at, subject, words: events.LossComputed(at, str(words["loss"]), NONE, None, NONE),
    "GradientsCleared": lambda at, subject, words: events.GradientsCleared(at, subject),
    "Backward": lambda at, subject, words: events.Backward(at, NONE),
    "OptimizerStepped": lambda at, subject, words: events.OptimizerStepped(at, subject),
    "LayerApplied": lambda at, subject, words: events.LayerApplied(at, subject, str(words.get("does", ""))),
    "WeightsSeen": lambda at, subject, words: events.WeightsSeen(at, subject),
    "ValueSeen": lambda at, subject, words: events.ValueSeen(at, str(words["what"])),
    "Scored": lambda at, subject, words: events.Scored(at, str(words["loss"])),
}
"""How each kind of record becomes an event. What torch cannot tell (which value a loss was computed from) stays open."""
