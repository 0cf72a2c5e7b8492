"""What backward passes go through: the graphs behind losses, each walked once for all rules."""

from __future__ import annotations

from nnlint.events import Backward, Run
from nnlint.graph import ancestors
from nnlint.values import Value


def behind(run: Run, value: Value) -> frozenset[int]:
    """The identities of all data that a value was made from, itself included."""
    return run.remember("behind", value, _behind)


def differentiated(run: Run) -> frozenset[int]:
    """The identities of all data that any backward pass of the run goes through."""
    return run.remember("differentiated", run, _differentiated)


def _behind(value: Value) -> frozenset[int]:
    return frozenset(id(data) for data in ancestors(value))


def _differentiated(run: Run) -> frozenset[int]:
    return frozenset().union(*(behind(run, event.loss) for event in run.events(Backward)))
