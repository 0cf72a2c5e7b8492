"""From bytes or text to a document, whatever they hold."""

from __future__ import annotations

from nnlint.reading.document import (
    DecodeError,
    Document,
    WholeText,
    check_characters,
    decode,
    is_notebook,
    undecodable,
    unified_lines,
)
from nnlint.report import SourceText
from nnlint.source import Source


def read_document(path: str, file: str | None, data: bytes) -> Document:
    """The document of a file's bytes; never raises for what they hold."""
    if is_notebook(path):
        from nnlint.reading.notebook import read_notebook

        return read_notebook(path, file, data)
    try:
        decoded = decode(data)
    except DecodeError as error:
        return undecodable(path, file, data, error)
    return _python_document(path, file, data, decoded.text)


def read_text(path: str, text: str, file: str | None = None) -> Document:
    """The document of a text, which has no encoding any more; never raises for what it holds.

    `file` is the absolute path of the file that the text belongs to, for one that an editor has open.
    """
    data = text.encode("utf-8", "surrogatepass")
    if is_notebook(path):
        return read_document(path, file, data)
    try:
        check_characters(text)
    except DecodeError as error:
        return undecodable(path, file, data, error)
    return _python_document(path, file, data, text.removeprefix("\ufeff"))


def _python_document(path: str, file: str | None, data: bytes, decoded: str) -> Document:
    text = unified_lines(decoded)
    return Document(path, file, data, SourceText(WholeText(text)), Source(path, text, file))
