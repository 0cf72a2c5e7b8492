"""How text behaves in a terminal: colours, the columns it takes, what cannot be seen, lines that are too long."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from nnlint.records import dataclass

TAB = 4
ELLIPSIS = "..."
_JOINER = "\u200d"
_SHOWN_FORMATS = frozenset({_JOINER, "\u200c"})
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "advice": "1;36",
    "related": "94",
    "strong": "1",
    "quiet": "2",
    "good": "32",
}


def paint(text: str, style: str, colour: bool) -> str:
    """`text` in the colours of a style; unchanged where there are no colours."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour and text else text


def visible(text: str) -> str:
    """`text` with every character that is not seen, or that would steer the terminal, replaced by one that is seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that the encoding of file names does not know
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) in _UNSEEN and character not in _SHOWN_FORMATS:
        return f"<U+{code:04X}>"
    return character


def columns(text: str) -> int:
    """The number of terminal columns that visible text takes: two for a CJK character, none for a combining one."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(0, wcswidth(text))


def wrap(text: str, width: int, used: int = 0) -> list[str]:
    """Break text between words into lines of `width` columns, of which the first has `used` taken; 0 breaks nothing.

    A first line without room for a word comes out empty; a word wider than a line stays whole.
    """
    if not width:
        return [text]
    lines, line, room = [], "", width - used
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if columns(longer) <= room or (not line and room == width):
            line = longer
        else:
            lines.append(line)
            line, room = word, width
    return [*lines, line]


@dataclass(frozen=True)
class View:
    """A source line as it is shown: its visible text, and the column at which each character of the source starts."""

    text: str
    edges: tuple[int, ...]

    def column(self, index: int) -> int:
        """The column of the character at `index`; that after the last one for an index past the end."""
        return self.edges[min(max(index, 0), len(self.edges) - 1)]


def view(line: str, width: int, focus: tuple[int, int] = (0, 0), encoding: str = "utf-8") -> View:
    """Lay out a source line in at most `width` columns; of a longer one, the part around the characters of `focus`.

    What the encoding of the output does not know is laid out as it is written there.
    """
    pieces, edges = _laid_out(line, encoding)
    if edges[-1] <= width:
        return View("".join(pieces), tuple(edges))
    start, end = (edges[min(index, len(line))] for index in focus)
    left, right = _window(start, end, edges[-1], width)
    first, last = bisect_left(edges, left), bisect_right(edges, right) - 1
    head = ELLIPSIS if first else ""
    tail = ELLIPSIS if last < len(line) else ""
    shift = len(head) - edges[first]
    low, high = len(head), edges[last] + shift
    clipped = tuple(min(max(edge + shift, low), high) for edge in edges)
    return View(head + "".join(pieces[first:last]) + tail, clipped)


def _window(start: int, end: int, total: int, width: int) -> tuple[int, int]:
    """The columns to keep: from the line's start where the span is in reach, else with a third of the rest before."""
    room = width - len(ELLIPSIS)
    if end <= room:
        return 0, room
    if total - start <= room * 2 // 3:
        return total - room, total
    room -= len(ELLIPSIS)
    left = start - max(0, room - (end - start)) // 3
    return left, left + room


def _laid_out(line: str, encoding: str) -> tuple[list[str], list[int]]:
    if line.isascii() and line.isprintable():
        return list(line), list(range(len(line) + 1))
    pieces: list[str] = []
    edges = [0]
    for cluster in _clusters(line):
        start = edges[-1]
        shown = " " * (TAB - start % TAB) if cluster == "\t" else visible(cluster)
        shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        pieces += [shown] + [""] * (len(cluster) - 1)
        edges += [start] * (len(cluster) - 1) + [start + columns(shown)]
    return pieces, edges


def _clusters(line: str) -> Iterator[str]:
    """The characters of a line, each with the marks, joined emoji and skin tones that are drawn in its place."""
    cluster = ""
    for character in line:
        if cluster and _continues(cluster, character):
            cluster += character
            continue
        if cluster:
            yield cluster
        cluster = character
    if cluster:
        yield cluster


def _continues(cluster: str, character: str) -> bool:
    if character == _JOINER or cluster[-1] == _JOINER or "\U0001f3fb" <= character <= "\U0001f3ff":
        return not cluster.isascii()
    if _is_flag_half(character):
        return len(cluster) == 1 and _is_flag_half(cluster)
    return unicodedata.combining(character) > 0 or unicodedata.category(character) in {"Mn", "Me"}


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
