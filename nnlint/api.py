"""Linting from Python: pure functions with picklable results."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike

from nnlint.finding import Finding
from nnlint.lint import lint_documents
from nnlint.reading.document import Document
from nnlint.reading.documents import read_text
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import InternalError
from nnlint.settings import Settings, check_codes, load_settings, settings_from

Paths = Iterable[str | PathLike[str]] | str | PathLike[str]
SettingsLike = Settings | Mapping[str, object] | None


class LintError(Exception):
    """Some of a run failed: an unreadable path, a rule that raised. `findings` are those of the rest."""

    def __init__(self, errors: Sequence[InternalError], findings: Sequence[Finding]) -> None:
        super().__init__(tuple(errors), tuple(findings))
        self.errors, self.findings = tuple(errors), tuple(findings)

    def __str__(self) -> str:
        return "; ".join(f"{error.path}: {error.message}" for error in self.errors)


def lint_paths(paths: Paths, settings: SettingsLike = None) -> list[Finding]:
    """See `nnlint.lint_paths`."""
    named = [paths] if isinstance(paths, (str, PathLike)) else paths
    texts = [os.fspath(path) for path in named]
    used = load_settings(texts[0] if texts else ".") if settings is None else _settings(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that Python's parser has about the linted code
        collected = read_paths(texts, Patterns(used.root, used.exclude))
        return _findings(collected.documents, used, collected.errors)


def lint_text(text: str, path: str = "<text>", settings: SettingsLike = None) -> list[Finding]:
    """See `nnlint.lint_text`."""
    for name, value in (("text", text), ("path", path)):
        if not isinstance(value, str):
            raise TypeError(f"lint_text takes a {name} of type str, not {type(value).__name__}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _findings([read_text(path, text)], _settings(settings or Settings()), ())


def _settings(settings: Settings | Mapping[str, object]) -> Settings:
    if isinstance(settings, Settings):
        check_codes(settings, "settings")
        return settings
    return settings_from(settings, "settings")


def _findings(documents: Sequence[Document], settings: Settings, errors: Sequence[InternalError]) -> list[Finding]:
    report = lint_documents(documents, settings)
    failed = (*errors, *report.errors)
    if failed:
        raise LintError(failed, report.findings)
    return list(report.findings)
