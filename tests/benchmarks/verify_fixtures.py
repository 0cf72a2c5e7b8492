"""The verifier over the faulty fixtures: which verdicts are right, which wrong, and how long a script takes.

python -m tests.benchmarks.verify_fixtures [--steps N] [--seconds S] [--most N] [FOLDER...]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator

from nnlint.finding import Finding, Status
from nnlint.lint import lint_documents
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.runner import Runner, runner
from nnlint.verify.verify import Limits, verified
from tests.fixture_cases import Case, all_cases

COLUMNS = ("right", "wrong", "unverified")


def main() -> None:
    """Prints a line for each finding whose verdict is not as expected, and tables of the verdicts by rule and by way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--most", type=int, default=1000, help="scripts of each folder")
    parser.add_argument("--steps", type=int, default=Limits.steps)
    parser.add_argument("--seconds", type=float, default=Limits.seconds)
    options = parser.parse_args()
    limits = Limits(options.steps, options.seconds)
    by_rule: Counter[tuple[str, str]] = Counter()
    by_way: Counter[tuple[str, str]] = Counter()
    times = []
    with runner() as runs:
        for case in _cases(options.folders, options.most):
            start = time.monotonic()
            report = _verified(case, limits, runs)
            times.append(time.monotonic() - start)
            ways = {trial.path: trial.way or "not at all" for trial in report.trials}
            for finding in (*report.findings, *report.withdrawn):
                if finding.plan is not None and finding.verdict is not None:
                    outcome = _outcome(case, finding)
                    by_rule[finding.code, outcome] += 1
                    by_way[ways.get(finding.plan.script, "not at all"), outcome] += 1
            print(f"{case.name}: {times[-1]:.1f} s", flush=True)
    _print_table("rule", by_rule)
    _print_table("way", by_way)
    print(f"{len(times)} scripts, {sum(times) / max(1, len(times)):.1f} s each")


def _cases(folders: list[str], most: int) -> Iterator[Case]:
    taken: Counter[str] = Counter()
    for case in all_cases():
        folder = case.name.partition("/")[0]
        if case.is_faulty and (not folders or folder in folders) and taken[folder] < most:
            taken[folder] += 1
            yield case


def _verified(case: Case, limits: Limits, runs: Runner) -> Report:
    settings = Settings()
    documents = read_paths([str(case.path)], Patterns(settings.root, ())).documents
    report = lint_documents(documents, settings)
    return verified(report, documents, limits, lambda now: lint_documents(now, settings), lambda said: None, runs)


def _outcome(case: Case, finding: Finding) -> str:
    """Whether the verdict is the one that the comments of the case expect: "confirmed", where they say nothing else."""
    assert finding.verdict is not None
    status, expected = finding.verdict.status, case.expected_verdicts().get(case.spot(finding), "confirmed")
    if status.value == expected:
        return "right"
    print(f"{case.name}:{finding.place.line} {finding.code} {status.value}: {finding.verdict.reason}", flush=True)
    return "unverified" if status is Status.UNVERIFIED else "wrong"


def _print_table(title: str, counts: Counter[tuple[str, str]]) -> None:
    print(f"| {title} | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name in sorted({name for name, _ in counts}):
        print(f"| {name} | " + " | ".join(str(counts[name, each]) for each in COLUMNS) + " |")


if __name__ == "__main__":
    main()
