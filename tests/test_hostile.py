"""Scripts that mean harm: each is contained in time, told of in a sentence, and leaves nothing behind.

Those in `hostile/` say in their first lines which verdict their one finding gets (`# verdict:`), what the report says of them
(`# said:`), and, where the operating system alone could hold them, that they need it (`# modes: sandboxed`).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nnlint.lint import lint_documents
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.trials import Trial
from nnlint.verify import runner as runner_module
from nnlint.verify.child import namespaces
from nnlint.verify.runner import Runner
from nnlint.verify.sandbox import sandbox
from nnlint.verify.verify import Limits, verify

pytest.importorskip("torch")
pytestmark = pytest.mark.xdist_group("hostile")

HOSTILE = Path(__file__).parent / "hostile"
SCRIPTS = sorted(path.name for path in HOSTILE.glob("*.py"))
LIMITS = Limits(steps=30, seconds=4.0, memory=300_000_000)
MOST_SECONDS = 45.0
"""For all runs of one script, of which each gets its time and that for its last measurements, on a busy machine."""

SECONDS_TO_CLEAR = 20.0
"""In which a kernel with little processor time to spare clears away hundreds of processes that were ended."""

FEW = {
    "namespaces": "forks_daemons mounts_and_escapes writes_to_home_past_python asks_the_network_past_python reads_secrets",
    "none": "forks_daemons forks_without_end starts_workers starts_programs_unsandboxed kills_parent crashes"
    " asks_the_network writes_to_home writes_through_links reads_secrets deletes_its_folder writes_to_channel",
}
"""Which scripts the weaker walls are tested with; behind all walls that this machine has stand all of them."""


@dataclass(frozen=True)
class Expected:
    """What the first lines of a hostile script say."""

    verdict: str
    said: str = ""
    modes: str = "both"


def expected(name: str) -> Expected:
    lines = (HOSTILE / name).read_text().splitlines()
    told = (re.fullmatch(r"# (verdict|said|modes): (.*)", line) for line in lines)
    return Expected(**{match[1]: match[2] for match in told if match})


@dataclass(frozen=True)
class Machine:
    """The user's machine as a hostile script finds it, and how strong the walls are."""

    home: Path
    project: Path
    temporary: Path
    walls: str
    is_enforced: bool

    def scripts(self) -> list[str]:
        """Those that may run behind these walls."""
        if self.walls in FEW:
            return [f"{name}.py" for name in FEW[self.walls].split()]
        wrong = "open" if self.is_enforced else "sandboxed"
        return [name for name in SCRIPTS if expected(name).modes != wrong]

    def files(self) -> dict[str, bytes]:
        """All of the user's files, and what lies in the folder for temporary ones."""
        places = (self.home, self.project, self.temporary)
        return {str(path): path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}

    def left_processes(self) -> list[str]:
        """The processes below the server that still run; the kernel has a moment to clear away those that were ended."""
        until = time.monotonic() + SECONDS_TO_CLEAR
        while (found := self.processes()) and time.monotonic() < until:
            time.sleep(0.2)
        return found

    def processes(self) -> list[str]:
        """The processes that know of the folder for temporary files: the server and all that descends from it."""
        found: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if str(self.temporary).encode() in told and int(folder.name) != os.getpid():
                found.append(folder.name)
        return found


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


WALLS = ("all", "namespaces", "none")


@pytest.fixture(scope="module", params=WALLS)
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """A home with a secret and something precious, a project with the hostile scripts, and walls of one kind around them.

    The home lies in a folder that a script can see: the cache of the tests.
    """
    with ExitStack() as stack:
        project, temporary = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("temporary")
        home = Path(os.path.realpath(request.config.cache.mkdir(f"home-{os.getpid()}")))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        for folder in ("precious", ".ssh"):
            (home / folder).mkdir(exist_ok=True)
        (home / "precious" / "data.txt").write_text("years of work")
        (home / ".ssh" / "id_ed25519").write_text("a key")
        for name in SCRIPTS:
            shutil.copy(HOSTILE / name, project)
        (project / "places.txt").write_text(f"{home}\n{project}\n")
        (project / "large.bin").write_bytes(bytes(2_000_000))
        for name, value in (("HOME", str(home)), ("TMPDIR", str(temporary)), ("SECRET_TOKEN", "a token")):
            module_patch.setenv(name, value)
        module_patch.setattr("tempfile.tempdir", str(temporary))
        module_patch.chdir(project)
        yield Machine(home, project, temporary, request.param, _walled(request.param, module_patch, temporary))
        module_patch.undo()


def _walled(walls: str, patch: pytest.MonkeyPatch, folder: Path) -> bool:
    """Put up walls of a kind; whether the operating system holds a script in them. Skips where there is no such kind here."""
    separate = namespaces.level(str(folder), namespaces.View((), (), 1_000_000, 1_000_000)) == "view"
    tight = sandbox(str(folder)).is_tight
    if walls == "namespaces" and not (separate and tight):
        pytest.skip("this machine has only one kind of walls, which is tested as all of them")
    patch.setattr(
        "nnlint.verify.verifying.first_plans", lambda script, lint: []
    )  # a mended run would only do the same harm again
    patch.setattr(runner_module, "FOLDER_BYTES", 200_000_000)
    if walls != "all":
        patch.setattr(runner_module, "sandbox", lambda folder, roots: replace(sandbox(folder, roots), wrapper=None))
    if walls == "none":
        patch.setattr(runner_module, "Runner", functools.partial(Runner, namespaces=False))
    return walls != "none" and (separate or tight)


@dataclass(frozen=True)
class Outcome:
    """What verifying all hostile scripts came to."""

    names: set[str]
    report: Report
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    processes: list[str]

    def trial(self, name: str) -> Trial:
        return next(trial for trial in self.report.trials if Path(trial.path).name == name)


@pytest.fixture(scope="module")
def outcome(machine: Machine) -> Outcome:
    names = machine.scripts()
    settings = Settings(select=("NN102",))
    before = machine.files()
    documents = read_paths(names, Patterns(str(machine.project), ())).documents
    lint = functools.partial(lint_documents, settings=settings)
    report = verify(lint(documents), documents, LIMITS, lint, lambda told: None)
    return Outcome(set(names), report, before, machine.files(), machine.left_processes())


def test_each_hostile_script_is_contained_and_told_of(outcome: Outcome) -> None:
    wrong = []
    for finding in (*outcome.report.findings, *outcome.report.withdrawn):
        name = Path(finding.place.path).name
        awaited, trial = expected(name), outcome.trial(name)
        status, reason = (finding.verdict.status.value, finding.verdict.reason) if finding.verdict else ("", "")
        told = " | ".join((reason, *trial.notes, *(arm.trouble for arm in trial.arms)))
        if status != awaited.verdict or not re.search(awaited.said, told) or trial.seconds > MOST_SECONDS:
            wrong.append(f"{name}: {status}, {told} ({trial.seconds:.0f} s)")
    assert not wrong, "\n".join(wrong)
    assert outcome.names == {Path(trial.path).name for trial in outcome.report.trials}


def test_nothing_is_left_behind(outcome: Outcome) -> None:
    assert outcome.processes == []
    assert outcome.after == outcome.before
