"""The supervisor of one run: a process that runs no code of the script, and outlives everything that the script starts.

It makes the run's folder and its namespaces, forks the process of the script, watches its time, memory, disk and number of
processes, ends it with all that descends from it, removes the folder and tells how the run ended. It is also the one who notices
that the verifier has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from nnlint.verify.child import namespaces, processes
from nnlint.verify.child.mirror import mirror
from nnlint.verify.protocol import Request

POLL_SECONDS = 0.1
DISK_POLLS = 10
"""The folder is measured at every tenth look, where the kernel does not limit it."""

MOST_PROCESSES = 40
MOST_DISK = 1_000_000_000
MOST_ENTRIES = 100_000


@dataclass(frozen=True)
class Surroundings:
    """What the server knows of the machine: its folder, what works of namespaces, the files a run may see."""

    folder: str
    level: str
    view: namespaces.View
    is_walled: bool

    @property
    def is_enforced(self) -> bool:
        """Whether the kernel, and not the script's own process alone, keeps a run from the user's files."""
        return self.is_walled or self.level == "view"


Ending = dict[str, Any]
Child = Callable[[str], NoReturn]
"""What the process of the script does; it is given the run's folder."""


def supervise(
    request: Request, around: Surroundings, report: socket.socket, records: socket.socket, run: Child
) -> NoReturn:
    """Carry out one run, in a process of its own that ends with it; `run` is called in the process of the script.

    How the run ended goes over `report`, which the script's process does not have, as one line of JSON; `records` is the
    script's.
    """
    os.setsid()
    namespaces.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix="run-", dir=around.folder)
    try:
        ending = _Supervisor(request, around, report, records, folder).watch(run)
    except OSError as error:
        ending = {"how": "failed", "message": str(error)}
    if "left" in ending:
        ending["left"] += processes.count_left()
    processes.end_all()
    _remove(folder)
    with contextlib.suppress(OSError):
        report.sendall(json.dumps(ending).encode() + b"\n")
    os._exit(0)


class _Supervisor:
    def __init__(
        self, request: Request, around: Surroundings, report: socket.socket, records: socket.socket, folder: str
    ) -> None:
        self.request = request
        self.around = around
        self.report = report
        self.records = records
        self.folder = folder
        self.disk_polls = 0

    def watch(self, run: Child) -> Ending:
        """Start the script and wait for its end, or bring it about."""
        status, child = self._start(run)
        deadline = time.monotonic() + self.request.seconds + self.request.grace
        try:
            while True:
                readable, _, _ = select.select([status, self.report.fileno()], [], [], POLL_SECONDS)
                if status in readable:
                    os.waitpid(child, 0)
                    return _ending(os.read(status, 200))
                if self.report.fileno() in readable and not self._is_wanted():
                    return self._end(child, "unwanted")
                is_late = time.monotonic() > deadline
                trespass = self._trespass(child) or ("time" if is_late else "")
                if trespass:
                    return self._end(child, trespass)
        finally:
            os.close(status)

    def _end(self, child: int, how: str) -> Ending:
        """With the first process of a namespace the kernel ends all others in it at once, however fast they multiply."""
        if self.around.level != "none":
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        return {"how": how}

    def _is_wanted(self) -> bool:
        try:
            return bool(self.report.recv(1))
        except OSError:
            return False

    def _trespass(self, child: int) -> str:
        """Which limit the run has broken."""
        family = [child, *processes.descendants(child, MOST_PROCESSES)]
        if len(family) > MOST_PROCESSES:
            return "processes"
        if processes.memory(family, self.request.memory) > self.request.memory:
            return "memory"
        self.disk_polls += 1
        if self.around.level != "view" and self.disk_polls % DISK_POLLS == 0 and _size(self.folder) > MOST_DISK:
            return "disk"
        return ""

    def _start(self, run: Child) -> tuple[int, int]:
        """The end of a pipe that tells the status of the script's process, and the process to watch."""
        reading, writing = os.pipe()
        if self.around.level != "none":
            namespaces.separate_processes()
        else:
            mirror(self.request.root, self.folder, self.request.texts)
        init = os.fork()
        if init == 0:
            os.close(reading)
            self.report.close()
            self._wait_for_script(writing, run)
        os.close(writing)
        self.records.close()
        namespaces.set_dumpable(False)
        return reading, init

    def _wait_for_script(self, writing: int, run: Child) -> NoReturn:
        """The first process of the namespace: it starts the script, collects what ends, and ends with the script."""
        try:
            if self.around.level == "view":
                namespaces.separate_view(self.folder, self.around.view)
            if self.around.level != "none":
                mirror(self.request.root, self.folder, self.request.texts)
            script = os.fork()
        except OSError as error:
            os.write(writing, f"failed {error}".encode())
            os._exit(1)
        if script == 0:
            os.close(writing)
            namespaces.set_dumpable(True)
            run(self.folder)
        self.records.close()
        namespaces.set_dumpable(False)
        status = None
        while status is None:
            ended, code = os.wait()
            status = code if ended == script else None
        os.write(writing, f"{status} {processes.count_left()}".encode())
        os._exit(0)


def _ending(told: bytes) -> Ending:
    """What the first process of the run told of the script's."""
    status, _, rest = told.decode(errors="replace").partition(" ")
    if not status.isdigit():
        return {"how": "failed", "message": rest or "what watched over it was ended"}
    code = os.waitstatus_to_exitcode(int(status))
    ending = {"how": "signal", "signal": -code} if code < 0 else {"how": "exited", "status": code}
    return {**ending, "left": int(rest)}


def _size(folder: str) -> int:
    """The bytes on disk below a folder; more than is allowed where there is too much to count."""
    total = counted = 0
    waiting = [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                counted += 1
                if counted > MOST_ENTRIES:
                    return MOST_DISK + 1
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total


def _remove(folder: str) -> None:
    """Remove a folder whose files may have been made unreadable."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        for path, names, _ in os.walk(folder):
            for each in (path, *(os.path.join(path, name) for name in names)):
                with contextlib.suppress(OSError):
                    os.chmod(each, stat.S_IRWXU, follow_symlinks=False) if not os.path.islink(each) else None
        shutil.rmtree(folder, ignore_errors=True)
