"""A script to be run: which folder it sees, which files are in it, where its probes stand, what it becomes when mended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnlint.catalogue import rules_by_code
from nnlint.finding import Edit, Finding, Fix, Place, Status, Verdict
from nnlint.mending.fixes import UnfitFixError, edited_document, fix_documents
from nnlint.reading.disk import DISK
from nnlint.reading.document import Document
from nnlint.report import Report
from nnlint.source import Source
from nnlint.verify.protocol import Probe

Lint = Callable[[Sequence[Document]], Report]


@dataclass(frozen=True)
class Script:
    """One script with the findings that its run can decide. `root` is the folder that the run sees a copy of."""

    document: Document
    root: str
    findings: tuple[Finding, ...]
    documents: Mapping[str, Document]

    @property
    def path(self) -> str:
        """The path of the script in the root."""
        return self.inside(self.document)

    def inside(self, document: Document) -> str:
        """The path of a file in the root."""
        if document.file is None:
            return Path(document.path).name or "script.py"
        return Path(os.path.relpath(os.path.realpath(document.file), self.root)).as_posix()

    def is_inside(self, document: Document) -> bool:
        """Whether a file lies in the root."""
        return not self.inside(document).startswith("../")

    def sources(self) -> dict[str, Source]:
        """The files whose lines are known, by their path in the root."""
        return {
            self.inside(each): each.source for each in self.documents.values() if each.source and self.is_inside(each)
        }

    def texts(self, changed: Iterable[Document] = ()) -> dict[str, str]:
        """The files that the copy of the folder has otherwise than the folder itself."""
        own = [self.document] if self.document.is_notebook or self.document.file is None else []
        return {self.inside(each): each.source.text for each in (*own, *changed) if each.source}

    def probes(self) -> tuple[Probe, ...]:
        """A probe for each place that a finding speaks of; the findings' own are awaited."""
        own = {finding.place for finding in self.findings}
        places = [place for finding in self.findings for place in places_of(finding)]
        return tuple(
            probe
            for number, place in enumerate(dict.fromkeys(places), start=1)
            if (probe := self._probe(number, place, place in own)) is not None
        )

    def _probe(self, number: int, place: Place, awaited: bool) -> Probe | None:
        document = self.documents.get(place.path)
        if document is None or document.source is None or not self.is_inside(document):
            return None
        shift = document.source.text_line(place) - place.line
        lines = (place.line + shift, place.column, place.end_line + shift, place.end_column)
        return Probe(number, self.inside(document), *lines, awaited)


def places_of(finding: Finding) -> list[Place]:
    """The places whose values matter to a finding."""
    further = finding.plan.probes if finding.plan else ()
    return [finding.place, *(related.place for related in finding.related), *further]


def scripts(report: Report, documents: Sequence[Document]) -> list[Script]:
    """The scripts behind a report's findings, in the order of their first finding."""
    by_script: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.plan is not None:
            by_script.setdefault(finding.plan.script, []).append(finding)
    read = {document.path: document for document in documents}
    for finding in report.findings:
        for place in places_of(finding):
            document = read.get(place.path) or DISK.read(place.path)
            if document is not None:
                read[place.path] = document
    return [
        Script(document, _root(document), tuple(findings), read)
        for path, findings in by_script.items()
        if (document := read.get(path) or DISK.read(path)) is not None
    ]


def _root(document: Document) -> str:
    """The folder to run in: the current one, where the script lies below it; else the script's own."""
    here = os.path.realpath(os.getcwd())
    if document.file is None:
        return ""
    file = os.path.realpath(document.file)
    return here if file.startswith(os.path.join(here, "")) else os.path.dirname(file)


def yardstick_by_hand(script: Script) -> str:
    """How a network is scored that a script without torch may train: in other rows where a finding shows in no other way."""
    source = script.document.source
    if source is None or "torch" in source.text:
        return ""
    known = rules_by_code()
    return "in other rows" if any(known[each.code].shows_in_other_rows for each in script.findings) else "in place"


def change_of(finding: Finding) -> Fix | None:
    """The change whose effect shows whether a finding matters."""
    return (finding.plan.control if finding.plan else None) or finding.fix


def is_same_change(first: Finding, second: Finding) -> bool:
    """Whether two findings are mended by the same edits: whoever mends the one mends the other."""
    one, other = change_of(first), change_of(second)
    return one is not None and other is not None and one.edits == other.edits


def is_mendable(finding: Finding) -> bool:
    """Whether there is a change that could alter what the network learns."""
    return change_of(finding) is not None and rules_by_code()[finding.code].trains


def unscored(verdicts: Mapping[Finding, Verdict]) -> str:
    """Which confirmed findings no run mends, as they change what is done with a network, not what it learns; "" for none."""
    left = [f for f, v in verdicts.items() if v.status is Status.CONFIRMED and not rules_by_code()[f.code].trains]
    if not left:
        return ""
    named = " and ".join(f"{finding.code} (line {finding.place.line})" for finding in left)
    change = "changes" if len(left) == 1 else "change"
    return f"{named} {change} what is done with the network, not what it learns, so no score here tells of it"


def written(script: Script) -> list[Document]:
    """The files that change so that the run comes to the findings early; none, as a rule."""
    return _edited(script, [])


def mended(script: Script, finding: Finding) -> list[Document]:
    """The files that change when this finding alone is mended; none where it cannot be."""
    change = change_of(finding)
    return [] if change is None else _edited(script, [change])


def all_mended(script: Script, lint: Lint, but: str = "") -> tuple[list[Document], list[Finding]]:
    """The files that change when all findings that can be mended are (but those of one code), and these findings.

    What is mended by the same change as one of that code stays as well.
    """
    codes = {finding.code for finding in script.findings if is_mendable(finding)} - {but}

    def lint_for_changes(current: Sequence[Document]) -> Report:
        report = lint(current)
        wanted = (replace(f, fix=change_of(f)) for f in _apart(report.findings, but) if f.code in codes)
        return replace(report, findings=tuple(wanted))

    exposed = {document.path: document for document in written(script)}
    before = [document for document in script.documents.values() if document.source]
    fixed = fix_documents([exposed.get(each.path, each) for each in before], lint_for_changes, unsafe=True)
    left = {finding.code for finding in fixed.report.findings}
    changed = [new for old, new in zip(before, fixed.documents, strict=True) if new.data != old.data]
    return changed, [f for f in _apart(script.findings, but) if f.code in codes - left and is_mendable(f)]


def _apart(findings: Sequence[Finding], code: str) -> list[Finding]:
    """The findings that are mended by other changes than those of this code."""
    kept = [finding for finding in findings if finding.code == code]
    return [finding for finding in findings if not any(is_same_change(finding, each) for each in kept)]


def _edited(script: Script, changes: Sequence[Fix]) -> list[Document]:
    """The files after these changes and all exposures; those that cannot be made are left out."""
    exposures = [finding.plan.exposure for finding in script.findings if finding.plan and finding.plan.exposure]
    for wanted in ([*changes, *exposures], changes):
        edits: dict[str, list[Edit]] = {}
        for edit in dict.fromkeys(edit for change in wanted for edit in change.edits):
            edits.setdefault(edit.place.path, []).append(edit)
        try:
            return [edited_document(script.documents[path], of_path) for path, of_path in edits.items()]
        except (UnfitFixError, KeyError):
            continue
    return []
