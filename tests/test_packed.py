"""Of many documents those at hand alone are unpacked: nothing that anybody sees depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnlint.reading import files, shown
from nnlint.reading.documents import read_document
from tests.command import Command
from tests.fixture_cases import FIXTURES
from tests.scripts import FAULTY

NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": ["%matplotlib inline\n", FAULTY]}]}).encode()
CONTENTS = {file.name: file.read_bytes() for file in sorted((FIXTURES / "broken").glob("*.*"))} | {"a.ipynb": NOTEBOOK}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_was_packed_is_as_it_was(name: str) -> None:
    document = read_document(name, f"/folder/{name}", CONTENTS[name])
    data, text, source, lines = document.data, document.text, document.source, document.lines
    document.pack()
    assert (document.data, document.text, document.source, document.lines) == (data, text, source, lines)
    document.release()
    assert document.source == source


@pytest.mark.parametrize("format", ["text", "json", "gitlab", "sarif"])
def test_packed_files_are_reported_alike(command: Command, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    for number in range(4):
        command.write(f"{number}.py", FAULTY + "x = 1  # noqa: NN102\n" * number)
    command.write("main.py", "from net import Net\nimport torch\n")
    command.write("net.py", "import torch\nclass Net(torch.nn.Module):\n    pass\n")
    command.write("study.ipynb", NOTEBOOK)
    loose = command("--no-cache", "--output-format", format, ".")
    monkeypatch.setattr(files, "MOST_UNPACKED", 0)
    monkeypatch.setattr(shown, "MOST_UNPACKED", 1)
    packed = command("--no-cache", "--output-format", format, ".")
    assert loose.status == 1
    assert (packed.status, packed.output, packed.errors) == (loose.status, loose.output, loose.errors)


def test_fixes_are_written_to_what_was_packed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_UNPACKED", 0)
    written = [command.write(f"{name}.py", FAULTY) for name in "ab"]
    command("--fix", ".")
    assert command(".").findings == []
    assert [Path(file).read_text() != FAULTY for file in written] == [True, True]
