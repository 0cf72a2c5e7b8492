"""How formats name a place: for people, and for programs that look for the file in a repository."""

from __future__ import annotations

import os
from pathlib import Path

from nnlint.finding import Finding, Place
from nnlint.report import InternalError, Note


def position(place: Place) -> str:
    """`train.py:33:5`, in a notebook `study.ipynb:cell 2:33:5`."""
    return f"{place.path}:{in_cell(place)}{place.line}:{place.column}"


def in_cell(place: Place) -> str:
    """The part of a position that names the cell; empty outside notebooks."""
    return "" if place.cell is None else f"cell {place.cell}:"


def place_of(said: InternalError | Note) -> str:
    """`train.py:33`, or what of it is known."""
    cell = "" if said.cell is None else f":cell {said.cell}"
    return f"{said.path}{cell}:{said.line}" if said.line else f"{said.path}{cell}"


def repository_path(path: str, base: Path) -> str:
    """`path` relative to the repository's root `base`, with forward slashes; absolute where it lies elsewhere.

    Names that stand for no file (`<stdin>`) are left alone.
    """
    if path.startswith("<"):
        return path
    for resolved in (os.path.abspath, os.path.realpath):
        file, root = Path(resolved(path)), Path(resolved(base))
        if file.is_relative_to(root):
            return file.relative_to(root).as_posix()
    return Path(os.path.normpath(Path(path).absolute())).as_posix()


def told(finding: Finding, base: Path, separator: str = "\n") -> str:
    """A finding in plain words for formats that show one text: place in the cell, message, related places, help."""
    place = finding.place
    head = "" if place.cell is None else f"cell {place.cell}, line {place.line}: "
    related = (f"{_where(item.place, base)}: {item.message}" for item in finding.related)
    help_line = [f"help: {finding.help}"] if finding.help else []
    return separator.join([f"{head}{finding.message}", *related, *help_line])


def _where(place: Place, base: Path) -> str:
    return f"{repository_path(place.path, base)}:{in_cell(place)}{place.line}"
