"""Analyses of units that earlier runs have made, each in an entry of its own: a changed file costs the analysis of its unit.

The key is made of the contents of all files that hang together with the unit's, and of all else that goes into an analysis.
With it stand the answers that the disk gave while the unit was analysed, as they do for a whole run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from nnlint.analysis import Analysis
from nnlint.caching.plain import of_finding, of_note, to_finding, to_note
from nnlint.caching.store import Store
from nnlint.digest import digest
from nnlint.reading.asked_disk import Answer, AskedDisk, are_steady
from nnlint.reading.document import Document
from nnlint.units import Unit

FORMAT = 1
UNPRUNED = 500
"""Entries that may be written before the folder is looked through for what must make room."""


class KeptUnits:
    """See `nnlint.analysis.Kept`. `surroundings` is what goes into an analysis beside the unit and the disk, as JSON."""

    def __init__(self, store: Store, disk: AskedDisk, surroundings: object) -> None:
        self.store = store
        self.disk = disk
        self.surroundings = surroundings
        self.written = 0
        self._together: tuple[Document, ...] = ()
        self._of_together = ""

    def get(self, unit: Unit) -> Analysis | None:
        """See `nnlint.analysis.Kept`."""
        text = self.store.get(self._key(unit))
        return None if text is None else _read(text, self.disk)

    def put(self, unit: Unit, analysis: Analysis, answers: Sequence[Answer]) -> None:
        """See `nnlint.analysis.Kept`. What a rule has failed on is not kept."""
        self.disk.learn(answers)
        if analysis.errors or not are_steady(answers):
            return
        findings = [*map(of_finding, analysis.findings.values())]
        kept = [FORMAT, answers, findings, [*map(of_note, analysis.notes)]]
        self.store.put(self._key(unit), json.dumps(kept, separators=(",", ":")))
        self.written += 1
        if self.written % UNPRUNED == 0:
            self.store.prune()

    def _key(self, unit: Unit) -> str:
        if unit.together is not self._together:
            self._together, self._of_together = unit.together, _digest_of(unit.together)
        own = [document.path for document in unit.documents]
        silent = [[path, sorted(codes)] for path, codes in unit.silent.items()]
        parts = ["unit", FORMAT, self.surroundings, own, silent, self._of_together]
        return digest(json.dumps(parts).encode("utf-8", "surrogatepass"))


def _digest_of(documents: Sequence[Document]) -> str:
    named = [[document.path, document.file, digest(document.data)] for document in documents]
    return digest(json.dumps(named).encode("utf-8", "surrogatepass"))


def _read(text: str, disk: AskedDisk) -> Analysis | None:
    """The analysis that a cached text tells of, if it still holds; None for anything that is not such a text."""
    try:
        format, answers, findings, notes = json.loads(text)
        if format != FORMAT or not disk.still_answers(answers):
            return None
        analysis = Analysis(notes=[to_note(note) for note in notes])
        analysis.add(to_finding(finding) for finding in findings)
        return analysis
    except (ValueError, TypeError, RecursionError):
        return None
