"""A code frame: a few source lines with their numbers, the spans in them underlined and labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnlint.finding import Place
from nnlint.output.terminal import ELLIPSIS, View, columns, paint, view, visible, wrap
from nnlint.records import dataclass

LONGEST_SPAN = 6
_NARROWEST_LABEL = 24
_UNWRAPPED_LINE = 160


@dataclass(frozen=True)
class Mark:
    """A span to underline with `sign`, and the words beside it."""

    place: Place
    label: str
    sign: str
    style: str


@dataclass(frozen=True)
class Canvas:
    """What every frame of one finding shares: the width of the line numbers and of the terminal, and the colours."""

    gutter: int
    width: int
    colour: bool
    encoding: str = "utf-8"

    @property
    def room(self) -> int:
        """The columns left for source text, which is cut even where nothing else is wrapped."""
        return max(20, (self.width or _UNWRAPPED_LINE) - self.gutter - len(" | "))

    def row(self, number: int | None, content: str) -> str:
        """One line of a frame, with its line number if it is one of the source."""
        head = f"{number or '':>{self.gutter}} |"
        return f"{paint(head, 'quiet', self.colour)} {content}" if content else paint(head, "quiet", self.colour)


def frame(marks: Sequence[Mark], lines: Sequence[str], canvas: Canvas, context: bool) -> list[str]:
    """The rows of a frame that shows `marks`, all of one text.

    The first mark may span several lines; of any other only the first line is underlined. With `context`, the lines
    before and after the first mark are shown, where they hold something.
    """
    return list(_Frame(marks, lines, canvas, context).rows())


class _Frame:
    def __init__(self, marks: Sequence[Mark], lines: Sequence[str], canvas: Canvas, context: bool) -> None:
        self.lines = lines
        self.canvas = canvas
        self.marks = marks
        self.context = context
        self.rail = _Rail(marks[0], canvas) if marks[0].place.end_line > marks[0].place.line else None
        self.underlined = marks[1:] if self.rail else marks
        self.room = canvas.room - (2 if self.rail else 0)

    def rows(self) -> Iterator[str]:
        yield self.canvas.row(None, "")
        previous = None
        for number in self._shown():
            if previous is not None and number > previous + 1:
                yield self._gap(number)
            yield from self._line(number)
            previous = number

    def _shown(self) -> list[int]:
        """The numbers of the lines to show: the marked ones, context, and lines that would leave a gap of one."""
        first = self.marks[0].place
        span = range(first.line, first.end_line + 1)
        kept = set(span) if len(span) <= LONGEST_SPAN else {*span[:2], *span[-2:]}
        kept |= {mark.place.line for mark in self.marks}
        if self.context:
            kept |= {number for number in (first.line - 1, first.end_line + 1) if self._text(number).strip()}
        return sorted(kept | {number + 1 for number in kept if number + 2 in kept})

    def _text(self, number: int) -> str:
        return self.lines[number - 1].rstrip() if 0 < number <= len(self.lines) else ""

    def _gap(self, after: int) -> str:
        bar = self.rail.beside(after).rstrip() if self.rail else ""
        dots = f"{ELLIPSIS:<{self.canvas.gutter + 2}}" if bar else ELLIPSIS
        return f"{paint(dots, 'quiet', self.canvas.colour)} {bar}".rstrip()

    def _line(self, number: int) -> Iterator[str]:
        text = self._text(number)
        here = [mark for mark in self.marks if mark.place.line == number]
        shown = view(text, self.room, _span(here[0], text) if here else (0, 0), self.canvas.encoding)
        margin = self.rail.beside(number, text) if self.rail else ""
        yield self.canvas.row(number, f"{margin}{shown.text}".rstrip())
        if self.rail:
            yield from self.rail.ends(number, text, shown)
        for mark in self.underlined:
            if mark.place.line == number:
                yield from self._underline(mark, text, shown)

    def _underline(self, mark: Mark, text: str, shown: View) -> Iterator[str]:
        start, end = (shown.column(index) for index in _span(mark, text))
        margin = self.rail.beside(mark.place.line + 1) if self.rail else ""
        signs = mark.sign * max(1, end - start)
        yield from _labelled(mark, signs, start, (margin, margin), self.canvas)


class _Rail:
    """The bar along the lines of a span of several lines, from where it starts to where it ends."""

    def __init__(self, mark: Mark, canvas: Canvas) -> None:
        self.mark = mark
        self.canvas = canvas

    def beside(self, number: int, text: str | None = None) -> str:
        """The margin of a line: on the span's first line, a bar is opened where the span starts the line's `text`."""
        place = self.mark.place
        if place.line < number <= place.end_line:
            return self._paint("|") + " "
        return self._paint("/") + " " if number == place.line and text and self._starts(text) else "  "

    def ends(self, number: int, text: str, shown: View) -> Iterator[str]:
        """The rows under the span's first line, where it starts within that, and under its last."""
        place = self.mark.place
        if number == place.line and not self._starts(text):
            opening = "_" * (shown.column(place.column - 1) + 1) + self.mark.sign
            yield self.canvas.row(None, f" {self._paint(opening)}")
        if number == place.end_line:
            closing = "_" * max(1, shown.column(place.end_column - 1)) + self.mark.sign
            yield from _labelled(self.mark, closing, 0, (self._paint("|"), "  "), self.canvas)

    def _starts(self, text: str) -> bool:
        return not text[: self.mark.place.column - 1].strip()

    def _paint(self, text: str) -> str:
        return paint(text, self.mark.style, self.canvas.colour)


def _labelled(mark: Mark, signs: str, start: int, margins: tuple[str, str], canvas: Canvas) -> Iterator[str]:
    """Signs from column `start` on, with the label beside them, or under them where it does not fit beside.

    `margins` go before the signs and before a label under them.
    """
    margin, margin_below = margins
    room = canvas.room - len("| ") if margin else canvas.room
    label = visible(mark.label)
    beside = not label or not canvas.width or len(wrap(label, room, start + len(signs) + 1)) == 1
    first = f"{signs} {label}".rstrip() if beside else signs
    yield canvas.row(None, margin + " " * start + paint(first, mark.style, canvas.colour))
    if not beside:
        start = min(start, max(0, room - min(_NARROWEST_LABEL, columns(label))))
        for line in wrap(label, room - start):
            yield canvas.row(None, margin_below + " " * start + paint(line, mark.style, canvas.colour))


def _span(mark: Mark, text: str) -> tuple[int, int]:
    """The first and the one-past-last index of a mark's characters on its first line."""
    place = mark.place
    return place.column - 1, len(text) if place.end_line > place.line else place.end_column - 1
