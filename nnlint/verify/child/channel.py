"""The way back to the verifier: records as lines of JSON, sealed, bounded in number and length."""

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
        self.waiting: list[bytes] = []
        self.sent = 0
        self.flushed = monotonic()
        self._seal = seal
        self._leave = os._exit

    def write(self, record: Record) -> None:
        """Sends a record soon; too many are dropped, but for the last of a run, which `finish` sends."""
        if self.sent < MOST_RECORDS and getpid() == self.process:
            self.sent += 1
            self._add(record)
            if len(self.waiting) >= MOST_WAITING or monotonic() - self.flushed > LONGEST_WAIT:
                self.flush()

    def finish(self, record: Record) -> None:
        """Sends the last record of a run."""
        if getpid() == self.process:
            self._add(record)
            self.flush()

    def _add(self, record: Record) -> None:
        data = ENCODER.encode(record).encode()
        if len(data) < LONGEST_LINE - 100:
            self.waiting.append(data)

    def flush(self) -> None:
        """Sends what is waiting."""
        with self.lock:
            self.is_busy = True
            data, self.waiting = self.waiting, []
            try:
                self.connection.sendall(b"".join(map(self._seal.sealed, data)))
            except OSError:  # the verifier has gone, or the script has closed the channel; nobody is left to tell
                self._leave(1)
            self.flushed = monotonic()
            self.is_busy = False
