"""`--diff-base`: faults that a change causes away from the lines it touched, in real git repositories and with the real rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from nnlint import lint
from nnlint.reading.document import Document
from tests.command import Command
from tests.working_tree import commit_all, git

TRAINING = """\
import torch
from torch import nn

net = nn.Linear(4, 2)
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)


def fit(batches):
    for x, y in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()


def fit_again(batches):
    for x, y in batches:
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()


fit(torch.load("first.pt"))
fit_again(torch.load("second.pt"))
"""
CLEAR = "        optimizer.zero_grad()\n"
NETWORK = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(20, 5)

    def forward(self, x):
        return torch.softmax(self.out(x), dim=1)
"""
SCRIPT = """\
import torch
from torch import nn

from net import Net
from steps import clear

net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
criterion = nn.{loss}()
for x, y in torch.load("batches.pt"):
    clear(optimizer)
    criterion(net(x), y).backward()
    optimizer.step()
"""
STEPS = """\
def clear(optimizer):
    optimizer.zero_grad()
"""


@pytest.fixture
def lone(command: Command) -> Command:
    """A repository with one script: one of its two loops never clears its gradients."""
    command.write("train.py", TRAINING)
    commit_all(command.folder)
    return command


@pytest.fixture
def project(command: Command) -> Command:
    """A repository whose training is sound, in three files."""
    command.write("net.py", NETWORK)
    command.write("steps.py", STEPS)
    command.write("train.py", SCRIPT.format(loss="MSELoss"))
    commit_all(command.folder)
    return command


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The paths of each time that documents are linted."""
    calls: list[list[str]] = []
    real: Callable[..., object] = lint.lint_documents

    def counted(documents: Sequence[Document], *arguments: object) -> object:
        calls.append([document.path for document in documents])
        return real(documents, *arguments)

    monkeypatch.setattr("nnlint.lint.lint_documents", counted)
    yield calls


def new(command: Command, *arguments: str) -> list[str]:
    return command("--diff-base", "main", *arguments, ".").findings


def test_a_deleted_line(lone: Command) -> None:
    assert new(lone) == []
    lone.write("train.py", TRAINING.replace(CLEAR, ""))
    assert new(lone) == ["train.py:11:9 NN102"], "the loop that never cleared is no news"
    git(lone.folder, "checkout", "--quiet", "-b", "feature")
    commit_all(lone.folder)
    assert new(lone) == ["train.py:11:9 NN102"]


def test_an_older_fault_of_the_same_words_stays_old(lone: Command) -> None:
    lone.write("train.py", TRAINING.replace("def fit(", "print('training')\n\n\ndef fit("))
    assert new(lone) == []
    before = "for x, y in torch.load('third.pt'):\n    loss = net(x).sum()\n    loss.backward()\n    optimizer.step()\n"
    lone.write("train.py", TRAINING.replace("def fit(", f"{before}\n\ndef fit("))
    assert new(lone) == ["train.py:10:5 NN102"]


def test_a_fault_that_another_file_causes(project: Command) -> None:
    assert new(project) == []
    project.write("train.py", SCRIPT.format(loss="CrossEntropyLoss"))
    assert new(project) == ["net.py:11:16 NN201"]
    project.write("train.py", SCRIPT.format(loss="MSELoss"))
    project.write("steps.py", "def clear(optimizer):\n    pass\n")
    assert new(project) == ["train.py:12:5 NN102"]


def test_only_the_script_is_named_and_imports_lead_to_what_changed(project: Command) -> None:
    project.write("steps.py", "def clear(optimizer):\n    pass\n")
    assert project("--diff-base", "main", "train.py").findings == ["train.py:12:5 NN102"]
    commit_all(project.folder)
    assert project("--diff-base", "main", "train.py").findings == []


def test_renamed_files_keep_what_they_had(lone: Command) -> None:
    git(lone.folder, "mv", "train.py", "main.py")
    assert new(lone) == []
    lone.write("main.py", TRAINING.replace(CLEAR, ""))
    assert new(lone) == ["main.py:11:9 NN102"]


def test_a_renamed_module_is_found_under_its_older_name(project: Command) -> None:
    project.write("train.py", SCRIPT.format(loss="CrossEntropyLoss"))
    commit_all(project.folder)
    git(project.folder, "mv", "net.py", "network.py")
    project.write("train.py", SCRIPT.format(loss="CrossEntropyLoss").replace("from net ", "from network "))
    assert new(project) == []


def test_a_module_split_off_is_new_and_the_rest_is_not(project: Command) -> None:
    project.write("train.py", SCRIPT.format(loss="CrossEntropyLoss"))
    commit_all(project.folder)
    project.write("train.py", SCRIPT.format(loss="CrossEntropyLoss").replace("from steps ", "from helpers "))
    project.write("helpers.py", "def clear(optimizer):\n    pass\n")
    assert new(project) == ["train.py:12:5 NN102"]


def test_a_suppression_taken_away(lone: Command) -> None:
    lone.write("train.py", "# nnlint: ignore-file[NN102]\n" + TRAINING)
    commit_all(lone.folder)
    lone.write("train.py", TRAINING)
    assert new(lone) == ["train.py:19:9 NN102"]


def test_a_fault_that_grew_worse_is_new(command: Command) -> None:
    text = TRAINING.replace(
        "net = nn.Linear(4, 2)", "rate = 0.05\n\nnet = nn.Sequential(nn.Dropout(rate), nn.Linear(4, 1))"
    )
    text = text.replace("nn.functional.cross_entropy(net(x), y)", "nn.functional.mse_loss(net(x), y.float())")
    command.write("train.py", text)
    commit_all(command.folder)
    old = command("--select", "NN303", ".").output
    command.write("train.py", text.replace("0.05", "0.5"))
    now = command("--select", "NN303", ".").output
    assert ": advice NN303" in old
    assert ": advice NN303" not in now
    assert len(new(command, "--select", "NN303")) == 1


def cells(*sources: str, count: int | None = None) -> str:
    made: list[dict[str, object]] = [
        {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": [count], "source": source}
        for source in sources
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def notebook_cells(text: str) -> list[str]:
    return [part.strip("\n") for part in text.split("\n\n\n")]


def test_notebooks_by_the_lines_of_their_cells(command: Command) -> None:
    command.write("a.ipynb", cells(*notebook_cells(TRAINING)))
    commit_all(command.folder)
    assert new(command) == []
    command.write("a.ipynb", cells("print('first')", *notebook_cells(TRAINING), count=7))
    assert new(command) == [], "neither another cell nor outputs are changes of the code"
    command.write("a.ipynb", cells(*notebook_cells(TRAINING.replace(CLEAR, "")), count=7))
    assert new(command) == ["a.ipynb:cell 2:4:9 NN102"]


def test_notebooks_that_git_cleans(command: Command) -> None:
    git(command.folder, "init", "--quiet", "--initial-branch=main")
    clean = (
        "import json, sys; n = json.load(sys.stdin); "
        "[c.update(outputs=[], execution_count=None) for c in n['cells']]; json.dump(n, sys.stdout, indent=1)"
    )
    git(command.folder, "config", "filter.clean.clean", f'python3 -c "{clean}"')
    command.write(".gitattributes", "*.ipynb filter=clean\n")
    command.write("a.ipynb", cells(*notebook_cells(TRAINING), count=3))
    commit_all(command.folder)
    command.write("a.ipynb", cells(*notebook_cells(TRAINING.replace(CLEAR, "")), "print('last')", count=7))
    assert new(command) == ["a.ipynb:cell 2:4:9 NN102"]


def test_what_is_new_is_fixed_and_the_rest_is_left(lone: Command) -> None:
    file = lone.write("train.py", TRAINING.replace(CLEAR, ""))
    assert lone("--fix", "--diff-base", "main", ".").status == 0
    assert file.read_text().partition("def fit_again")[2] == TRAINING.partition("def fit_again")[2]
    assert file.read_text().count("optimizer.zero_grad()") == 1


def test_the_base_is_linted_only_where_it_can_tell_something(lone: Command, linted: list[list[str]]) -> None:
    lone.write("apart.py", "import torch\n")
    lone.write("notes.md", "none of it is code\n")
    assert new(lone) == []
    assert len(linted) == 1, "nothing changed that bears on a finding"
    commit_all(lone.folder)
    linted.clear()
    lone.write("apart.py", "import torch\n\ntorch.manual_seed(0)\n")
    assert new(lone) == []
    assert len(linted) == 1, "the script does not import what changed"
    commit_all(lone.folder)
    linted.clear()
    lone.write("train.py", TRAINING.replace("Adam", "AdamW"))
    assert new(lone) == []
    assert linted[1:] == [["train.py"]], "nothing else bears on its findings"


def test_a_base_that_does_not_parse(lone: Command) -> None:
    lone.write("train.py", TRAINING.replace("fit(torch", "fit(torch("))
    commit_all(lone.folder)
    lone.write("train.py", TRAINING)
    assert new(lone) == ["train.py:19:9 NN102"]


def test_a_base_that_the_rules_fail_on_makes_nothing_new(lone: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnlint.catalogue import all_rules

    rule = next(rule for rule in all_rules() if rule.code == "NN102")
    check = rule.check

    def fails_at_the_base(run: object) -> object:
        text = Path(lone.folder, "train.py").read_text()
        yield from check(run)  # type: ignore[arg-type]
        if fails_at_the_base.calls:  # type: ignore[attr-defined]
            raise LookupError(text)
        fails_at_the_base.calls += 1  # type: ignore[attr-defined]

    fails_at_the_base.calls = 0  # type: ignore[attr-defined]
    object.__setattr__(rule, "check", fails_at_the_base)
    try:
        lone.write("train.py", TRAINING.replace(CLEAR, ""))
        assert new(lone) == []
    finally:
        object.__setattr__(rule, "check", check)


def test_a_submodule_changed_as_far_as_the_project_moved_it(
    command: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "train.py").write_text(TRAINING)
    commit_all(library)
    command.write("a.py", "x = 1\n")
    commit_all(command.folder)
    git(command.folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    commit_all(command.folder)
    git(command.folder, "branch", "release")
    assert command("--diff-base", "release", ".").findings == []
    (command.folder / "lib" / "train.py").write_text(TRAINING.replace(CLEAR, ""))
    assert command("--diff-base", "release", ".").findings == ["lib/train.py:11:9 NN102"]
    assert command("--diff-base", "release~1", ".").findings == ["lib/train.py:11:9 NN102", "lib/train.py:18:9 NN102"]
