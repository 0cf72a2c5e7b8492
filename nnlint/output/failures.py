"""Lines about what the run itself failed on, and what it cut short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nnlint.output.places import place_of
from nnlint.output.terminal import paint, visible
from nnlint.report import InternalError, Note


def error_line(error: InternalError, colour: bool) -> str:
    """One line for a failure of the run itself."""
    return f"{_at(error, colour)} {paint(error.kind, 'error', colour)}: {visible(error.message)}"


def note_lines(notes: Iterable[Note]) -> Iterator[str]:
    """One line for each note."""
    return (f"{_at(note, colour=False)} note: {visible(note.message)}" for note in notes)


def _at(said: InternalError | Note, colour: bool) -> str:
    return f"{paint(visible(said.path), 'strong', colour)}{place_of(said)[len(said.path) :]}:"
