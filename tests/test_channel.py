"""The way of records out of a run: several go together, and one that is too long takes none of the others with it."""

from __future__ import annotations

import json
import socket

import pytest

pytest.importorskip("torch")

from nnlint.verify.child.channel import MOST_WAITING, Channel
from nnlint.verify.protocol import Record
from nnlint.verify.seal import LONGEST_LINE, Seal, new_key


def told(records: list[Record]) -> list[list[Record]]:
    """The records that come out at the other end, line by line."""
    key = new_key()
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    channel = Channel(theirs, Seal(key))
    for record in records[:-1]:
        channel.write(record)
    channel.finish(records[-1])
    theirs.close()
    receiver, data = Seal(key), b""
    while more := ours.recv(1 << 16):
        data += more
    ours.close()
    lines = [receiver.opened(line) for line in data.splitlines()]
    held = [json.loads(line) for line in lines if line is not None]
    return [each if isinstance(each, list) else [each] for each in held]


def test_records_come_out_in_order_and_several_to_a_line() -> None:
    sent = [{"kind": "Backward", "step": number} for number in range(3 * MOST_WAITING)]
    lines = told([*sent, {"kind": "Ended"}])
    assert [record for line in lines for record in line] == [*sent, {"kind": "Ended"}]
    assert len(lines) < 10


def test_a_record_that_is_too_long_is_left_out_alone() -> None:
    lines = told([{"kind": "Note"}, {"kind": "Note", "words": "x" * LONGEST_LINE}, {"kind": "Ended"}])
    assert lines == [[{"kind": "Note"}], [{"kind": "Ended"}]]
