"""Comments that silence findings, and NN902 for those that silence nothing."""

from __future__ import annotations

import json

import pytest

from tests.command import Command

pytestmark = pytest.mark.usefixtures("made_up_rules")


def codes(command: Command, text: str, *arguments: str) -> list[str]:
    command.write("a.py", text)
    return [finding.split(":", 1)[1] for finding in command(*arguments, "a.py").findings]


def fixed(command: Command, text: str, *arguments: str) -> str:
    file = command.write("a.py", text)
    command("--fix", "--select", "NN902,NN101,NN102", *arguments, "a.py")
    return file.read_bytes().decode()


@pytest.mark.parametrize(
    "comment",
    [
        "# nnlint: ignore[NN101]",
        "#nnlint:ignore[nn101]",
        "# NNLint: Ignore[NN101]",
        "# NNLINT: IGNORE-FILE[NN101]",
        "# nnlint: ignore[plain-fault]",
        "# nnlint: ignore[NN1]",
        "# nnlint: ignore[NN101] because the paper does so",
        "# type: ignore # nnlint: ignore[NN101]",
        "# nnlint: ignore",
        "# noqa: NN101",
        "# NOQA:E501,NN101",
        "# noqa: E501 NN101",
        "# noqa",
        "# noqa: NN101 # a reason",
    ],
)
def test_comments_that_silence(command: Command, comment: str) -> None:
    assert codes(command, f"FAULT = 1  {comment}\n") == []


def test_a_comment_on_a_line_of_its_own_is_told_where_it_belongs(command: Command) -> None:
    command.write("a.py", "# nnlint: ignore[NN101]\nFAULT = 1\nx = 2  # nnlint: ignore[NN101]\n")
    found = json.loads(command("--output-format", "json", "a.py").output)
    alone, beside = (each for each in found if each["code"] == "NN902")
    assert "put it on a line of the statement that is reported" in alone["help"]
    assert beside["help"] == "remove the comment"


@pytest.mark.parametrize(
    "comment",
    ["# noqa: E501", "# noqa: because", "# noqas", "# ignore[NN101]", "'# nnlint: ignore[NN101]'", "# flake8: noqa"],
)
def test_comments_that_do_not(command: Command, comment: str) -> None:
    text = f"FAULT = {comment}\n" if comment.startswith("'") else f"FAULT = 1  {comment}\n"
    assert codes(command, text) == ["1:1 NN101"]


@pytest.mark.parametrize(
    "text",
    [
        "x = f(  # nnlint: ignore[NN101]\n    1,\n    FAULT,\n)\n",
        "x = f(\n    # nnlint: ignore[NN101]\n    FAULT,\n)\n",
        "x = f(\n    FAULT,\n)  # nnlint: ignore[NN101]\n",
        "for x in f(\n    FAULT\n):  # nnlint: ignore[NN101]\n    pass\n",
        "x = FAULT + '''\n'''  # nnlint: ignore[NN101]\n",
        "x = 1; FAULT = 2  # nnlint: ignore[NN101]\n",
        "x = \\\n    FAULT  # nnlint: ignore[NN101]",
    ],
)
def test_any_line_of_the_statement_counts(command: Command, text: str) -> None:
    assert codes(command, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "# nnlint: ignore[NN101]\nFAULT = 1\n",
        "for x in y:  # nnlint: ignore[NN101]\n    FAULT = 1\n",
        "for x in y:\n    # nnlint: ignore[NN101]\n    FAULT = 1\n",
        "FAULT = 1\nx = 2  # nnlint: ignore[NN101]\n",
    ],
)
def test_other_statements_do_not(command: Command, text: str) -> None:
    found = codes(command, text)
    assert [finding[-5:] for finding in sorted(found, key=lambda finding: finding[-5:])] == ["NN101", "NN902"]


def test_a_whole_file(command: Command) -> None:
    text = "FAULT = 1\n# nnlint: ignore-file[NN101]\nFAULT = RISKY = 1\n"
    assert codes(command, text) == ["3:9 NN102"]
    assert codes(command, text.replace("[NN101]", "")) == []


def test_several_codes_in_one_comment(command: Command) -> None:
    assert codes(command, "FAULT = RISKY = MILD = 1  # nnlint: ignore[NN101, mild-fault]\n") == ["1:9 NN102"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1  # nnlint: ignore[NN101]\n", "no NN101 is found here"),
        ("x = 1  # nnlint: ignore-file[plain-fault]\n", "no plain-fault is found here"),
        ("x = 1  # nnlint: ignore\n", "this comment silences nothing"),
        ("x = 1  # noqa: NN101\n", "no NN101 is found here"),
        ("x = 1  # nnlint: ignore[NN777]\n", "no rule is called NN777"),
        ("x = 1  # noqa: NN777\n", "no rule is called NN777"),
        ("FAULT = 1  # nnlint: ignore[NN101,NN102]\n", "no NN102 is found here"),
        ("x = 1  # nnlint: skip\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore[]\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore[NN101\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore NN102\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore: NN101, NN102\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore (plain-fault)\n", "not of a form that nnlint knows"),
        ("x = 1  # nnlint: ignore-file NN101\n", "not of a form that nnlint knows"),
    ],
)
def test_what_silences_nothing_is_reported(command: Command, text: str, message: str) -> None:
    file = command.write("a.py", text)
    outcome = command(file.name)
    assert outcome.status == 1
    assert [finding[-5:] for finding in outcome.findings] == ["NN902"]
    assert message in outcome.output


@pytest.mark.parametrize("text", ["x = 1  # noqa\n", "x = 1  # noqa: E501\n", "x = 1  # noqa: NNX1\n", "x = 1\n"])
def test_comments_for_other_tools_are_not_judged(command: Command, text: str) -> None:
    assert codes(command, text) == []


def test_only_codes_of_rules_that_were_asked_are_judged(command: Command) -> None:
    text = "x = 1  # nnlint: ignore[NN101]\ny = 1  # nnlint: ignore[NN104]\nz = 1  # nnlint: ignore\n"
    assert codes(command, text, "--select", "NN902,NN102") == []
    assert codes(command, text, "--ignore", "NN101") == []
    assert codes(command, text, "--select", "NN902,NN101") == ["1:8 NN902"]
    assert codes(command, text, "--ignore", "NN902") == []


def test_nothing_is_judged_where_a_rule_failed(command: Command) -> None:
    assert codes(command, "RAISE = 1  # nnlint: ignore[NN101]\n") == []


def test_nothing_is_judged_in_a_file_that_does_not_parse(command: Command) -> None:
    assert codes(command, "x = 1  # nnlint: ignore[NN101]\ny = (\n") == ["2:5 NN901"]


def test_nn902_can_be_silenced_by_name(command: Command) -> None:
    assert codes(command, "x = 1  # nnlint: ignore[NN101, NN902]\n") == []
    assert codes(command, "# nnlint: ignore-file[unused-suppression]\nx = 1  # noqa: NN101\n") == []


def test_nn901_can_be_silenced_for_a_file(command: Command) -> None:
    assert codes(command, "# nnlint: ignore-file[NN901]\nprint 'x'\n") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # nnlint: ignore[NN101]\n", "x = 1\n"),
        ("x = 1  # nnlint: ignore[NN101]", "x = 1"),
        ("# nnlint: ignore-file[NN101]\nx = 1\n", "x = 1\n"),
        ("if y:\n    # noqa: NN101\n    x = 1\n", "if y:\n    x = 1\n"),
        ("x = 1\n# noqa: NN101", "x = 1\n"),
        ("x = 1  # noqa: E501, NN101\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa:NN101 E501\n", "x = 1  # noqa:E501\n"),
        ("RISKY = 1  # nnlint: ignore[NN101, NN102]\n", "RISKY = 1  # nnlint: ignore[NN102]\n"),
        ("x = 1  # nnlint: ignore[NN101]  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("x = 1  # type: ignore  # nnlint: ignore[NN101]\n", "x = 1  # type: ignore\n"),
        ("x = 1  # nnlint: ignore[NN101] as in the paper\n", "x = 1  # as in the paper\n"),
        ("x = 1  # nnlint: ignore[NN101]\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n"),
        ("x = f(  # noqa: NN101\n    'é'  # noqa: NN102\n)\n", "x = f(\n    'é'\n)\n"),
        ("x = 1  # nnlint: skip\n", "x = 1  # nnlint: skip\n"),
    ],
)
def test_the_fix_removes_what_is_unused_and_no_more(command: Command, before: str, after: str) -> None:
    assert fixed(command, before) == after


def test_in_notebooks(command: Command) -> None:
    sources = ["FAULT = 1  # nnlint: ignore[NN101]", "%time x = 1\ny = 2  # noqa: NN101", "# noqa: NN102", "z = 3"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    file = command.write("a.ipynb", json.dumps({"cells": cells}))
    outcome = command("--output-format", "json", "a.ipynb")
    assert [(f["code"], f["cell"], f["line"]) for f in json.loads(outcome.output)] == [
        ("NN902", 2, 2),
        ("NN902", 3, 1),
    ]
    assert command("--fix", "a.ipynb").status == 0
    mended = [cell["source"] for cell in json.loads(file.read_text())["cells"]]
    assert mended == [sources[0], "%time x = 1\ny = 2", "", "z = 3"]
