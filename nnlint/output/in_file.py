"""Places in files as other programs see them: they know nothing of a notebook's cells, and show its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from nnlint.finding import Edit, Fix, Place
from nnlint.reading.notebook_file import NotebookFile
from nnlint.report import InternalError, SourceText


class InFile:
    """Finds the places of one report in the files themselves."""

    def __init__(self, texts: Mapping[str, SourceText]) -> None:
        self.texts = texts
        self._notebook = cache(self._read)

    def place(self, place: Place) -> Place | None:
        """The place in the file itself; None where the notebook is not at hand."""
        return place if place.cell is None else self._notebook(place.path).place(place)

    def line(self, error: InternalError) -> int | None:
        """The line of the file on which the run failed; None where it is not known."""
        if error.cell is None or error.line is None:
            return error.line
        found = self.place(Place(error.path, error.cell, error.line, 1, error.line, 1))
        return found.line if found else None

    def edits(self, fix: Fix) -> tuple[Edit, ...]:
        """The edits of the files themselves; empty where they cannot be made there."""
        made = [self._edit(edit) for edit in fix.edits]
        kept = tuple(edit for edit in made if edit is not None)
        return kept if len(kept) == len(made) else ()

    def _edit(self, edit: Edit) -> Edit | None:
        return edit if edit.place.cell is None else self._notebook(edit.place.path).edit(edit)

    def _read(self, path: str) -> NotebookFile:
        text = self.texts.get(path)
        return NotebookFile(text.notebook if text else b"")
