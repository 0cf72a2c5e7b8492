"""Lint a Parquet set of source files on a Dask cluster.

    python lint_parquet.py ADDRESS SOURCES FINDINGS

SOURCES is a folder of Parquet files with the columns `path` and `text`, FINDINGS the folder that gets a Parquet file for each
row group of them; both are on storage that all workers see. The findings of a row group appear as a whole, under a name that
depends on nothing but the row group: a worker that is lost in the middle leaves nothing behind that counts, whoever does its
work again writes the same file, and a run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
from distributed import Client, as_completed

import nnlint
from nnlint.api import LintError

SCHEMA = pyarrow.schema(
    {
        "path": pyarrow.string(),
        "cell": pyarrow.int32(),
        "line": pyarrow.int32(),
        "column": pyarrow.int32(),
        "code": pyarrow.string(),
        "severity": pyarrow.string(),
        "message": pyarrow.string(),
    }
)
"""A row without a code tells that a text could not be linted, and why."""


def main(arguments: Sequence[str]) -> None:
    """Lints what is not linted yet, and says so as it is done."""
    address, sources, findings = arguments
    Path(findings).mkdir(parents=True, exist_ok=True)
    with Client(address) as client:
        todo = [part for part in parts(sources, findings) if not Path(part[2]).exists()]
        for _, target in as_completed(client.map(lint_part, *zip(*todo, strict=True), pure=False), with_results=True):
            print(target, flush=True)


def parts(sources: str, findings: str) -> Iterator[tuple[str, int, str]]:
    """Each row group: its file, its number, and the file of its findings."""
    for source in sorted(Path(sources).glob("*.parquet")):
        for number in range(pyarrow.parquet.ParquetFile(source).num_row_groups):
            yield str(source), number, str(Path(findings, f"{source.stem}.{number}.parquet"))


def lint_part(source: str, number: int, target: str) -> str:
    """Lints one row group, on a worker."""
    texts = pyarrow.parquet.ParquetFile(source).read_row_group(number, columns=["path", "text"]).to_pylist()
    rows = [row for each in texts for row in lint(each["path"], each["text"])]
    aside = Path(target).with_suffix(f".{uuid.uuid4().hex}.new")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, SCHEMA), aside)
    aside.replace(target)
    return target


def lint(path: str, text: str) -> Iterator[dict[str, object]]:
    """The rows of one text."""
    try:
        findings: Sequence[nnlint.Finding] = nnlint.lint_text(text, path)
    except LintError as error:
        findings = error.findings
        yield {"path": path, "message": str(error)}
    for finding in findings:
        place = finding.place
        yield {
            "path": place.path,
            "cell": place.cell,
            "line": place.line,
            "column": place.column,
            "code": finding.code,
            "severity": finding.severity.value,
            "message": finding.message,
        }


if __name__ == "__main__":
    main(sys.argv[1:])
