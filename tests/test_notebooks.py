"""Notebooks: cells and their numbers, IPython's own syntax, broken cells, and fixes that change nothing else."""

from __future__ import annotations

import ast
import json
from typing import Any

import nbformat
import pytest

from nnlint.reading.documents import read_document
from nnlint.reading.magics import plain_python
from nnlint.reading.notebook_cells import replace_sources
from tests.command import Command

made_up = pytest.mark.usefixtures("made_up_rules")


def notebook(*sources: str | list[str], **metadata: Any) -> str:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": "FAULT in prose"}]
    for source in sources:
        cells.append({"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source})
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


@made_up
def test_places_are_cells_and_lines_within_them(command: Command) -> None:
    command.write("a.ipynb", notebook("x = 1\nFAULT = 2", "", ["y = 1\n", "\n", "  \n", "if y:\n", "    FAULT = 3\n"]))
    outcome = command("--output-format", "json", "a.ipynb")
    places = [(f["cell"], f["line"], f["column"], f["end_column"]) for f in json.loads(outcome.output)]
    assert places == [(1, 2, 1, 6), (3, 5, 5, 10)]


@made_up
def test_the_frame_shows_the_cell_as_it_was_written(command: Command) -> None:
    command.write("a.ipynb", notebook("%matplotlib inline\nFAULT = 2"))
    outcome = command("--output-format", "text", "a.ipynb")
    assert "1 | %matplotlib inline" in outcome.output
    assert "2 | FAULT = 2" in outcome.output


@made_up
def test_a_broken_cell_is_a_finding_and_the_others_are_linted(command: Command) -> None:
    command.write("a.ipynb", notebook("FAULT = 1", "x = 1\ndef f(:\n    FAULT", "FAULT = 3"))
    outcome = command("--output-format", "json", "a.ipynb")
    found = [(f["cell"], f["line"], f["column"], f["code"]) for f in json.loads(outcome.output)]
    assert found == [(1, 1, 1, "NN101"), (2, 2, 7, "NN901"), (3, 1, 1, "NN101")]
    assert "the cell does not parse" in outcome.output


@made_up
def test_format_3_is_read_and_fixed(command: Command) -> None:
    cells = [{"cell_type": "code", "language": "python", "input": ["FAULT = 1"], "outputs": []}]
    text = json.dumps({"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]})
    file = command.write("old.ipynb", text)
    assert len(command("old.ipynb").findings) == 1
    assert command("--fix", "old.ipynb").status == 0
    assert file.read_text() == text.replace("FAULT", "MENDED")


@made_up
@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"language": "R", "name": "ir"}},
        {"language_info": {"name": "julia"}},
        {"kernelspec": {"name": "ir"}},
        {"kernelspec": {"name": "julia-1.6"}},
        {"kernelspec": {"name": "xcpp17"}, "language_info": None},
    ],
)
def test_notebooks_in_other_languages_are_skipped_with_a_note(command: Command, metadata: dict[str, Any]) -> None:
    command.write("a.ipynb", notebook("FAULT <- 1 ->", **metadata))
    outcome = command("--verbose", "a.ipynb")
    assert outcome.status == 0
    assert "not in Python" in outcome.errors


@made_up
def test_a_python_kernel_under_any_name_is_python(command: Command) -> None:
    command.write("a.ipynb", notebook("FAULT = 1", kernelspec={"language": "python", "name": "my-env"}))
    command.write("b.ipynb", notebook("FAULT = 1", kernelspec={"name": "my-env"}, language_info={"name": "ipython"}))
    command.write("c.ipynb", notebook("FAULT = 1", kernelspec={"name": "iris"}))
    assert len(command(".").findings) == 3


@made_up
def test_standard_input_may_be_a_notebook(command: Command) -> None:
    outcome = command("-", "--stdin-filename", "a.ipynb", stdin=notebook("FAULT = 1").encode())
    assert len(outcome.findings) == 1


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install torch\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls 'don\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("!pip install \\\n    torch \\\n    numpy\nx = 1", "pass\n\n\nx = 1"),
        ("files = !ls *.py\nx = 1", "files = get_ipython()\nx = 1"),
        ("a, b = %who_ls\n", "a, b = get_ipython()\n"),
        ("%time train()", "pass; train()"),
        ("%timeit -n 10 -r 3 train(1)", "pass             ; train(1)"),
        ("%time for x in y: pass", "pass"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%time\n%%capture out\nx = 1", "\n\nx = 1"),
        ("\n%%bash\nfor f in *; do ls; done", "\n\n"),
        ("%%writefile net.py\nimport torch\nFAULT", "\n\n"),
        ("%%html\n<b>x</b>\n", "\n\n"),
        ("%%unheard_of\nx = 1", "\nx = 1"),
        ("torch.nn.Linear?\nx = 1", "pass\nx = 1"),
        ("?torch\nx??", "pass\npass"),
        ("pip install torch\nx = 1", "pass\nx = 1"),
        ("cd data\nx = 1", "pass\nx = 1"),
        ("s = '''\n%matplotlib\n!ls\n'''\n%pylab", "s = '''\n%matplotlib\n!ls\n'''\npass"),
        ("y = (a\n% b\n)\n%pylab", "y = (a\n% b\n)\npass"),
        ("y = a \\\n% b\n!ls", "y = a \\\n% b\npass"),
        ('s = "a \\" # b" + r\'c\'  # (\n!ls', 's = "a \\" # b" + r\'c\'  # (\npass'),
        ("await f()\n!ls", "await f()\npass"),
        ("# really?\n!ls", "# really?\npass"),
        ("  x = 1\n  if x:\n      y = 2\n", " \fx = 1\n \fif x:\n \f    y = 2\n"),
    ],
)
def test_ipython_syntax_becomes_python_with_the_same_lines(cell: str, plain: str) -> None:
    result = plain_python(cell)
    assert result.count("\n") == cell.count("\n")
    assert result == plain
    ast.parse(result)


@pytest.mark.parametrize("cell", ["x %= 3", "x = a % b", "x != y", "print('50%')", "x = y if z else w  # ?", "f(a)[0]"])
def test_plain_python_is_left_alone(cell: str) -> None:
    assert plain_python(cell) == cell


def test_magics_are_no_findings(command: Command) -> None:
    command.write("a.ipynb", notebook("%load_ext autoreload\n!nvidia-smi\nx = !ls", "%%bash\nls |", "await f()", "x?"))
    assert command("a.ipynb").findings == []


LAYOUTS = {
    "indent 1": notebook(["FAULT = 1\n", "é = 'x'\n", "RISKY = 2"], z=1, a=[1.0, 1e5]),
    "indent 4, one string": json.dumps(json.loads(notebook("FAULT = 1\n")), indent=4),
    "compact": json.dumps(json.loads(notebook(["FAULT = 1\n", "x"])), separators=(",", ":")),
    "not ascii": json.dumps(json.loads(notebook(["FAULT = 'é'\n", "y = '训练'"])), ensure_ascii=False, indent=2),
    "escapes of its own": notebook(["FAULT = 1\n", "y = 2"]).replace("y = 2", "y = '\\/\\u0041'"),
    "CRLF": notebook(["FAULT = 1\n", "x = 1\n"]).replace("\n", "\r\n"),
    "doubled key": notebook("FAULT = 1").replace('"source": "FAULT = 1"', '"source": 0, "source": "FAULT = 1"'),
}


@made_up
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_fix_changes_not_a_byte_outside_of_the_mended_lines(command: Command, layout: str, mark: bytes) -> None:
    data = mark + LAYOUTS[layout].encode()
    file = command.write("a.ipynb", data)
    command("--fix", "a.ipynb")
    assert file.read_bytes() == data.replace(b"FAULT =", b"MENDED =")


@made_up
def test_a_fixed_notebook_is_a_valid_notebook(command: Command) -> None:
    new = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%time FAULT = 1\nx = !ls\n")])  # type: ignore[no-untyped-call]
    text: str = nbformat.writes(new)  # type: ignore[no-untyped-call]
    file = command.write("a.ipynb", text)
    assert command("--fix", "a.ipynb").status == 0
    mended = nbformat.reads(file.read_text(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(mended)
    assert mended.cells[0].source == "%time MENDED = 1\nx = !ls\n"


@pytest.mark.parametrize("source", [[], ["a\n"], ["a\n", "b"], ["a", "b\n", "c"], "a\nb", ""])
@pytest.mark.parametrize("text", ["", "a\n", "b\na\nc", "x\n\ny\n"])
def test_any_source_can_be_replaced(source: str | list[str], text: str) -> None:
    before = notebook("first", source, "last")
    after = json.loads(replace_sources(before, {2: text}))
    assert "".join(after["cells"][2]["source"]) == text
    expected = json.loads(before)
    expected["cells"][2]["source"] = after["cells"][2]["source"]
    assert after == expected


def test_a_cell_without_source_and_a_notebook_without_code() -> None:
    text = '{"cells": [{"cell_type": "code"}, {"cell_type": "code", "source": "x = ("}]}'
    document = read_document("a.ipynb", None, text.encode())
    assert [finding.place.cell for finding in document.broken] == [2]
    empty = read_document("a.ipynb", None, b'{"cells": []}')
    assert (empty.source, empty.broken) == (None, ())


@made_up
@pytest.mark.parametrize(
    ("escape", "words"),
    [("\\ud800", "the cell holds half of a surrogate pair"), ("\\u0000", "the cell holds a NUL byte")],
)
def test_a_character_that_no_source_may_hold_is_a_finding_of_its_cell(
    command: Command, escape: str, words: str
) -> None:
    command.write("a.ipynb", notebook("x = 1\ns = 'X'", "FAULT").replace("X", escape))
    outcome = command("a.ipynb")
    assert outcome.findings == ["a.ipynb:cell 1:2:6 NN901", "a.ipynb:cell 2:1:1 NN101"]
    assert words in outcome.output


@made_up
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_notebook_in_another_encoding_is_a_finding(command: Command, encoding: str) -> None:
    command.write("a.ipynb", notebook("FAULT").encode(encoding))
    assert "which Python cannot read" in command("a.ipynb").output


@made_up
def test_an_empty_request_for_help_is_no_fault(command: Command) -> None:
    command.write("a.ipynb", notebook("?", "??", "FAULT"))
    assert command("a.ipynb").findings == ["a.ipynb:cell 3:1:1 NN101"]
