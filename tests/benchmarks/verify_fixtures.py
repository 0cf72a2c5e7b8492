"""The verifier over the fixtures: which findings of faulty scripts it confirms, and how long a script takes.

python -m tests.benchmarks.verify_fixtures [--steps N] [FOLDER...]
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
from nnlint.settings import Settings
from nnlint.verify.runner import Runner, runner
from nnlint.verify.verify import Limits, verified
from tests.fixture_cases import Case, all_cases


def main() -> None:
    """Prints a line for each finding that is not confirmed, and a table of all verdicts by rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--most", type=int, default=1000, help="scripts of each folder")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    limits = Limits(options.steps, options.seconds)
    verdicts: Counter[tuple[str, str]] = Counter()
    times = []
    with runner() as runs:
        for case in _cases(options.folders, options.most):
            start = time.monotonic()
            for finding in findings_of(case, limits, runs):
                status = finding.verdict.status.value if finding.verdict else "none"
                verdicts[finding.code, status] += 1
                if status != Status.CONFIRMED.value:
                    reason = finding.verdict.reason if finding.verdict else ""
                    print(f"{case.name}:{finding.place.line} {finding.code} {status}: {reason}", flush=True)
            times.append(time.monotonic() - start)
    _print_table(verdicts)
    print(f"{len(times)} scripts, {sum(times) / max(1, len(times)):.1f} s each")


def _cases(folders: list[str], most: int) -> Iterator[Case]:
    taken: Counter[str] = Counter()
    for case in all_cases():
        folder = case.name.partition("/")[0]
        if case.is_faulty and (not folders or folder in folders) and taken[folder] < most:
            taken[folder] += 1
            yield case


def findings_of(case: Case, limits: Limits, runs: Runner) -> list[Finding]:
    """The findings of a case, withdrawn ones included, with their verdicts."""
    settings = Settings()
    documents = read_paths([str(case.path)], Patterns(settings.root, ())).documents
    report = lint_documents(documents, settings)
    done = verified(report, documents, limits, lambda now: lint_documents(now, settings), lambda said: None, runs)
    return [finding for finding in (*done.findings, *done.withdrawn) if finding.plan is not None]


def _print_table(verdicts: Counter[tuple[str, str]]) -> None:
    statuses = [status.value for status in Status]
    print("| rule | " + " | ".join(statuses) + " |")
    print("|---" * (len(statuses) + 1) + "|")
    for code in sorted({code for code, _ in verdicts}):
        print(f"| {code} | " + " | ".join(str(verdicts[code, status]) for status in statuses) + " |")


if __name__ == "__main__":
    main()
