"""Fixes: what is changed, what is kept, and what is never written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nnlint import lint
from nnlint.finding import Edit, Place
from nnlint.mending.fixes import UnfitFixError, apply_edits
from nnlint.report import Report
from tests.command import Command

pytestmark = pytest.mark.usefixtures("made_up_rules")


def edit(line: int, column: int, end_line: int, end_column: int, content: str) -> Edit:
    return Edit(Place("a.py", None, line, column, end_line, end_column), content)


def test_safe_fixes_are_applied_and_counted(command: Command) -> None:
    file = command.write("a.py", "FAULT = FAULT = RISKY = MILD\n")
    outcome = command("--fix", "--output-format", "text", "a.py")
    assert outcome.status == 1
    assert file.read_text() == "MENDED = MENDED = RISKY = MILD\n"
    assert "Fixed 2 findings." in outcome.output


@pytest.mark.parametrize("arguments", [(), ("--output-format", "json"), ("--output-file", "out.txt")])
def test_standard_error_tells_that_files_were_changed(command: Command, arguments: tuple[str, ...]) -> None:
    command.write("a.py", "FAULT = FAULT = 1\n")
    command.write("b.py", "FAULT = 1\n")
    assert command("--fix", *arguments, ".").errors == "nnlint: 3 findings fixed in 2 files\n"
    assert command("--fix", *arguments, ".").errors == ""


@pytest.mark.parametrize("arguments", [("--quiet",), ("--output-format", "text"), ("--diff", "--quiet")])
def test_standard_error_says_nothing_of_fixes_that_are_told_already(
    command: Command, arguments: tuple[str, ...]
) -> None:
    command.write("a.py", "FAULT = 1\n")
    assert command("--fix", *arguments, "a.py").errors == ""


def test_standard_error_tells_of_a_fix_of_standard_input(command: Command) -> None:
    outcome = command("--fix", "-", stdin=b"FAULT = 1\n")
    assert outcome.output == "MENDED = 1\n"
    assert outcome.errors == "nnlint: 1 finding fixed in 1 file\n"


def test_unsafe_fixes_only_where_asked_for(command: Command) -> None:
    file = command.write("a.py", "RISKY = 1\n")
    assert command("--unsafe-fixes", "a.py").status == 1
    assert file.read_text() == "RISKY = 1\n"
    assert command("--fix", "--unsafe-fixes", "a.py").status == 0
    assert file.read_text() == "SOUND = 1\n"


def test_fixes_go_on_until_nothing_is_left(command: Command) -> None:
    file = command.write("a.py", "FIRST = FAULTFAULT = 1\n")
    assert command("--fix", "a.py").status == 0
    assert file.read_text() == "MENDED = MENDEDMENDED = 1\n"


def test_a_fix_that_never_settles_is_given_up(command: Command) -> None:
    file = command.write("a.py", "TURN = 1\n")
    outcome = command("--fix", "--verbose", "a.py")
    assert outcome.status == 1
    assert "did not settle" in outcome.errors
    assert file.read_text() == "TURN = 1\n"


def test_a_fix_whose_result_would_not_parse_is_not_written_and_said(command: Command) -> None:
    file = command.write("a.py", "x = 1\nTORN = FAULT\n")
    outcome = command("--fix", "a.py")
    assert outcome.status == 2
    assert file.read_text() == "x = 1\nTORN = MENDED\n"
    assert "a.py:2: internal error: the fix of NN202 badly-mended-fault is not applied: the result would not parse" in (
        outcome.output
    )


def test_a_fix_that_the_encoding_cannot_hold_is_not_written(command: Command) -> None:
    data = "# coding: latin-1\ns = 'é'\nLATIN = FAULT\n".encode("latin-1")
    file = command.write("a.py", data)
    assert command("--fix", "a.py").status == 2
    assert file.read_bytes() == data.replace(b"FAULT", b"MENDED")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfFAULT = 1\n",
        b"FAULT = 1\r\nx = 2\r\n",
        b"FAULT = 1\rx = 2",
        b"x = 1\r\ny = 2\nFAULT = 3\r\n",
        b"# coding: latin-1\ns = '\xe9' + FAULT\n",
        "s = '训练😀'; FAULT = 1".encode(),
        b"\tx = 1\n".replace(b"\t", b"if 1:\n\t") + b"\x0cFAULT = 1  \n\n\n",
    ],
)
def test_everything_else_keeps_its_bytes(command: Command, data: bytes) -> None:
    file = command.write("a.py", data)
    assert command("--fix", "a.py").status == 0
    assert file.read_bytes() == data.replace(b"FAULT", b"MENDED")


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")
def test_permissions_and_links_are_kept_and_nothing_is_left_behind(command: Command) -> None:
    file = command.write("real/a.py", "FAULT = 1\n")
    file.chmod(0o750)
    link = command.folder / "link.py"
    link.symlink_to(file)
    assert command("--fix", "link.py").status == 0
    assert link.is_symlink()
    assert file.read_text() == "MENDED = 1\n"
    assert file.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in file.parent.iterdir()] == ["a.py"]


def test_a_file_that_cannot_be_written_is_an_error_and_stays_whole(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = command.write("a.py", "FAULT = 1\n")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    outcome = command("--fix", "a.py")
    assert outcome.status == 2
    assert "the fixed file cannot be written: Permission denied" in outcome.output
    assert outcome.errors == "nnlint: fixes were written to 0 of 1 file\n"
    assert outcome.findings == ["a.py:1:1 NN101"], "it is there as before"
    assert "Fixed" not in command("--fix", "--output-format", "text", "a.py").output
    assert file.read_text() == "FAULT = 1\n"
    assert [path.name for path in command.folder.iterdir()] == ["a.py"]


def test_a_file_that_changed_meanwhile_is_left_alone(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    file = command.write("a.py", "FAULT = 1\n")
    other = command.write("b.py", "FAULT = 1\n")
    real = lint.lint_documents

    def slow(*arguments: Any) -> Report:
        file.write_text("FAULT = 1  # written by an editor meanwhile\n")
        return real(*arguments)

    monkeypatch.setattr("nnlint.lint.lint_documents", slow)
    outcome = command("--fix", ".")
    assert outcome.status == 2
    assert "a.py: error: the file changed while it was linted, and is left as it is" in outcome.output
    assert file.read_text() == "FAULT = 1  # written by an editor meanwhile\n"
    assert other.read_text() == "MENDED = 1\n"


def test_files_without_a_fix_are_not_touched(command: Command) -> None:
    file = command.write("a.py", "RISKY = 1\n")
    before = file.stat().st_mtime_ns
    command("--fix", "a.py")
    assert file.stat().st_mtime_ns == before


def test_diff_shows_and_writes_nothing(command: Command) -> None:
    file = command.write("sub/a.py", "x = 1\nFAULT = 1\n")
    outcome = command("--diff", ".")
    assert outcome.status == 1
    assert file.read_text() == "x = 1\nFAULT = 1\n"
    assert outcome.output.splitlines() == [
        "--- sub/a.py",
        "+++ sub/a.py",
        "@@ -1,2 +1,2 @@",
        " x = 1",
        "-FAULT = 1",
        "+MENDED = 1",
    ]
    assert "1 finding would be fixed, 0 would be left" in outcome.errors


def test_diff_of_what_needs_no_change_is_empty(command: Command) -> None:
    command.write("a.py", "x = 1\n")
    outcome = command("--diff", ".")
    assert (outcome.status, outcome.output) == (0, "")


@pytest.mark.parametrize(
    ("text", "status"),
    [("FAULT = 1\n", 1), ("RISKY = 1\n", 1), ("FAULT = RISKY\n", 1), ("SLIGHT = 1\n", 0), ("SLIGHT = MILD\n", 0)],
)
def test_diff_exits_as_linting_does_whether_there_is_a_fix_or_not(command: Command, text: str, status: int) -> None:
    command.write("a.py", text)
    assert command("--diff", "a.py").status == command("a.py").status == status
    assert command("--diff", "--exit-zero", "a.py").status == 0


@pytest.mark.parametrize("data", [b"FAULT = 1", b"FAULT = 1\r\nx = 2\r\n", "é = '\x0c'\nFAULT = é".encode()])
def test_the_diff_can_be_applied_by_git(command: Command, data: bytes) -> None:
    file = command.write("a b.py", data)
    patch = command("--diff", ".").raw_output
    done = subprocess.run(["git", "apply", "-p0", "-"], cwd=command.folder, input=patch, capture_output=True)
    assert done.stderr == b""
    assert file.read_bytes() == data.replace(b"FAULT", b"MENDED")


def test_standard_input_is_fixed_to_standard_output(command: Command) -> None:
    outcome = command("--fix", "-", stdin=b"FAULT = RISKY\r\n")
    assert outcome.status == 1
    assert outcome.raw_output == b"MENDED = RISKY\r\n"
    assert "<stdin>:1:10: warning NN102" in outcome.errors


def test_edits_of_one_fix_apply_together() -> None:
    edits = [edit(1, 1, 1, 1, "# new\n"), edit(2, 1, 3, 1, ""), edit(3, 5, 3, 6, "3")]
    assert apply_edits("a\nb\nc = 2\n", edits) == "# new\na\nc = 3\n"


def test_new_lines_end_like_the_others() -> None:
    assert apply_edits("a\r\nb\r\n", [edit(2, 1, 2, 1, "x\ny\n")]) == "a\r\nx\r\ny\r\nb\r\n"


@pytest.mark.parametrize(
    ("text", "change", "mended"),
    [
        ("a\nb\r\nc\n", edit(2, 1, 2, 1, "x\n"), "a\nx\r\nb\r\nc\n"),
        ("a\nb\r\nc\n", edit(3, 1, 3, 1, "x\n"), "a\nb\r\nx\nc\n"),
        ("a\r\nb\nc", edit(3, 2, 3, 2, "\nx"), "a\r\nb\nc\nx"),
        ("a\r\nb\nc\r\nd\n", edit(1, 1, 3, 2, "h\n a\n b\n c"), "h\r\n a\r\n b\n c\r\nd\n"),
        ("a\r\nb\nc\r\nd\n", edit(1, 1, 3, 2, "a\nc"), "a\nc\r\nd\n"),
        ("a\r\nb\nc\r\n", edit(1, 1, 2, 1, ""), "b\nc\r\n"),
    ],
)
def test_in_a_file_of_both_line_ends_each_line_keeps_its_own(text: str, change: Edit, mended: str) -> None:
    assert apply_edits(text, [change]) == mended


def test_an_insertion_after_a_last_line_without_end() -> None:
    assert apply_edits("a", [edit(2, 1, 2, 1, "b\n")]) == "ab\n"


@pytest.mark.parametrize(
    "edits",
    [
        [edit(9, 1, 9, 1, "x")],
        [edit(1, 9, 1, 9, "x")],
        [edit(1, 0, 1, 1, "x")],
        [edit(2, 1, 1, 1, "x")],
        [edit(1, 1, 1, 3, "x"), edit(1, 2, 1, 3, "y")],
    ],
)
def test_edits_that_do_not_fit_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(UnfitFixError):
        apply_edits("abc\nd\n", edits)


def test_a_file_that_is_read_only_is_left_as_it_is(command: Command) -> None:
    file = command.write("a.py", "FAULT = 1\n")
    file.chmod(0o444)
    outcome = command("--fix", "a.py")
    assert outcome.status == 2
    assert "a.py: error: the fixed file cannot be written: it is read-only\n" in outcome.output
    assert file.read_text() == "FAULT = 1\n"
