"""Closed, full and broken streams, pipes and devices: a clear word, the right exit status, no traceback and no waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Command

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams of POSIX")

BROKEN = "x = (\n"
NNLINT = f"{sys.executable} -m nnlint --isolated"


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash, in which `nnlint` is the command; ends it after a minute, which is a failure."""
    text = script.replace("nnlint", NNLINT)
    return subprocess.run(["bash", "-c", text], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file that has a finding, and one that has none."""
    (tmp_path / "a.py").write_text(BROKEN)
    (tmp_path / "clean.py").write_text("x = 1\n")
    return tmp_path


def assert_one_line(errors: str, said: str) -> None:
    assert said in errors
    assert "internal error" not in errors
    assert len(errors.splitlines()) == 1


def test_a_closed_standard_output_is_an_error_where_there_is_something_to_say(folder: Path) -> None:
    done = shell("nnlint a.py >&-", folder)
    assert done.returncode == 2
    assert_one_line(done.stderr, "nnlint: error: standard output is closed")
    done = shell("nnlint --list-rules >&-", folder)
    assert done.returncode == 2
    assert_one_line(done.stderr, "nnlint: error: standard output is closed")


def test_a_closed_standard_output_does_not_disturb_what_goes_to_a_file(folder: Path) -> None:
    done = shell("nnlint --output-format json --output-file out.json a.py >&-", folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(json.loads((folder / "out.json").read_text())) == 1
    done = shell("nnlint --quiet clean.py >&-", folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", ["a.py", "--list-rules", "--help", "--diff --quiet a.py clean.py b.py"])
def test_a_full_disk_is_an_error(folder: Path, arguments: str) -> None:
    (folder / "b.py").write_text("x = 1  # nnlint: ignore[NN901]\n")
    done = shell(f"nnlint {arguments} > /dev/full", folder)
    assert done.returncode == 2
    assert_one_line(done.stderr, "nnlint: error: standard output cannot be written: No space left on device")


@pytest.mark.parametrize(("arguments", "status"), [("a.py", 1), ("clean.py", 0), ("missing.py", 2), ("--no-such", 2)])
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_nobody_listens_on_standard_error(folder: Path, arguments: str, status: int, redirection: str) -> None:
    done = shell(f"nnlint --output-format json --verbose {arguments} {redirection}", folder)
    assert done.returncode == status
    assert "Error" not in done.stdout.replace("SyntaxError", "")


def test_all_streams_closed(folder: Path) -> None:
    assert shell("nnlint a.py <&- >&- 2>&-", folder).returncode == 2
    assert shell("nnlint - <&- >&- 2>&-", folder).returncode == 2


def test_a_closed_standard_input_is_an_error(folder: Path) -> None:
    done = shell("nnlint - <&-", folder)
    assert done.returncode == 2
    assert done.stdout == "<stdin>: error: standard input cannot be read: it is closed\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status"), [("a.py", 1), ("clean.py", 0), ("--list-rules", 0), ("missing.py", 2)]
)
def test_a_reader_that_has_read_enough_changes_no_exit_status(folder: Path, arguments: str, status: int) -> None:
    done = shell(f"nnlint {arguments} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert (done.stdout, done.stderr) == (f"{status}\n", "")
    done = shell(f"sleep 0.1 | nnlint --verbose {arguments} 2>&1 | true; echo ${{PIPESTATUS[1]}}", folder)
    assert done.stdout == f"{status}\n"


def test_pipes_of_the_shell_are_files(folder: Path) -> None:
    done = shell("nnlint <(sleep 0.2; cat a.py) <(cat clean.py)", folder)
    assert done.returncode == 1
    assert "1:5: error NN901" in done.stdout
    assert shell("cat a.py | nnlint /dev/stdin", folder).returncode == 1
    assert shell("nnlint /dev/stdin < clean.py", folder).returncode == 0


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(command: Command) -> None:
    os.mkfifo(command.folder / "pipe.py")
    (command.folder / "link.py").symlink_to("pipe.py")
    command.write("a.py", "x = 1\n")
    outcome = command("pipe.py", "a.py")
    assert outcome.status == 2
    assert outcome.output == (
        "pipe.py: error: the file cannot be read: it is a named pipe; give its content on standard input, as -\n"
    )
    assert command(".").status == 2, "a link is read as what it leads to"
    (command.folder / "link.py").unlink()
    assert command(".").status == 0


@pytest.mark.parametrize("option", ["--config", "--baseline"])
def test_options_do_not_wait_for_a_writer_either(command: Command, option: str) -> None:
    os.mkfifo(command.folder / "pipe")
    os.mkfifo(command.folder / ".gitignore")
    command.write("a.py", "x = 1\n")
    outcome = command(option, "pipe", ".")
    assert outcome.status == 2
    assert "cannot be read: it is a named pipe" in outcome.errors
    assert command(".").status == 0


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/full"])
def test_devices_are_refused(command: Command, device: str) -> None:
    outcome = command(device)
    assert outcome.status == 2
    assert outcome.output == f"{device}: error: this is neither a file nor a folder\n"


def test_no_settings_from_the_empty_device(command: Command) -> None:
    command.write("a.py", "x = 1\n")
    assert command("--config", os.devnull, "a.py").status == 0


def test_an_empty_path_is_none(command: Command) -> None:
    outcome = command("")
    assert outcome.status == 2
    assert outcome.output == ": error: this is no path\n"
