"""Short real runs of fixtures: what a rule's witness says of the faulty script, and of the same script mended.

No effects are measured here, and nothing is run on: two runs of some steps for each case, on the server that all cases share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate

from nnlint.events import Run
from nnlint.finding import Finding, Place, Verdict
from nnlint.lint import lint_documents
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.settings import Settings
from nnlint.source import Source
from nnlint.verify.harness import DRIVER, driver
from nnlint.verify.ladder import Rung, climb
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner
from nnlint.verify.scripts import Script, mended, scripts, written
from nnlint.verify.verify import verdict_of
from tests.fixture_cases import Case

STEPS = 120
SECONDS = 8.0
TOKEN = re.compile(r"\w+|\s|[^\w\s]")


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
        moved = _moved(script, finding, changed)
        after = _run(moved, changed, runs) if changed else None
        again = None if after is None else verdict_of(moved.findings[0], after, after)
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


def _moved(script: Script, finding: Finding, changed: Iterable[Document]) -> Script:
    """The script after these changes, with the finding where its places have moved to."""
    documents = dict(script.documents) | {document.path: document for document in changed}
    shifts = {
        path: Shift(old.source, new.source)
        for path, new in documents.items()
        if (old := script.documents[path]).source and new.source and new is not old
    }

    def moved(place: Place) -> Place:
        return shifts[place.path].moved(place) if place.path in shifts else place

    related = tuple(replace(each, place=moved(each.place)) for each in finding.related)
    plan = finding.plan and replace(finding.plan, probes=tuple(map(moved, finding.plan.probes)))
    there = replace(finding, place=moved(finding.place), related=related, plan=plan)
    return replace(script, document=documents[script.document.path], findings=(there,), documents=documents)


Block = tuple[bool, int, int, int, int]
"""Whether two pieces of text are the same, and where each starts and ends."""


class Shift:
    """Where the places of a text are in a changed one: what was replaced is where its replacement is."""

    def __init__(self, before: Source, after: Source) -> None:
        self.before = before
        self.after = after
        lines = _blocks(before.text.splitlines(True), after.text.splitlines(True))
        self.blocks = [inner for block in lines for inner in self._inside(block)]

    def _inside(self, block: Block) -> list[Block]:
        """Of lines that were replaced: the words that were."""
        same, old, old_end, new, new_end = block
        if same or old == old_end or new == new_end:
            return [block]
        words = _blocks(TOKEN.findall(self.before.text[old:old_end]), TOKEN.findall(self.after.text[new:new_end]))
        return [(kept, old + start, old + end, new + there, new + last) for kept, start, end, there, last in words]

    def moved(self, place: Place) -> Place:
        """The place in the changed text; the first one where all of it was taken out."""
        line = self.before.text_line(place)
        start = _offset(self.before.text, line, place.column)
        end = _offset(self.before.text, line + place.end_line - place.line, place.end_column)
        new_start = next((new + (start - old) * same for same, old, last, new, _ in self.blocks if start < last), 0)
        new_end = next(
            (new if not same else new - last + end for same, _, last, _, new in self.blocks if end <= last), 0
        )
        if new_end <= new_start:
            new_start, new_end = self._elsewhere(self.before.text[start:end])
        return self.after.place(*_position(self.after.text, new_start), *_position(self.after.text, new_end))

    def _elsewhere(self, text: str) -> tuple[int, int]:
        """Where a text that was taken out was put in."""
        for same, _, _, start, end in self.blocks:
            found = -1 if same else self.after.text.find(text, start, end)
            if found >= 0:
                return found, found + len(text)
        return 0, 0


def _blocks(old: list[str], new: list[str]) -> list[Block]:
    starts, new_starts = _starts(old), _starts(new)
    return [
        (kind == "equal", starts[i], starts[i_end], new_starts[j], new_starts[j_end])
        for kind, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    ]


def _starts(tokens: list[str]) -> list[int]:
    return list(accumulate(map(len, tokens), initial=0))


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(each) + 1 for each in lines[: line - 1]) + column - 1


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
