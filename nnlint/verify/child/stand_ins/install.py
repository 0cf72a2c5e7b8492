"""Puts all stand-ins in place before a script starts."""

from __future__ import annotations

from collections.abc import Callable

from nnlint.verify.child.stand_ins import (
    arguments,
    batches,
    devices,
    distributed,
    files,
    finder,
    folders,
    installed,
    splits,
    versions,
)
from nnlint.verify.child.stand_ins.hints import hints_of
from nnlint.verify.child.stand_ins.ledger import ledger
from nnlint.verify.protocol import Record, Request


def install(folder: str, request: Request, tell: Callable[[Record], None]) -> None:
    """Stand in for what is missing, from now on; tells of each thing that was stood in for."""
    ledger.folder, ledger.write, ledger.samples, ledger.side = folder, tell, request.samples, request.side
    ledger.hints = hints_of(folder, request.script)
    for part in (finder, arguments, devices, distributed, files, folders, versions, installed, batches, splits):
        part.install()
    if request.old_steps:
        versions.let_steps_pass()
