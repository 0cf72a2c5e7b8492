"""`python -m tests.benchmarks.verify_public REPOSITORY...`: which training scripts of public repositories run without their data.

Each Python file with a backward pass is run in the way that `--verify` would: as it is, with stand-ins, as a harness. Prints one
line for each script and a table of all repositories. With `--verdicts` the scripts with errors and warnings are verified instead,
each alone, and every verdict is printed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nnlint.events import OptimizerStepped, Raised, Run
from nnlint.finding import Severity, Status
from nnlint.lint import lint_documents
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.harness import DRIVER, program, targets_at
from nnlint.verify.ladder import WAYS, Rung, climb, has_trained, hindrance
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner, runner
from nnlint.verify.scripts import scripts
from nnlint.verify.verify import Limits, verified


@dataclass
class Row:
    """One repository: scripts by the way in which they ran, verdicts by their status.

    `open` counts findings by whether their script runs as it is, and whether they are unverified.
    """

    name: str
    ways: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    open: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    seconds: float = 0.0

    def cells(self) -> list[str]:
        """The row of the table."""
        counts = [self.ways[way] for way in (*WAYS, "")]
        statuses = [self.verdicts[status] for status in ("confirmed", "harmless", "refuted", "unverified")]
        numbers = [sum(counts), *counts, *statuses]
        return [self.name, *map(str, numbers), f"{self.seconds / max(1, sum(counts)):.1f}"]


HEAD = "repository|scripts|as they are|with stand-ins|as a harness|not|confirmed|harmless|refuted|unverified|seconds each".split(
    "|"
)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", default="", help="scripts whose path holds this text")
    parser.add_argument("--verdicts", action="store_true")
    options = parser.parse_args()
    rows = []
    for repository in options.repositories:
        row = Row(repository.name.replace("+", "/"))
        rows.append(row)
        with runner([str(repository.resolve())]) as runs:
            if options.verdicts:
                _verify(row, runs, repository, options.seconds, options.only)
            else:
                _run(row, runs, repository, options.steps, options.seconds, options.only)
    print()
    for cells in (HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)):
        print(f"| {' | '.join(cells)} |")
    if options.verdicts:
        counts = sum((row.open for row in rows), Counter[tuple[bool, bool]]())
        for is_whole, where in ((True, "scripts that run as they are"), (False, "the others")):
            of_these = counts[(is_whole, True)] + counts[(is_whole, False)]
            print(f"{counts[(is_whole, True)]} of {of_these} findings in {where} are unverified")


def _run(row: Row, runs: Runner, repository: Path, steps: int, seconds: float, only: str) -> None:
    for script in training_scripts(repository):
        if only not in script:
            continue
        start = time.monotonic()

        driver = _driver(repository, script)

        def run(rung: Rung, script: str = script, driver: str = driver) -> Run:
            texts = {DRIVER: driver} if rung.way == "harness" else {}
            path = DRIVER if rung.way == "harness" else script
            root = str(repository.resolve())
            request = Request(root, path, texts, steps=steps, seconds=seconds, **asdict(rung))
            return Reader({}).run(script, runs.run(request))

        rung, seen = climb(run, tuple(WAYS) if driver else ("as-is", "stand-ins"))
        trained = has_trained(seen)
        row.ways[rung.way if trained else ""] += 1
        row.seconds += time.monotonic() - start
        steps_taken = len(list(seen.events(OptimizerStepped)))
        why = "".join(
            f" ({raised.error}: {raised.message} at {raised.at.place.path}:{raised.at.place.line})"
            for raised in seen.events(Raised)
        )
        outcome = f"{WAYS[rung.way]}, {steps_taken} steps, {seen.ended}{why}" if trained else hindrance(seen)
        print(f"{time.monotonic() - start:5.1f} s  {script}: {outcome} ({', '.join(seen.stood_in)})", flush=True)


def training_scripts(repository: Path) -> Iterator[str]:
    """The files with a backward pass, relative to the repository."""
    for file in sorted(repository.rglob("*.py")):
        if ".backward(" in file.read_text(errors="replace"):
            yield file.relative_to(repository).as_posix()


def _driver(repository: Path, script: str) -> str:
    """A program that calls what holds the backward passes of a file."""
    text = (repository / script).read_text(errors="replace")
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if ".backward(" in line]
    return program(target for line in lines for target in targets_at(text, script, line)) or ""


def _verify(row: Row, runs: Runner, repository: Path, seconds: float, only: str) -> None:
    """Lint a repository, and verify each of its scripts with errors or warnings."""
    here = Path.cwd()
    os.chdir(repository)
    try:
        settings = Settings()
        documents = read_paths(["."], Patterns(settings.root, settings.exclude)).documents
        report = lint_documents(documents, settings)
        found = tuple(f for f in report.findings if f.severity is not Severity.ADVICE)
        for script in scripts(replace(report, findings=found), documents):
            if only not in script.document.path:
                continue
            own = replace(report, findings=script.findings)
            limits = Limits(seconds=seconds)
            done = verified(own, documents, limits, lambda now: lint_documents(now, settings), _silent, runs)
            _add(row, done)
    finally:
        os.chdir(here)


def _add(row: Row, done: Report) -> None:
    for trial in done.trials:
        way = next((way for way, words in WAYS.items() if words == trial.way), "")
        row.ways[way] += 1
        row.seconds += trial.seconds
        print(
            f"{trial.seconds:5.1f} s  {trial.path}: {trial.way or 'not run'} ({', '.join(trial.stood_in)})", flush=True
        )
    is_whole = any(trial.way == WAYS["as-is"] for trial in done.trials)
    for finding in (*done.findings, *done.withdrawn):
        if finding.verdict is not None:
            row.verdicts[finding.verdict.status.value] += 1
            row.open[(is_whole, finding.verdict.status is Status.UNVERIFIED)] += 1
            verdict = f"{finding.verdict.status.value}: {finding.verdict.reason}"
            cell = f"cell {finding.place.cell} " if finding.place.cell is not None else ""
            print(f"         {finding.code} {cell}line {finding.place.line} {verdict}", flush=True)


def _silent(path: str) -> None:
    """No progress is shown."""


if __name__ == "__main__":
    main()
