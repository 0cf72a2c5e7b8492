"""One file as the engine reads it: text, whatever the file was, and the way back to positions in that file."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from nnlint.finding import Place
from nnlint.records import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One code cell of a notebook: its 1-based number among the code cells, and its first line in the joined text (1-based)."""

    number: int
    first_line: int


@dataclass(frozen=True)
class Source:
    """The text of one Python file, or of all code cells of one notebook joined in order.

    `path` is what is shown to the user (relative where that is possible, with forward slashes); `file` is the absolute path
    on disk, or None for standard input and texts. In the joined text of a notebook, magics and shell lines are already
    commented out without changing the number of lines.
    """

    path: str
    text: str
    file: str | None = None
    cells: tuple[Cell, ...] = ()
    _first_lines: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first_lines", tuple(cell.first_line for cell in self.cells))

    @cached_property
    def lines(self) -> list[str]:
        """The lines of `text`, without their ends."""
        return self.text.split("\n")

    def place(self, line: int, column: int, end_line: int, end_column: int) -> Place:
        """The place of a span of `text` (1-based lines and columns, in characters) in the user's file."""
        if not self.cells:
            return Place(self.path, None, line, column, end_line, end_column)
        cell = self.cells[max(0, bisect_right(self._first_lines, line) - 1)]
        shift = cell.first_line - 1
        return Place(self.path, cell.number, line - shift, column, end_line - shift, end_column)

    def text_line(self, place: Place) -> int:
        """The line of `text` on which a place of this file starts."""
        if not self.cells or place.cell is None:
            return place.line
        return next(cell.first_line for cell in self.cells if cell.number == place.cell) + place.line - 1
