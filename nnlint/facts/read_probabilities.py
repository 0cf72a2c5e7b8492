"""Where a script reads the result of a softmax or sigmoid as probabilities: what another result there would change."""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.users import users
from nnlint.operations import TRANSPARENT
from nnlint.static.objects import node_at
from nnlint.values import Data, Site, number

AVERAGED = frozenset({"log", "mean", "multinomial"})
"""Operations that mean another thing for logits."""

MOST_FOLLOWED = 400


def probability_reads(run: Run, bounded: Data) -> list[Data]:
    """The operations that take the result of a softmax or sigmoid for probabilities, in this call of it or in another."""
    uses = users(run)
    pending = list(_calls_of_same(run, bounded))
    seen, found = set(map(id, pending)), dict[object, Data]()
    while pending and len(seen) < MOST_FOLLOWED:
        for user in uses.of(pending.pop(0)):
            if id(user) in seen:
                continue
            seen.add(id(user))
            if user.operation in TRANSPARENT:
                pending.append(user)
            elif user.at is not None and _reads_probabilities(user):
                found.setdefault(node_at(user.at), user)
    return list(found.values())


def read_at(reads: list[Data]) -> tuple[tuple[Site, str], ...]:
    """The first of these operations, as a place to show beside a problem."""
    return tuple((each.at, "reads it as probabilities") for each in reads[:1] if each.at is not None)


def _calls_of_same(run: Run, bounded: Data) -> Iterator[Data]:
    for each in run.operations.get(bounded.operation, ()):
        is_same = each is bounded or (isinstance(each, Data) and node_at(each.at) is node_at(bounded.at))
        if isinstance(each, Data) and (is_same or (each.layer is not None and each.layer is bounded.layer)):
            yield each


def _reads_probabilities(user: Data) -> bool:
    """Whether it is compared with a probability, averaged, taken the logarithm or the complement of."""
    numbers = [number(each) for each in user.inputs]
    if user.operation == "compare":
        return any(each is not None and 0 < each < 1 for each in numbers)
    return user.operation in AVERAGED or (user.operation == "subtract" and numbers[:1] == [1])
