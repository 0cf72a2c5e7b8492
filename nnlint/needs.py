"""What must be in a run for a rule to find anything there: kinds of events, and operations that made data.

A rule names groups of them, and of each group at least one must be in the run: `needs(Backward, ("softmax", "log_softmax"))` is
of a rule that asks about backward passes in runs with a softmax. The rules of which something is missing are not asked, nor are
their files loaded. They are the same questions with which a `check` begins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

from nnlint.events import Event, Run

Needed = type[Event] | str
Needs = tuple[frozenset[str], ...]
"""Names of events and operations, in groups of each of which one must be there; none at all where a fault may be in any run."""


def needs(*groups: Needed | Collection[Needed]) -> Needs:
    """The needs of a rule: each argument is a kind of event, an operation, or several of these of which one will do."""
    return tuple(frozenset(_names(group)) for group in groups)


def held_by(run: Run) -> Set[str]:
    """The names of the kinds of events and of the operations of a run."""
    return {kind.__name__ for kind in run.by_kind} | run.operations.keys()


def are_met(wanted: Needs, held: Set[str]) -> bool:
    """Whether a run that holds this may hold the fault."""
    for group in wanted:  # noqa: SIM110 - asked for each rule of each run
        if held.isdisjoint(group):
            return False
    return True


def _names(group: Needed | Collection[Needed]) -> Iterable[str]:
    several = (group,) if isinstance(group, (str, type)) else group
    return (each if isinstance(each, str) else each.__name__ for each in several)
