"""What git knows of a working tree: what changed in it since a revision, and how files were at that time.

The changes are those between the merge base of the revision and HEAD and the working tree: what a pull request brings,
uncommitted work included. Where the two have no common ancestor at hand (a shallow clone), the revision itself is the base.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cached_property

from nnlint.lazy import regex
from nnlint.records import dataclass, field
from nnlint.silencing.trouble import SilencingError

HUNK = regex(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
ESCAPE = regex(rb"\\([0-7]{3}|.)")
ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
DIFF = (
    *("-c", "core.quotePath=false", "-c", "diff.relative=false", "diff", "--unified=0", "--inter-hunk-context=0"),
    *("--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--text", "--ignore-submodules"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)
NOWHERE = b"/dev/null"


class ChangesError(SilencingError):
    """The changes cannot be found: no git, no repository, no such revision."""


@dataclass(frozen=True)
class Hunk:
    """So many lines were removed, and so many added from line `first` (or, of none, after it) of the file as it is now."""

    removed: int
    first: int
    added: int


@dataclass
class FileChange:
    """How one file changed. `before` is its path at the base and `now` its present one; None where it was or is not there."""

    before: str | None = None
    now: str | None = None
    hunks: list[Hunk] = field(default_factory=list)

    def line_before(self, line: int) -> int | None:
        """The line at the base that a line of the file is; None for a new one."""
        shift = 0
        for hunk in self.hunks:
            if line < hunk.first + (not hunk.added):
                break
            if line < hunk.first + hunk.added:
                return None
            shift += hunk.removed - hunk.added
        return line + shift


@dataclass(frozen=True)
class Repository:
    """A working tree and its base, the commit that it is compared with; None where nothing was there at that time."""

    root: str
    base: str | None

    @cached_property
    def changes(self) -> tuple[FileChange, ...]:
        """The changes of all files that git tracks."""
        return tuple(parse_diff(git(self.root, *DIFF, self.base, "--"))) if self.base else ()

    @cached_property
    def untracked(self) -> frozenset[str]:
        """The files that git does not track, without those that it ignores."""
        listed = git(self.root, "ls-files", "-z", "--others", "--exclude-standard")
        return frozenset(path for path in os.fsdecode(listed).split("\0") if path)

    def change(self, file: str) -> FileChange | None:
        """The change of a file; None where it is as it was. One that git does not track is new."""
        path = os.path.relpath(os.path.realpath(file), self.root).replace(os.sep, "/")
        if self.base is None or path not in self._tracked:
            return FileChange(now=path)
        return self._by_path.get(path)

    def absolute(self, path: str) -> str:
        """The absolute path of one in this repository."""
        return os.path.join(self.root, *path.split("/"))  # noqa: PTH118

    def at_base(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes that files had at the base, by path; without those that cannot be had."""
        asked = [path for path in paths if "\n" not in path]
        if not asked or self.base is None:
            return {}
        names = "".join(f"{self.base}:{path}\n" for path in asked)
        answer = git(self.root, "cat-file", "--batch", stdin=os.fsencode(names))
        found = {}
        start = 0
        for path in asked:
            end = answer.index(b"\n", start)
            kind, _, size = answer[start:end].rpartition(b" ")
            start = end + 1
            if size.isdigit() and kind.endswith(b" blob"):
                found[path] = answer[start : start + int(size)]
            if size.isdigit():
                start += int(size) + 1
        return found

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return frozenset(os.fsdecode(git(self.root, "ls-files", "-z")).split("\0"))

    @cached_property
    def _by_path(self) -> dict[str, FileChange]:
        return {change.now: change for change in self.changes if change.now is not None}


def merge_base(root: str, revision: str) -> str:
    """The commit with which a repository is compared. Raises ChangesError where git does not know the revision."""
    if revision.startswith("-"):
        raise ChangesError(f"{revision!r} is no git revision")
    try:
        commit = _words(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except ChangesError as error:
        raise ChangesError(f"git knows no revision {revision!r} in {root}") from error
    try:
        return _words(root, "merge-base", commit, "HEAD")
    except ChangesError:
        return commit


def submodule_base(outer: Repository, root: str) -> str | None:
    """The commit of a submodule that the outer repository had at its base; None where it had none.

    Where that commit is not at hand, it is the present one: only uncommitted work counts as changed.
    """
    path = os.path.relpath(root, outer.root).replace(os.sep, "/")
    try:
        commit = _words(outer.root, "rev-parse", "--verify", "--quiet", f"{outer.base}:{path}")
    except ChangesError:
        return None
    try:
        return _words(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    except ChangesError:
        return _words(root, "rev-parse", "HEAD")


def top_of(folder: str) -> str:
    """The root of the working tree that a folder lies in. Raises ChangesError."""
    return os.path.realpath(_words(folder, "rev-parse", "--show-toplevel"))


def outer_of(root: str) -> str | None:
    """The root of the repository that has this one as a submodule; None where there is none."""
    outer = _words(root, "rev-parse", "--show-superproject-working-tree")
    return os.path.realpath(outer) if outer else None


def git(folder: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """What git prints. Raises ChangesError."""
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, input=stdin)
    except OSError as error:
        raise ChangesError(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ChangesError(f"git in {folder}: {said[0] if said else f'exit status {done.returncode}'}")
    return done.stdout


def parse_diff(diff: bytes) -> Iterator[FileChange]:
    """The changes of the files of a unified diff without context."""
    change: FileChange | None = None
    lines = iter(diff.split(b"\n"))
    for line in lines:
        hunk = HUNK.match(line)
        if line.startswith(b"diff --git "):
            if change is not None:
                yield change
            change = FileChange()
        elif change is None:
            continue
        elif hunk:
            removed, first, added = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
            change.hunks.append(Hunk(removed, first, added))
            _skip_content(lines, removed + added)
        else:
            _read_header(change, line)
    if change is not None:
        yield change


def _read_header(change: FileChange, line: bytes) -> None:
    if line.startswith(b"rename from "):
        change.before = _path(line[len(b"rename from ") :])
    elif line.startswith(b"rename to "):
        change.now = _path(line[len(b"rename to ") :])
    elif line.startswith(b"--- "):
        change.before = _path(line[len(b"--- ") :], b"a/")
    elif line.startswith(b"+++ "):
        change.now = _path(line[len(b"+++ ") :], b"b/")


def _skip_content(lines: Iterator[bytes], count: int) -> None:
    """Past the lines of a hunk, which may look like headers; `\\ No newline at end of file` does not count."""
    while count:
        count -= not next(lines, b"").startswith(b"\\")


def _path(name: bytes, prefix: bytes = b"") -> str | None:
    """The path that a header names; None for a file that is not there."""
    name = name.rstrip(b"\r").removesuffix(b"\t")
    if name.startswith(b'"'):
        name = ESCAPE.sub(_unescaped, name[1:-1])
    elif name == NOWHERE:
        return None
    return os.fsdecode(name.removeprefix(prefix))


def _unescaped(escape: re.Match[bytes]) -> bytes:
    symbol = escape[1]
    return bytes([int(symbol, 8)]) if symbol.isdigit() else ESCAPED.get(symbol, symbol)


def _words(folder: str, *arguments: str) -> str:
    return os.fsdecode(git(folder, *arguments)).rstrip("\r\n")
