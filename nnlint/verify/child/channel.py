"""The way back to the verifier: records as lines of JSON, bounded in number."""

from __future__ import annotations

import json
import os
import socket
import threading

from nnlint.verify.protocol import Record

MOST_RECORDS = 60_000


class Channel:
    """Writes records to a socket from the process that opened it; a forked child of the script writes nothing."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.waiting: list[bytes] = []
        self.sent = 0

    def write(self, record: Record) -> None:
        """Sends a record soon; too many are dropped, but for the last of a run, which `flush` sends."""
        if self.sent < MOST_RECORDS and os.getpid() == self.process:
            self.sent += 1
            self.waiting.append(json.dumps(record, default=str).encode() + b"\n")
            if len(self.waiting) >= 64:
                self.flush()

    def finish(self, record: Record) -> None:
        """Sends the last record of a run."""
        if os.getpid() == self.process:
            self.waiting.append(json.dumps(record, default=str).encode() + b"\n")
            self.flush()

    def flush(self) -> None:
        """Sends what is waiting."""
        with self.lock:
            data, self.waiting = b"".join(self.waiting), []
            try:
                self.connection.sendall(data)
            except OSError:  # the verifier has gone; nobody is left to tell
                os._exit(1)
