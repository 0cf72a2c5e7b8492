"""Who interrupts the linting gets what is known by then, whole and in the format that was asked for."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from nnlint.analysis import analyse_asking
from tests.command import Command
from tests.scripts import FAULTY
from tests.test_workers import ENVIRONMENT, forked, process_at_work, written
from tests.working_tree import commit_all

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
made_up = pytest.mark.usefixtures("made_up_rules")


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_was_found_is_printed(tmp_path: Path, asked: signal.Signals, jobs: str) -> None:
    written(tmp_path, a="FAULT\n", b="WAIT\n", c="FAULT\n")
    line = [sys.executable, "-m", "tests.made_up_command", "--isolated", "--jobs", jobs, "."]
    with subprocess.Popen(line, cwd=tmp_path, env=ENVIRONMENT, stdout=-1, stderr=-1, text=True) as process:
        process_at_work(tmp_path, "b")
        process.send_signal(asked)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "nnlint: interrupted after 1 of 3 files\n")
    assert [row.partition(": ")[0] for row in output.splitlines()] == ["a.py:1:1"]


@forked
def test_what_other_processes_have_found_behind_an_unfinished_file_is_printed(tmp_path: Path) -> None:
    written(tmp_path, a="WAIT\n" + "x = 1\n" * 2_000, b="FAULT\n", c="WAIT\n")
    line = [sys.executable, "-m", "tests.made_up_command", "--isolated", "--jobs", "2", "."]
    with subprocess.Popen(line, cwd=tmp_path, env=ENVIRONMENT, stdout=-1, stderr=-1, text=True) as process:
        workers = [process_at_work(tmp_path, name) for name in "ac"]
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "nnlint: interrupted after 1 of 3 files\n")
    assert [row.partition(": ")[0] for row in output.splitlines()] == ["b.py:1:1"]
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@made_up
def test_formats_for_programs_stay_valid(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    command.write("b.py", "INTERRUPT = 1\n")
    outcome = command("--output-format", "json", ".")
    assert (outcome.status, outcome.errors) == (130, "nnlint: interrupted after 1 of 2 files\n")
    assert [finding["code"] for finding in json.loads(outcome.output)] == ["NN101"]
    outcome = command("--output-format", "sarif", "--output-file", "found.sarif", ".")
    assert (outcome.status, outcome.output) == (130, "")
    run = json.loads((command.folder / "found.sarif").read_text())["runs"][0]
    assert [result["ruleId"] for result in run["results"]] == ["NN101"]
    assert run["invocations"][0]["executionSuccessful"] is False


@made_up
def test_text_counts_the_files_that_were_done(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    command.write("b.py", "x = 1\n")
    command.write("c.py", "INTERRUPT = FAULT\n")
    outcome = command("--output-format", "text", ".")
    assert "Found 1 error in 1 of 2 files." in outcome.output
    assert outcome.errors == "nnlint: interrupted after 2 of 3 files\n"


@made_up
def test_no_comment_is_told_to_silence_nothing(command: Command) -> None:
    command.write("a.py", "x = 1  # nnlint: ignore[NN101]\n")
    command.write("b.py", "INTERRUPT = 1\n")
    assert command(".").output == ""


@made_up
@pytest.mark.parametrize("option", ["--fix", "--diff"])
def test_nothing_is_fixed(command: Command, option: str) -> None:
    file = command.write("a.py", "FAULT = 1\n")
    command.write("b.py", "INTERRUPT = 1\n")
    outcome = command(option, ".")
    assert outcome.status == 130
    assert outcome.findings == (["a.py:1:1 NN101"] if option == "--fix" else [])
    unfixed = "; nothing was fixed" if option == "--fix" else ""
    assert outcome.errors == f"nnlint: interrupted after 1 of 2 files{unfixed}\n"
    assert file.read_text() == "FAULT = 1\n"


@made_up
def test_no_baseline_is_written_and_known_findings_stay_hidden(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    assert command("--write-baseline", "known.json", "a.py").status == 0
    command.write("b.py", "FAULT = 1\n")
    command.write("c.py", "INTERRUPT = 1\n")
    outcome = command("--baseline", "known.json", "--write-baseline", "new.json", ".")
    assert outcome.status == 130
    assert not (command.folder / "new.json").exists()
    outcome = command("--baseline", "known.json", ".")
    assert (outcome.status, outcome.findings) == (130, ["b.py:1:1 NN101"])


@made_up
def test_of_changes_those_findings_are_told_that_stand_on_changed_lines(command: Command) -> None:
    command.write("a.py", "import b\nFAULT = 1\nx = 1\n")
    command.write("b.py", "INTERRUPT = 1\n")
    commit = commit_all(command.folder)
    command.write("a.py", "import b\nFAULT = 1\nx = FAULT\n")
    command.write("b.py", "x = 1\n")
    outcome = command("--diff-base", commit, ".")
    assert (outcome.status, outcome.findings) == (130, ["a.py:3:5 NN101"])
    assert outcome.errors == "nnlint: interrupted after 2 of 2 files\n"


def test_what_was_analysed_is_kept(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def interrupted_once(unit, *others):  # type: ignore[no-untyped-def]
        made.append(unit.documents[0].path)
        if made == ["a.py", "b.py"]:
            raise KeyboardInterrupt
        return analyse_asking(unit, *others)

    monkeypatch.setattr("nnlint.analyses.analyse_asking", interrupted_once)
    for name in "abc":
        command.write(f"{name}.py", FAULTY)
    outcome = command("--jobs", "1", ".")
    assert outcome.status == 130
    assert {row.partition(":")[0] for row in outcome.findings} == {"a.py"}
    assert command("--jobs", "1", ".").status == 1
    assert made == ["a.py", "b.py", "b.py", "c.py"]


def as_it_writes(folder: Path, **variables: str) -> subprocess.Popen[bytes]:
    """The command, at a moment when it writes more than its reader has read."""
    for number in range(600):
        (folder / f"{number:04}_with_a_name_that_is_long_enough_to_fill_the_pipe.py").write_text("x = (\n")
    line = [sys.executable, "-m", "nnlint", "--isolated", "--no-cache", "--output-format", "json", "."]
    process = subprocess.Popen(line, cwd=folder, env=ENVIRONMENT | variables, stdout=-1, stderr=-1)
    assert process.stdout
    before = -1
    while not 0 < waiting(process.stdout) == before:
        before = waiting(process.stdout)
        time.sleep(0.1)
    return process


def waiting(pipe: IO[bytes]) -> int:
    """How many bytes of a pipe nobody has read."""
    import fcntl
    import termios

    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0])


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_has_begun_is_written_to_its_end(tmp_path: Path, unbuffered: str) -> None:
    with as_it_writes(tmp_path, PYTHONUNBUFFERED=unbuffered) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert len(json.loads(output)) == 600
    assert (process.returncode, errors.strip()) == (130, b"")


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    with as_it_writes(tmp_path) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        _, errors = process.communicate(timeout=60)
    assert abs(process.returncode) in {130, signal.SIGINT}
    assert errors.strip() == b""


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_the_reading_gets_a_whole_document_without_findings(
    tmp_path: Path, asked: signal.Signals
) -> None:
    line = [sys.executable, "-m", "nnlint", "--isolated", "--no-cache", "--output-format", "json", "-"]
    with subprocess.Popen(line, cwd=tmp_path, env=ENVIRONMENT, stdin=-1, stdout=-1, stderr=-1) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"#" * 200_000)  # more than a pipe holds: written when it is read
        time.sleep(0.5)  # until it waits for more
        process.send_signal(asked)
        output, errors = process.stdout.read().decode(), process.stderr.read().decode()
    assert (process.returncode, output) == (130, "[]\n")
    assert errors == "nnlint: interrupted before any file was linted\n"


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["json", "concise"])
def test_no_report_takes_the_place_of_the_text_that_is_fixed(tmp_path: Path, asked: signal.Signals, name: str) -> None:
    line = [sys.executable, "-m", "nnlint", "--isolated", "--no-cache", "--fix", "--output-format", name, "-"]
    with subprocess.Popen(line, cwd=tmp_path, env=ENVIRONMENT, stdin=-1, stdout=-1, stderr=-1) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"#" * 200_000)  # more than a pipe holds: written when it is read
        time.sleep(0.5)  # until it waits for more
        process.send_signal(asked)
        output, errors = process.stdout.read().decode(), process.stderr.read().decode()
    assert (process.returncode, output) == (130, "")
    assert errors.endswith("nnlint: interrupted before any file was linted\n")


@made_up
def test_the_text_that_was_to_be_fixed_comes_back_as_it_was(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"FAULT = INTERRUPT\n"
    monkeypatch.setattr("nnlint.reading.files._standard_input", lambda: text)
    outcome = command("--fix", "--output-format", "json", "-")
    assert (outcome.status, outcome.raw_output) == (130, text)
    assert outcome.errors.endswith("nnlint: interrupted after 0 of 1 file; nothing was fixed\n")


@pytest.mark.parametrize("interrupted", ["nnlint.settings.nearest_file", "nnlint.catalogue.all_rules"])
def test_an_interrupt_before_the_first_file_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    module, _, name = interrupted.rpartition(".")
    original = getattr(sys.modules[module], name)

    def asked(*arguments: object) -> object:
        signal.raise_signal(signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(interrupted, asked)
    monkeypatch.setattr("nnlint.lint.all_rules", asked)
    monkeypatch.setattr("nnlint.selection.all_rules", asked)
    command.write("a.py", "x = 1\n")
    outcome = command("--no-cache", "--output-format", "json", "a.py")
    assert (outcome.status, json.loads(outcome.output)) == (130, [])
    assert outcome.errors == "nnlint: interrupted before any file was linted\n"


def test_an_output_that_is_source_code_is_not_written_after_an_interrupt(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnlint.command.run.read_paths", interrupted)
    script = command.write("script", "#!/usr/bin/env python\n")
    outcome = command("--no-cache", "--output-file", "script", "script")
    assert (outcome.status, script.read_text()) == (2, "#!/usr/bin/env python\n")


@pytest.mark.parametrize(
    "where",
    [
        "command.run.read_paths",
        "caching.cached_lint.lint_cached",
        "lint.select_rules",
    ],
)
def test_an_interrupt_before_anything_is_known_is_told_in_a_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"nnlint.{where}", interrupt)
    command.write("a.py", "import torch\n")
    outcome = command("a.py")
    assert outcome.status == 130
    assert (outcome.output, outcome.errors) == ("", "nnlint: interrupted before any file was linted\n")


@made_up
def test_an_interrupt_of_a_rule_is_no_failure_of_that_rule(command: Command) -> None:
    command.write("a.py", "INTERRUPT = 1\n")
    outcome = command("a.py")
    assert (outcome.status, outcome.output) == (130, "")
    assert outcome.errors == "nnlint: interrupted after 0 of 1 file\n"


def test_an_interrupt_of_the_process_is_told_in_a_line(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nnlint", "-"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"x = 1\n" * 100_000)  # more than a pipe holds: the command has begun to read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.wait() == 130
        assert process.stdout.read() == b""
        assert process.stderr.read().splitlines() == [b"nnlint: interrupted before any file was linted"]
