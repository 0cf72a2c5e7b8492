"""Which files are read, in what order, and what is said about those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnlint.reading.documents import read_document
from nnlint.reading.files import shown_path
from tests.command import Command

FAULTY = "FAULT = 1\n"
made_up = pytest.mark.usefixtures("made_up_rules")
posix = pytest.mark.skipif(os.name == "nt", reason="links and permissions of POSIX")


def paths(command: Command, *arguments: str) -> list[str]:
    return [finding.split(":")[0] for finding in command(*arguments).findings]


@made_up
def test_folders_are_walked_and_only_python_and_notebooks_are_read(command: Command) -> None:
    for path in ("b.py", "a/z.py", "a/deep/er/x.py", "a/notes.txt", "script", "c.PY"):
        command.write(path, FAULTY)
    assert paths(command, ".") == ["a/deep/er/x.py", "a/z.py", "b.py", "c.PY"]


@made_up
def test_a_named_file_is_linted_wherever_it_lies(command: Command) -> None:
    command.write("train", FAULTY)
    command.write("build/a.py", FAULTY)
    command.write(".gitignore", "train\n")
    assert paths(command, "train", "build/a.py") == ["build/a.py", "train"]


@made_up
@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("train", ""),
        ("train", "#!/usr/bin/env python3\n"),
        ("train", "#!/opt/conda/bin/python3.11 -u\r\n"),
        ("train.cgi", "#! /usr/bin/env -S uv run --script\n"),
        ("train.in", "\ufeff#!/usr/bin/pypy3\n"),
        ("train.PYW", ""),
        ("types.pyi", "#!/bin/sh\n"),
        ("app.wsgi", ""),
    ],
)
def test_a_named_file_is_python_by_its_name_or_its_first_line(command: Command, path: str, before: str) -> None:
    command.write(path, before + FAULTY)
    assert paths(command, path) == [path]


@made_up
@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("README.txt", "Train it with FAULT.\n", "its name ends in .txt, and no first line #! calls Python"),
        ("data.csv", "1,2\n3,4\n", "its name ends in .csv"),
        ("settings.yaml", "rate: FAULT\n", "its name ends in .yaml"),
        ("train.py.bak", FAULTY, "its name ends in .bak"),
        ("run", "#!/bin/bash\nFAULT=1\n", "its first line names another language than Python"),
        ("Makefile", "all:\n\tFAULT\n", "does not parse"),
        ("binary", b"\x7fELF\xff\0", "does not parse"),
    ],
)
def test_a_named_file_that_is_no_python_is_an_error_and_the_others_are_linted(
    command: Command, path: str, content: str | bytes, reason: str
) -> None:
    command.write(path, content)
    command.write("a.py", FAULTY)
    outcome = command(path, "a.py")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:1 NN101"]
    assert f"{path}: error: not linted: " in outcome.output
    assert reason in outcome.output
    assert command(".").findings == ["a.py:1:1 NN101"]


def test_a_script_without_an_ending_that_does_not_parse_is_a_finding_where_its_first_line_calls_python(
    command: Command,
) -> None:
    command.write("train", "#!/usr/bin/env python\nx = (\n")
    assert command("train").findings == ["train:2:5 NN901"]


@made_up
def test_the_same_file_is_linted_once(command: Command) -> None:
    command.write("a.py", FAULTY)
    assert paths(command, "a.py", ".", "./a.py", str(command.folder / "a.py")) == ["a.py"]


@made_up
def test_folders_of_tools_and_environments_are_skipped(command: Command) -> None:
    folders = (
        ".git",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        "build",
        "dist",
        ".ipynb_checkpoints",
        "x.egg-info",
    )
    for folder in folders:
        command.write(f"{folder}/a.py", FAULTY)
    command.write("my_env/pyvenv.cfg", "")
    command.write("my_env/a.py", FAULTY)
    command.write("env/a.py", FAULTY)
    assert paths(command, ".") == ["env/a.py"]
    assert paths(command, "build") == ["build/a.py"]


@made_up
def test_gitignore_files_at_every_level(command: Command) -> None:
    command.write(".git/HEAD", "")
    command.write(".gitignore", "ignored.py\n/top.py\nout/\n*.gen.py\n")
    command.write("sub/.gitignore", "!kept.gen.py\nlocal.py\n")
    for path in ("ignored.py", "top.py", "sub/top.py", "sub/ignored.py", "sub/out/a.py", "a.gen.py"):
        command.write(path, FAULTY)
    for path in ("sub/kept.gen.py", "sub/local.py", "local.py"):
        command.write(path, FAULTY)
    expected = ["local.py", "sub/kept.gen.py", "sub/top.py"]
    assert paths(command, ".") == expected
    assert paths(command, "sub") == expected[1:], "the .gitignore above holds as well, up to the repository"


@made_up
def test_a_gitignore_that_git_could_not_read_ignores_nothing(command: Command) -> None:
    command.write(".gitignore", b"\xff\xfe\n!\n[\n[z-a]\nb.py\n")
    command.write("a.py", FAULTY)
    command.write("b.py", FAULTY)
    assert paths(command, ".") == ["a.py"]


@made_up
def test_a_missing_path_is_an_error_and_the_others_go_on(command: Command) -> None:
    command.write("a.py", FAULTY)
    outcome = command("missing.py", "a.py")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:1 NN101"]
    assert "missing.py: error: the file cannot be read: No such file or directory" in outcome.output


@posix
@made_up
def test_dangling_links_and_link_loops_are_errors_and_the_others_go_on(command: Command) -> None:
    command.write("good.py", FAULTY)
    (command.folder / "dangling.py").symlink_to("nowhere.py")
    (command.folder / "loop.py").symlink_to("loop.py")
    (command.folder / ".#locked.py").symlink_to("user@host.1234")
    outcome = command(".")
    assert outcome.status == 2
    assert outcome.findings == ["good.py:1:1 NN101"]
    assert [line.split(":")[0] for line in outcome.output.splitlines() if "the link leads" in line] == [
        "dangling.py",
        "loop.py",
    ]


@posix
@made_up
def test_links_to_folders_are_not_followed_and_that_is_noted(command: Command) -> None:
    command.write("sub/a.py", FAULTY)
    (command.folder / "sub" / "again").symlink_to("..")
    assert paths(command, ".") == ["sub/a.py"]
    assert "sub/again: note: skipped: a link to a folder" in command("--verbose", ".").errors
    (command.folder / "link").symlink_to("sub")
    assert paths(command, "link") == ["link/a.py"], "one that is named itself is walked"


@posix
@made_up
def test_a_link_to_a_file_is_the_file(command: Command) -> None:
    command.write("a.py", FAULTY)
    (command.folder / "b.py").symlink_to("a.py")
    assert paths(command, ".") == ["a.py"]


@posix
@made_up
def test_a_file_is_known_by_its_own_name_whatever_links_lead_to_it(command: Command) -> None:
    command.write("src/train.py", FAULTY)
    (command.folder / "a_link.py").symlink_to("src/train.py")
    (command.folder / "src" / "b.py").symlink_to("train.py")
    assert paths(command, ".") == ["src/train.py"]
    assert paths(command, "a_link.py") == ["a_link.py"], "one that is named itself keeps its name"


@made_up
def test_a_folder_that_cannot_be_read_is_an_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.write("a.py", FAULTY)
    command.write("closed/b.py", FAULTY)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    outcome = command(".")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:1 NN101"]
    assert "closed: error: the folder cannot be read: Permission denied" in outcome.output


@posix
@made_up
def test_what_is_neither_file_nor_folder(command: Command) -> None:
    os.mkfifo(command.folder / "pipe.py")
    assert command(".").status == 0
    assert "neither a file nor a folder" in command(os.devnull).output
    assert command("a\0b.py").status == 2
    assert command("a" * 5000 + ".py").status == 2


@made_up
def test_paths_outside_the_current_folder_are_shown_as_they_were_typed(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = command.write("a.py", FAULTY)
    command.write("sub/b.py", FAULTY)
    inner = command.folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert paths(command, "../a.py") == ["../a.py"]
    assert paths(command, "..") == ["../a.py", "../sub/b.py"]
    assert paths(command, "../sub/") == ["../sub/b.py"]
    assert paths(command, str(file)) == [file.as_posix()]
    assert "1 | " in command("--output-format", "text", "../a.py").output
    assert command("../missing.py").output.startswith("../missing.py: error: the file cannot be read")
    command("--write-baseline", "known.json", "..")
    assert paths(command, "--baseline", "known.json", "..") == []
    assert shown_path(str(inner / "x" / "b.py")) == "x/b.py"


@made_up
def test_names_with_spaces_and_letters_of_any_script(command: Command) -> None:
    command.write("мой код/训练 1.py", FAULTY)
    assert paths(command, ".") == ["мой код/训练 1.py"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbfx = 1\n",
        "# -*- coding: latin-1 -*-\ns = 'é'\n".encode("latin-1"),
        "#!/usr/bin/python\n# vim: set fileencoding=cp1251 :\ns = 'ж'\n".encode("cp1251"),
        b"# -*- coding: utf-8-unix -*-\nx = 1\n",
        b"x = 1\r\ny = 2\rz = 3\n\x0cw = 4",
        b"\n\n# -*- coding: nonsense -*-\n",
    ],
)
def test_every_text_that_python_reads_is_read(data: bytes) -> None:
    document = read_document("a.py", None, data)
    assert document.broken == ()
    assert document.source is not None
    compile(document.source.text, "a.py", "exec")


def test_a_declared_encoding_is_used() -> None:
    source = read_document("a.py", None, b"# coding: latin-1\ns = '\xe9'\n").source
    assert source is not None
    assert "é" in source.text


def test_lines_are_those_of_python_and_not_of_unicode() -> None:
    document = read_document("a.py", None, "a = 1\r\nb = '\x0c\x85\u2028'\rc = 3\n".encode())
    assert list(document.text.lines(None)) == ["a = 1", "b = '\x0c\x85\u2028'", "c = 3"]
