"""Single code cells inside the JSON text of a notebook: where they stand, and how to change nothing but them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from nnlint.lazy import regex
from nnlint.reading.notebook import code_cells
from nnlint.records import dataclass, field

DECODER = json.JSONDecoder()
GAP = regex(r"[ \t\r\n]*")
LINE = regex(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class CellSource:
    """The source of one code cell in the JSON text: the span of its value, and of each string in it."""

    span: tuple[int, int]
    strings: tuple[tuple[int, int], ...]
    is_list: bool

    def text(self, notebook: str) -> str:
        """The source, with its own line ends."""
        return "".join(_strings(notebook, self))

    def between(self, notebook: str) -> str:
        """What stands between two strings of the list; of a list of one, what its layout makes likely."""
        if len(self.strings) > 1:
            return notebook[self.strings[0][1] : self.strings[1][0]]
        return f",{notebook[self.span[0] + 1 : self.strings[0][0]]}" if self.strings else ", "


def cell_sources(notebook: str) -> dict[int, CellSource]:
    """The sources by the 1-based number of the code cell, of JSON text that is a notebook."""
    ways = list(code_cells(json.loads(notebook)))
    starts = _Starts(notebook)
    return {number: _locate(notebook, starts, way) for number, way in enumerate(ways, 1)}


def replace_sources(notebook: str, texts: Mapping[int, str]) -> str:
    """The JSON text with new sources for these code cells and not a character changed outside of them."""
    sources = cell_sources(notebook)
    keep_ascii = is_kept_ascii(notebook)
    for number in sorted(texts, key=lambda number: sources[number].span, reverse=True):
        start, end = sources[number].span
        value = _value(notebook, sources[number], texts[number], keep_ascii)
        notebook = notebook[:start] + value + notebook[end:]
    return notebook


def is_kept_ascii(notebook: str) -> bool:
    """Whether new text in it has to be ASCII, as all the old is."""
    return notebook.isascii() and "\\u" in notebook


Way = tuple[str | int, ...]


@dataclass
class _Starts:
    """Where the values of the JSON text start, by the way to them; each object and list is walked once."""

    notebook: str
    found: dict[Way, int] = field(default_factory=dict)
    walked: set[Way] = field(default_factory=set)

    def of(self, way: Way) -> int | None:
        """Where a value starts; None where there is none. Of a key that is given twice, the last counts."""
        if not way:
            return _skip_gap(self.notebook, 0)
        parent = way[:-1]
        at = self.of(parent)
        if at is not None and parent not in self.walked:
            self.walked.add(parent)
            is_object = self.notebook[at] == "{"
            children = _members(self.notebook, at) if is_object else enumerate(_elements(self.notebook, at))
            self.found |= {(*parent, key): start for key, start in children}
        return self.found.get(way)


def _locate(notebook: str, starts: _Starts, way: Way) -> CellSource:
    at = starts.of(way)
    if at is None:  # a cell without a source
        cell = starts.of(way[:-1]) or 0
        return CellSource((cell, cell), (), False)
    end = DECODER.raw_decode(notebook, at)[1]
    if notebook[at] != "[":
        return CellSource((at, end), ((at, end),), False)
    strings = tuple((start, DECODER.raw_decode(notebook, start)[1]) for start in _elements(notebook, at))
    return CellSource((at, end), strings, True)


def _members(notebook: str, at: int) -> Iterator[tuple[str, int]]:
    """The keys of the object that starts at `at`, and where their values start."""
    at = _skip_gap(notebook, at + 1)
    while notebook[at] != "}":
        key, at = DECODER.raw_decode(notebook, at)
        at = _skip_gap(notebook, _skip_gap(notebook, at) + 1)
        yield key, at
        at = _next(notebook, at)


def _elements(notebook: str, at: int) -> Iterator[int]:
    """Where the elements of the list that starts at `at` start."""
    at = _skip_gap(notebook, at + 1)
    while notebook[at] != "]":
        yield at
        at = _next(notebook, at)


def _next(notebook: str, at: int) -> int:
    """Past a value and the comma behind it: where the next one starts, or the closing bracket."""
    at = _skip_gap(notebook, DECODER.raw_decode(notebook, at)[1])
    return _skip_gap(notebook, at + 1) if notebook[at] == "," else at


def _skip_gap(notebook: str, at: int) -> int:
    found = GAP.match(notebook, at)
    return found.end() if found else at


def _strings(notebook: str, source: CellSource) -> list[str]:
    return [json.loads(notebook[start:end]) for start, end in source.strings]


def _value(notebook: str, source: CellSource, text: str, keep_ascii: bool) -> str:
    """The new JSON value of a source, laid out as the old one; lines that stay are kept as they were written."""
    if not source.is_list:
        return json.dumps(text, ensure_ascii=keep_ascii)
    old, new = _strings(notebook, source), LINE.findall(text)
    tokens: list[str] = []
    for kind, first, last, new_first, new_last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            tokens += [notebook[start:end] for start, end in source.strings[first:last]]
        else:
            tokens += [json.dumps(line, ensure_ascii=keep_ascii) for line in new[new_first:new_last]]
    return _list(notebook, source, tokens)


def _list(notebook: str, source: CellSource, tokens: list[str]) -> str:
    if not source.strings or not tokens:
        return f"[{', '.join(tokens)}]"
    first_start, last_end = source.strings[0][0], source.strings[-1][1]
    before = notebook[source.span[0] : first_start]
    after = notebook[last_end : source.span[1]]
    return before + source.between(notebook).join(tokens) + after
