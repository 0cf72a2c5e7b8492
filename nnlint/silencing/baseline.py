"""Known findings: fingerprints that survive moved lines, and the file that keeps them."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnlint.finding import Finding
from nnlint.reading.raw import read_bytes
from nnlint.report import SourceText
from nnlint.silencing.trouble import SilencingError

VERSION = 1


class BaselineError(SilencingError):
    """The baseline cannot be read or written; the message names the file."""


def fingerprint(path: str, code: str, line_text: str, occurrence: int) -> str:
    """32 hexadecimal digits for one finding.

    They depend on the path, the code, the text of the line (white space apart) and how many findings of that path, code
    and text stand before it, so that they stay the same when the line moves.
    """
    parts = (path, code, plain(line_text), str(occurrence))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprints(
    findings: Iterable[Finding], texts: Mapping[str, SourceText], path_of: Callable[[str], str] = str
) -> Iterator[str]:
    """One fingerprint for each finding, in order; `path_of` may turn a finding's path into a more lasting one."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        key = (path_of(finding.place.path), finding.code, plain(line_text(finding, texts)))
        yield fingerprint(*key, occurrence=seen[key])
        seen[key] += 1


def line_text(finding: Finding, texts: Mapping[str, SourceText]) -> str:
    """The line on which a finding starts; empty where its text is not at hand."""
    source = texts.get(finding.place.path)
    lines = source.lines(finding.place.cell) if source else ()
    return lines[finding.place.line - 1] if 0 < finding.place.line <= len(lines) else ""


def write_baseline(file: Path, findings: Sequence[Finding], texts: Mapping[str, SourceText]) -> None:
    """Writes all findings as known ones, one a line. Raises BaselineError."""
    from nnlint.mending.writing import write_atomically

    prints = fingerprints(findings, texts, path_from(file))
    entries = [_entry(finding, print_, file, texts) for finding, print_ in zip(findings, prints, strict=True)]
    rows = ",\n".join("    " + json.dumps(entry, ensure_ascii=True) for entry in entries)
    body = f"[\n{rows}\n  ]" if rows else "[]"
    try:
        write_atomically(file, f'{{\n  "version": {VERSION},\n  "findings": {body}\n}}\n'.encode())
    except OSError as error:
        raise BaselineError(f"{file}: the baseline cannot be written: {error.strerror or error}") from error


def without_known(
    findings: Sequence[Finding], texts: Mapping[str, SourceText], file: Path, known: Iterable[str]
) -> tuple[Finding, ...]:
    """The findings whose fingerprint is not among the `known` ones of that baseline file."""
    known = frozenset(known)
    prints = fingerprints(findings, texts, path_from(file))
    return tuple(finding for finding, print_ in zip(findings, prints, strict=True) if print_ not in known)


def stale_entries(
    file: Path,
    findings: Sequence[Finding],
    texts: Mapping[str, SourceText],
    paths: Iterable[str],
    codes: Collection[str],
) -> int:
    """How many entries of a baseline none of the findings is, where these are all of these codes in the files of these paths;
    those of files that are not there any more included. Raises BaselineError."""
    found = set(fingerprints(findings, texts, path_from(file)))
    linted = {path_from(file)(path) for path in paths}
    folder = file.absolute().parent
    return sum(
        entry["fingerprint"] not in found
        and entry.get("code") in codes
        and (entry.get("path") in linted or not os.path.lexists(folder / str(entry.get("path"))))
        for entry in _content(file)["findings"]
    )


def read_baseline(file: Path) -> frozenset[str]:
    """The fingerprints that a baseline file holds. Raises BaselineError."""
    return _known(file, _content(file))


def _content(file: Path) -> Any:
    try:
        return json.loads(read_bytes(file))
    except OSError as error:
        raise BaselineError(f"{file}: the baseline cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{file}: the baseline is not valid JSON: {error}") from error


def _known(file: Path, content: object) -> frozenset[str]:
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise BaselineError(f"{file}: not a baseline of this version of nnlint; write it again with --write-baseline")
    entries = content.get("findings")
    if not isinstance(entries, list):
        raise BaselineError(f"{file}: the baseline has no list of findings; write it again with --write-baseline")
    prints = [entry.get("fingerprint") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(print_, str) for print_ in prints):
        raise BaselineError(
            f"{file}: a finding of the baseline has no fingerprint; write it again with --write-baseline"
        )
    return frozenset(str(print_) for print_ in prints)


def _entry(finding: Finding, print_: str, file: Path, texts: Mapping[str, SourceText]) -> dict[str, str]:
    path = path_from(file)(finding.place.path)
    return {"fingerprint": print_, "path": path, "code": finding.code, "line": plain(line_text(finding, texts))}


def path_from(file: Path) -> Callable[[str], str]:
    """Paths as seen from the baseline's folder: the same wherever nnlint is started."""
    folder = file.absolute().parent

    def path_of(path: str) -> str:
        try:
            return os.path.relpath(path, folder).replace(os.sep, "/")
        except ValueError:  # another drive
            return path

    return path_of


def plain(text: str) -> str:
    """A line without what moving it may change: its white space."""
    return " ".join(text.split())
