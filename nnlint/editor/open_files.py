"""The files that an editor has open, as the engine reads them, and what nnlint finds in them."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nnlint.finding import Finding
from nnlint.lint import lint_documents
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.reading.documents import read_text
from nnlint.reading.files import shown_path
from nnlint.reading.patterns import Patterns
from nnlint.records import dataclass
from nnlint.report import Report
from nnlint.settings import Settings, SettingsError, nearest_file, read_settings


@dataclass(frozen=True)
class OpenFile:
    """A file or notebook as it stands in the editor.

    `file` is its absolute path, or a mere name for one that was never saved (`is_saved` is false). A notebook has the URIs of
    its code cells, in order, and `texts` one text for each of them; anything else has one text.
    """

    uri: str
    file: str
    texts: tuple[str, ...]
    cells: tuple[str, ...] = ()
    is_saved: bool = True

    @property
    def shown(self) -> str:
        """The path by which findings name it."""
        return shown_path(self.file) if self.is_saved else self.file

    def data(self) -> bytes:
        """What saving it would write, as far as it matters here."""
        if not self.is_notebook:
            return self.texts[0].encode("utf-8", "surrogatepass")
        cells = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": []} for text in self.texts]
        return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()

    @property
    def is_notebook(self) -> bool:
        """Whether it consists of cells."""
        return self.file.lower().endswith(".ipynb")

    def document(self) -> Document:
        """What the engine reads; never raises."""
        text = self.data().decode() if self.is_notebook else self.texts[0]
        return read_text(self.shown, text, self.file if self.is_saved else None)


@dataclass(frozen=True)
class Looked:
    """What was found in one open file: the file as it was then, its findings, and the report that shows the texts around."""

    file: OpenFile
    findings: tuple[Finding, ...]
    report: Report


class Outdated(BaseException):
    """What is being looked for is of no use any more. No part of the analysis takes this for a fault of its own."""


def look(files: Sequence[OpenFile], is_outdated: Callable[[], bool] = lambda: False) -> tuple[list[Looked], list[str]]:
    """Lint all open files, those of one settings file together, and say what could not be done.

    Imports lead to the open files as they stand in the editor, and to all others as they are on disk. `is_outdated` is asked
    before each of the abstract runs; Outdated is raised once it says so.
    """

    def go_on(path: str) -> None:
        if is_outdated():
            raise Outdated

    disk = Disk({os.path.realpath(each.file): each.data() for each in files if each.is_saved})
    looked: list[Looked] = []
    troubles: list[str] = []
    for settings, group in _by_settings(files, troubles):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those that Python's parser has about the linted code
            report = lint_documents([each.document() for each in group], settings, go_on, disk)
        troubles += [f"{error.path}: {error.message}" for error in report.errors]
        for each in group:
            own = tuple(finding for finding in report.findings if finding.place.path == each.shown)
            looked.append(Looked(each, own, report))
    return looked, troubles


def _by_settings(files: Iterable[OpenFile], troubles: list[str]) -> list[tuple[Settings, list[OpenFile]]]:
    """The files that are to be linted, by the settings that hold for them. Settings that are wrong are told, and not used."""
    groups: dict[Path | None, tuple[Settings, list[OpenFile]]] = {}
    for each in files:
        found = None
        try:
            found = nearest_file(Path(each.file)) if each.is_saved else None
            if found not in groups:
                groups[found] = (read_settings(found) if found else Settings(), [])
        except SettingsError as error:
            troubles.append(str(error))
            groups.setdefault(found, (Settings(), []))
        settings, group = groups[found]
        if not Patterns(settings.root, settings.exclude).cover(each.shown):
            group.append(each)
    return [(settings, group) for settings, group in groups.values() if group]
