"""`--diff-base REV`: the findings that stand on lines changed since a git revision.

The changes are those between the merge base of REV and HEAD and the working tree: what a pull request against REV
brings, uncommitted work included. Where the two have no common ancestor at hand (a shallow clone), REV itself is the
base. A file that git does not track is new, and so changed as a whole.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.finding import Finding, Place
from nnlint.reading.document import Document

if TYPE_CHECKING:
    from nnlint.reading.notebook_file import NotebookFile

HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
DIFF = (
    *("-c", "core.quotePath=false", "-c", "diff.relative=false", "diff", "--unified=0", "--inter-hunk-context=0"),
    *("--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--text", "--ignore-submodules"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


class ChangesError(Exception):
    """The changes cannot be found: no git, no repository, no such revision."""


@dataclass(frozen=True)
class Repository:
    """A working tree: its changed lines (1-based) by path from the root, and the paths that git tracks."""

    root: str
    changed: dict[str, frozenset[int]]
    tracked: frozenset[str]

    def lines(self, file: str) -> frozenset[int] | None:
        """The changed lines of a file; None where the whole file is new."""
        path = os.path.relpath(os.path.realpath(file), self.root).replace(os.sep, "/")
        return self.changed.get(path, frozenset()) if path in self.tracked else None


def on_changed_lines(findings: Sequence[Finding], documents: Iterable[Document], revision: str) -> tuple[Finding, ...]:
    """The findings on lines that changed since the revision. Raises ChangesError.

    Standard input and texts have no history: their findings stay.
    """
    files = _Files({document.path: document for document in documents})
    repositories = _Repositories(revision)
    repositories.of_folder(_folder(next((d.file for d in files.documents.values() if d.file), None)))
    return tuple(finding for finding in findings if _is_changed(finding.place, files, repositories))


class _Repositories:
    """The repositories that the files of a run lie in, each read once."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.roots: dict[str, str] = {}
        self.by_root: dict[str, Repository] = {}

    def of_folder(self, folder: str) -> Repository:
        if folder not in self.roots:
            self.roots[folder] = os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").rstrip(b"\r\n"))
        root = self.roots[folder]
        if root not in self.by_root:
            self.by_root[root] = _read_repository(root, self.revision)
        return self.by_root[root]


@dataclass(frozen=True)
class _Files:
    """The documents of a run by path, and the notebooks among them as files, each read once."""

    documents: Mapping[str, Document]
    notebooks: dict[str, NotebookFile] = field(default_factory=dict)

    def lines(self, place: Place) -> range:
        """The lines of the file itself that a place covers: in a notebook, those of its JSON."""
        found = place if place.cell is None else self._notebook(place.path).place(place)
        return range(found.line, found.end_line + 1) if found else range(0)

    def _notebook(self, path: str) -> NotebookFile:
        from nnlint.reading.notebook_file import NotebookFile

        if path not in self.notebooks:
            self.notebooks[path] = NotebookFile(self.documents[path].data)
        return self.notebooks[path]


def _is_changed(place: Place, files: _Files, repositories: _Repositories) -> bool:
    document = files.documents.get(place.path)
    file = document.file if document else place.path
    if file is None:
        return True
    changed = repositories.of_folder(_folder(file)).lines(file)
    return changed is None or not changed.isdisjoint(files.lines(place))


def _folder(file: str | None) -> str:
    folder = Path(os.path.realpath(file)).parent if file else Path.cwd()
    return str(folder)


def _read_repository(root: str, revision: str) -> Repository:
    diff = _git(root, *DIFF, _base(root, revision), "--")
    tracked = os.fsdecode(_git(root, "ls-files", "-z")).split("\0")
    changed = {path: frozenset(lines) for path, lines in _changed_lines(diff)}
    return Repository(os.path.realpath(root), changed, frozenset(tracked))


def _base(root: str, revision: str) -> str:
    if revision.startswith("-"):
        raise ChangesError(f"{revision!r} is no git revision")
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    except ChangesError as error:
        raise ChangesError(f"git knows no revision {revision!r} in {root}") from error
    try:
        return _git(root, "merge-base", commit, "HEAD").decode().strip()
    except ChangesError:
        return commit


def _git(folder: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise ChangesError(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ChangesError(f"git in {folder}: {said[0] if said else f'exit status {done.returncode}'}")
    return done.stdout


def _changed_lines(diff: bytes) -> Iterator[tuple[str, list[int]]]:
    """The new path and the added lines of each file of a unified diff without context."""
    path, added = None, list[int]()
    lines = iter(diff.split(b"\n"))
    for line in lines:
        hunk = HUNK.match(line)
        if line.startswith(b"+++ "):
            path = _new_path(line)
        elif line.startswith(b"diff --git "):
            if path is not None:
                yield path, added
            path, added = None, []
        elif hunk:
            removed, first, count = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
            added += range(first, first + count)
            _skip_content(lines, removed + count)
    if path is not None:
        yield path, added


def _skip_content(lines: Iterator[bytes], count: int) -> None:
    """Past the lines of a hunk, which may look like headers; `\\ No newline at end of file` does not count."""
    while count:
        count -= not next(lines, b"").startswith(b"\\")


def _new_path(header: bytes) -> str | None:
    """The path of a `+++` line; None for a file that was removed."""
    name = header[len(b"+++ ") :].rstrip(b"\r").removesuffix(b"\t")
    if name.startswith(b'"'):
        name = ESCAPE.sub(_unescaped, name[1:-1])
    return os.fsdecode(name[len(b"b/") :]) if name.startswith(b"b/") else None


def _unescaped(escape: re.Match[bytes]) -> bytes:
    symbol = escape[1]
    return bytes([int(symbol, 8)]) if symbol.isdigit() else ESCAPED.get(symbol, symbol)
