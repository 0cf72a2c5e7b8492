"""One file as it was read: what the engine sees of it, what the user sees, and what is wrong with it."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nnlint.finding import Finding, Place
from nnlint.lazy import regex
from nnlint.records import dataclass
from nnlint.report import Note, SourceText
from nnlint.source import Source

if TYPE_CHECKING:
    from nnlint.reading.aside import Aside, Packed, Slip

COOKIE = regex(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
"""The encoding declaration of PEP 263."""
BLANK_OR_COMMENT = regex(rb"^[ \t\f]*(?:#.*)?$")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
SAMPLE = 1000
UNUSABLE_CHARACTER = regex("[\0\ud800-\udfff]")


Content = tuple[bytes, SourceText, Source | None]
"""The bytes of a document, unless they are put aside, what users see of them and what the engine sees."""


class Document:
    """A file, standard input or a text.

    `source` goes to the engine; None where there is nothing to analyse. `broken` are its NN901 findings. `data` are the
    bytes as they were read, to which fixes are applied. Of many documents all but those at hand can be put aside.
    """

    __slots__ = ("_above", "_aside", "_content", "_is_below", "_lines", "broken", "notes", "path")

    def __init__(
        self,
        path: str,
        file: str | None,
        data: bytes,
        text: SourceText,
        source: Source | None = None,
        broken: tuple[Finding, ...] = (),
        notes: tuple[Note, ...] = (),
    ) -> None:
        self.path, self.broken, self.notes = path, broken, notes
        self._is_below = file is not None and file.endswith(path)
        self._above = sys.intern(file.removesuffix(path)) if file is not None and self._is_below else file
        self._content: Content | None = (data, text, source)
        self._aside: Slip | Packed | None = None
        self._lines: int | None = None

    @property
    def file(self) -> str | None:
        """Where it is on disk. Of many files below one folder, only that folder is kept."""
        return f"{self._above}{self.path}" if self._is_below else self._above

    @property
    def data(self) -> bytes:
        """The bytes as they were read."""
        return self._unpacked()[0] if self._aside is None else self._aside.read()

    @property
    def text(self) -> SourceText:
        """What the user sees."""
        return self._unpacked()[1]

    @property
    def source(self) -> Source | None:
        """What the engine sees."""
        return self._unpacked()[2]

    @property
    def lines(self) -> int:
        """How many lines the engine sees."""
        if self._lines is None:
            self._lines = self.source.text.count("\n") + 1 if self.source else 0
        return self._lines

    @property
    def is_notebook(self) -> bool:
        """Whether the bytes are the JSON of a notebook."""
        return is_notebook(self.path)

    def put(self, aside: Aside) -> None:
        """From now on the content takes no room, until it is asked for. Only for what was read from bytes."""
        self._lines = self.lines  # which everybody asks for
        self._aside = aside.put(self.data)
        self.release()

    def release(self) -> None:
        """Gives up what was taken back, which nobody needs for now."""
        if self._aside is not None:
            self._content = None

    def _unpacked(self) -> Content:
        if self._content is None:
            from nnlint.reading.documents import read_document

            again = read_document(self.path, self.file, self.data)
            self._content = (b"", again.text, again.source)
        return self._content


@dataclass(frozen=True)
class Decoded:
    """The text of a file with its own line ends, and how to encode it again."""

    text: str
    encoding: str
    mark: bytes = b""

    def encode(self, text: str) -> bytes:
        """The bytes of a text in the encoding of this one. Raises UnicodeError."""
        return self.mark + text.encode(self.encoding)


class DecodeError(Exception):
    """Bytes that are no text: where (1-based), why, and what would help."""

    def __init__(self, line: int, column: int, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.line, self.column, self.reason, self.help = line, column, reason, help


def is_notebook(path: str) -> bool:
    """Whether a path is read as a Jupyter notebook."""
    return path.lower().endswith(".ipynb")


def undecodable(path: str, file: str | None, data: bytes, error: DecodeError) -> Document:
    """A document that holds nothing but the finding that its bytes are no text."""
    from nnlint.reading.syntax_messages import syntax_finding

    lines = shown_lines(unified_lines(data.decode("utf-8", "replace")))
    end = error.column + 1
    place = Place(path, None, error.line, error.column, error.line, end)
    finding = syntax_finding(place, error.reason, (), help=error.help)
    return Document(path, file, data, SourceText({None: lines}), broken=(finding,))


def decode(data: bytes) -> Decoded:
    """The text of Python source, as PEP 263 says. Raises DecodeError."""
    refuse_wide(data)
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    body = data[len(mark) :]
    line, name = _declared_encoding(body)
    if mark and name not in (None, "utf-8"):
        raise DecodeError(line, 1, f"the file begins with a UTF-8 mark but declares {name}", "remove the declaration")
    return decode_as(body, name or "utf-8", mark)


def refuse_wide(data: bytes) -> None:
    """Raises DecodeError for text with more than one byte for each character."""
    wide = _wide_encoding(data)
    if wide:
        raise DecodeError(1, 1, f"the file is {wide}, which Python cannot read", "save it as UTF-8")


def _wide_encoding(data: bytes) -> str:
    """The encoding, if it is one of those; "" for all else."""
    if data.startswith(UTF_32):
        return "UTF-32"
    even, odd = data[:SAMPLE:2], data[1:SAMPLE:2]
    is_latin = bool(odd) and (not any(even)) != (not any(odd))  # half of the bytes are 0, and only half
    return "UTF-16" if data.startswith(UTF_16) or is_latin else ""


def decode_as(body: bytes, encoding: str, mark: bytes = b"") -> Decoded:
    """The text of bytes in a known encoding, without what no Python source may hold. Raises DecodeError."""
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _position(body[: error.start].decode(encoding, "replace"))
        help = f"save it as {encoding}, or declare its encoding on the first line: # -*- coding: latin-1 -*-"
        raise DecodeError(line, column, f"byte 0x{body[error.start]:02x} is not valid {encoding}", help) from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise DecodeError(1, 1, f"the encoding {encoding} is no text encoding", "save the file as UTF-8") from error
    check_characters(text)
    return Decoded(text, encoding, mark)


def check_characters(text: str, what: str = "the source") -> None:
    """Raises DecodeError at the first character that no Python source may hold."""
    if text.isascii() and "\0" not in text:
        return
    unusable = UNUSABLE_CHARACTER.search(text)
    if unusable:
        line, column = _position(text[: unusable.start()])
        kind = "a NUL byte" if unusable.group() == "\0" else "half of a surrogate pair"
        raise DecodeError(line, column, f"{what} holds {kind}", "remove it; the file may be binary or damaged")


def unified_lines(text: str) -> str:
    """The text with every line end as a line feed, as Python's own parser reads it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class WholeText(Mapping[int | None, Sequence[str]]):
    """The lines of a file that has no cells, under None: made when they are asked for, as those of few files are."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the text, which has unified line ends."""
        return shown_lines(self.text)

    def __getitem__(self, cell: int | None) -> Sequence[str]:
        if cell is not None:
            raise KeyError(cell)
        return self.lines

    def __iter__(self) -> Iterator[int | None]:
        return iter((None,))

    def __len__(self) -> int:
        return 1


def shown_lines(text: str) -> tuple[str, ...]:
    """The lines of a text with unified line ends."""
    lines = text.split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def _declared_encoding(body: bytes) -> tuple[int, str | None]:
    """The line and the normalised name of the declared encoding. Raises DecodeError for an unknown one."""
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", body[:10_000], maxsplit=2)[:2], 1):
        found = COOKIE.match(line)
        if found:
            return number, _known_encoding(number, found.group(1).decode("latin-1"))
        if not BLANK_OR_COMMENT.match(line):
            break
    return 1, None


def _known_encoding(line: int, name: str) -> str:
    plain = name.lower().replace("_", "-")
    for alias in ("utf-8", "latin-1", "iso-8859-1", "iso-latin-1"):
        if plain == alias or plain.startswith(f"{alias}-"):  # utf-8-unix and the like, from Emacs
            plain = alias
    try:
        return codecs.lookup(plain).name
    except (LookupError, ValueError) as error:
        help = "declare the encoding the file is really in, or save it as UTF-8"
        raise DecodeError(line, 1, f"the declared encoding {name} is unknown", help) from error


def _position(before: str) -> tuple[int, int]:
    lines = unified_lines(before).split("\n")
    return len(lines), len(lines[-1]) + 1
