"""What a process of its own costs, with byte code on disk, as it is after an installation."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

CLEAN, FINDINGS = 0, 1
"""The exit statuses of a linter that has done its work."""


def environment() -> dict[str, str]:
    """That of this process, but that modules are compiled once, whatever the machine is set to: a tool that is installed finds
    its byte code, and one that is run from its sources would be measured by how long Python compiles them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def children() -> float:
    """The processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process_time(command: Sequence[str], folder: Path | None = None) -> float:
    """The processor time of a command, whatever it finds. Raises RuntimeError for one that fails instead."""
    before = children()
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True
    )
    if done.returncode not in (CLEAN, FINDINGS):
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr[-500:]}")
    return children() - before
