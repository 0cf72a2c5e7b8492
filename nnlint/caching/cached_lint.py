"""`lint_documents`, but for what was linted before.

The report of a whole run is kept under a key made of everything that goes in: the documents, the settings that matter, nnlint's
own code and the Python that runs it. With it stand all questions that the analysis asked of the disk (which imports lead to
files, and what is in them); it is taken again only where each would be answered as it was then, and without loading the
engine. Where anything has changed, the units that have not are taken from entries of their own (`nnlint.caching.kept_units`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint import __version__
from nnlint.caching.plain import of_finding, of_note, to_finding, to_note
from nnlint.caching.store import Store
from nnlint.digest import digest
from nnlint.reading.asked_disk import AskedDisk, are_steady
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.shown import texts_of
from nnlint.records import replace
from nnlint.report import Interrupted, Report
from nnlint.settings import Settings

if TYPE_CHECKING:
    from nnlint.analyses import Analyses

FOLDER = ".nnlint_cache"
FORMAT = 1
DECIDING = ("select", "extend_select", "ignore", "per_file_ignores", "exclude", "root")
"""The settings on which findings depend."""

Progress = Callable[[str], None]


def lint_cached(
    documents: Sequence[Document],
    settings: Settings,
    progress: Progress = lambda path: None,
    disk: Disk = DISK,
    jobs: int = 1,
    analyses: Analyses | None = None,
) -> Report:
    """What `nnlint.lint.lint_documents` gives, from the cache where that is possible. Findings have no plan to verify them.

    Raises Interrupted where the user interrupts; what was analysed by then is kept.
    """
    store = Store(settings.cache_dir or str(Path(settings.root) / FOLDER))
    program = [FORMAT, __version__, sys.version, own_code(), os.getcwd()]  # noqa: PTH109 - findings name paths from here
    key = _key(documents, settings, program)
    known = _known(store.get(key), documents, disk)
    if known is not None:
        return known
    from nnlint.caching.kept_units import KeptUnits
    from nnlint.lint import lint_documents
    from nnlint.selection import select_rules

    asked = AskedDisk(disk=disk)
    codes = [rule.code for rule in select_rules(settings.select, settings.extend_select, settings.ignore)]
    units = KeptUnits(store, asked, [program, codes])
    report = lint_documents(documents, settings, progress, asked, units, jobs, analyses)
    try:
        _keep(store, key, report, asked)
        return report
    except KeyboardInterrupt:
        report = replace(report, interrupted=True)
    raise Interrupted(report)


def _keep(store: Store, key: str, report: Report, asked: AskedDisk) -> None:
    answers = asked.plain()
    if not report.errors and are_steady(answers):
        kept = [FORMAT, answers, [*map(of_finding, report.findings)], [*map(of_note, report.notes)]]
        store.put(key, json.dumps(kept, separators=(",", ":")))
    store.prune()


def _key(documents: Sequence[Document], settings: Settings, program: object) -> str:
    parts = [
        program,
        [getattr(settings, name) for name in DECIDING],
        [[document.path, document.file, digest(document.data)] for document in documents],
    ]
    return digest(json.dumps(parts).encode("utf-8", "surrogatepass"))


@cache
def own_code() -> str:
    """What stands for the files of nnlint and its rules: where they lie, how large they are and when they were written."""
    import nnlint

    folder = Path(nnlint.__file__).parent
    found = sorted(_code_files([str(folder), str(folder.parent / "rules")]))
    return digest(json.dumps(found).encode("utf-8", "surrogatepass"))


def _code_files(folders: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    waiting = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting += [entry.path] if entry.name != "__pycache__" else []
                elif entry.name.endswith(".py"):
                    status = entry.stat()
                    yield entry.path, status.st_size, status.st_mtime_ns


def _known(text: str | None, documents: Sequence[Document], disk: Disk) -> Report | None:
    """The report that a cached text tells of, if it still holds; None for anything that is not such a text."""
    if text is None:
        return None
    try:
        format, answers, findings, notes = json.loads(text)
        if format != FORMAT or not AskedDisk(disk=disk).still_answers(answers):
            return None
        found = tuple(map(to_finding, findings))
        return Report(
            findings=found,
            notes=tuple(map(to_note, notes)),
            files=len(documents),
            texts=texts_of(found, {document.path: document for document in documents}, disk),
        )
    except (ValueError, TypeError, RecursionError):
        return None
