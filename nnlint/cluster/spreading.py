"""The analyses of units by a Dask cluster: parcels go out, analyses come back in any order and are handed on in theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nnlint.analysis import Analysis, Kept, Progress, analyse
from nnlint.cluster.connection import Cluster, ClusterError, Lost, Task, connected
from nnlint.cluster.parcels import Order, OtherCode, analyse_parcels, own_code, packed, portion
from nnlint.reading.disk import Disk
from nnlint.records import dataclass, field
from nnlint.report import outer_error
from nnlint.rule import Rule
from nnlint.units import Unit

__all__ = ["ClusterError", "spreading"]

FEWEST_LINES, MOST_LINES = 500, 8_000
"""Lines that go out together: fewer cost more on the way than their analysis, more may leave the last worker alone with them."""

TASKS_FOR_EACH_THREAD = 4


@contextmanager
def spreading(address: str) -> Iterator[Spread]:
    """Who makes analyses on the cluster of a scheduler's address. Raises ClusterError, in one line."""
    with connected(address) as cluster:
        yield Spread(cluster)


@dataclass
class Spread:
    """Makes analyses on a cluster. Raises ClusterError where none can be made; `trouble` says why only some were."""

    cluster: Cluster
    trouble: ClusterError | None = None

    def __call__(
        self, units: Sequence[Unit], rules: Sequence[Rule], disk: Disk, progress: Progress, kept: Kept | None
    ) -> Iterator[Analysis | None]:
        """The analysis of each unit, as soon as those of all before it are there, too; None for what is left."""
        known = {number: found for number, unit in enumerate(units) if kept and (found := kept.get(unit)) is not None}
        spreading = _Spreading(self.cluster, units, rules, disk, progress, known)
        following = 0
        try:
            for analysis in spreading.analyses():
                yield analysis
                following += 1
        except KeyboardInterrupt:
            pass
        except ClusterError as error:
            if not following and not spreading.done:
                raise
            self.trouble = error
        for number in range(following, len(units)):
            yield spreading.done.pop(number, None)


@dataclass
class _Spreading:
    cluster: Cluster
    units: Sequence[Unit]
    rules: Sequence[Rule]
    disk: Disk
    progress: Progress
    done: dict[int, Analysis] = field(default_factory=dict)
    shared: tuple[object, object] | None = None

    def analyses(self) -> Iterator[Analysis]:
        """The analysis of each unit, in their order; what comes out of turn is in `done`."""
        following = 0
        todo = [number for number in range(len(self.units)) if number not in self.done]
        for _ in self._finished(todo):
            while following in self.done:
                yield self.done.pop(following)
                following += 1

    def _finished(self, todo: Sequence[int]) -> Iterator[None]:
        """Returns at first, and after each task that has added to `done`. What may have ended a worker is done alone, last."""
        yield
        suspects: deque[int] = deque()
        for task, result in self.cluster.results(analyse_parcels, self._tasks(todo)):
            if isinstance(result, Lost):
                suspects += task.numbers
            else:
                self._keep(task.numbers, result)
                yield
        for number in sorted(suspects):
            task = self._task([number])
            for _, result in self.cluster.results(analyse_parcels, iter([task])):
                if isinstance(result, Lost):
                    self.done[number] = _given_up(self.units[number], result.reason)
                else:
                    self._keep(task.numbers, result)
            yield

    def _keep(self, numbers: Sequence[int], result: list[Analysis | None] | OtherCode) -> None:
        if isinstance(result, OtherCode):
            raise ClusterError(_difference(result.code))
        for number, analysis in zip(numbers, result, strict=True):
            unit = self.units[number]
            self.progress(unit.documents[0].path)
            self.done[number] = analysis if analysis is not None else analyse(unit, self.rules, self.disk)

    def _tasks(self, todo: Sequence[int]) -> Iterator[Task]:
        lines = {n: sum(_lines(document.data) for document in self.units[n].documents) for n in todo}
        at_once = max(
            FEWEST_LINES, min(MOST_LINES, sum(lines.values()) // (TASKS_FOR_EACH_THREAD * self.cluster.threads))
        )
        waiting: list[int] = []
        for number in todo:
            if waiting and sum(lines[each] for each in (*waiting, number)) > at_once:
                yield self._task(waiting)
                waiting = []
            waiting.append(number)
        if waiting:
            yield self._task(waiting)

    def _task(self, numbers: Sequence[int]) -> Task:
        parcels: list[object] = []
        portions = []
        together: object = None
        for number in numbers:
            unit = self.units[number]
            if unit.together is not together:
                together = unit.together
                parcels.append(self._parcel(unit))
            portions.append(portion(unit, len(parcels) - 1))
        order = Order(tuple(portions), tuple(rule.code for rule in self.rules), own_code())
        return Task(tuple(numbers), (order, *parcels))

    def _parcel(self, unit: Unit) -> object:
        """The parcel of a unit; where other units are of the same files, one that is sent once."""
        if len(unit.documents) == len(unit.together):
            return packed(unit, self.disk)
        if self.shared is None or self.shared[0] is not unit.together:
            self.shared = (unit.together, self.cluster.kept(packed(unit, self.disk)))
        return self.shared[1]


def _lines(data: bytes) -> int:
    return data.count(b"\n") + 1


def _given_up(unit: Unit, reason: str) -> Analysis:
    return Analysis(errors=[outer_error(document.path, f"not linted: {reason}") for document in unit.documents])


def _difference(other: tuple[str, str, str]) -> str:
    version, python, _ = own_code()
    if other[:2] == (version, python):
        return f"a worker has other code of nnlint {version} than this machine; install the same on both"
    here, there = f"nnlint {version} on Python {python}", f"nnlint {other[0]} on Python {other[1]}"
    return f"a worker has {there}, this machine {here}; findings may differ, so install the same on both"
