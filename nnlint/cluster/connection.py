"""One Dask cluster: calls go out, as many at a time as keep it busy, and their results come back as they are made."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nnlint.interrupts import let_through
from nnlint.records import dataclass

CONNECT_SECONDS = 8.0
WORKERLESS_SECONDS = 30.0
"""So long a cluster may be without any worker at first: some may be on their way."""
LOST_SECONDS = 180.0
"""So long it may have none after it has lost all: those that are started again on busy machines take their time."""
LOOK_SECONDS = 1.0
LEAST_AT_A_TIME = 64
"""Calls under way: a cluster that grows with its work sees that there is some."""


class ClusterError(Exception):
    """The cluster cannot be used; the message says why, in one line."""


@dataclass(frozen=True)
class Task:
    """A call with these arguments, and the numbers of what it is about."""

    numbers: tuple[int, ...]
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Lost:
    """Nothing came of a call: each worker that got it ended, or it failed there."""

    reason: str


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster of a scheduler's address. Raises ClusterError."""
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ClusterError(f"needs the package {error.name}: install it with `pip install 'nnlint[dask]'`") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters becomes an error in one line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the size of what is sent, and other versions of what is not used here
        try:
            client = Client(address, timeout=CONNECT_SECONDS)
        except Exception as error:  # whatever the kind of address raises
            raise ClusterError(f"there is no Dask scheduler at {address}: {_reason(error)}") from error
        cluster = Cluster(client, address)
        try:
            cluster.wait_for_workers()
            yield cluster
        finally:
            client.close(timeout=CONNECT_SECONDS)


class Cluster:
    """A connection to a scheduler."""

    def __init__(self, client: Any, address: str) -> None:
        self.client = client
        self.address = address
        self.threads = 1

    def wait_for_workers(self) -> None:
        """Returns when there is a worker. Raises ClusterError."""
        end = time.monotonic() + WORKERLESS_SECONDS
        while not self._has_workers():
            if time.monotonic() > end:
                raise ClusterError(f"{self.address} has no workers, and none came in {WORKERLESS_SECONDS:.0f} seconds")
            time.sleep(LOOK_SECONDS / 4)

    def kept(self, value: object) -> object:
        """Stands for a value in the arguments of calls: it is sent to the cluster once, and survives the loss of a worker."""
        return self.client.submit(_same, value, pure=False)

    def results(self, function: Callable[..., object], tasks: Iterator[Task]) -> Iterator[tuple[Task, Any]]:
        """Each task with what the function gives for it, in the order in which they are done. Raises ClusterError.

        A call whose worker is lost is made again by another one; when that has happened too often, or it fails, it is Lost.
        """
        from distributed import wait

        under_way: dict[Any, Task] = {}
        without_workers_since: float | None = None
        while True:
            self._send(function, tasks, under_way)
            if not under_way:
                return
            try:
                with let_through():
                    done = wait([*under_way], timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED").done
            except (TimeoutError, asyncio.TimeoutError):  # two, before Python 3.11
                done = set()
            except Exception as error:
                raise ClusterError(f"the scheduler at {self.address} was lost: {_reason(error)}") from error
            for future in done:
                yield under_way.pop(future), self._result(future)
            now = time.monotonic()
            if done or self._has_workers():
                without_workers_since = None
            elif without_workers_since is None:
                without_workers_since = now
            elif now - without_workers_since > LOST_SECONDS:
                raise ClusterError(f"{self.address} has lost all its workers; what is left cannot be linted")

    def _send(self, function: Callable[..., object], tasks: Iterator[Task], under_way: dict[Any, Task]) -> None:
        while len(under_way) < max(LEAST_AT_A_TIME, 4 * self.threads):
            task = next(tasks, None)
            if task is None:
                return
            under_way[self.client.submit(function, *task.arguments, pure=False)] = task

    def _has_workers(self) -> bool:
        try:
            threads = self.client.nthreads()
        except Exception as error:
            raise ClusterError(f"the scheduler at {self.address} was lost: {_reason(error)}") from error
        self.threads = max(1, sum(threads.values()))
        return bool(threads)

    def _result(self, future: Any) -> object:
        from distributed import KilledWorker

        if future.status == "finished":
            return future.result()
        if future.status != "error":
            raise ClusterError(f"the scheduler at {self.address} was lost")
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Lost("each worker of the cluster that analysed it ended while it did")
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "nnlint":
            raise ClusterError("a worker has no nnlint, or another one; install the same version on all of them")
        return Lost(f"its analysis on the cluster failed with {_reason(error)}")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _same(value: object) -> object:
    return value
