"""All files of one lint run, and the abstract runs over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nnlint.events import Run
from nnlint.finding import Place
from nnlint.report import Note
from nnlint.source import Source


@dataclass(frozen=True)
class SyntaxProblem:
    """A file that does not parse: where the parser gave up, and what it said."""

    place: Place
    message: str


@dataclass
class Project:
    """The linted files. `runs` is lazy: a run may be dropped before the next one is made."""

    sources: Sequence[Source]
    broken: list[SyntaxProblem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def runs(self) -> Iterator[Run]:
        """The abstract runs, scripts before the modules they import; fills `broken` and `notes` as it goes."""
        yield from ()
