"""Notebooks in the formats for programs: those show the `.ipynb` file as it is, so places are places in its JSON."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlint.finding import Edit, Finding, Place, Related
from nnlint.mending.fixes import UnfitFixError, apply_edits
from nnlint.reading.notebook_file import NotebookFile
from nnlint.report import InternalError, Report, SourceText
from tests.command import Command
from tests.test_notebooks import LAYOUTS, notebook

from .samples import fault, mend, rendered, spot

made_up = pytest.mark.usefixtures("made_up_rules")

Region = dict[str, int]


def offset(text: str, line: int, column: int) -> int:
    """Where a 1-based line and column of a file stand in its text."""
    return sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1


def span(text: str, region: Region) -> tuple[int, int]:
    start = offset(text, region["startLine"], region["startColumn"])
    return start, offset(text, region["endLine"], region["endColumn"])


def results(command: Command, path: str) -> list[Any]:
    log = json.loads(command("--output-format", "sarif", path).output)
    found: list[Any] = log["runs"][0]["results"]
    return found


def with_fix(text: str, fix: Any) -> str:
    """The text of a file after a fix of SARIF."""
    (change,) = fix["artifactChanges"]
    spans = [(*span(text, each["deletedRegion"]), each["insertedContent"]["text"]) for each in change["replacements"]]
    for start, end, content in sorted(spans, reverse=True):
        text = text[:start] + content + text[end:]
    return text


@made_up
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
class TestEveryLayout:
    def test_sarif_names_the_characters_of_the_file(self, command: Command, layout: str, mark: str) -> None:
        text = LAYOUTS[layout]
        command.write("a.ipynb", mark + text)
        for result in results(command, "a.ipynb"):
            start, end = span(text, result["locations"][0]["physicalLocation"]["region"])
            assert text[start:end] in ("FAULT", "RISKY")

    def test_a_fix_of_sarif_gives_what_fix_writes(self, command: Command, layout: str, mark: str) -> None:
        file = command.write("a.ipynb", mark + LAYOUTS[layout])
        fixed = with_fix(LAYOUTS[layout], results(command, "a.ipynb")[0]["fixes"][0])
        command("--fix", "a.ipynb")
        assert (mark + fixed).encode() == file.read_bytes()

    def test_the_others_name_the_line_of_the_file(self, command: Command, layout: str, mark: str) -> None:
        text = LAYOUTS[layout]
        command.write("a.ipynb", mark + text)
        line = 1 + text[: text.index("FAULT =")].count("\n")
        column = offset(text, line, 1) - text.index("FAULT =")
        annotation = command("--output-format", "github", "a.ipynb").output.splitlines()[0]
        assert f"file=a.ipynb,line={line},endLine={line},col={1 - column},endColumn={6 - column}," in annotation
        entry = json.loads(command("--output-format", "gitlab", "a.ipynb").output)[0]
        assert entry["location"]["lines"] == {"begin": line, "end": line}
        suites = ElementTree.fromstring(command("--output-format", "junit", "a.ipynb").output)
        assert next(case.get("line") for case in suites.iter("testcase")) == str(line)

    def test_for_people_it_stays_the_line_of_the_cell(self, command: Command, layout: str, mark: str) -> None:
        command.write("a.ipynb", mark + LAYOUTS[layout])
        assert command("a.ipynb").findings[0] == "a.ipynb:cell 1:1:1 NN101"
        entry = json.loads(command("--output-format", "json", "a.ipynb").output)[0]
        assert (entry["cell"], entry["line"], entry["column"]) == (1, 1, 1)
        assert [edit["cell"] for edit in entry["fix"]["edits"]] == [1], (
            "a line of a notebook means nothing without its cell"
        )


TEXT = notebook(["import torch\n", "\n", "for x in y:\n", "    step(\n", "        x)\n"], "a = 1\nb = 2")
SHOWN = SourceText(
    {1: ["import torch", "", "for x in y:", "    step(", "        x)"], 2: ["a = 1", "b = 2"]}, TEXT.encode()
)


def shown(*findings: Finding, errors: Sequence[InternalError] = ()) -> Report:
    return Report(findings, tuple(errors), files=1, texts={"a.ipynb": SHOWN})


def at(cell: int, line: int, column: int, end_line: int, end_column: int) -> Place:
    return Place("a.ipynb", cell, line, column, end_line, end_column)


def line_of(words: str) -> int:
    return 1 + TEXT[: TEXT.index(words)].count("\n")


def test_the_message_names_the_cell_and_the_line_in_it() -> None:
    related = (Related(at(2, 2, 1, 2, 2), "made here"),)
    report = shown(fault(at(1, 3, 1, 3, 12), related=related))
    for name in ("github", "gitlab", "sarif", "junit"):
        words = re.sub(r"%0A|\\n|; ", "\n", rendered(name, report))
        assert re.search(r"cell 1, line 3: gradients pile up\na\.ipynb:cell 2:2: made here", words), name


def test_a_related_place_of_sarif_is_one_of_the_file() -> None:
    related = (Related(at(2, 2, 1, 2, 6), "made here"),)
    result = json.loads(rendered("sarif", shown(fault(at(1, 3, 1, 3, 12), related=related))))["runs"][0]["results"][0]
    start, end = span(TEXT, result["relatedLocations"][0]["physicalLocation"]["region"])
    assert TEXT[start:end] == "b = 2"


def test_a_result_of_sarif_has_the_cell_in_its_properties() -> None:
    result = json.loads(rendered("sarif", shown(fault(at(2, 1, 1, 1, 6)))))["runs"][0]["results"][0]
    assert result["properties"] == {"cell": 2}


def test_a_span_of_several_lines_ends_on_the_line_of_its_end() -> None:
    report = shown(fault(at(1, 4, 5, 5, 11)))
    first, last = line_of("    step("), line_of("        x)")
    assert f"line={first},endLine={last},title" in rendered("github", report)
    region = json.loads(rendered("sarif", report))["runs"][0]["results"][0]["locations"][0]["physicalLocation"][
        "region"
    ]
    start, end = span(TEXT, region)
    assert (TEXT[start : start + 5], TEXT[end - 2 : end]) == ("step(", "x)")


def test_a_fix_that_does_not_fit_the_file_is_left_out() -> None:
    edit = Edit(at(1, 99, 1, 99, 1), "x = 1\n")
    result = json.loads(
        rendered("sarif", shown(fault(spot(1, 1, 2, "a.ipynb", 1), fix=replace(mend(), edits=(edit,)))))
    )
    assert "fixes" not in result["runs"][0]["results"][0]


def test_where_the_file_is_not_at_hand_no_line_is_made_up() -> None:
    report = Report((fault(spot(7, 1, 2, "a.ipynb", 3), fix=mend()),), files=1)
    assert rendered("github", report).startswith("::error file=a.ipynb,title=")
    result = json.loads(rendered("sarif", report))["runs"][0]["results"][0]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_a_failure_in_a_cell_is_told_where_it_is() -> None:
    report = shown(errors=[InternalError("a.ipynb", 2, "the fix is not applied", cell=2)])
    line = line_of("a = 1")
    assert rendered("concise", report).startswith("a.ipynb:cell 2:2: internal error: the fix")
    assert f"line={line}," in rendered("github", report)
    assert f'"begin": {line}' in rendered("gitlab", report)
    assert f'"startLine": {line}' in rendered("sarif", report)
    assert f'line="{line}"' in rendered("junit", report)


CHARACTERS = st.sampled_from(
    ["\n", "\r\n", "\r", "a", "b ", '"', "\\", "\t", "é", "训", "😀", "\u2028", "\x0c", "\x00"]
)
TEXTS = st.lists(CHARACTERS, max_size=12).map("".join)
SOURCES = TEXTS | st.lists(TEXTS, max_size=5)
POSITIONS = st.tuples(st.integers(1, 6), st.integers(1, 8))


@given(
    SOURCES,
    st.tuples(POSITIONS, POSITIONS).map(sorted),
    TEXTS,
    st.sampled_from([None, 1]),
    st.booleans(),
    st.booleans(),
)
def test_any_edit_of_a_cell_can_be_made_in_the_file(
    source: str | list[str],
    positions: Sequence[tuple[int, int]],
    content: str,
    indent: int | None,
    keep_ascii: bool,
    swapped: bool,
) -> None:
    cell: dict[str, Any] = {"cell_type": "code", "source": source, "outputs": []}
    if swapped:
        cell = dict(reversed(cell.items()))
    content = content.replace("\r", "")
    text = json.dumps({"cells": [cell, cell]}, indent=indent, ensure_ascii=keep_ascii)
    edit = Edit(at(2, *positions[0], *positions[1]), content)
    try:
        expected = apply_edits("".join(source), [edit])
    except UnfitFixError:
        expected = None
    in_file = NotebookFile(text.encode()).edit(edit)
    if expected is None or in_file is None:
        assert in_file is None
        assert expected is None or source == []
        return
    place = in_file.place
    start, end = offset(text, place.line, place.column), offset(text, place.end_line, place.end_column)
    mended = text[:start] + in_file.content + text[end:]
    assert mended.isascii() or not text.isascii() or not keep_ascii or "\\u" not in text
    content_after = json.loads(mended)
    assert "".join(content_after["cells"][1].pop("source")) == expected
    assert content_after["cells"][0] == cell
