"""Units analysed by several processes; what was found comes in the order of the units, as from one process.

Each process takes a share of units at a time, and sends what it finds unit by unit. So the one that hands out knows at which unit
a process was that died, which the executors of the standard library do not tell: another takes the files of that unit one by one,
and the file at which that one dies too is named.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pickle import HIGHEST_PROTOCOL, dumps, loads
from typing import Any, cast

from nnlint.analysis import Analysed, Analysis, Group, Progress, Work
from nnlint.interrupts import CAN_HOLD_BACK, ENDING, held_back, let_through
from nnlint.reading.aside import Aside, Packed, Slip
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Note
from nnlint.shares import FORK, Method, shares
from nnlint.units import Unit

Task = tuple[int, int | None]
"""The number of a unit, and the number of the one document of it that is analysed by itself (None: all)."""

PROGRESS_SECONDS = 0.1

AT = b"at "
"""How a message begins that tells what a worker is at; all others are what it has found, and begin as pickles do."""


def by_workers(
    todo: Sequence[Unit], work: Work, jobs: int, progress: Progress, method: Method
) -> Iterator[Analysed | None]:
    """The analysis of each unit, in their order; None for what an interrupt has left. All processes end with the iterator,
    whatever ends it."""
    crew = _Crew(todo, work, progress, method)
    crew.waiting = [[(number, None) for number in share] for share in reversed(shares(todo, jobs))]
    following = 0
    try:
        for _ in range(min(jobs, len(crew.waiting))):
            crew.engage()
        while following < len(todo):
            while following not in crew.done:
                crew.hear()
            yield crew.taken(following)
            following += 1
    except KeyboardInterrupt:
        crew.end()
    finally:
        crew.dismiss()
    for number in range(following, len(todo)):
        yield crew.taken(number) if number in crew.done else None


@dataclass
class _Worker:
    """A process, and the tasks of its share that it has not finished."""

    process: BaseProcess
    connection: Connection
    share: list[Task]


@dataclass
class _Crew:
    """All workers. `waiting` are the shares that nobody has, the next one last; `done` what is finished, by unit: put aside, as
    the largest share comes first, and the first unit may come last."""

    todo: Sequence[Unit]
    work: Work
    progress: Progress
    method: Method
    waiting: list[list[Task]] = field(default_factory=list)
    done: dict[int, Slip | Packed] = field(default_factory=dict)
    aside: Aside = field(default_factory=Aside)
    workers: dict[Connection, _Worker] = field(default_factory=dict)
    one_by_one: dict[int, Analysed] = field(default_factory=dict)

    def engage(self) -> None:
        """Starts a worker with the next share."""
        context: Any = multiprocessing.get_context(self.method)  # its `Process` depends on the system
        here, there = context.Pipe()
        inherited = [here, *self.workers] if self.method == FORK else []
        process = context.Process(target=_serve, args=(there, inherited, self.todo, self.work), daemon=True)
        with held_back():  # until the process has said what signals do to it
            process.start()
        there.close()
        self.workers[here] = _Worker(process, here, [])
        self._hand_out(self.workers[here])

    def hear(self) -> None:
        """Waits for what the workers have to say."""
        with let_through():
            ready = wait(list(self.workers))
        for connection in ready:
            worker = self.workers[cast("Connection", connection)]
            try:
                said = worker.connection.recv_bytes()
            except (EOFError, OSError):
                self._lost(worker)
                continue
            if said.startswith(AT):
                self.progress(said[len(AT) :].decode("utf-8", "surrogatepass"))
            else:
                self._finished(worker.share.pop(0), said)
                if not worker.share:
                    self._hand_out(worker)

    def taken(self, number: int) -> Analysed:
        """What was found in a unit, for the one time that it is asked for."""
        analysed: Analysed = loads(self.done.pop(number).read())
        return analysed

    def end(self) -> None:
        """Ends all processes, whatever they are at, and hears what they have said before."""
        self._kill()
        for worker in self.workers.values():
            with contextlib.suppress(EOFError, OSError):
                while True:
                    said = worker.connection.recv_bytes()
                    if not said.startswith(AT):
                        self._finished(worker.share.pop(0), said)

    def dismiss(self) -> None:
        """Ends all processes, whatever they are at."""
        self._kill()
        for worker in self.workers.values():
            worker.connection.close()
        self.workers.clear()

    def _kill(self) -> None:
        for worker in self.workers.values():
            worker.process.kill()
        for worker in self.workers.values():
            worker.process.join()

    def _hand_out(self, worker: _Worker) -> None:
        worker.share = self.waiting.pop() if self.waiting else []
        with contextlib.suppress(OSError):  # one that died is noticed when it should answer
            worker.connection.send(list(worker.share))

    def _finished(self, task: Task, said: bytes) -> None:
        number, index = task
        if index is None:
            self.done[number] = self.aside.put(said)
            return
        analysis, answers = self.one_by_one[number]
        analysed: Analysed = loads(said)
        analysis.join(analysed[0])
        answers += analysed[1]
        if index == len(self.todo[number].documents) - 1:
            self.done[number] = self.aside.put(_message(self.one_by_one.pop(number)))

    def _lost(self, worker: _Worker) -> None:
        """Goes on with the share of a worker that died, past the file that it was at, where that is known."""
        del self.workers[worker.connection]
        worker.connection.close()
        worker.process.join()
        if not worker.share:
            return
        (number, index), *others = worker.share
        documents = self.todo[number].documents
        how = _how_ended(worker.process.exitcode or 0)
        if index is None and len(documents) > 1:
            others = [(number, each) for each in range(len(documents))] + others
            together = f"analysed by itself: the process that analysed it together with others {how}"
            self.one_by_one[number] = Analysis(notes=[Note(each.path, None, together) for each in documents]), []
        else:
            message = f"the process that analysed this file {how}; the other files were analysed"
            self._finished((number, index), _message(_failed(documents[index or 0].path, message)))
        if others:
            self.waiting.append(others)
        if self.waiting:
            self.engage()


def _failed(path: str, message: str) -> Analysed:
    return Analysis(errors=[InternalError(path, None, message)]), []


def _how_ended(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (", as happens where memory runs out" if name == "SIGKILL" else "")


def _serve(connection: Connection, inherited: Iterable[Connection], todo: Sequence[Unit], work: Work) -> None:
    """What a worker does: it takes shares until there are no more, or nobody hands them out any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who hands out the work ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if CAN_HOLD_BACK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    for each in inherited:  # so that a worker notices when nobody is left at the other end
        each.close()
    gc.disable()
    gc.freeze()  # what was there before stays, and is shared with the other processes
    with contextlib.suppress(EOFError, OSError):
        _take_shares(connection, todo, work)


def _take_shares(connection: Connection, todo: Sequence[Unit], work: Work) -> None:
    report = _Reporter(connection)
    group = Group()
    while share := connection.recv():
        for number, index in share:
            unit = todo[number]
            if index is not None:
                unit = unit.alone(index)
            _send(connection, work(unit, group.trees_of(unit), report), unit)


def _send(connection: Connection, analysed: Analysed, unit: Unit) -> None:
    try:
        message = _message(analysed)
    except Exception as error:  # something in it cannot be sent
        why = f"what was found in this file cannot be handed on: {type(error).__name__}: {error}"
        message = _message(_failed(unit.documents[0].path, why))
    connection.send_bytes(message)


def _message(analysed: Analysed) -> bytes:
    return dumps(analysed, HIGHEST_PROTOCOL)


@dataclass
class _Reporter:
    """Tells what a worker is at, as often as somebody may want to see it."""

    connection: Connection
    next_time: float = 0.0

    def __call__(self, path: str) -> None:
        now = time.monotonic()
        if now >= self.next_time:
            self.next_time = now + PROGRESS_SECONDS
            self.connection.send_bytes(AT + path.encode("utf-8", "surrogatepass"))
