"""Paths to documents: files, folders and standard input, in a fixed order, each file once."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nnlint.reading.aside import Aside
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.reading.kinds import NOTEBOOK, is_notebook_json, why_no_python
from nnlint.reading.patterns import IgnoreFiles, Patterns
from nnlint.reading.raw import read_bytes
from nnlint.reading.real_paths import RealPaths
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Note, SourceText, outer_error

SUFFIXES = (".py", ".pyw", ".ipynb")
SKIPPED_FOLDERS = frozenset(
    {
        ".bzr", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nnlint_cache", ".nox", ".pytest_cache",
        ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__", "__pypackages__", "build", "dist", "node_modules",
        "site-packages", "venv", "virtualenv",
    }
)  # fmt: skip
"""Folders that hold no code of the project; a folder given by name is walked all the same."""
MOST_AT_HAND = 500_000
"""Bytes of files that are kept as they are seen, which takes five times the room. Few repositories have more."""
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
STANDARD_INPUT = "-"


@dataclass
class Collected:
    """The documents of a run in the order they are read, and what went wrong on the way.

    `excluded` counts the paths that were named and that the settings exclude, `ignored` what a `.gitignore` keeps out of folders
    that are walked, `at_hand` the bytes of what is not put aside.
    """

    documents: list[Document] = field(default_factory=list)
    errors: list[InternalError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    excluded: int = 0
    ignored: int = 0
    at_hand: int = 0
    aside: Aside = field(default_factory=Aside)
    real_paths: RealPaths = field(default_factory=RealPaths)
    links: set[str] = field(default_factory=set)

    def add(self, document: Document) -> None:
        """Adds what was read of a file, put aside where there is much."""
        self.documents.append(document)
        size = len(document.data)
        if self.at_hand + size > MOST_AT_HAND:
            document.put(self.aside)
        else:
            self.at_hand += size

    def fail(self, path: str, error: OSError, what: str) -> None:
        """Remembers that a path cannot be used, and why."""
        self.errors.append(outer_error(shown_path(path), f"{what}: {error.strerror or error}"))


def read_paths(
    paths: Sequence[str],
    exclude: Patterns,
    stdin: Callable[[], bytes] = lambda: _standard_input(),
    stdin_filename: str | None = None,
) -> Collected:
    """Reads all files that the paths mean; never raises for one that cannot be read.

    Folders are walked in the order of their names, without what `exclude` or a `.gitignore` matches, without hidden
    tool folders, and without following links to folders. What is named itself is read unless `exclude` matches it, as
    pre-commit and editors name every file, or it is neither Python nor a notebook.
    """
    collected = Collected()
    for path in paths:
        if path == STANDARD_INPUT:
            _read_stdin(collected, stdin, stdin_filename, exclude)
            continue
        is_folder = _is_folder(path)
        top = os.path.abspath(path)  # noqa: PTH100 - a link to a folder keeps the name it was given
        if exclude.cover(top, is_folder):
            collected.notes.append(_excluded(shown_path(path)))
            collected.excluded += 1
        elif is_folder:
            for file in _by_own_names(collected, list(_walk(collected, top, exclude, IgnoreFiles(top)))):
                _read_file(collected, file)
        else:
            _read_file(collected, path, is_named=True)
    collected.seen.clear()  # of many files it is large
    return collected


def shown_path(path: str) -> str:
    """The path as users see it: relative to the current folder where it lies below it, with forward slashes."""
    full = os.path.abspath(path)  # noqa: PTH100 - links stay as they are named
    folder = os.getcwd()  # noqa: PTH109 - asked for each file
    inside = full.startswith(folder.rstrip(os.sep) + os.sep)
    return (os.path.relpath(full, folder) if inside else full).replace(os.sep, "/")


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a path may not be entered or is too long


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer.read()


def _read_stdin(collected: Collected, stdin: Callable[[], bytes], filename: str | None, exclude: Patterns) -> None:
    if STANDARD_INPUT in collected.seen:
        return
    collected.seen.add(STANDARD_INPUT)
    path = shown_path(filename) if filename else "<stdin>"
    try:
        data = stdin()
    except OSError as error:
        collected.errors.append(outer_error(path, f"standard input cannot be read: {error.strerror or error}"))
        return
    if filename and exclude.cover(path):  # kept all the same: --fix gives it back as it came
        collected.documents.append(Document(path, None, data, SourceText({}), notes=(_excluded(path),)))
    else:
        is_unnamed_notebook = not filename and is_notebook_json(data)
        collected.documents.append(read_document(path + NOTEBOOK if is_unnamed_notebook else path, None, data))


def _excluded(path: str) -> Note:
    return Note(path, None, "skipped: the settings exclude it")


def _read_file(collected: Collected, path: str, is_named: bool = False) -> None:
    if not path or "\0" in path:
        collected.errors.append(outer_error(path.replace("\0", "?"), "this is no path"))
        return
    try:
        mode = Path(path).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            collected.errors.append(outer_error(shown_path(path), "this is neither a file nor a folder"))
            return
        full = os.path.realpath(path) if is_named else collected.real_paths.of(path)
        if full in collected.seen:
            return
        collected.seen.add(full)
        data = read_bytes(path)
    except OSError as error:
        collected.fail(path, error, _why(path))
        return
    absolute = os.path.abspath(path) if stat.S_ISREG(mode) else None  # noqa: PTH100
    document = read_document(shown_path(path), absolute, data)
    why_not = why_no_python(document) if is_named and absolute is not None else None
    if why_not:
        remedy = "what is Python all the same can come on standard input, as -"
        collected.errors.append(outer_error(document.path, f"not linted: {why_not}; {remedy}"))
    else:
        collected.add(document)


def _why(path: str) -> str:
    leads_nowhere = os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114 - those of Path may raise
    return "the link leads nowhere, or in a circle" if leads_nowhere else "the file cannot be read"


def _walk(collected: Collected, folder: str, exclude: Patterns, ignore: IgnoreFiles) -> Iterator[str]:
    """The files below a folder that are to be linted, each folder's own files and folders in the order of names."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            collected.fail(current, error, "the folder cannot be read")
            continue
        if current != folder and any(entry.name == VIRTUAL_ENVIRONMENT for entry in ordered):
            continue
        folders = []
        for entry in ordered:
            kind = _kind(collected, entry)
            is_folder = kind == "folder"
            if not kind or exclude.verdict(entry.path, is_folder):
                continue
            if ignore.ignores(entry.path, is_folder):
                collected.ignored += 1
                continue
            if is_folder:
                folders.append(entry.path)
            else:
                if entry.is_symlink():
                    collected.links.add(entry.path)
                yield entry.path
        waiting += reversed(folders)


def _by_own_names(collected: Collected, files: list[str]) -> list[str]:
    """The files without links to others of them: each is known by its own name, which settings and pull requests name."""
    links = collected.links.intersection(files)
    if not links:
        return files
    own = {collected.real_paths.of(file) for file in files if file not in links}
    return [file for file in files if file not in links or collected.real_paths.of(file) not in own]


def _kind(collected: Collected, entry: os.DirEntry[str]) -> str | None:
    """Whether an entry is a folder to walk, a file to lint, or (None) neither."""
    if entry.is_dir(follow_symlinks=False):
        return None if entry.name in SKIPPED_FOLDERS or entry.name.endswith(".egg-info") else "folder"
    if entry.is_symlink() and _is_folder(entry.path):
        collected.notes.append(Note(shown_path(entry.path), None, "skipped: a link to a folder"))
        return None
    if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith(".#"):  # .# are the locks of Emacs
        return None
    return "file" if entry.is_symlink() or entry.is_file(follow_symlinks=False) else None
