"""The README as tests read it; `python -m tests.readme` writes the output that it shows anew."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.working_tree import ROOT

FILE = ROOT / "README.md"
SAMPLE = re.compile(r"(?<=```console\n)\$ (nnlint [^\n]*)\n(.*?)(?=```)", re.DOTALL)


def text() -> str:
    """The whole file."""
    return FILE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.DOTALL | re.MULTILINE)


def sample() -> tuple[str, str]:
    """The command that the README shows, and its output there."""
    shown = SAMPLE.search(text())
    assert shown, "the README shows no output"
    return shown[1], shown[2]


def output(command: str) -> str:
    """What a command of nnlint really says in the repository, in the format it has on a terminal."""
    options = ["--output-format=text", "--color=never"]
    line = [sys.executable, "-m", *command.split(), *options]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, encoding="utf-8").stdout


if __name__ == "__main__":
    FILE.write_text(SAMPLE.sub(lambda shown: f"$ {shown[1]}\n{output(shown[1])}", text()), encoding="utf-8")
