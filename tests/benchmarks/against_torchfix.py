"""`python -m tests.benchmarks.against_torchfix --torchfix-python PYTHON [--nnlint-python PYTHON] PATH...`: how many times faster
than TorchFix.

TorchFix wants a libcst of its own, so it lives in an environment of its own: `python3 -m venv DIR && DIR/bin/pip install
torchfix`, and PYTHON is DIR/bin/python. nnlint is measured as users install it (`pip install .`) where it has one, too: an
environment for its tests runs more at each start. Both tools get the same files, those with the word "torch" in them, since
TorchFix passes over all others; they ask all their rules, in one process. Measured is the processor time of the whole process,
start and imports included, and that of the work alone. The byte code of both is on disk, as it is after an installation.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.processes import process_time
from tests.benchmarks.speed import Comparison, in_new_process, lint, python_files

WORK_ALONE = """
import sys, time
from torchfix.torchfix import TorchChecker

start = time.process_time()
for file in sys.argv[1:]:
    try:
        with open(file, encoding="utf-8") as opened:
            list(TorchChecker(None, opened.readlines()).run())
    except Exception as error:
        print(file, error, file=sys.stderr)
print(time.process_time() - start)
"""
"""What its plug-in for flake8 does with each file, every rule on."""


def work_alone(python: str, files: Sequence[str]) -> float:
    """The processor time TorchFix takes in a process that has imported it."""
    command = [python, "-c", WORK_ALONE, *files]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return float(done.stdout)


def compare(path: str, python: str, own_python: str, rounds: int) -> tuple[Comparison, Comparison]:
    """Whole processes, and the work alone, on one repository: TorchFix's time over that of nnlint."""
    files = [file for file in python_files(path) if b"torch" in Path(file).read_bytes()]
    name = f"{Path(path).name} ({len(files)} files)"
    nnlint = [own_python, "-m", "nnlint", "--isolated", "--no-cache", "--jobs=1", *files]
    torchfix = [python, "-m", "torchfix", "--select=ALL", "--jobs=1", *files]
    with TemporaryDirectory() as elsewhere:
        folder = Path(elsewhere)  # from here Python would import nnlint's sources
        for command in (nnlint, torchfix):
            process_time([each for each in command if each not in files[1:]], folder)  # writes the byte code
        whole = _turns(
            f"{name}, whole process",
            rounds,
            lambda: process_time(torchfix, folder),
            lambda: process_time(nnlint, folder),
        )
    return (
        whole,
        _turns(
            f"{name}, work alone", rounds, lambda: work_alone(python, files), lambda: in_new_process(lint, files, True)
        ),
    )


def _turns(name: str, rounds: int, slow: Callable[[], float], fast: Callable[[], float]) -> Comparison:
    slower, faster = zip(*((slow(), fast()) for _ in range(rounds)), strict=True)
    return Comparison(name, slower, faster)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints two lines of ratios for each repository."""
    parser = argparse.ArgumentParser(description="The time of TorchFix over the time of nnlint.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a repository")
    parser.add_argument("--torchfix-python", required=True, metavar="PYTHON", help="the Python that has TorchFix")
    parser.add_argument(
        "--nnlint-python",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python that has nnlint; this one by default",
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each of the two")
    options = parser.parse_args(arguments)
    for path in options.paths:
        print(*compare(path, options.torchfix_python, options.nnlint_python, options.rounds), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
