"""Jupyter notebooks: their code cells as one text, and how to write single cells back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from nnlint.finding import Finding, Place
from nnlint.lazy import regex
from nnlint.reading.document import (
    DecodeError,
    Document,
    check_characters,
    decode_as,
    refuse_wide,
    shown_lines,
    undecodable,
    unified_lines,
)
from nnlint.reading.magics import parses, plain_python
from nnlint.reading.syntax_messages import conflict_in, syntax_finding
from nnlint.records import dataclass
from nnlint.report import NEWER_SYNTAX, Note, SourceText
from nnlint.source import Cell, Source
from nnlint.static.syntax import Newer, Unparsable, parse

UTF_8_MARK = b"\xef\xbb\xbf"

KERNELS = {
    "ir": "R",
    "julia": "Julia",
    "xcpp": "C++",
    "scala": "Scala",
    "bash": "Bash",
    "octave": "Octave",
    "sas": "SAS",
}
"""The languages of kernels by their names without a version, for notebooks that do not tell."""
VERSION = regex(r"[-\d.]+$")


class NotebookError(Exception):
    """JSON that is no notebook."""


@dataclass(frozen=True)
class _ReadCell:
    """One code cell: its text as the user sees it and as the engine sees it, and why that is blank, if it is."""

    number: int
    shown: str
    plain: str
    broken: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()


def read_notebook(path: str, file: str | None, data: bytes) -> Document:
    """The document of a notebook's bytes; cells that do not parse are blank in its source, and findings."""
    try:
        content = json.loads(notebook_text(data)[0])
    except DecodeError as error:
        return undecodable(path, file, data, error)
    except json.JSONDecodeError as error:
        if not data.strip():
            return _no_notebook(path, file, data, 1, 1, "it is empty, and a notebook is JSON")
        return _no_notebook(path, file, data, error.lineno, error.colno, f"this is not valid JSON: {_lower(error.msg)}")
    except (ValueError, RecursionError):
        return _no_notebook(path, file, data, 1, 1, "its JSON is nested too deeply, or holds a number that is too long")
    try:
        return _document(path, file, data, content)
    except NotebookError as error:
        return _no_notebook(path, file, data, 1, 1, str(error))


def notebook_text(data: bytes) -> tuple[str, bytes]:
    """The JSON text of a notebook and its byte order mark. Raises DecodeError."""
    refuse_wide(data)
    mark = UTF_8_MARK if data.startswith(UTF_8_MARK) else b""
    return decode_as(data[len(mark) :], "utf-8").text, mark


def code_cells(content: Any) -> Iterator[tuple[str | int, ...]]:
    """The way from the top of a notebook to the source of each code cell, for formats 3 and 4. Raises NotebookError."""
    if isinstance(content, dict) and isinstance(content.get("worksheets"), list):
        for sheet, worksheet in enumerate(content["worksheets"]):
            cells = worksheet.get("cells") if isinstance(worksheet, dict) else None
            yield from (("worksheets", sheet, "cells", at, "input") for at in _code_cells(cells))
    else:
        cells = content.get("cells") if isinstance(content, dict) else None
        yield from (("cells", at, "source") for at in _code_cells(cells))


def _code_cells(cells: Any) -> Iterator[int]:
    if not isinstance(cells, list):
        raise NotebookError("the notebook has no list of cells")
    for at, cell in enumerate(cells):
        if not isinstance(cell, dict):
            raise NotebookError(f"cell {at + 1} of the notebook is no object")
        if cell.get("cell_type") == "code":
            yield at


def _document(path: str, file: str | None, data: bytes, content: Any) -> Document:
    ways = list(code_cells(content))
    language = _language(content)
    if not language.lower().startswith(("python", "ipython")):
        note = Note(path, None, f"skipped: a notebook in {language}, not in Python")
        return Document(path, file, data, SourceText({}), notes=(note,))
    cells = [_read_cell(path, number, _cell_source(content, number, way)) for number, way in enumerate(ways, 1)]
    firsts = accumulate((cell.plain.count("\n") + 1 for cell in cells), initial=1)
    places = tuple(Cell(cell.number, first) for cell, first in zip(cells, firsts, strict=False))
    source = Source(path, "\n".join(cell.plain for cell in cells) + "\n", file, places) if cells else None
    shown = SourceText({cell.number: shown_lines(cell.shown) for cell in cells}, data)
    broken = tuple(finding for cell in cells for finding in cell.broken)
    return Document(path, file, data, shown, source, broken, tuple(note for cell in cells for note in cell.notes))


def _language(content: Any) -> str:
    """The language of the notebook's kernel; Python where none is named."""
    metadata = content.get("metadata")
    for table, key in (("kernelspec", "language"), ("language_info", "name")):
        entry = metadata.get(table) if isinstance(metadata, dict) else None
        language = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(language, str) and language.strip():
            return language.strip()
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = kernel.get("name") if isinstance(kernel, dict) else None
    return KERNELS.get(VERSION.sub("", str(name).lower()), "Python")


def _cell_source(content: Any, number: int, way: tuple[str | int, ...]) -> str:
    for key in way[:-1]:
        content = content[key]
    source = content.get(way[-1], "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    if isinstance(source, str):
        return source
    raise NotebookError(f"code cell {number} of the notebook has a source that is no text")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _read_cell(path: str, number: int, source: str) -> _ReadCell:
    """One cell; `await` and `return` outside of functions parse, as they do for Python's own parser."""
    shown = unified_lines(source)
    blank = "\n" * shown.count("\n")
    try:
        check_characters(shown, "the cell")
        plain = shown if parses(shown) else plain_python(shown)
        parse(plain)
    except DecodeError as error:
        place = Place(path, number, error.line, error.column, error.line, error.column + 1)
        return _ReadCell(number, shown, blank, (syntax_finding(place, error.reason, (), error.help),))
    except Newer:
        note = Note(path, None, f"cell {number} is not analysed: {NEWER_SYNTAX}")
        return _ReadCell(number, shown, blank, notes=(note,))
    except Unparsable as problem:
        place = Place(path, number, problem.line, problem.column, problem.line, problem.column + 1)
        return _ReadCell(number, shown, blank, (syntax_finding(place, problem.message, shown.split("\n")),))
    return _ReadCell(number, shown, plain)


def _no_notebook(path: str, file: str | None, data: bytes, line: int, column: int, reason: str) -> Document:
    lines = shown_lines(unified_lines(data.decode("utf-8-sig", "replace")))
    known = lines if conflict_in(lines) else ()  # the rest of what is known of lines is about Python
    finding = syntax_finding(Place(path, None, line, column, line, column + 1), reason, known)
    return Document(path, file, data, SourceText({None: lines}), broken=(finding,))
