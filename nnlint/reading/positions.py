"""Lines and columns of a text that keeps its own line ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from nnlint.lazy import regex
from nnlint.records import dataclass

LINE_END = regex(r"\r\n|\r|\n")


class NoSuchPlaceError(Exception):
    """A line or a column that the text does not have; the message says which of them."""


@dataclass(frozen=True)
class Positions:
    """Where the lines of a text start, and how they end."""

    text: str

    @cached_property
    def starts(self) -> Sequence[int]:
        """The offset of the first character of each line."""
        return [0, *(end.end() for end in LINE_END.finditer(self.text))]

    @cached_property
    def newline(self) -> str:
        """The line end of the first line."""
        found = LINE_END.search(self.text)
        return found.group() if found else "\n"

    def ends(self, number: int, start: int, end: int, line: int) -> list[str]:
        """How so many lines end that take the place of the text from `start` to `end`, which begins on a 1-based line.

        They end as those that they replace, the last one as the last; those that are more, as the first line.
        """
        replaced = LINE_END.findall(self.text, start, end)
        more = max(0, number - len(replaced))
        return [*[self._newline_of(line)] * more, *replaced[max(0, len(replaced) - number) :]]

    def _newline_of(self, line: int) -> str:
        """The line end of a 1-based line; of a last one without an end, that of the line before."""
        for number in (line, line - 1):
            if 1 <= number < len(self.starts):
                return str(LINE_END.findall(self.text, self.starts[number - 1], self.starts[number])[-1])
        return self.newline

    def offset(self, line: int, column: int) -> int:
        """The offset of a 1-based line and column. Raises NoSuchPlaceError."""
        if line == len(self.starts) + 1 and column == 1:  # the line after a last line without an end
            return len(self.text)
        if not (1 <= line <= len(self.starts) and column >= 1):
            raise NoSuchPlaceError("a line that is not there")
        found = self.starts[line - 1] + column - 1
        if found > self._end(line):
            raise NoSuchPlaceError("a column that is not there")
        return found

    def nearest(self, line: int, column: int) -> int:
        """The offset of a 1-based line and column, or of the last character before where there is no such place."""
        line = min(max(line, 1), len(self.starts))
        return min(self.starts[line - 1] + max(column, 1) - 1, self._end(line))

    def _end(self, line: int) -> int:
        return self.starts[line] if line < len(self.starts) else len(self.text)
