"""`python -m tests.benchmarks.cached`: what a command costs whose results are cached, beside bare imports of other packages.

Whole commands in new processes, in turns, so that a machine that grows busy slows them all; each figure is a ratio of processor
times (or, for many files, the time beyond that of one script), of medians of the rounds. The files are the fixtures, and
byte code is on disk, as it is after an installation.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.processes import process_time
from tests.fixture_cases import FIXTURES

FILES = 1000
SCRIPT = FIXTURES / "seeds" / "story_1_mnist_collapse.py"


def seconds(folder: Path, *arguments: str) -> float:
    """The processor time of a Python process with these arguments."""
    return process_time([sys.executable, *arguments], folder)


def lint(folder: Path, path: str, *options: str) -> float:
    """The processor time of the command on a path."""
    return seconds(folder, "-m", "nnlint", "--isolated", *options, path)


def changed(folder: Path, file: str, path: str, number: int) -> float:
    """The processor time of the command on a path below which one file has changed since."""
    with (folder / file).open("a", encoding="utf-8") as stream:
        stream.write(f"# {number}\n")
    return lint(folder, path)


def medians(rounds: int, **tasks: Callable[[int], float]) -> dict[str, float]:
    """The median time of each task, done in turns."""
    times = [{name: task(number) for name, task in tasks.items()} for number in range(rounds)]
    return {name: statistics.median(each[name] for each in times) for name in tasks}


def prepare(folder: Path, files: int) -> None:
    """One script, and a folder of so many files which no imports connect; all of it linted before."""
    (folder / ".git").mkdir()
    (folder / "train.py").write_bytes(SCRIPT.read_bytes())
    scripts = [file for file in sorted(FIXTURES.glob("*/*.py")) if file.parent.name != "broken"]
    (folder / "many").mkdir()
    for number in range(files):
        (folder / "many" / f"script_{number}.py").write_bytes(scripts[number % len(scripts)].read_bytes())
    for path in ("train.py", "many"):
        lint(folder, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each comparison."""
    parser = argparse.ArgumentParser(description="What a command costs whose results are cached.")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each")
    parser.add_argument("--files", type=int, default=FILES, help="files of the larger folder")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.files)
        print(*compare(folder, options.rounds, options.files), sep="\n", flush=True)
    return 0


def compare(folder: Path, rounds: int, files: int) -> list[str]:
    """The lines to print."""
    of_one = medians(
        rounds,
        click=lambda _: seconds(folder, "-c", "import click"),
        libcst=lambda _: seconds(folder, "-c", "import libcst; libcst.parse_module(open('train.py').read())"),
        warm=lambda _: lint(folder, "train.py"),
        changed=lambda number: changed(folder, "train.py", "train.py", number),
        uncached=lambda _: lint(folder, "train.py", "--no-cache"),
    )
    of_many = medians(
        max(1, rounds // 3),
        one=lambda _: lint(folder, "train.py"),
        warm=lambda _: lint(folder, "many"),
        changed=lambda number: changed(folder, "many/script_0.py", "many", number),
    )
    return [
        f"one unchanged script / import click: {of_one['warm'] / of_one['click']:.2f}",
        f"one changed script / import libcst and its parse: {of_one['changed'] / of_one['libcst']:.2f}",
        f"one changed script / the same without a cache: {of_one['changed'] / of_one['uncached']:.2f}",
        f"{files} unchanged files, beyond one: {of_many['warm'] - of_many['one']:.2f} s",
        f"{files} files of which one has changed, beyond one: {of_many['changed'] - of_many['one']:.2f} s",
    ]


if __name__ == "__main__":
    sys.exit(main())
