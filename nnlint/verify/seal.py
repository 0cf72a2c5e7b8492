"""Seals the records of a run, so that what a script itself writes to the channel of results is not taken for one.

Each line is `DIGEST NUMBER RECORD`: the digest of the number and the record under a key that only this run has. A line that was
cut, invented, repeated or left out does not fit. The key lies in the memory of the process that runs the script: this tells
stray output and naive forgery from records, not code that searches that memory.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

KEY_BYTES = 32
DIGEST_BYTES = 16
LONGEST_LINE = 1_000_000


def new_key() -> bytes:
    """A key for one run."""
    return secrets.token_bytes(KEY_BYTES)


class Seal:
    """One end of a channel: the sender seals its lines, the receiver opens them in the same order."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2s(key=key, digest_size=DIGEST_BYTES)
        self.number = 0

    def sealed(self, record: bytes) -> bytes:
        """The line to send for a record that has no line break."""
        numbered = b"%d %b" % (self.number, record)
        self.number += 1
        return self._digest(numbered) + b" " + numbered + b"\n"

    def opened(self, line: bytes) -> bytes | None:
        """The record of a line without its line break; None where it is not the next one that the other end sealed."""
        digest, _, numbered = line.partition(b" ")
        number, _, record = numbered.partition(b" ")
        if not hmac.compare_digest(digest, self._digest(numbered)) or number != b"%d" % self.number:
            return None
        self.number += 1
        return record

    def _digest(self, data: bytes) -> bytes:
        digest = self._keyed.copy()
        digest.update(data)
        return digest.hexdigest().encode()
