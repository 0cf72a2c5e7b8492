"""Patterns for paths, as in a `.gitignore`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.reading.raw import read_bytes

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".gitignore"


class Patterns:
    """Patterns of a `.gitignore`, relative to a folder."""

    def __init__(self, root: str, patterns: Iterable[str]) -> None:
        self.root = root
        given = tuple(_anchored(pattern, root) for pattern in patterns)
        self.spec = _compiled(given) if given else None

    def can_match(self) -> bool:
        """Whether there is a pattern among them that matches anything at all: no comment, and no `[` without its `]`."""
        return self.spec is not None and any(pattern.include is not None for pattern in self.spec.patterns)

    def verdict(self, path: str, is_folder: bool = False) -> bool | None:
        """Whether an absolute path is matched (True), taken out again by `!` (False), or neither (None)."""
        relative = None if self.spec is None else self._relative(path)
        if self.spec is None or relative is None:
            return None
        return self.spec.check_file(relative + "/" * is_folder).include

    def cover(self, path: str, is_folder: bool = False) -> bool:
        """Whether a path, or a folder that it lies in, is matched."""
        spec = self.spec
        relative = None if spec is None else self._relative(path)
        if spec is None or relative is None:
            return False
        parts = relative.split("/")
        folders = ("/".join(parts[:length]) + "/" for length in range(1, len(parts)))
        return any(spec.check_file(part).include for part in (*folders, relative + "/" * is_folder))

    def _relative(self, path: str) -> str | None:
        """The path as seen from the root; None where it is not below it."""
        below = _below(path, self.root)
        if below is None:  # one of the two may be named through a link
            below = _below(_without_links(path), os.path.realpath(self.root))
        return None if below == "." else below


def _anchored(pattern: str, root: str) -> str:
    """The pattern, from the root on where it begins with the whole path of the root."""
    mark = "!" * pattern.startswith("!")
    top = root.replace(os.sep, "/").rstrip("/")
    below = pattern[len(mark) :].removeprefix(top)
    return mark + below if top and below.startswith("/") else pattern


def _without_links(path: str) -> str:
    """The path with no link in the folders that lead to it."""
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    try:
        return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
    except ValueError:  # a NUL byte
        return path


def _below(path: str, root: str) -> str | None:
    try:
        relative = os.path.relpath(path, root).replace(os.sep, "/")
    except ValueError:  # another drive
        return None
    return None if relative == ".." or relative.startswith("../") else relative


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    """Raises ValueError for a pattern that cannot be read."""
    import re

    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except re.error as error:  # a range of characters that ends before it begins
        raise ValueError(str(error)) from error


class IgnoreFiles:
    """The `.gitignore` files that bear on a folder: its own, and those above it up to the root of the repository."""

    def __init__(self, top: str) -> None:
        self.layers: dict[str, Patterns | None] = {}
        self.top = repository_root(top) or top

    def ignores(self, path: str, is_folder: bool = False) -> bool:
        """Whether git would ignore an absolute path, all folders above it not being ignored."""
        for parent in Path(path).parents:
            layer = self._layer(str(parent))
            verdict = layer.verdict(path, is_folder) if layer else None
            if verdict is not None:
                return verdict
            if str(parent) == self.top:
                break
        return False

    def _layer(self, folder: str) -> Patterns | None:
        if folder not in self.layers:
            self.layers[folder] = _read_layer(folder)
        return self.layers[folder]


def _read_layer(folder: str) -> Patterns | None:
    try:
        lines = read_bytes(Path(folder, IGNORE_FILE)).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    try:
        return Patterns(folder, lines)
    except ValueError:  # git skips a pattern that it cannot read, and so do we
        return Patterns(folder, [line for line in lines if _is_readable(line)])


def _is_readable(line: str) -> bool:
    try:
        _compiled((line,))
    except ValueError:
        return False
    return True


def repository_root(folder: str) -> str | None:
    """The nearest folder upwards that holds a `.git`; None where there is none."""
    path = Path(folder)
    return next((str(parent) for parent in (path, *path.parents) if os.path.lexists(parent / ".git")), None)
