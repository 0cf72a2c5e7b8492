"""Runs scripts for the verifier: starts the fork server, hands it requests, collects the records of each run."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from nnlint.verify.exchange import Exchange
from nnlint.verify.protocol import Record, Request
from nnlint.verify.sandbox import TEMPORARY_BYTES, Sandbox, sandbox
from nnlint.verify.seal import new_key

START_SECONDS = 120.0
MOST_STARTS = 3
FOLDER_BYTES = 1_000_000_000


class VerifierMissing(Exception):
    """The packages that verifying needs are not installed; the message says which command installs them."""


class RunsEnded(Exception):
    """The runner was closed while a run was under way, or before it began."""


class RunnerFailed(Exception):
    """The process that runs scripts could not be started, or died."""


class Runner:
    """The fork server in its sandbox, and the runs it is asked for. Use `runner()`.

    `level` says which namespaces each run has of its own: "view", "processes" or "none".
    """

    def __init__(self, box: Sandbox, namespaces: bool = True) -> None:
        self.box = box
        self.namespaces = namespaces
        self.lock = threading.Lock()
        self.under_way: set[socket.socket] = set()
        self.starts = 0
        self.is_closed = False
        self._start()

    def _start(self) -> None:
        self.starts += 1
        self.control, theirs = socket.socketpair()
        surroundings = {
            "folder": self.box.folder,
            "is_walled": self.box.is_tight,
            "namespaces": self.namespaces,
            "hidden": self.box.hidden,
            "kept": self.box.kept,
            "size": FOLDER_BYTES,
            "temporary": TEMPORARY_BYTES,
        }
        server = ["-m", "nnlint.verify.child.server", str(theirs.fileno()), json.dumps(surroundings)]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  a pipe would have to be emptied
        self.process = subprocess.Popen(
            [*self.box.command(), sys.executable, *server],
            pass_fds=[theirs.fileno()],
            env=self.box.environment(),
            cwd=self.box.folder,  # in that of the user a `random.py` would be taken for that of Python
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            start_new_session=True,
        )
        theirs.close()
        self.control.settimeout(START_SECONDS)
        try:
            word, _, self.level = self.control.recv(64).decode(errors="replace").strip().partition(" ")
        except OSError as error:
            word = str(error)
        if word != "ready":
            raise RunnerFailed(self._last_words())

    def _last_words(self) -> str:
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the process that runs scripts ended at once"

    def run(self, request: Request) -> list[Record]:
        """The records of one run, whose last one is of the kind "Ended". Never raises for what the script does."""
        report, their_report = socket.socketpair()
        records, their_records = socket.socketpair()
        with report, records:
            with their_report, their_records:
                self._hand_over([their_report.fileno(), their_records.fileno()], report)
            try:
                return Exchange(report, records, new_key()).carry_out(request)
            finally:
                with self.lock:
                    self.under_way.discard(report)

    def _hand_over(self, descriptors: list[int], report: socket.socket) -> None:
        """Give the server the sockets of a run; a server that is gone is started anew, a few times."""
        with self.lock:
            if self.is_closed:
                return
            if self.process.poll() is not None and self.starts < MOST_STARTS:
                self.control.close()
                self._start()
            self.under_way.add(report)
            with contextlib.suppress(OSError):  # the run's own sockets tell, too: they are closed at once
                socket.send_fds(self.control, [b"r"], descriptors)

    def close(self) -> None:
        """Ends the server and all that it has started. What is under way ends at once, and nothing more can be run."""
        with self.lock:
            if not self.is_closed:
                self.is_closed = True
                self.control.close()
                for report in self.under_way:  # tells those who watch over the runs that nobody waits for them any more
                    with contextlib.suppress(OSError):
                        report.shutdown(socket.SHUT_RDWR)
                self.box.end(self.process)
                self.errors.close()


@contextmanager
def runner(roots: Iterable[str] = ()) -> Iterator[Runner]:
    """A runner for scripts in these folders, ended with the block.

    Raises VerifierMissing where torch is not installed, RunnerFailed where it cannot start.
    """
    require_torch()
    with tempfile.TemporaryDirectory(prefix="nnlint-", ignore_cleanup_errors=True) as folder:
        started = Runner(sandbox(os.path.realpath(folder), roots))
        try:
            yield started
        finally:
            started.close()


def require_torch() -> None:
    """Raises VerifierMissing where the packages are missing."""
    if find_spec("torch") is None or find_spec("numpy") is None:
        raise VerifierMissing(
            "--verify runs the script, which needs PyTorch: install it with `pip install 'nnlint[verify]'`"
        )
