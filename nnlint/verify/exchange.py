"""One run as the verifier sees it: the request goes out, sealed records and the supervisor's last word come back.

What comes over the channel of records may have been written by the script: it counts only where its seal fits, is bounded in
size, and is parsed as JSON and never executed.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

from nnlint.verify.protocol import Record, Request
from nnlint.verify.seal import LONGEST_LINE, Seal

MOST_BYTES = 64_000_000
SUPERVISOR_SECONDS = 15.0
"""What the supervisor gets to start a run and to clear up after it."""

LOST = {
    "failed": "the run could not be started",
    "unwanted": "the run was given up",
}
KILLED = {
    "time": "it did not stop in time and was ended",
    "memory": "it took more memory than it may and was ended",
    "processes": "it made more processes than it may and was ended",
    "disk": "it filled its folder beyond what it may and was ended",
}


class Exchange:
    """The verifier's ends of the two sockets of a run: `report` to the supervisor, `records` to the script's process."""

    def __init__(self, report: socket.socket, records: socket.socket, key: bytes) -> None:
        self.report = report
        self.records = records
        self.seal = Seal(key)
        self.key = key
        self.found: list[Record] = []
        self.received = 0
        self.foreign = 0
        self.pending = b""

    def carry_out(self, request: Request) -> list[Record]:
        """The records of the run, with "Ended" as the last."""
        try:
            self.report.sendall(self.key + request.to_json().encode() + b"\n")
            told = self._told(time.monotonic() + request.seconds + request.grace + SUPERVISOR_SECONDS)
        except OSError:
            told = {"how": "failed", "message": "the process that runs scripts is gone"}
        end = self._end(told)
        if end["words"]["how"] == "lost":
            return [end]
        found = [record for record in self.found if record["kind"] != "Ended"]
        if told.get("left"):
            found.append(_note("it left processes running, which were ended"))
        return [*found, end]

    def _told(self, deadline: float) -> Mapping[str, Any]:
        """Collect records until the supervisor tells how the run ended."""
        with selectors.DefaultSelector() as selector:
            for each in (self.report, self.records):
                each.setblocking(False)
                selector.register(each, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
                if not ready:
                    return {"how": "time"}
                if self.records in ready and not self._receive():
                    selector.unregister(self.records)
                if self.received > MOST_BYTES:
                    return {"how": "flood"}
                if self.report in ready:
                    told = self._last_word()
                    while told and self._receive() and self.received <= MOST_BYTES:
                        pass
                    return told

    def _last_word(self) -> Mapping[str, Any]:
        self.report.settimeout(1)
        with contextlib.suppress(OSError, ValueError), self.report.makefile("rb") as stream:
            told = json.loads(stream.readline(10_000))
            return told if isinstance(told, dict) else {}
        return {"how": "failed", "message": "what watched over it was ended"}

    def _receive(self) -> bool:
        """Read what has come from the script's process; whether more may come."""
        try:
            data = self.records.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.received += len(data)
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self.pending) > LONGEST_LINE:
            self.received = MOST_BYTES + 1
        return bool(data)

    def _take(self, line: bytes) -> None:
        opened = self.seal.opened(line)
        records = _parsed(opened) if opened is not None else []
        self.found += records
        self.foreign += not records

    def _end(self, told: Mapping[str, Any]) -> Record:
        own = next((record for record in self.found if record["kind"] == "Ended"), None)
        if self.foreign or self.pending:
            return _ended("lost", "it wrote to the channel of its results, so nothing that came over it can be trusted")
        how = str(told.get("how", "failed"))
        if how == "flood":
            return _ended("lost", "it sent more than can be read")
        if how in LOST:
            return _ended("lost", str(told.get("message") or LOST[how]))
        if how in KILLED:
            return _ended("time" if how == "time" else "killed", KILLED[how])
        return own or _ended("killed", _last_breath(told))


def _last_breath(told: Mapping[str, Any]) -> str:
    """How the script's process ended without a word of its own."""
    if told.get("how") == "signal":
        number = int(told.get("signal", 0))
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        return f"its process was ended by the signal {name}"
    return f"its process ended with status {told.get('status', '?')} and without the end of its results"


def _parsed(line: bytes) -> list[Record]:
    """The records of a line, one or a list of them; none where it holds anything else."""
    try:
        held = json.loads(line)
    except (ValueError, RecursionError):
        return []
    records = held if isinstance(held, list) else [held]
    is_sound = all(isinstance(each, dict) and isinstance(each.get("kind"), str) for each in records)
    return records if is_sound else []


def _note(message: str) -> Record:
    return {"kind": "Note", "words": {"message": message}}


def _ended(how: str, message: str) -> Record:
    return {"kind": "Ended", "words": {"how": how, "message": message}, "numbers": {}}
