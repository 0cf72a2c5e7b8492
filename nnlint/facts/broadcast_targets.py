"""Targets that are put together from rows of the same samples, in which a column meets a vector before any loss does."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.index_keys import draws_rows
from nnlint.graph import ancestors
from nnlint.operations import REGRESSION_LOSSES
from nnlint.values import Data, Value

COMBINES = frozenset({"add", "subtract"})
PASSED = COMBINES | frozenset("multiply divide to detach clone identity negative tensor".split())
MOST_TERMS = 40


def combined_in_targets(run: Run) -> Iterator[Data]:
    """The sums and differences inside of targets whose two sides have rows of the same samples."""
    seen: set[int] = set()
    for event in run.events(LossComputed):
        if event.kind in REGRESSION_LOSSES and isinstance(event.target, Data):
            for data in _terms(event.target):
                if id(data) not in seen and data.operation in COMBINES and len(data.inputs) == 2:
                    seen.add(id(data))
                    if _have_rows_in_common(data.inputs[0], data.inputs[1]):
                        yield data


def _terms(target: Data) -> Iterator[Data]:
    """What a target is calculated from element by element."""
    pending: list[Value] = [target]
    for _ in range(MOST_TERMS):
        if not pending:
            return
        current = pending.pop()
        if isinstance(current, Data) and current.operation in PASSED:
            yield current
            pending += current.inputs


def _have_rows_in_common(first: Value, second: Value) -> bool:
    return not _rows_of(first).isdisjoint(_rows_of(second))


def _rows_of(value: Value) -> set[int]:
    """The identities of the batches, and of the choices of rows, that a value is made of."""
    found: set[int] = set()
    for data in ancestors(value):
        if data.operation == "batch":
            found.add(id(data))
        elif data.operation == "index" and len(data.inputs) > 1 and draws_rows(data.inputs[1]):
            found.add(id(data.inputs[1]))
    return found
