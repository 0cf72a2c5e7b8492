"""Short real runs of fixtures: what a rule's witness says of the faulty script, and of the same script mended.

No effects are measured here, and nothing is run on: two runs of some steps for each case, on the server that all cases share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nnlint.events import Run
from nnlint.finding import Finding, Verdict
from nnlint.lint import lint_documents
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.settings import Settings
from nnlint.verify.harness import DRIVER, driver
from nnlint.verify.ladder import Rung, climb
from nnlint.verify.moved import moved
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner
from nnlint.verify.scripts import Script, mended, scripts, written
from nnlint.verify.verdicts import verdict_of
from tests.fixture_cases import Case

STEPS = 120
SECONDS = 8.0


@dataclass(frozen=True)
class Seen:
    """What the witness says of one finding of a case; `mended` is None where no change mends it."""

    finding: Finding
    faulty: Verdict
    mended: Verdict | None


def witnessed(case: Case, rules: Iterable[str], runs: Runner) -> list[Seen]:
    """The verdicts on the findings that the rules of these names have in a case."""
    documents = [read_document(str(file), str(file), file.read_bytes()) for file in case.files()]
    report = lint_documents(documents, Settings(select=tuple(rules)))
    root = str(case.path if case.path.is_dir() else case.path.parent)
    return [
        seen
        for script in scripts(report, documents)
        for seen in _witnessed(replace(script, root=root), documents, runs)
    ]


def _witnessed(script: Script, documents: Iterable[Document], runs: Runner) -> list[Seen]:
    run = _run(script, written(script), runs)
    found = []
    for finding in script.findings:
        changed = mended(script, finding)
        there = moved(script, finding, changed)
        after = _run(there, changed, runs) if changed else None
        again = None if after is None else verdict_of(there.findings[0], after, after)
        found.append(Seen(finding, verdict_of(finding, run, after), again))
    return found


def _run(script: Script, changed: Iterable[Document], runs: Runner) -> Run:
    """The script run as it is, else with stand-ins; where it has no main program, as a harness."""
    program = driver(script)
    reader = Reader(script.sources())

    def run(rung: Rung) -> Run:
        path, texts = script.path, script.texts(changed)
        if rung.way == "harness" and program:
            path, texts = DRIVER, {**texts, DRIVER: program}
        request = Request(script.root, path, texts, script.probes(), steps=STEPS, seconds=SECONDS, way=rung.way)
        return reader.run(script.document.path, runs.run(request))

    return climb(run, ("as-is", "stand-ins", "harness") if program else ("as-is", "stand-ins"))[1]
