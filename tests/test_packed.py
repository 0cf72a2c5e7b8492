"""Of many documents and findings those at hand alone are in memory: nothing that anybody sees depends on it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from nnlint import found
from nnlint.finding import Finding, Place, Severity
from nnlint.reading import files, shown
from nnlint.reading.aside import Aside, Packed, Slip
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
    document.put(Aside())
    assert (document.data, document.text, document.source, document.lines) == (data, text, source, lines)
    document.release()
    assert document.source == source


@pytest.mark.parametrize("format", ["text", "concise", "github", "json", "gitlab", "junit", "sarif"])
def test_packed_files_are_reported_alike(command: Command, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    for number in range(4):
        command.write(f"{number}.py", FAULTY + "x = 1  # noqa: NN102\n" * number)
    command.write("main.py", "from net import Net\nimport torch\n")
    command.write("net.py", "import torch\nclass Net(torch.nn.Module):\n    pass\n")
    command.write("study.ipynb", NOTEBOOK)
    loose = command("--no-cache", "--output-format", format, ".")
    monkeypatch.setattr(files, "MOST_AT_HAND", 0)
    monkeypatch.setattr(shown, "MOST_AT_HAND", 1)
    monkeypatch.setattr(found, "MOST_AT_HAND", 0)
    packed = command("--no-cache", "--output-format", format, ".")
    assert loose.status == 1
    assert (packed.status, packed.output, packed.errors) == (loose.status, loose.output, loose.errors)


def test_fixes_are_written_to_what_was_packed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_AT_HAND", 0)
    written = [command.write(f"{name}.py", FAULTY) for name in "ab"]
    command("--fix", ".")
    assert command(".").findings == []
    assert [Path(file).read_text() != FAULTY for file in written] == [True, True]


def test_bytes_are_put_aside_on_disk_or_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    aside = Aside()
    slips = [aside.put(data) for data in (b"first", b"", b"third" * 9)]

    def refuse(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("nnlint.reading.aside.os.pwrite", refuse)
    slips.append(aside.put(b"fourth"))
    again = pickle.loads(pickle.dumps(slips))
    assert [slip.read() for slip in slips] == [b"first", b"", b"third" * 9, b"fourth"]
    assert [type(slip) for slip in (slips[0], slips[3], again[0])] == [Slip, Packed, Packed]
    assert [slip.read() for slip in again] == [slip.read() for slip in slips]


def test_findings_that_were_put_aside_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "MOST_AT_HAND", 2)
    gathered = found.Found()
    for path in ("c.py", "a.py", "b.py"):
        gathered.put(path, [finding_at(path, line, code) for line, code in ((9, "NN102"), (2, "NN902"))])
    gathered.put("b.py", [finding_at("b.py", 9, "NN102"), finding_at("b.py", 1, "NN301")])
    kept = gathered.all(but="NN902")
    assert [(each.place.path, each.place.line) for each in kept] == [("a.py", 9), ("b.py", 1), ("b.py", 9), ("c.py", 9)]
    assert (len(kept), len(gathered.all())) == (4, 7)
    assert kept == tuple(kept) and kept[0] == next(iter(kept)) and kept[-1].place.path == "c.py"
    assert list(found.Changed(kept, lambda each: each)[1:3]) == [*kept][1:3]


def finding_at(path: str, line: int, code: str) -> Finding:
    return Finding(code, "a-rule", Severity.WARNING, "a fault", Place(path, None, line, 1, line, 2))
