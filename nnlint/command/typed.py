"""Paths as they were typed: what lies outside the current folder is absolute everywhere else, so that a file has one path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nnlint.finding import Finding, Fix, Place
from nnlint.found import Changed
from nnlint.reading.files import STANDARD_INPUT, shown_path
from nnlint.records import replace
from nnlint.report import InternalError, Note, Report, SourceText

if TYPE_CHECKING:
    from nnlint.trials import Trial

Said = TypeVar("Said", InternalError, Note)


def as_typed(report: Report, paths: Sequence[str]) -> Report:
    """The report with the paths below these as they are written here, where that is relative and leads out of the folder."""
    roots = {
        shown_path(path): _plain(path) for path in paths if path != STANDARD_INPUT and not Path(path).is_absolute()
    }
    roots = {full: typed for full, typed in roots.items() if Path(full).is_absolute()}
    if not roots:
        return report

    def shown(path: str) -> str:
        for full, typed in roots.items():
            if path == full or path.startswith(full.rstrip("/") + "/"):
                return typed + path[len(full.rstrip("/")) :]
        return path

    return replace(
        report,
        findings=Changed(report.findings, partial(_finding, shown=shown)),
        withdrawn=tuple(_finding(finding, shown) for finding in report.withdrawn),
        errors=tuple(_said(error, shown) for error in report.errors),
        notes=tuple(_said(note, shown) for note in report.notes),
        trials=tuple(_trial(trial, shown) for trial in report.trials),
        texts=_Texts({shown(path): path for path in report.texts}, report.texts),
    )


def _plain(path: str) -> str:
    return path.replace(os.sep, "/").rstrip("/")


def _said(said: Said, shown: Callable[[str], str]) -> Said:
    return replace(said, path=shown(said.path))


def _trial(trial: Trial, shown: Callable[[str], str]) -> Trial:
    arms = (replace(arm, mended=tuple(_finding(finding, shown) for finding in arm.mended)) for arm in trial.arms)
    return replace(trial, path=shown(trial.path), arms=tuple(arms))


def _finding(finding: Finding, shown: Callable[[str], str]) -> Finding:
    related = tuple(replace(each, place=_place(each.place, shown)) for each in finding.related)
    fix = finding.fix and _fix(finding.fix, shown)
    return replace(finding, place=_place(finding.place, shown), related=related, fix=fix)


def _fix(fix: Fix, shown: Callable[[str], str]) -> Fix:
    return replace(fix, edits=tuple(replace(edit, place=_place(edit.place, shown)) for edit in fix.edits))


def _place(place: Place, shown: Callable[[str], str]) -> Place:
    return replace(place, path=shown(place.path))


class _Texts(Mapping[str, SourceText]):
    """Texts under other paths."""

    def __init__(self, names: Mapping[str, str], texts: Mapping[str, SourceText]) -> None:
        self.names, self.texts = names, texts

    def __getitem__(self, path: str) -> SourceText:
        return self.texts[self.names[path]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
