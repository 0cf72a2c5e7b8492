"""Standard output, standard error and the terminal behind them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from nnlint.report import InternalError

SILENT_SECONDS = 1.0
"""A run that is done by then shows no progress."""
STEP_SECONDS = 0.1


class OutputError(Exception):
    """The output cannot be written; the message names the file."""


def emit(text: str | Iterable[str], output_file: str | None) -> None:
    """Writes a text, or its pieces one by one, to the file or to standard output. Raises OutputError."""
    pieces = filter(None, (text,) if isinstance(text, str) else text)
    if output_file is not None:
        _write_file((piece.encode("utf-8", "backslashreplace") for piece in pieces), output_file)
        return
    for first in pieces:  # with nothing to write, nobody asks for a stream
        with _standard_output() as stream:
            stream.write(first)
            stream.writelines(pieces)


def emit_bytes(data: bytes, output_file: str | None) -> None:
    """Writes bytes to the file, or to standard output. Raises OutputError."""
    if output_file is not None:
        _write_file((data,), output_file)
    elif data:
        with _standard_output() as stream:
            stream.flush()
            stream.buffer.write(data)


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output, to be written to. Raises OutputError where that fails, unless nobody reads it any more."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def say(message: str) -> None:
    """Writes a line to standard error."""
    tell(f"nnlint: {message}\n")


def tell(text: str) -> None:
    """Writes a text to standard error; where that fails, nobody listens."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def tell_errors(errors: Iterable[InternalError]) -> None:
    """Writes what the run failed on to standard error, a line each."""
    from nnlint.output.places import place_of

    for error in errors:
        say(f"{error.kind}: {place_of(error)}: {error.message}")


def _discard(stream: TextIO) -> None:
    """Sends what is still to come on a stream nowhere, so that closing it does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_terminal(output_file: str | None) -> bool:
    """Whether a person reads the output as it comes."""
    return output_file is None and sys.stdout is not None and sys.stdout.isatty()


def is_coloured(color: str, output_file: str | None) -> bool:
    """Whether to use colours: as asked for, else on a terminal, unless NO_COLOR or TERM=dumb speaks against it."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(output_file)


def encoding_of(output_file: str | None) -> str:
    """The encoding in which a text is written: files are UTF-8."""
    return (sys.stdout and sys.stdout.encoding) or "utf-8" if output_file is None else "utf-8"


def terminal_width(output_file: str | None) -> int:
    """The columns of the terminal; 0 where there is none."""
    return _columns() if is_terminal(output_file) else 0


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns


class Progress:
    """One line on standard error that tells what a long run is at; nothing where that is no terminal."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self.next_time = time.monotonic() + SILENT_SECONDS
        self.shown = False

    def __call__(self, path: str) -> None:
        """Shows the path, if enough time has passed."""
        now = time.monotonic()
        if self.enabled and now >= self.next_time:
            self.next_time = now + STEP_SECONDS
            self._show(f"nnlint: {path}"[: _columns() - 1])
            self.shown = True

    def clear(self) -> None:
        """Takes the line away again."""
        if self.shown:
            self._show("")

    def _show(self, line: str) -> None:
        tell(f"\r\x1b[K{line}")


def _write_file(pieces: Iterable[bytes], output_file: str) -> None:
    from nnlint.mending.writing import write_atomically

    try:
        write_atomically(Path(output_file), pieces)
    except OSError as error:
        raise OutputError(f"{output_file}: the output cannot be written: {error.strerror or error}") from error
