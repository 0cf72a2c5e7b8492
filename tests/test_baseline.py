"""Known findings: written, recognised after lines moved, and nothing else hidden."""

from __future__ import annotations

import json

import pytest

from nnlint.silencing.baseline import fingerprint
from tests.command import Command

pytestmark = pytest.mark.usefixtures("made_up_rules")


def test_known_findings_are_not_reported_again(command: Command) -> None:
    command.write("a.py", "FAULT = 1\nRISKY = 2\n")
    outcome = command("--write-baseline", "known.json", ".")
    assert outcome.status == 0
    assert "2 findings written to known.json as known" in outcome.errors
    assert command("--baseline", "known.json", ".").status == 0
    assert command(".").status == 1


def test_moved_and_indented_lines_stay_known_and_new_ones_are_reported(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    command.write("a.py", "# more\n\nif x:\n    FAULT = 1\nFAULT = 2\n")
    assert command("--baseline", "known.json", ".").findings == ["a.py:5:1 NN101"]


def test_a_second_line_of_the_same_text_is_new(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    command.write("a.py", "FAULT = 1\nFAULT = 1\n")
    assert len(command("--baseline", "known.json", ".").findings) == 1
    command.write("b.py", "FAULT = 1\n")
    assert len(command("--baseline", "known.json", ".").findings) == 2


def test_findings_are_known_from_any_folder(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.write("sub/a.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    command.write("nnlint.toml", 'baseline = "known.json"\n')
    monkeypatch.chdir(command.folder / "sub")
    assert command("a.py").status == 0


def test_in_notebooks_cells_may_move(command: Command) -> None:
    cells = [{"cell_type": "code", "source": "FAULT = 1"}]
    command.write("a.ipynb", json.dumps({"cells": cells}))
    command("--write-baseline", "known.json", ".")
    cells.insert(0, {"cell_type": "code", "source": "x = 1"})
    command.write("a.ipynb", json.dumps({"cells": cells}))
    assert command("--baseline", "known.json", ".").status == 0


def test_the_file_can_be_read_and_merged_by_people(command: Command) -> None:
    command.write("a.py", "FAULT = 'é'\n")
    command("--write-baseline", "known.json", ".")
    text = (command.folder / "known.json").read_text()
    assert json.loads(text)["findings"][0] | {"fingerprint": ""} == {
        "fingerprint": "",
        "path": "a.py",
        "code": "NN101",
        "line": "FAULT = 'é'",
    }
    assert len([line for line in text.splitlines() if "NN101" in line]) == 1


def known_lines(command: Command) -> list[str]:
    return [entry["line"] for entry in json.loads((command.folder / "known.json").read_text())["findings"]]


@pytest.mark.parametrize("settings", ["", 'baseline = "known.json"\n'])
def test_writing_again_keeps_what_is_known(command: Command, settings: str) -> None:
    command.write("nnlint.toml", settings)
    options = () if settings else ("--baseline", "known.json")
    command.write("a.py", "FAULT = 1\n")
    command("--isolated", "--write-baseline", "known.json", ".")
    command.write("a.py", "FAULT = 1\nFAULT = 2\n")
    outcome = command(*options, "--write-baseline", "known.json", ".")
    assert outcome.status == 0
    assert known_lines(command) == ["FAULT = 1", "FAULT = 2"]
    assert command("--baseline", "known.json", ".").status == 0


@pytest.mark.parametrize("content", [None, "{"])
def test_the_first_baseline_can_be_written_where_the_settings_name_it_already(
    command: Command, content: str | None
) -> None:
    command.write("nnlint.toml", 'baseline = "known.json"\n')
    command.write("a.py", "FAULT = 1\n")
    if content is not None:
        command.write("known.json", content)
    assert command("--write-baseline", "known.json", ".").status == 0
    assert known_lines(command) == ["FAULT = 1"]


def test_writing_while_fixing_leaves_known_findings_alone_and_writes_them(command: Command) -> None:
    file = command.write("a.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    file.write_text("FAULT = 1\nFAULT = 2\nRISKY = 3\n")
    assert command("--fix", "--baseline", "known.json", "--write-baseline", "known.json", ".").status == 0
    assert file.read_text() == "FAULT = 1\nMENDED = 2\nRISKY = 3\n"
    assert known_lines(command) == ["FAULT = 1", "RISKY = 3"]


def test_a_diff_writes_nothing_and_so_no_baseline(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    outcome = command("--diff", "--write-baseline", "known.json", ".")
    assert outcome.status == 2
    assert "--diff and --write-baseline exclude each other" in outcome.errors
    assert not (command.folder / "known.json").exists()


def test_nothing_found_gives_an_empty_baseline(command: Command) -> None:
    command.write("a.py", "x = 1\n")
    assert command("--write-baseline", "known.json", ".").status == 0
    assert json.loads((command.folder / "known.json").read_text())["findings"] == []
    assert command("--baseline", "known.json", ".").status == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the baseline cannot be read"),
        ("{", "not valid JSON"),
        ("[]", "not a baseline"),
        ('{"version": 99}', "not a baseline of this version"),
        ('{"version": 1}', "no list of findings"),
        ('{"version": 1, "findings": [{}]}', "no fingerprint"),
    ],
)
def test_a_broken_baseline_is_an_error_that_names_the_file(command: Command, content: str | None, message: str) -> None:
    if content is not None:
        command.write("known.json", content)
    command.write("a.py", "x = 1\n")
    outcome = command("--baseline", "known.json", ".")
    assert outcome.status == 2
    assert outcome.errors.startswith("nnlint: error: known.json: ")
    assert message in outcome.errors


def test_a_baseline_that_cannot_be_written(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    outcome = command("--write-baseline", "missing/known.json", ".")
    assert outcome.status == 2
    assert "missing/known.json: the output cannot be written" in outcome.errors


def test_fixing_leaves_known_findings_alone(command: Command) -> None:
    file = command.write("a.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    file.write_text("FIRST = 2\nFAULT = 1\n")
    assert command("--fix", "--baseline", "known.json", ".").status == 0
    assert file.read_text() == "MENDED = 2\nFAULT = 1\n"


def test_fingerprints_depend_on_what_a_line_says() -> None:
    first = fingerprint("a.py", "NN101", "  x =  1", 0)
    assert first == fingerprint("a.py", "NN101", "x = 1", 0)
    others = [("b.py", "NN101", "x = 1", 0), ("a.py", "NN102", "x = 1", 0), ("a.py", "NN101", "x = 2", 0)]
    assert first not in [fingerprint(*other) for other in [*others, ("a.py", "NN101", "x = 1", 1)]]


def test_verbose_counts_the_entries_that_nothing_is_behind_any_more(command: Command) -> None:
    for name in ("a", "b", "c"):
        command.write(f"{name}.py", "FAULT = 1\n")
    command("--write-baseline", "known.json", ".")
    assert "known.json" not in command("--baseline", "known.json", "--verbose", ".").errors
    command.write("a.py", "x = 1\n")
    (command.folder / "b.py").unlink()
    outcome = command("--baseline", "known.json", "--verbose", ".")
    assert (outcome.status, outcome.errors) == (0, "known.json: note: 2 of its findings are not there any more\n")
    assert command("--baseline", "known.json", ".").errors == ""
    assert "1 of its findings is" in command("--baseline", "known.json", "--verbose", "c.py").errors, (
        "a.py was not linted"
    )
    assert command("--baseline", "known.json", "--verbose", "--select", "NN2", ".").errors == ""
