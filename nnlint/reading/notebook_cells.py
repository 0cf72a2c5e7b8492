"""Single code cells inside the JSON text of a notebook: where they stand, and how to change nothing but them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from nnlint.reading.notebook import code_cells

DECODER = json.JSONDecoder()
GAP = re.compile(r"[ \t\r\n]*")
LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class CellSource:
    """The source of one code cell in the JSON text: the span of its value, and of each string in it."""

    span: tuple[int, int]
    strings: tuple[tuple[int, int], ...]
    is_list: bool

    def text(self, notebook: str) -> str:
        """The source, with its own line ends."""
        return "".join(_strings(notebook, self))


def cell_sources(notebook: str) -> dict[int, CellSource]:
    """The sources by the 1-based number of the code cell, of JSON text that is a notebook."""
    ways = list(code_cells(json.loads(notebook)))
    return {number: _locate(notebook, way) for number, way in enumerate(ways, 1)}


def replace_sources(notebook: str, texts: Mapping[int, str]) -> str:
    """The JSON text with new sources for these code cells and not a character changed outside of them."""
    sources = cell_sources(notebook)
    keep_ascii = notebook.isascii() and "\\u" in notebook
    for number in sorted(texts, key=lambda number: sources[number].span, reverse=True):
        start, end = sources[number].span
        value = _value(notebook, sources[number], texts[number], keep_ascii)
        notebook = notebook[:start] + value + notebook[end:]
    return notebook


def json_lines(notebook: str, source: CellSource) -> list[int]:
    """For each line of a cell's source, the 1-based line of the JSON text on which it is written."""
    lines: list[int] = []
    is_open = False
    for (start, _), string in zip(source.strings, _strings(notebook, source), strict=True):
        at = notebook.count("\n", 0, start) + 1
        for line in LINE.findall(string):
            if not is_open:
                lines.append(at)
            is_open = not line.endswith("\n")
    return lines


def _locate(notebook: str, way: tuple[str | int, ...]) -> CellSource:
    at = _skip_gap(notebook, 0)
    for key in way:
        children = _members(notebook, at) if notebook[at] == "{" else enumerate(_elements(notebook, at))
        found = [start for name, start in children if name == key]
        if not found:  # a cell without a source
            return CellSource((at, at), (), False)
        at = found[-1]
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
    (first_start, first_end), (_, last_end) = source.strings[0], source.strings[-1]
    before = notebook[source.span[0] : first_start]
    after = notebook[last_end : source.span[1]]
    between = notebook[first_end : source.strings[1][0]] if len(source.strings) > 1 else f",{before[1:]}"
    return before + between.join(tokens) + after
