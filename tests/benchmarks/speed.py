"""`python -m tests.benchmarks.speed PATH...`: the time nnlint takes over the time libcst takes to parse the same files.

Each path is a repository, measured as a whole. One measurement is one new process: what it imports, and compiles at its first
use, it has imported and compiled before the clock starts, on a fixture of each rule; nothing is cached from the measurement
before, and the garbage collector is in the same state for both. The two take turns, so that a machine that grows busy slows both.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"

Task = Callable[[Sequence[str]], None]
"""What is measured: it works on files."""


def lint(files: Sequence[str]) -> None:
    """Reads and lints the files as `nnlint.lint_paths` does, with the default settings."""
    import nnlint
    from nnlint.api import LintError
    from nnlint.settings import Settings

    with contextlib.suppress(LintError):
        nnlint.lint_paths(files, Settings())


def parse(files: Sequence[str]) -> None:
    """Reads the files and parses them with libcst; those that do not parse cost what they cost."""
    import libcst

    for file in files:
        with contextlib.suppress(libcst.ParserSyntaxError, UnicodeError):
            libcst.parse_module(Path(file).read_bytes())


@dataclass(frozen=True)
class Comparison:
    """Seconds of processor time that two tasks took on the same files, measured in turns."""

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    def __str__(self) -> str:
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return f"{self.name}: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}, most {max(ratios):.2f}"


def python_files(path: str) -> list[str]:
    """The Python files of a repository, those that nnlint walks to."""
    documents = read_paths([path], Patterns(path, ())).documents
    return [document.file for document in documents if document.file and not document.is_notebook]


def in_new_process(task: Task, files: Sequence[str], collecting: bool) -> float:
    """The processor time of a task in a process of its own, imports and first calls left out."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, task, files, collecting).result()


def _measured(task: Task, files: Sequence[str], collecting: bool) -> float:
    importlib.import_module("pathspec")  # which nnlint imports where it finds a `.gitignore`
    task([str(min(folder.glob("faulty_*.py"))) for folder in FIXTURES.iterdir() if any(folder.glob("faulty_*.py"))])
    gc.collect()
    if not collecting:
        gc.disable()
    start = time.process_time()
    task(files)
    return time.process_time() - start


def compare(path: str, rounds: int, collecting: bool = True) -> Comparison:
    """nnlint and the parser in turns on one repository."""
    files = python_files(path)
    turns = [(in_new_process(lint, files, collecting), in_new_process(parse, files, collecting)) for _ in range(rounds)]
    ours, theirs = zip(*turns, strict=True)
    return Comparison(f"{Path(path).name} ({len(files)} files)", ours, theirs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line of ratios for each repository."""
    parser = argparse.ArgumentParser(description="The time of nnlint over the time of libcst.parse_module.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a repository")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each of the two")
    parser.add_argument("--no-gc", action="store_true", help="switch the garbage collector off, for both")
    options = parser.parse_args(arguments)
    for path in options.paths:
        print(compare(path, options.rounds, not options.no_gc), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
