"""`python -m tests.benchmarks.growth`: how the time for a file and the memory grow with the number of files.

A hundred files are made of the fixtures, some alone and some of several files that import each other, as long as those of real
repositories; a thousand and ten thousand are the same again and again under other names, so that the work for a file is the same.
Each measurement is one call of the command, with nothing cached. The time is that of the processor, without what a call takes for
a single short file; the memory is the largest of any one process.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "fixtures"
BLOCK = 100
"""Files of which all others are variations."""

CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
MOST_GROWTH = {"time": 1.15, "memory": 1.30}
"""What the benchmark is held against: the largest number of files over the smallest."""


def texts() -> Iterator[str]:
    """The fixtures of one file, in an order that mixes all rules."""
    files = sorted(file for file in FIXTURES.glob("*/*.py") if file.parent.name != "broken")
    random.Random(0).shuffle(files)
    for file in files:
        text = file.read_text(encoding="utf-8")
        if "from __future__" not in text:
            yield text


def block(lines: int) -> list[str]:
    """The texts of the files that are varied, each made of fixtures until it has about so many lines, more or less in turn."""
    made: list[str] = []
    source = itertools.cycle(texts())
    while len(made) < BLOCK:
        text = next(source)
        while text.count("\n") < lines * (0.4 + len(made) % 5 * 0.3):
            text += f"\n\n{next(source)}"
        made.append(text)
    return made


def varied(text: str, number: int) -> str:
    """The text with other names of classes."""
    for name in set(CLASS.findall(text)):
        text = re.sub(rf"\b{name}\b", f"{name}{number}", text)
    return f"# variation {number}\n{text}"


def write_files(folder: Path, count: int, lines: int, is_connected: bool) -> None:
    """Writes so many files: in projects of five that import their neighbours, or as one library."""
    templates = block(lines)
    for number in range(count):
        own = folder / (f"part_{number // 50}" if is_connected else f"project_{number // 5}")
        own.mkdir(exist_ok=True)
        text = varied(templates[number % BLOCK], number // BLOCK)
        before = number - 1
        if is_connected and number:
            text = f"from part_{before // 50} import file_{before}\n{text}"
        elif number % 5 in (1, 2):
            text = f"import file_{before}\n{text}"
        (own / f"file_{number}.py").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Measured:
    """One call: seconds of the processor, seconds on the clock, bytes of the largest process, findings."""

    seconds: float
    elapsed: float
    memory: int
    findings: int


def measured(folder: Path, jobs: int) -> Measured:
    """The command on a folder, cold."""
    line = [
        sys.executable,
        "-m",
        "nnlint",
        "--isolated",
        "--no-cache",
        "--quiet",
        "--output-format=concise",
        f"--jobs={jobs}",
    ]
    output = folder.parent / "output.txt"
    start = time.monotonic()
    with (
        output.open("wb") as target,
        subprocess.Popen([*line, folder.name], cwd=folder.parent, stdout=target) as process,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(used.ru_utime + used.ru_stime, elapsed, used.ru_maxrss * unit, output.read_bytes().count(b"\n"))


def growth(counts: Sequence[int], jobs: int, lines: int, is_connected: bool) -> dict[str, float]:
    """Prints a line for each number of files; gives the time and the memory of the most over those of the least."""
    found = []
    with TemporaryDirectory() as folder:
        least = Path(folder, "least")
        least.mkdir()
        (least / "train.py").write_text("import torch\n", encoding="utf-8")
        start = measured(least, jobs)
        for count in counts:
            files = Path(folder, f"files_{count}")
            files.mkdir()
            write_files(files, count, lines, is_connected)
            each = measured(files, jobs)
            seconds = (each.seconds - start.seconds) / count
            found.append((seconds, each.memory))
            print(
                f"{count} files, {jobs} jobs: {seconds * 1000:.2f} ms a file, {each.elapsed:.1f} s in all, "
                f"{each.memory / 1e6:.0f} MB, {each.findings} findings",
                flush=True,
            )
    first, last = found[0], found[-1]
    return {"time": last[0] / first[0], "memory": last[1] / first[1]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the growth for each number of processes."""
    parser = argparse.ArgumentParser(description="How time and memory grow with the number of files.")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1_000, 10_000], help="numbers of files")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--lines", type=int, default=130, help="lines of a file, about")
    parser.add_argument("--connected", action="store_true", help="make one library, of which each file imports another")
    options = parser.parse_args(arguments)
    for jobs in options.jobs:
        for what, ratio in growth(options.counts, jobs, options.lines, options.connected).items():
            print(
                f"{what} at {options.counts[-1]} files over that at {options.counts[0]}: {ratio:.2f}, at most {MOST_GROWTH[what]}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
