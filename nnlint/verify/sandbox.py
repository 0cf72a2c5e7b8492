"""What keeps a script from doing harm: bubblewrap where it is there, a clean environment and an end for all it starts.

Protection, where bubblewrap works: no network, no view of other processes, everything read-only but one folder, and nothing
outlives the run. Without it, these are only asked of the script by hooks in its own process, which code that means harm can get
around; `Sandbox.is_tight` says which of the two it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Sandbox:
    """How the server is started: `folder` is the only one it may write to; `wrapper` is the path of bubblewrap, or None."""

    folder: str
    wrapper: str | None

    @property
    def is_tight(self) -> bool:
        """Whether the operating system enforces the limits."""
        return self.wrapper is not None

    def command(self, descriptor: int) -> list[str]:
        """What to put before the command of the server."""
        if self.wrapper is None:
            return []
        return [
            self.wrapper,
            *_bindings(self.folder),
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--chdir",
            self.folder,
        ]

    def environment(self) -> dict[str, str]:
        """The environment of the server and of every script."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        home = {"HOME": self.folder, "TMPDIR": self.folder, "MPLBACKEND": "Agg", "PYTHONUNBUFFERED": "1"}
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return kept | home | threads | {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the server with everything in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.communicate()


def sandbox(folder: str) -> Sandbox:
    """The tightest sandbox that works on this machine."""
    found = shutil.which("bwrap")
    if found is None:
        return Sandbox(folder, None)
    trial = subprocess.run(
        [found, *_bindings(folder), "--unshare-all", "--die-with-parent", "true"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return Sandbox(folder, found if trial.returncode == 0 else None)


def _bindings(folder: str) -> list[str]:
    return ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", folder, folder]
