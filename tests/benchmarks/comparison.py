"""How long other tools take on the same files, in times of what nnlint takes: all measured in turns, in one run.

    python -m tests.benchmarks.comparison [--rounds N] [--limit SECONDS] [--tool NAME=PYTHON]... PATH...

A path is a script or a repository. Tools that live in an environment of their own are named with its Python
(`--tool torchfix=DIR/bin/python`, `fixit=`, `pylint=`); those that are not named, and not installed beside nnlint, are left out.
`nnlint=` is an environment into which it was installed as users do it.
Measured are whole commands, start and imports included: processor time, which hardly depends on how busy the machine is, and time
on the clock, which is what a person waits for and what two workers shorten. TorchFix opens only files with the word
"torch" in them, and gets these alone; all others get all Python files. Every tool asks its default rules, TorchFix all it
has, and none but the one that is called warm takes anything from a cache. What takes longer than the limit is ended: its figures
are then floors. ruff is in another league: it is written in Rust, reads each file by itself, and asks other questions.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.processes import children, environment
from tests.benchmarks.speed import python_files

PARSE = """
import sys
import libcst

for file in sys.argv[1:]:
    try:
        with open(file, "rb") as opened:
            libcst.parse_module(opened.read())
    except (libcst.ParserSyntaxError, UnicodeError):
        pass
"""
REFERENCE = "nnlint, one process"


@dataclass(frozen=True)
class Tool:
    """A command that files are appended to."""

    name: str
    command: tuple[str, ...]
    only_torch: bool = False


@dataclass(frozen=True)
class Seconds:
    """What one run of a command took; `whole` is false where it was ended at the limit."""

    processor: float
    clock: float
    whole: bool = True


def tools(pythons: Mapping[str, str], cache: str) -> Iterator[Tool]:
    """nnlint in three ways, and what there is to compare it with."""
    nnlint = (pythons.get("nnlint", sys.executable), "-m", "nnlint", "--isolated", "--quiet")
    yield Tool(REFERENCE, (*nnlint, "--no-cache", "--jobs=1"))
    yield Tool("nnlint, two workers", (*nnlint, "--no-cache", "--jobs=2"))
    yield Tool("nnlint, warm", (*nnlint, f"--cache-dir={cache}"))
    yield Tool("libcst.parse_module alone", (sys.executable, "-c", PARSE))
    others = (
        Tool("torchfix", ("-m", "torchfix", "--select=ALL", "--jobs=1"), only_torch=True),
        Tool("fixit", ("-m", "fixit", "--quiet", "lint")),
        Tool("pylint", ("-m", "pylint", "--jobs=1", "--rcfile=/dev/null", "--persistent=n", "--score=n")),
        Tool("ruff", ("-m", "ruff", "check", "--isolated", "--no-cache", "--quiet")),
    )
    for tool in others:
        python = pythons.get(tool.name) or (sys.executable if importlib.util.find_spec(tool.name) else None)
        if python is not None:
            yield Tool(tool.name, (python, *tool.command), tool.only_torch)


def measured(tool: Tool, files: Sequence[str], limit: float, folder: str) -> Seconds:
    """The seconds a tool takes for these files, whatever it finds; it is called in a folder without sources of its own."""
    before, start, whole = children(), time.perf_counter(), True
    with subprocess.Popen(
        [*tool.command, *files],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment(),
        start_new_session=True,
    ) as running:
        try:
            running.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, 9)
            whole = False
    return Seconds(children() - before, time.perf_counter() - start, whole)


def compare(path: str, pythons: Mapping[str, str], rounds: int, limit: float) -> Iterator[str]:
    """A line for each tool, once all have had their turns."""
    files = python_files(path)
    torch_files = [file for file in files if b"torch" in Path(file).read_bytes()]
    lines = sum(Path(file).read_bytes().count(b"\n") for file in files)
    yield f"{Path(path).name}: {len(files)} files, {lines:,} lines, {len(torch_files)} files with torch"
    with TemporaryDirectory() as cache:
        all_tools = [*tools(pythons, cache)]
        for tool in all_tools:
            measured(
                tool, files if "warm" in tool.name else files[:1], limit, cache
            )  # writes byte code, and fills the cache
        turns = [
            {tool.name: measured(tool, torch_files if tool.only_torch else files, limit, cache) for tool in all_tools}
            for _ in range(rounds)
        ]
    for tool in all_tools:
        yield _line(tool.name, [turn[tool.name] for turn in turns], [turn[REFERENCE] for turn in turns])


def _line(name: str, own: Sequence[Seconds], reference: Sequence[Seconds]) -> str:
    processor = statistics.median(mine.processor / its.processor for mine, its in zip(own, reference, strict=True))
    clock = statistics.median(mine.clock / its.clock for mine, its in zip(own, reference, strict=True))
    more = "" if all(each.whole for each in own) else " at least"
    seconds = statistics.median(each.processor for each in own)
    return f"  {name:<26}{more} {processor:8.2f} of the processor time, {clock:8.2f} of the clock ({seconds:.2f} s of processor)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a block for each path."""
    parser = argparse.ArgumentParser(description="The time of other tools in times of that of nnlint in one process.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a script or a repository")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each tool")
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a command is ended")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=PYTHON", help="the Python that has a tool")
    options = parser.parse_args(arguments)
    pythons = dict(each.split("=", 1) for each in options.tool)
    for path in options.paths:
        for line in compare(path, pythons, options.rounds, options.limit):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
