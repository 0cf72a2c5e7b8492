"""Where the places of a finding are after other findings of its script were mended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import accumulate

from nnlint.finding import Finding, Place
from nnlint.reading.document import Document
from nnlint.reading.positions import Positions
from nnlint.source import Source
from nnlint.verify.scripts import Script

TOKEN = re.compile(r"\w+|\s|[^\w\s]")


def moved(script: Script, finding: Finding, changed: Iterable[Document]) -> Script:
    """The script after these changes, with this finding alone, where its places have moved to."""
    documents = dict(script.documents) | {document.path: document for document in changed}
    shifts = {
        path: Shift(old.source, new.source)
        for path, new in documents.items()
        if (old := script.documents[path]).source and new.source and new is not old
    }

    def there(place: Place) -> Place:
        return shifts[place.path].moved(place) if place.path in shifts else place

    related = tuple(replace(each, place=there(each.place)) for each in finding.related)
    plan = finding.plan and replace(finding.plan, probes=tuple(map(there, finding.plan.probes)))
    gone = replace(finding, place=there(finding.place), related=related, plan=plan)
    return replace(script, document=documents[script.document.path], findings=(gone,), documents=documents)


Block = tuple[bool, int, int, int, int]
"""Whether two pieces of text are the same, and where each starts and ends."""


class Shift:
    """Where the places of a text are in a changed one: what was replaced is where its replacement is."""

    def __init__(self, before: Source, after: Source) -> None:
        self.before = before
        self.after = after
        self.positions = Positions(before.text)
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
        start = self.positions.nearest(line, place.column)
        end = self.positions.nearest(line + place.end_line - place.line, place.end_column)
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


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
