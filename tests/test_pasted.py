"""Code that was pasted and does not parse as it stands: what was meant is linted, at the lines and columns of the text."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

import nnlint
from nnlint.reading.pasted import as_meant
from tests.command import Command

TRAINING = dedent(
    """\
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for rows, kinds in loader:
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(rows), kinds)
        loss.backward()
        optimizer.step()
    """
)
SOFTMAX = "nn.Softmax(dim=1)"


def prompted(text: str) -> str:
    """The text as a terminal shows it."""
    return "".join(
        f"{'... ' if line.startswith(' ') else '>>> '}{line}"
        for line in text.replace("\n\n", "\n").splitlines(keepends=True)
    )


def numbered(text: str) -> str:
    """The text as IPython shows it, with an answer."""
    first, rest = text.split("\n", 1)
    return f"In [1]: {first}\nOut[1]: 3\n" + "".join(f"   ...: {line}" for line in rest.splitlines(keepends=True))


PASTED = {
    "indented as a whole": indent(TRAINING, "    "),
    "indented by tabs": indent(TRAINING, "\t"),
    "indented below the first line": TRAINING[:13] + indent(TRAINING[13:], "    "),
    "prompts": prompted(TRAINING),
    "prompts of a notebook": numbered(TRAINING),
    "magics": f"%matplotlib inline\n!pip install torch\n{TRAINING}",
    "printed by Python 2": TRAINING + '    print "loss:", loss.data[0]  # every step\n',
    "printed behind a condition": TRAINING + "    if True: print loss\n",
    "spaces that do not break": TRAINING.replace("    ", "\N{NO-BREAK SPACE}" * 4),
    "quotation marks of a word processor": f"name = \N{LEFT DOUBLE QUOTATION MARK}a\N{RIGHT DOUBLE QUOTATION MARK}\n{TRAINING}",
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_what_was_meant_is_linted_where_it_stands(text: str) -> None:
    broken, softmax = sorted(nnlint.lint_text(text), key=lambda finding: finding.code, reverse=True)
    assert (broken.code, softmax.code) == ("NN901", "NN201")
    assert broken.message.endswith("; it was checked as it is meant")
    line = next(number for number, line in enumerate(text.splitlines(), 1) if SOFTMAX in line)
    assert (softmax.place.line, softmax.place.column) == (line, text.splitlines()[line - 1].index(SOFTMAX) + 1)
    assert softmax.fix is None


@pytest.mark.parametrize(
    "text",
    [
        "x = (\n",
        "for x in y:\nprint(x)\n",
        "if a:\n    b = 1\n  c = 2\n",
        "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n",
        "print x if y else\n",
        "Why does the loss not fall?\nimport torch\n",
        "    x = (\n",
    ],
)
def test_what_would_have_to_be_guessed_is_left(text: str) -> None:
    assert as_meant(text) is None
    [broken] = nnlint.lint_text(text)
    assert broken.message.endswith("nothing else in it was checked")


def test_fixes_leave_it_alone(command: Command) -> None:
    file = command.write("a.py", PASTED["indented as a whole"])
    assert command("--fix", "--unsafe-fixes", "a.py").status == 1
    assert file.read_text() == PASTED["indented as a whole"]


def test_it_is_reported_where_another_file_imports_it_first(command: Command) -> None:
    command.write("a.py", "import b\n")
    command.write("b.py", PASTED["indented as a whole"])
    assert [finding.split()[1] for finding in command(".").findings] == ["NN901", "NN201"]
