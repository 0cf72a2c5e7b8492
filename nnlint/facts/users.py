"""Who uses the data of a run: the way from a value to what is made of it, looked up once for all rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from nnlint.events import Run
from nnlint.graph import LEAVES, data_in
from nnlint.values import Data, Value


class Users:
    """The operations that take each of the data of a run."""

    def __init__(self, run: Run) -> None:
        self.next: defaultdict[int, list[Data]] = defaultdict(list)
        self.others: defaultdict[int, list[Data]] = defaultdict(list)
        self.pending = [value for values in run.operations.values() for value in values if isinstance(value, Data)]
        self.seen = set(map(id, self.pending))
        while self.pending:
            data = self.pending.pop()
            inputs = data.inputs
            if data.operation == "output":
                self._note(self.others, data, inputs[1:])
                inputs = inputs[:1]
            if inputs:
                self._note(self.next, data, inputs)
            if data.options:
                self._note(self.others, data, data.options.values())

    def of(self, data: Data) -> list[Data]:
        """All operations that take the data, by position or as an option."""
        following, others = self.next.get(id(data), []), self.others.get(id(data))
        return following if others is None else [*following, *others]

    def _note(self, table: defaultdict[int, list[Data]], user: Data, given: Iterable[Value]) -> None:
        """Enters an operation for all data that it is given."""
        for value in given:
            if type(value) in LEAVES:
                continue
            for each in (value,) if type(value) is Data else data_in((value,)):
                table[id(each)].append(user)
                if id(each) not in self.seen:
                    self.seen.add(id(each))
                    self.pending.append(each)


def users(run: Run) -> Users:
    """The users of all data of a run, made once."""
    return run.remember("users", run, Users)
