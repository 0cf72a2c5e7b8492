"""The cache: what was linted before is not linted again, and nothing but that is ever taken from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnlint.caching.store import Store
from nnlint.digest import digest
from nnlint.reading.asked_disk import AskedDisk, are_steady
from tests.command import Command
from tests.fixture_cases import FIXTURES
from tests.scripts import FAULTY

NETWORK = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(x)
"""
SOFTMAX = NETWORK.replace("self.out(x)\n", "self.out(x).softmax(1)\n")
TRAINING = """\
import torch
from net import Net

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in torch.utils.data.DataLoader(data, 32, shuffle=True):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


@pytest.fixture
def command(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line with its cache where users have it, in a repository: the folders above hold those of other tests."""
    (command.folder / ".git").mkdir()
    monkeypatch.setattr("nnlint.caching.cached_lint.FOLDER", ".nnlint_cache")
    return command


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of each unit that was really analysed, by the cached command."""
    from nnlint.analysis import analyse_asking

    made: list[str] = []

    def noted(unit, *others):  # type: ignore[no-untyped-def]
        made.append(" ".join(document.path for document in unit.documents))
        return analyse_asking(unit, *others)

    monkeypatch.setattr("nnlint.analyses.analyse_asking", noted)
    return made


def entries(command: Command) -> list[Path]:
    """The files that the cache holds, those of units first."""
    found = (command.folder / ".nnlint_cache").glob("*.json")
    return sorted(found, key=lambda file: file.stat().st_mtime_ns)


def test_what_is_unchanged_is_told_again_to_the_letter(command: Command, analysed: list[str]) -> None:
    command.write("train.py", FAULTY)
    for format in ("text", "concise", "json", "sarif", "github", "gitlab", "junit"):
        first = command("--output-format", format, "--no-cache", "--verbose")
        for _ in range(2):
            again = command("--output-format", format, "--verbose")
            assert (again.status, again.output, again.errors) == (first.status, first.output, first.errors)
    assert len(analysed) == 1
    assert (command.folder / ".nnlint_cache" / ".gitignore").read_text().endswith("*\n")


def test_a_changed_file_is_linted_anew(command: Command, analysed: list[str]) -> None:
    command.write("train.py", FAULTY)
    before = command("train.py").findings
    command.write("train.py", "\n" + FAULTY)
    assert [each.replace(":", " ", 1) for each in command("train.py").findings] != before
    command.write("train.py", FAULTY)
    assert command("train.py").findings == before
    assert len(analysed) == 2


def test_a_result_falls_with_the_files_that_imports_lead_to(command: Command, analysed: list[str]) -> None:
    command.write("train.py", TRAINING)
    assert command("train.py").findings == []
    command.write("net.py", SOFTMAX)
    assert command("train.py").findings == ["net.py:10:16 NN201"]
    assert command("train.py").findings == ["net.py:10:16 NN201"]
    assert len(analysed) == 2
    command.write("net.py", NETWORK)
    assert command("train.py").findings == []
    (command.folder / "net.py").unlink()
    assert command("train.py").findings == []
    assert len(analysed) == 4


def test_settings_and_nnlints_own_code_are_part_of_the_key(
    command: Command, analysed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command.write("train.py", FAULTY)
    assert command("train.py").findings
    assert command("--ignore", "NN102", "train.py").findings == []
    command.write("nnlint.toml", 'ignore = ["NN102"]')
    assert command("train.py").findings == []
    assert len(analysed) == 2
    monkeypatch.setattr("nnlint.caching.cached_lint.own_code", lambda: "another version")
    command("train.py")
    assert len(analysed) == 3


def test_fixes_are_applied_from_the_cache(command: Command) -> None:
    command.write("train.py", FAULTY)
    command("train.py")
    command("--fix", "train.py")
    assert command("train.py").findings == []


def test_without_cache_nothing_is_written(command: Command) -> None:
    command.write("train.py", FAULTY)
    command("--no-cache", "train.py")
    assert not (command.folder / ".nnlint_cache").exists()


@pytest.mark.parametrize("by", ["option", "settings"])
def test_the_folder_can_be_named(command: Command, by: str) -> None:
    command.write("train.py", FAULTY)
    if by == "settings":
        command.write("nnlint.toml", 'cache-dir = "kept/here"')
    command(*(["--cache-dir", "kept/here"] if by == "option" else []), "train.py")
    assert list((command.folder / "kept" / "here").glob("*.json"))
    assert not (command.folder / ".nnlint_cache").exists()


def foreign(format: int, answers: object, findings: object) -> bytes:
    """An entry with the right checksum."""
    body = json.dumps([format, answers, findings, []]).encode()
    return digest(body).encode() + b"\n" + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff",
        b"[1, [], [], []]",
        foreign(0, [], []),
        foreign(1, 7, []),
        foreign(1, [["read"]], []),
        foreign(1, [], [["NN102"]]),
        foreign(1, [], [["NN102", "x", "terrible", "", ["a", None, 1, 1, 1, 1], "", [], "", "", None]]),
        foreign(1, [], {}) + b" ",
    ],
)
def test_an_entry_that_is_none_is_made_anew(command: Command, content: bytes, analysed: list[str]) -> None:
    command.write("train.py", FAULTY)
    before = command("train.py").findings
    of_unit, of_run = entries(command)
    good = [of_unit.read_bytes(), of_run.read_bytes()]
    of_run.write_bytes(content)
    assert command("train.py").findings == before
    assert len(analysed) == 1
    of_unit.write_bytes(content)
    of_run.write_bytes(content)
    assert command("train.py").findings == before
    assert [of_unit.read_bytes(), of_run.read_bytes()] == good
    assert len(analysed) == 2


def test_half_an_entry_is_made_anew(command: Command, analysed: list[str]) -> None:
    command.write("train.py", FAULTY)
    before = command("train.py").findings
    for entry in entries(command):
        entry.write_bytes(entry.read_bytes()[:-20])
    assert command("train.py").findings == before
    assert len(analysed) == 2


def test_a_folder_that_cannot_be_made_only_costs_time(command: Command) -> None:
    command.write("train.py", FAULTY)
    command.write(".nnlint_cache", "a file")
    outcome = command("train.py")
    assert (outcome.findings, outcome.errors) == (["train.py:8:5 NN102"], "")


@pytest.mark.parametrize("by", ["option", "settings"])
@pytest.mark.parametrize("name", ["a_file", "a_file/below"])
def test_a_named_folder_that_cannot_be_made_is_told_once(command: Command, by: str, name: str) -> None:
    command.write("train.py", FAULTY)
    command.write("a_file", "kept")
    if by == "settings":
        command.write("nnlint.toml", f'cache-dir = "{name}"')
    outcome = command("--fix", *(["--cache-dir", name] if by == "option" else []), "train.py")
    first, *others = outcome.errors.splitlines()
    assert outcome.status == 0
    assert first.startswith("nnlint: --cache-dir ")
    assert f"{name}: nothing can be kept there: " in first
    assert others == ["nnlint: 1 finding fixed in 1 file"]
    assert command("--cache-dir", name, "--quiet", "train.py").errors == ""
    assert command("--cache-dir", name, "--no-cache", "train.py").errors == ""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions of POSIX, which do not bind root")
def test_a_named_folder_that_cannot_be_written_is_told(command: Command) -> None:
    command.write("train.py", FAULTY)
    (command.folder / "locked").mkdir(mode=0o500)
    outcome = command("--cache-dir", "locked", "train.py")
    assert outcome.findings == ["train.py:8:5 NN102"]
    assert outcome.errors == "nnlint: --cache-dir locked: nothing can be kept there: Permission denied\n"


def test_a_full_disk_only_costs_time(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.write("train.py", FAULTY)
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    outcome = command("train.py")
    assert (outcome.findings, outcome.errors, entries(command)) == (["train.py:8:5 NN102"], "", [])


def test_what_was_not_used_for_long_makes_room(tmp_path: Path) -> None:
    kept = Store(str(tmp_path), most_bytes=1000)
    for number in range(8):
        kept.put(f"{number}", "x" * 200)
        os.utime(tmp_path / f"{number}.json", (number, number))
        kept.get("0")  # the oldest, but in use
        kept.prune()
    (tmp_path / "9.1.new").write_text("y" * 900)
    os.utime(tmp_path / "9.1.new", (0, 0))
    kept.put("a", "x" * 200)
    kept.prune()
    assert sum(file.stat().st_size for file in tmp_path.glob("*.*")) <= 1000 + 100
    assert kept.get("0") and kept.get("a")
    assert kept.get("1") is None
    assert not (tmp_path / "9.1.new").exists()


def test_many_processes_share_one_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(FAULTY)
    line = [sys.executable, "-m", "nnlint", "train.py", "--output-format", "json"]

    def once(_: int) -> bytes:
        return subprocess.run(line, cwd=tmp_path, capture_output=True).stdout

    with ThreadPoolExecutor(4) as pool:
        outputs = set(pool.map(once, range(8)))
    assert len(outputs) == 1
    assert [each["code"] for each in json.loads(outputs.pop())] == ["NN102"]
    assert {file.suffix or file.name for file in (tmp_path / ".nnlint_cache").iterdir()} == {".json", ".gitignore"}


def test_a_changed_file_costs_the_analysis_of_its_unit_alone(command: Command, analysed: list[str]) -> None:
    command.write("train.py", TRAINING)
    command.write("net.py", NETWORK)
    command.write("other.py", FAULTY)
    assert command().findings == ["other.py:8:5 NN102"]
    assert sorted(analysed) == ["net.py train.py", "other.py"]
    command.write("other.py", FAULTY.replace("loss.backward()", "loss.backward()  # changed"))
    assert command().findings == ["other.py:8:5 NN102"]
    assert analysed[2:] == ["other.py"]
    command.write("net.py", SOFTMAX)
    assert command().findings == ["net.py:10:16 NN201", "other.py:8:5 NN102"]
    assert analysed[3:] == ["net.py train.py"]


def test_a_removed_file_costs_the_analysis_of_its_unit_alone(command: Command, analysed: list[str]) -> None:
    command.write("train.py", TRAINING)
    command.write("net.py", SOFTMAX)
    command.write("other.py", FAULTY)
    command()
    (command.folder / "net.py").unlink()
    assert command().findings == ["other.py:8:5 NN102"]
    assert analysed[2:] == ["train.py"]


def test_findings_and_comments_are_weighed_anew_around_units(command: Command, analysed: list[str]) -> None:
    command.write("train.py", FAULTY.replace("loss.backward()", "loss.backward()  # nnlint: ignore[NN102]"))
    command.write("other.py", FAULTY)
    assert command().findings == ["other.py:8:5 NN102"]
    assert command("--ignore", "NN902").findings == ["other.py:8:5 NN102"]
    command.write("nnlint.toml", '[per-file-ignores]\n"train.py" = ["NN102"]\n"other.py" = ["NN102"]')
    assert command().findings == []
    assert len(analysed) == 4, "the last run found both units"


def test_what_the_disk_answered_in_two_ways_is_not_kept(tmp_path: Path) -> None:
    asked = AskedDisk()
    file = tmp_path / "net.py"
    for text in (NETWORK, SOFTMAX, NETWORK):
        file.write_text(text)
        asked.read(str(file))
    assert not are_steady(asked.plain())
    assert not AskedDisk().still_answers(asked.plain())
    once = AskedDisk()
    once.read(str(file))
    assert are_steady(once.plain())
    assert AskedDisk().still_answers(once.plain())


def test_cold_and_warm_runs_over_all_fixtures_are_alike(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "nnlint", str(FIXTURES), "--output-format", "json", "--isolated"]
    options = (["--no-cache"], ["--cache-dir", str(tmp_path)], ["--cache-dir", str(tmp_path)])
    runs = [subprocess.run([*line, *more], cwd=tmp_path, capture_output=True) for more in options]
    assert len({(run.returncode, run.stdout, run.stderr) for run in runs}) == 1
    assert len(runs[0].stdout) > 100_000


UNFILTERED = "from nnlint import cli, words; words.Vocabulary.is_idle = lambda *_: False; cli.main()"


def test_every_way_to_a_result_gives_the_same_output(tmp_path: Path) -> None:
    for number, folder in enumerate(sorted(FIXTURES.iterdir())):
        if folder.is_dir() and number % 9 == 0:
            shutil.copytree(folder, tmp_path / "some" / folder.name)

    def output(*options: str, start: tuple[str, ...] = ("-m", "nnlint")) -> bytes:
        line = [sys.executable, *start, "some", "--output-format", "json", "--isolated", *options]
        return subprocess.run(line, cwd=tmp_path, capture_output=True).stdout

    def newest_entry() -> Path:
        return max((tmp_path / ".nnlint_cache").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)

    expected = output("--no-cache")
    assert len(expected) > 10_000
    assert output("--no-cache", start=("-c", UNFILTERED)) == expected, "filtered and unfiltered"
    assert [output(), output()] == [expected, expected], "cold and warm"
    newest_entry().unlink()
    assert output() == expected, "from units alone"
    file = next((tmp_path / "some").glob("*/faulty_*.py"))
    text = file.read_text("utf-8")
    file.write_text(f"import os\n{text}", "utf-8")
    changed = output()
    assert changed != expected
    assert changed == output("--no-cache"), "one file changed"
    file.write_text(text, "utf-8")
    assert output() == expected, "and changed back"


def test_a_warm_run_does_not_load_the_analysis(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(FAULTY)
    line = [sys.executable, "-X", "importtime", "-m", "nnlint", "train.py"]
    cold, warm = (subprocess.run(line, cwd=tmp_path, capture_output=True, text=True).stderr for _ in range(2))
    assert "nnlint.static.project" in cold
    assert "nnlint.static.project" not in warm
    assert "libcst" not in warm
