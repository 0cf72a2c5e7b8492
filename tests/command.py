"""The command line as a test calls it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnlint.cli import exit_status


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    status: int
    raw_output: bytes
    errors: str

    @property
    def output(self) -> str:
        """Standard output as text."""
        return self.raw_output.decode()

    @property
    def findings(self) -> list[str]:
        """The place and the code of each finding, from the concise format: `a.py:1:2 NN102`."""
        found = re.finditer(r"^(.+?): (?:error|warning|advice) (NN[0-9]{3}) ", self.output, re.MULTILINE)
        return [f"{finding[1]} {finding[2]}" for finding in found]


@dataclass(frozen=True)
class Command:
    """Runs nnlint in a folder of its own."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[bytes]

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Runs the command with these arguments."""
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.capture.readouterr()
        status = exit_status(list(arguments))
        captured = self.capture.readouterr()
        return Outcome(status, captured.out, captured.err.decode())

    def write(self, path: str, content: str | bytes) -> Path:
        """Writes a file below the folder, exactly these bytes."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file
