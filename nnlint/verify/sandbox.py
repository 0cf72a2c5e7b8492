"""What keeps a script from doing harm, and how much of it the operating system enforces.

Three walls stand around a script, from outside to inside:

1. **Bubblewrap**, where it is installed and works: the server and all runs see everything read-only but one folder, have no
   network and see no process of the user's.
2. **Namespaces of each run's own** (`child/namespaces.py`), where the kernel lets an ordinary user make them, inside bubblewrap
   or without: the run sees neither the server nor other runs, has no network, a folder of limited size in memory, everything else
   read-only, no capabilities; whatever it started ends with it.
3. **The wall in the script's own process** (`child/wall.py`), everywhere: Python's audit events of sockets, programs, signals and
   writes outside the folder are refused there, and told in the report.

Protection, which code that means harm would have to break the kernel to get around: the first two, and with them the secrets in
HIDDEN_IN_HOME, which are replaced by something empty. Hygiene, which keeps accidents from happening and which such code can get
around (through ctypes, for one): the third. `Sandbox.is_tight` and the server's first line say which of them there are.

In every case a supervisor (`child/supervisor.py`), which runs no code of the script, ends the run at its time, and when it takes
too much memory, disk or processes; and the environment of a script has only the variables in KEPT.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)
"""The environment variables that a script sees; all others may hold secrets."""

HIDDEN_IN_HOME = (
    ".aws .azure .bash_history .cache/huggingface/token .config .docker .git-credentials .gitconfig .gnupg .huggingface .kaggle"
    " .kube .local/share/keyrings .mozilla .my.cnf .netrc .npmrc .password-store .pgpass .pypirc .python_history .ssh"
    " .zsh_history"
).split()
"""Where secrets lie: a script sees them empty, or not at all."""

HIDDEN = ("/run", "/tmp", "/var/tmp", "/dev/shm")
"""Sockets of services and temporary files of others: a run has them empty and its own."""

TEMPORARY_BYTES = 256_000_000


@dataclass(frozen=True)
class Sandbox:
    """How the server is started: `folder` is the only one it may write to; `wrapper` is the path of bubblewrap, or None.

    `kept` are folders that stay visible, read-only, though they lie in one that is hidden: the scripts and Python itself.
    """

    folder: str
    wrapper: str | None
    kept: tuple[str, ...] = ()
    hidden: tuple[str, ...] = field(default_factory=lambda: _hidden())

    @property
    def is_tight(self) -> bool:
        """Whether bubblewrap surrounds the server."""
        return self.wrapper is not None

    def command(self) -> list[str]:
        """What to put before the command of the server."""
        if self.wrapper is None:
            return []
        ends = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--chdir", self.folder)
        # The superuser must have this one to be the superuser in a namespace of his own; the scripts have not even that.
        root = ("--cap-add", "CAP_SETFCAP") if os.getuid() == 0 else ()
        return [self.wrapper, *self._mounts(), *ends, *root]

    def _mounts(self) -> list[str]:
        mounts = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        for path in self.hidden:
            if os.path.isdir(path):
                mounts += ["--size", str(TEMPORARY_BYTES), "--tmpfs", path]
            else:
                mounts += ["--ro-bind", os.devnull, path]
        for path in self.kept:
            mounts += ["--ro-bind", path, path]
        return [*mounts, "--bind", self.folder, self.folder, "--remount-ro", "/dev"]

    def works(self) -> bool:
        """Whether a command can be run in it."""
        try:
            trial = subprocess.run([*self.command(), "true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return trial.returncode == 0

    def environment(self) -> dict[str, str]:
        """The environment of the server and of every script."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        home = {"HOME": self.folder, "TMPDIR": self.folder, "MPLBACKEND": "Agg", "PYTHONUNBUFFERED": "1"}
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return kept | home | threads | {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the server with everything in its session; give it a moment to end its runs itself."""
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.kill()
        process.communicate()


def sandbox(folder: str, roots: Iterable[str] = ()) -> Sandbox:
    """The tightest sandbox that works on this machine for scripts in these folders."""
    needed = _needed(roots)
    hidden = tuple(place for place in _hidden() if place not in needed)
    kept = tuple(path for path in needed if any(_is_below(path, place) for place in hidden))
    box = Sandbox(folder, shutil.which("bwrap"), kept, hidden)
    return box if box.is_tight and box.works() else Sandbox(folder, None, kept, hidden)


def most_memory() -> int:
    """What one run may take: a third of the machine's memory, and 8 GB at most."""
    with contextlib.suppress(OSError, ValueError):
        return max(1 << 30, min(8 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 3))
    return 4 << 30


def _hidden() -> tuple[str, ...]:
    """What is to be hidden of what is there; nothing that lies in another."""
    home = os.path.expanduser("~")
    places = [*HIDDEN, *(os.path.join(home, name) for name in HIDDEN_IN_HOME)]
    found = sorted({os.path.realpath(path) for path in places if os.path.exists(path)})
    return tuple(path for path in found if not any(_is_below(path, other) for other in found if other != path))


def _needed(roots: Iterable[str]) -> list[str]:
    """The folders of the scripts, of Python, of the packages and of this one, outer ones first."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [*roots, sys.prefix, sys.base_prefix, sys.exec_prefix, own, *sys.path]
    found = {os.path.realpath(path) for path in paths if path and os.path.isdir(path)}
    return sorted(found | {os.path.abspath(path) for path in paths if path and os.path.isdir(path)})


def _is_below(path: str, place: str) -> bool:
    return path.startswith(os.path.join(place, ""))
