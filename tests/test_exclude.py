"""`exclude`: what is left out, however nnlint comes to it."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnlint
from nnlint.api import LintError
from tests.command import Command

FAULTY = "FAULT = 1\n"
made_up = pytest.mark.usefixtures("made_up_rules")


@pytest.fixture
def project(command: Command) -> Command:
    """A project that leaves out a folder, a kind of file, and all but one file of a second folder."""
    command.write("nnlint.toml", 'exclude = ["vendor/", "*_pb2.py", "old/*", "!old/kept.py"]\n')
    for path in ("a.py", "vendor/deep/b.py", "c_pb2.py", "old/d.py", "old/kept.py"):
        command.write(path, FAULTY)
    return command


@made_up
def test_files_given_by_name_are_left_out_as_when_walked(project: Command) -> None:
    expected = ["a.py:1:1 NN101", "old/kept.py:1:1 NN101"]
    assert project(".").findings == expected
    named = ["a.py", "vendor/deep/b.py", "c_pb2.py", "old/d.py", "old/kept.py"]
    assert project(*named).findings == expected
    assert project(*(str(project.folder / name) for name in named)).findings == expected


@made_up
@pytest.mark.parametrize("kept_out", ["{root}/old/d.py", "{root}/old/*", "{root}/old/"])
def test_a_pattern_may_be_the_whole_path(command: Command, kept_out: str) -> None:
    command.write("nnlint.toml", f"exclude = ['{kept_out.format(root=command.folder.resolve().as_posix())}']\n")
    command.write("a.py", FAULTY)
    command.write("old/d.py", FAULTY)
    assert command(".").findings == ["a.py:1:1 NN101"]


@made_up
def test_folders_given_by_name_are_left_out_with_all_below(project: Command) -> None:
    assert project("vendor", "vendor/deep").findings == []
    assert project("old").findings == ["old/kept.py:1:1 NN101"]


@made_up
def test_what_was_left_out_is_told_under_verbose(project: Command) -> None:
    outcome = project("--verbose", "a.py", "vendor/deep/b.py")
    assert outcome.status == 1
    assert "vendor/deep/b.py: note: skipped: the settings exclude it" in outcome.errors
    assert "vendor" not in project("a.py", "vendor/deep/b.py").errors


@made_up
def test_nothing_but_excluded_files_is_a_clean_run(project: Command) -> None:
    outcome = project("c_pb2.py")
    assert (outcome.status, outcome.output) == (0, "")
    assert "the settings exclude all that was given" in outcome.errors
    assert project("--quiet", "c_pb2.py").errors == ""
    assert project("--isolated", "c_pb2.py").findings == ["c_pb2.py:1:1 NN101"]


@made_up
def test_excluded_files_are_not_fixed(project: Command) -> None:
    assert project("--fix", "c_pb2.py", "a.py").status == 0
    assert (project.folder / "c_pb2.py").read_text() == FAULTY
    assert (project.folder / "a.py").read_text() == "MENDED = 1\n"


@made_up
def test_standard_input_under_an_excluded_name_is_given_back_as_it_came(project: Command) -> None:
    assert project("-", "--stdin-filename", "vendor/e.py", stdin=b"FAULT = 1\n").findings == []
    outcome = project("-", "--fix", "--stdin-filename", "vendor/e.py", stdin=b"FAULT = 1\r\n")
    assert (outcome.status, outcome.raw_output) == (0, b"FAULT = 1\r\n")
    assert project("-", stdin=b"FAULT = 1\n").findings == ["<stdin>:1:1 NN101"]


@made_up
def test_a_project_reached_through_a_link(project: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(project.folder, target_is_directory=True)
    assert project("--config", str(link / "nnlint.toml"), "c_pb2.py").findings == []


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
TRAINING = """\
import torch
from torch import nn

from {module} import Net

net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""


def test_a_finding_in_an_excluded_file_that_an_import_leads_to_is_not_reported(command: Command) -> None:
    command.write("vendor/__init__.py", "")
    command.write("vendor/net.py", NETWORK)
    command.write("train.py", TRAINING.format(module="vendor.net"))
    assert command("train.py").findings == ["vendor/net.py:11:16 NN201"]
    command.write("nnlint.toml", 'exclude = ["vendor/"]\n')
    assert command("train.py").status == 0
    assert nnlint.lint_paths("train.py") == []


def test_what_an_excluded_file_says_is_still_known(command: Command) -> None:
    command.write("nnlint.toml", 'exclude = ["vendor/"]\n')
    command.write("vendor/__init__.py", "")
    command.write("vendor/net.py", NETWORK.replace("torch.softmax(self.out(x), dim=1)", "self.out(x)"))
    training = TRAINING.format(module="vendor.net").replace("criterion(net(x), y)", "criterion(net(x).softmax(1), y)")
    command.write("train.py", training)
    assert command(".").findings == ["train.py:11:15 NN201"]


def test_a_text_is_linted_whatever_its_path(tmp_path: Path) -> None:
    settings = {"exclude": ["*.py"]}
    assert [finding.code for finding in nnlint.lint_text("x = (\n", "a.py", settings)] == ["NN901"]


def test_a_path_that_is_none_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(LintError, match="this is no path"):
        nnlint.lint_paths("../a\0b/c.py", {"exclude": ["*.py"]})
