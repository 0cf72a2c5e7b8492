"""Puts all stand-ins in place before a script starts."""

from __future__ import annotations

from collections.abc import Callable

from nnlint.verify.child.stand_ins import arguments, devices, distributed, files, finder, folders, installed, versions
from nnlint.verify.child.stand_ins.hints import hints_of
from nnlint.verify.child.stand_ins.ledger import ledger
from nnlint.verify.protocol import Record


def install(folder: str, script: str, tell: Callable[[Record], None]) -> None:
    """Stand in for what is missing, from now on; tells of each thing that was stood in for."""
    ledger.folder, ledger.write = folder, tell
    ledger.hints = hints_of(folder, script)
    for part in (finder, arguments, devices, distributed, files, folders, versions, installed):
        part.install()
