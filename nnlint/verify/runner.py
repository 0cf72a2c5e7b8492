"""Runs scripts for the verifier: starts the fork server, hands it requests, collects the records of each run."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from nnlint.verify.protocol import Record, Request
from nnlint.verify.sandbox import Sandbox, sandbox

START_SECONDS = 120.0
GRACE_SECONDS = 3.0
"""What a run gets on top of its own time for the measurements at its end."""

MOST_BYTES = 64_000_000


class VerifierMissing(Exception):
    """The packages that verifying needs are not installed; the message says which command installs them."""


class RunnerFailed(Exception):
    """The process that runs scripts could not be started, or died."""


class Runner:
    """The fork server in its sandbox, and the runs it is asked for. Use `runner()`."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.control, theirs = socket.socketpair()
        environment = box.environment()
        command = [
            *box.command(theirs.fileno()),
            sys.executable,
            "-m",
            "nnlint.verify.child.server",
            str(theirs.fileno()),
        ]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        theirs.close()
        self.control.settimeout(START_SECONDS)
        if self.control.recv(16) != b"ready\n":
            raise RunnerFailed(self._last_words())

    def _last_words(self) -> str:
        self.process.kill()
        _, errors = self.process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the process that runs scripts ended at once"

    def run(self, request: Request) -> list[Record]:
        """The records of one run, whose last one is of the kind "Ended". Never raises for what the script does."""
        mine, theirs = socket.socketpair()
        with mine:
            try:
                socket.send_fds(self.control, [b"r"], [theirs.fileno()])
            except OSError:
                return [_lost("the process that runs scripts is gone")]
            finally:
                theirs.close()
            mine.sendall(request.to_json().encode() + b"\n")
            return list(_records(mine, request.seconds + GRACE_SECONDS))

    def close(self) -> None:
        """Ends the server and all that it has started."""
        self.control.close()
        self.box.end(self.process)


@contextmanager
def runner() -> Iterator[Runner]:
    """A runner, ended with the block. Raises VerifierMissing where torch is not installed, RunnerFailed where it cannot start."""
    if find_spec("torch") is None or find_spec("numpy") is None:
        raise VerifierMissing(
            "--verify runs the script, which needs PyTorch: install it with `pip install 'nnlint[verify]'`"
        )
    with tempfile.TemporaryDirectory(prefix="nnlint-", ignore_cleanup_errors=True) as folder:
        started = Runner(sandbox(folder))
        try:
            yield started
        finally:
            started.close()


def _records(connection: socket.socket, seconds: float) -> Iterator[Record]:
    """What comes over the connection until it ends, the time is up, or it is too much."""
    deadline = time.monotonic() + seconds
    pending, received, ended = b"", 0, False
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while not ended:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                yield _lost("it did not stop in time", how="time")
                return
            data = os.read(connection.fileno(), 1 << 16)
            received += len(data)
            if not data or received > MOST_BYTES:
                yield _lost("its process ended" if not data else "it sent more than can be read")
                return
            *lines, pending = (pending + data).split(b"\n")
            for record in filter(None, map(_parsed, lines)):
                yield record
                ended = ended or record["kind"] == "Ended"


def _parsed(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("kind"), str) else None


def _lost(message: str, how: str = "lost") -> Record:
    return {"kind": "Ended", "words": {"how": how, "message": message}, "numbers": {}}
