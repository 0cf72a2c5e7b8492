"""Files that are no text or do not parse: each is one finding with its place, and stops nothing else."""

from __future__ import annotations

import json

import pytest

from tests.command import Command
from tests.scripts import FAULTY


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"x = 1\ns = '\xff'\n", "2:6", "byte 0xff is not valid utf-8"),
        (b"x = 1\r\n\r\ns = '\xc3\xa9\xff'\r\n", "3:7", "byte 0xff is not valid utf-8"),
        (b"x = 1\ny = \x00\n", "2:5", "a NUL byte"),
        (b"# -*- coding: klingon -*-\nx = 1\n", "1:1", "the declared encoding klingon is unknown"),
        (b"#!/bin/python\n# coding: rot13\nx = 1\n", "1:1", "is no text encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "1:1", "UTF-8 mark but declares iso8859-1"),
        ("x = 1\n".encode("utf-16"), "1:1", "the file is UTF-16"),
        (b"get(preds, labels))\n", "1:19", "unmatched ')'"),
        (b"for x in y:\nprint(x)\n", "2:1", "expected an indented block"),
        (b"import os\nprint 'loss', 1\n", "2:1", "this is Python 2"),
        (b"try:\n    pass\nexcept ValueError, error:\n    pass\n", "3:8", "this is Python 2"),
        (b"x = y.cuda(async=True)\n", "1:12", "`async` is a keyword since Python 3.7"),
        (b"def move(x, async=False):\n    pass\n", "1:13", "`async` is a keyword since Python 3.7"),
        (b"async def f()\n    pass\n", "1:14", "expected ':'"),
        (b"%matplotlib inline\n", "1:1", "this line belongs into a notebook"),
        (b"files = !ls\n", "1:9", "this line belongs into a notebook"),
        (b"x = `3`\n", "1:5", "this is Python 2"),
        (b"def f(a, (b, c)):\n    pass\n", "1:10", "this is Python 2"),
        (b"f = lambda (a, b): a\n", "1:12", "this is Python 2"),
        (b"x = 1\n=======\ny = 2\n>>>>>>> theirs\n", "2:1", "a piece of an unresolved merge conflict at line 2"),
        ("x = 1\n".encode("utf-16-le"), "1:1", "the file is UTF-16"),
        ("x = 1\n".encode("utf-16-be"), "1:1", "the file is UTF-16"),
        ("x = 1\n".encode("utf-32"), "1:1", "the file is UTF-32"),
        (b"\0" * 100, "1:1", "a NUL byte"),
    ],
)
def test_the_place_and_the_reason(command: Command, data: bytes, place: str, message: str) -> None:
    command.write("bad.py", data)
    command.write("good.py", "x = 1\n")
    outcome = command(".")
    assert outcome.status == 1
    assert outcome.findings == [f"bad.py:{place} NN901"]
    assert message in outcome.output


def test_a_merge_conflict_is_called_by_its_name(command: Command) -> None:
    command.write("a.py", "x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> feature\n")
    outcome = command("a.py")
    assert outcome.findings == ["a.py:2:1 NN901"]
    assert "an unresolved merge conflict begins at line 2" in outcome.output


def test_a_heading_underlined_with_equals_signs_is_no_merge_conflict(command: Command) -> None:
    command.write("a.py", '"""\nHeading\n=======\n"""\nx = (\n')
    assert "merge conflict" not in command("a.py").output


@pytest.mark.parametrize(
    "expression",
    ["(" * 5000 + ")" * 5000, "-" * 100_000 + "1", "not " * 50_000 + "x", "a." * 50_000 + "b", "+".join("1" * 20_000)],
)
def test_deep_nesting_is_a_finding_or_nothing_but_no_crash(command: Command, expression: str) -> None:
    command.write("deep.py", f"import torch\nloss = {expression}\n")
    command.write("other.py", "x = (\n")
    outcome = command(".")
    assert outcome.status == 1
    assert "other.py:1:5 NN901" in outcome.findings
    assert "internal error" not in outcome.output + outcome.errors


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("+".join("1" * 50_000), "3:1"),
        ("(" + " +\n".join("1" * 50_000) + ")", "3:1"),
        ("a." * 50_000 + "b", "3:1"),
        ("-" * 100_000 + "1", "3:1"),
    ],
)
def test_what_is_nested_too_deeply_is_reported_where_it_stands(command: Command, code: str, place: str) -> None:
    command.write("deep.py", f"import torch\nx = (1 + 2) * 3\n{code}\ny = 4 + 5\n")
    assert command("deep.py").findings == [f"deep.py:{place} NN901"]


@pytest.mark.parametrize(
    "text",
    [
        "y = 1\n" * 50_000,
        "x = torch.zeros(3)\n" * 15_000,
        "\n" * 200_000,
        "    \n" * 200_000,
        "# a comment\n" * 50_000,
        "x = '" + "a" * 2_000_000 + "'\n",
        "a" * 500_000 + " = 1\n",
        "x = [\n" + "    {'x': 1, 'y': [1, 2.5], 'n': 'a'},\n" * 20_000 + "]\n",
        "x = {\n" + "".join(f"    'a{number}': [{number}, 1, 2],\n" for number in range(20_000)) + "}\n",
        "if a == 0:\n    x = 0\n" + "elif a == 1:\n    x = 1\n" * 5_000,
        "if a:\n    pass\nelse:\n    x = 1\n" * 5_000,
        "try:\n    x = 1\n" + "except E:\n    x = 2\n" * 5_000,
        "match a:\n" + "    case 1:\n        x = 2\n" * 5_000,
        "x = [a" + " for b in c" * 2_000 + "]\n",
        "x = f'" + "{a}" * 10_000 + "'\n",
        "x = " + " and ".join("a" * 50_000) + "\n",
        "@a\n" * 2_000 + "def f(): pass\n",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_very_long_is_read_to_its_end(command: Command, text: str) -> None:
    command.write("long.py", f"import torch\n{text}{FAULTY}")
    assert [found.partition(" ")[2] for found in command("long.py").findings] == ["NN102"]


@pytest.mark.parametrize(("lines", "is_asked"), [(10, True), (100_000, False)])
def test_whether_a_newer_python_could_read_it_is_not_asked_of_large_tables(
    command: Command, monkeypatch: pytest.MonkeyPatch, lines: int, is_asked: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("libcst.parse_module", asked.append)
    monkeypatch.setattr("sys.version_info", (3, 11))
    command.write("table.py", "TABLE = [\n" + "    0.25,\n" * lines + "    0.25 0.5,\n]\n")
    command("table.py")
    assert bool(asked) == is_asked


@pytest.mark.parametrize(
    "line",
    ["except " + "a" * 50_000, "print " + "a," * 50_000, "x = " + "a." * 50_000 + "b?", "%" * 50_000, "(" * 50_000],
)
def test_a_long_line_that_does_not_parse_is_a_finding(command: Command, line: str) -> None:
    command.write("long.py", f"{line}\n")
    command.write("long.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": line}]}))
    outcome = command("long.py")
    assert [found.partition(" ")[2] for found in outcome.findings] == ["NN901"]
    assert command("long.ipynb").status in (0, 1)


def test_warnings_of_pythons_parser_are_not_shown(command: Command) -> None:
    command.write("a.py", "import torch\ns = '\\d'\nx = 1 is 1\n")
    command.write("b.ipynb", '{"cells": [{"cell_type": "code", "source": "s = \'\\\\d\'"}]}')
    outcome = command(".")
    assert (outcome.status, outcome.errors) == (0, "")


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ('{"cells": [', "1:12", "this is not valid JSON"),
        ("", "1:1", "it is empty, and a notebook is JSON"),
        (" \n\n", "1:1", "it is empty, and a notebook is JSON"),
        ("[]", "1:1", "no list of cells"),
        ('{"nbformat": 4}', "1:1", "no list of cells"),
        ('{"cells": [1]}', "1:1", "cell 1 of the notebook is no object"),
        (
            '{"cells": [{"cell_type": "code", "source": 3}]}',
            "1:1",
            "code cell 1 of the notebook has a source that is no",
        ),
        ('{"cells": [{"cell_type": "code", "source": ["a", null]}]}', "1:1", "a source that is no text"),
        ("hello", "1:1", "this is not valid JSON: expecting value"),
        ('{\n<<<<<<< HEAD\n"cells": []\n', "2:1", "this is not valid JSON"),
        (
            '{\n<<<<<<< HEAD\n "cells": []\n=======\n>>>>>>> x\n}\n',
            "2:1",
            "an unresolved merge conflict begins at line 2",
        ),
        ("[" * 100_000, "1:1", "nested too deeply"),
        ('{"cells": []}\n<<<<<<< HEAD\n', "2:1", "this is not valid JSON"),
    ],
)
def test_broken_notebooks(command: Command, content: str, place: str, message: str) -> None:
    command.write("bad.ipynb", content)
    outcome = command(".")
    assert outcome.status == 1
    assert outcome.findings == [f"bad.ipynb:{place} NN901"]
    assert message in outcome.output


def test_a_broken_file_is_not_touched_by_fixes(command: Command) -> None:
    text = "x = (  # nnlint: ignore[NN902]\n"
    file = command.write("a.py", text)
    assert command("--fix", "a.py").status == 1
    assert file.read_text() == text
