"""Places in the code cells of a notebook as places in its JSON: what programs need that know the file, not its cells."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property

from nnlint.finding import Edit, Place
from nnlint.lazy import regex
from nnlint.reading.document import DecodeError
from nnlint.reading.notebook import NotebookError, notebook_text
from nnlint.reading.notebook_cells import CellSource, cell_sources, is_kept_ascii
from nnlint.reading.positions import LINE_END, NoSuchPlaceError, Positions
from nnlint.records import dataclass

CHARACTER = regex(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4} | \\. | .", re.DOTALL | re.VERBOSE
)
"""One character of a string, as JSON writes it."""


class NotebookFile:
    """The JSON text of a notebook, which need not be valid: then no cell has a place in it."""

    def __init__(self, data: bytes) -> None:
        self.text, self.sources = _read(data)
        self.cells: dict[int, _CellInFile] = {}

    def place(self, place: Place) -> Place | None:
        """The place in the file of one in a cell; None where there is no such cell. Past the end, it is the end."""
        if place.cell is None:
            return place
        cell = self._cell(place.cell)
        if cell is None:
            return None
        start = cell.positions.nearest(place.line, place.column)
        end = max(start, cell.positions.nearest(place.end_line, place.end_column))
        return self._span(place.path, cell.start_of(start), cell.end_of(end) if end > start else cell.start_of(start))

    def edit(self, edit: Edit) -> Edit | None:
        """The edit of the file that does what this one does in a cell; None where it cannot be made."""
        place = edit.place
        cell = self._cell(place.cell) if place.cell is not None else None
        if cell is None or not cell.source.strings:
            return None
        try:
            start = cell.positions.offset(place.line, place.column)
            end = cell.positions.offset(place.end_line, place.end_column)
        except NoSuchPlaceError:
            return None
        if end < start:
            return None
        span = self._span(place.path, cell.start_of(start), cell.start_of(end))
        return Edit(span, cell.written(edit.content, start, end, place.line, self._keep_ascii))

    def _cell(self, number: int) -> _CellInFile | None:
        if number not in self.cells and number in self.sources:
            self.cells[number] = _CellInFile(self.text, self.sources[number])
        return self.cells.get(number)

    def _span(self, path: str, start: int, end: int) -> Place:
        return Place(path, None, *self._line_and_column(start), *self._line_and_column(end))

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    @cached_property
    def _keep_ascii(self) -> bool:
        return is_kept_ascii(self.text)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]


def _read(data: bytes) -> tuple[str, Mapping[int, CellSource]]:
    try:
        text, _ = notebook_text(data)
        return text, cell_sources(text)
    except (DecodeError, NotebookError, ValueError, RecursionError):
        return "", {}


@dataclass(frozen=True)
class _CellInFile:
    """The source of one cell, and where each of its characters stands in the JSON text."""

    notebook: str
    source: CellSource

    @cached_property
    def positions(self) -> Positions:
        """The lines and columns of the source, with its own line ends."""
        return Positions(self.source.text(self.notebook))

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        strings = ((start + 1, end - 1) for start, end in self.source.strings)
        return [each.span() for start, end in strings for each in CHARACTER.finditer(self.notebook, start, end)]

    def start_of(self, offset: int) -> int:
        """Where the character at `offset` of the source starts; the end of the last string for one past the end."""
        if offset < len(self._spans):
            return self._spans[offset][0]
        return self.source.strings[-1][1] - 1 if self.source.strings else self.source.span[0]

    def end_of(self, offset: int) -> int:
        """Where the text up to `offset` of the source, which is not 0, ends."""
        return self._spans[offset - 1][1]

    def written(self, content: str, start: int, end: int, line: int, keep_ascii: bool) -> str:
        """New source text as JSON that takes the place of the source from `start`, on that line, to `end`: in a list, a string
        a line."""
        lines = LINE_END.sub("\n", content).split("\n")
        strings = [json.dumps(line, ensure_ascii=keep_ascii)[1:-1] for line in lines]
        ends = [json.dumps(each)[1:-1] for each in self.positions.ends(len(lines) - 1, start, end, line)]
        between = f'"{self.source.between(self.notebook)}"' if self.source.is_list else ""
        text = strings[0] + "".join(f"{each}{between}{string}" for each, string in zip(ends, strings[1:], strict=True))
        if not self.source.is_list:
            return text
        text = between + text if content and self._follows_line(start) else text
        is_left_empty = not strings[-1] and len(strings) > 1 and self._ends_string(end)
        return text.removesuffix(between) if is_left_empty else text

    def _follows_line(self, offset: int) -> bool:
        """Whether a line of the same string ends right before `offset`."""
        at = self.start_of(offset)
        opens_string = any(at == start + 1 for start, _ in self.source.strings)
        return not opens_string and self.positions.text[:offset].endswith(("\n", "\r"))

    def _ends_string(self, offset: int) -> bool:
        at = self.start_of(offset)
        return any(at == end - 1 for _, end in self.source.strings)
