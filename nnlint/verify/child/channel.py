"""The way back to the verifier: records as lines of JSON, several to a line, sealed, bounded in number and length."""

from __future__ import annotations

import os
import socket
import threading
from json import JSONEncoder
from os import getpid
from time import monotonic

from nnlint.verify.protocol import Record
from nnlint.verify.seal import LONGEST_LINE, Seal

MOST_RECORDS = 60_000
MOST_WAITING = 64
LONGEST_WAIT = 0.5
ENCODER = JSONEncoder(default=str)


class Channel:
    """Writes records to a socket from the process that opened it; a forked child of the script writes nothing."""

    def __init__(self, connection: socket.socket, seal: Seal) -> None:
        self.connection = connection
        self.process = getpid()
        self.lock = threading.RLock()
        self.is_busy = False
        self.waiting: list[Record] = []
        self.sent = 0
        self.flushed = monotonic()
        self._seal = seal
        self._leave = os._exit

    def write(self, record: Record) -> None:
        """Sends a record soon; too many are dropped, but for the last of a run, which `finish` sends."""
        if self.sent < MOST_RECORDS and getpid() == self.process:
            self.sent += 1
            self.waiting.append(record)
            if len(self.waiting) >= MOST_WAITING or monotonic() - self.flushed > LONGEST_WAIT:
                self.flush()

    def finish(self, record: Record) -> None:
        """Sends the last record of a run."""
        if getpid() == self.process:
            self.waiting.append(record)
            self.flush()

    def flush(self) -> None:
        """Sends what is waiting."""
        with self.lock:
            self.is_busy = True
            records, self.waiting = self.waiting, []
            try:
                self.connection.sendall(b"".join(map(self._seal.sealed, _lines(records))))
            except OSError:  # the verifier has gone, or the script has closed the channel; nobody is left to tell
                self._leave(1)
            self.flushed = monotonic()
            self.is_busy = False


def _lines(records: list[Record]) -> list[bytes]:
    """All records in one line, which takes a fraction of the time of one for each; where that is too long, those that are not."""
    if not records:
        return []
    together = ENCODER.encode(records).encode()
    if len(together) < LONGEST_LINE - 100:
        return [together]
    return [line for record in records if len(line := ENCODER.encode(record).encode()) < LONGEST_LINE - 100]
