"""The walls around a run: what passes for a record, what a script may see, and what is asked for before any of it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nnlint.verify.child.mirror import mirror
from nnlint.verify.exchange import Exchange
from nnlint.verify.protocol import Record, Request
from nnlint.verify.runner import runner
from nnlint.verify.sandbox import Sandbox, sandbox
from nnlint.verify.seal import LONGEST_LINE, Seal, new_key
from tests.command import Command

FAULTY = """
import torch
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(20):
    torch.nn.functional.cross_entropy(model(torch.randn(4, 2)), torch.zeros(4).long()).backward()
    optimizer.step()
"""


def test_without_torch_verify_says_what_to_install(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.write("train.py", FAULTY)
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = command("--verify", "train.py")
    assert outcome.status == 2
    assert "pip install 'nnlint[verify]'" in outcome.errors
    assert command("train.py").findings == ["train.py:6:5 NN102"]


def test_a_sealed_line_is_opened_once_and_in_order() -> None:
    key = new_key()
    sender, receiver = Seal(key), Seal(key)
    first, second = (sender.sealed(record).rstrip(b"\n") for record in (b'{"kind": "a"}', b'{"kind": "b"}'))
    assert receiver.opened(second) is None
    assert receiver.opened(first) == b'{"kind": "a"}'
    assert receiver.opened(first) is None
    assert receiver.opened(second) == b'{"kind": "b"}'


@pytest.mark.parametrize("line", [b"", b" ", b"{}", b"0 0 {}", b'{"kind": "Ended"}', b"\xff\x00", b"x" * 100])
def test_a_line_without_a_seal_is_none(line: bytes) -> None:
    assert Seal(new_key()).opened(line) is None


class Child:
    """Plays the supervisor and the script's process of a run."""

    def __init__(self) -> None:
        self.report, self.told = socket.socketpair()
        self.records, self.sent = socket.socketpair()
        self.key = new_key()
        self.seal = Seal(self.key)

    def close(self) -> None:
        for each in (self.report, self.told, self.records, self.sent):
            each.close()

    def exchange(self, lines: Sequence[bytes], ending: Record | None) -> list[Record]:
        """What the verifier reads of a run that sends these lines and ends so; None closes without a word."""
        thread = threading.Thread(target=self._play, args=(lines, ending))
        thread.start()
        found = Exchange(self.report, self.records, self.key).carry_out(Request("", "train.py", seconds=1, grace=0))
        self.report.close()
        self.records.close()
        thread.join()
        return found

    def _play(self, lines: Sequence[bytes], ending: Record | None) -> None:
        self.told.recv(10_000)
        try:
            for line in lines:
                self.sent.sendall(line)
            self.sent.close()
            if ending is not None:
                self.told.sendall(json.dumps(ending).encode() + b"\n")
        except OSError:
            pass
        self.told.close()

    def line(self, kind: str, **words: str) -> bytes:
        return self.seal.sealed(json.dumps({"kind": kind, "words": words}).encode())


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child()
    yield made
    made.close()


def end(records: list[Record]) -> tuple[str, str]:
    words = records[-1]["words"]
    return words["how"], words.get("message", "")


def test_what_a_run_sealed_is_read(child: Child) -> None:
    lines = [child.line("Backward"), child.line("Ended", how="steps")]
    found = child.exchange(lines, {"how": "exited", "status": 0, "left": 0})
    assert [record["kind"] for record in found] == ["Backward", "Ended"]
    assert end(found) == ("steps", "")


def test_a_line_may_hold_several_records(child: Child) -> None:
    records = [{"kind": "Backward"}, {"kind": "OptimizerStepped"}, {"kind": "Ended", "words": {"how": "steps"}}]
    found = child.exchange([child.seal.sealed(json.dumps(records).encode())], {"how": "exited", "status": 0, "left": 0})
    assert found == records


@pytest.mark.parametrize("held", [[], [1], [{"kind": "Backward"}, {"kind": 2}], "Ended"])
def test_a_sealed_line_that_holds_anything_else_is_foreign(child: Child, held: object) -> None:
    lines = [child.seal.sealed(json.dumps(held).encode()), child.line("Ended", how="steps")]
    assert end(child.exchange(lines, {"how": "exited", "status": 0, "left": 0}))[0] == "lost"


@pytest.mark.parametrize("foreign", [b"hello\n", b'{"kind": "Ended", "words": {"how": "finished"}}\n', b"no end"])
def test_nothing_counts_of_a_run_that_wrote_to_the_channel_itself(child: Child, foreign: bytes) -> None:
    lines = [child.line("Backward"), foreign, child.line("Ended", how="steps")]
    found = child.exchange(lines, {"how": "exited", "status": 0, "left": 0})
    assert [record["kind"] for record in found] == ["Ended"]
    assert end(found)[0] == "lost" and "wrote to the channel" in end(found)[1]


def test_a_flood_is_cut_off(child: Child) -> None:
    found = child.exchange([b"x" * (LONGEST_LINE + 100_000)], {"how": "exited", "status": 0})
    assert end(found)[0] == "lost"


@pytest.mark.parametrize(
    ("ending", "how", "message"),
    [
        ({"how": "time"}, "time", "it did not stop in time and was ended"),
        ({"how": "memory"}, "killed", "it took more memory than it may and was ended"),
        ({"how": "signal", "signal": 11}, "killed", "its process was ended by the signal SIGSEGV"),
        ({"how": "signal", "signal": 99}, "killed", "its process was ended by the signal 99"),
        (
            {"how": "exited", "status": 3},
            "killed",
            "its process ended with status 3 and without the end of its results",
        ),
        ({"how": "failed", "message": "no room"}, "lost", "no room"),
        (None, "lost", "what watched over it was ended"),
    ],
)
def test_how_a_run_was_ended_is_told(child: Child, ending: Record | None, how: str, message: str) -> None:
    found = child.exchange([child.line("Backward")], ending)
    assert end(found) == (how, message)
    assert (found[0]["kind"] == "Backward") == (how != "lost")


def test_what_was_left_running_is_told(child: Child) -> None:
    found = child.exchange([child.line("Ended", how="finished")], {"how": "exited", "status": 0, "left": 2})
    assert [record["words"].get("message") for record in found if record["kind"] == "Note"] == [
        "it left processes running, which were ended"
    ]


def test_secrets_are_hidden_and_packages_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".netrc").write_text("password")
    (home / ".config" / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("nnlint.verify.sandbox.HIDDEN", ())
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    box = sandbox(str(tmp_path), [str(home / ".config" / "project")])
    assert {str(home / name) for name in (".ssh", ".netrc", ".config")} <= set(box.hidden)
    assert str(home / ".config" / "project") in box.kept
    assert "secret" not in box.environment().values()


def test_a_script_that_lies_in_a_hidden_folder_itself_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlint.verify.sandbox.HIDDEN", (str(tmp_path),))
    assert str(tmp_path) in sandbox(str(tmp_path / "folder")).hidden
    assert str(tmp_path) not in sandbox(str(tmp_path / "folder"), [str(tmp_path)]).hidden


def test_without_bubblewrap_a_file_of_the_user_hides_no_module_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "random.py").write_text("raise SystemExit('hidden')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nnlint.verify.sandbox.shutil.which", lambda name: None)
    with runner() as started:
        assert started.run(Request("", "a.py", {"a.py": "print(1)"}))[-1]["words"]["how"] == "finished"


def test_without_bubblewrap_there_is_no_command_around_the_server(tmp_path: Path) -> None:
    box = Sandbox(str(tmp_path), None)
    assert box.command() == [] and not box.is_tight
    assert not replace(box, wrapper="/nowhere/bwrap").works()


def test_a_run_sees_a_copy_and_links_to_what_is_large(tmp_path: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy"
    (root / "data").mkdir(parents=True)
    copy.mkdir()
    (root / "train.py").write_text("old")
    (root / "data" / "small.txt").write_text("small")
    (root / "data" / "large.bin").write_bytes(bytes(2_000_000))
    (root / ".env").write_text("SECRET=1")
    os.mkfifo(root / "pipe")
    mirror(str(root), str(copy), {"train.py": "new"})
    assert (copy / "train.py").read_text() == "new"
    assert (root / "train.py").read_text() == "old"
    assert not (copy / "data" / "small.txt").is_symlink()
    assert (copy / "data" / "large.bin").is_symlink() and (copy / "pipe").is_symlink()
    assert not (copy / ".env").exists()
