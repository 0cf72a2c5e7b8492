"""The wall in the script's own process: Python's audit events of what a training run has no business with are refused and told.

It is hygiene. It stops what scripts do in good faith (download data, start a program, write to an absolute path), with an
exception that they can catch like any failure of that operation; code that means harm can call the C library past it.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nnlint.verify.child import processes
from nnlint.verify.child.supervisor import Surroundings
from nnlint.verify.protocol import Record

MOST_FORKS = 16
OPEN_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/stdout", "/dev/stderr")

NETWORK = "it asked for the network, which is closed to it"
PROGRAM = "it started another program, which it may not without a sandbox of the operating system"
FORK = "it made more processes than it may without a sandbox of the operating system"
SIGNAL = "it sent a signal to a process that is not its own"
WRITE = "it tried to change files outside its folder"
SECRET = "it tried to read files that may hold secrets"

ENTRIES: dict[str, Sequence[int]] = {
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
}
"""Events of changed entries of a folder: which of their arguments are the paths. A link is not followed."""

CONTENTS: dict[str, Sequence[int]] = dict.fromkeys(
    "os.truncate os.chmod os.chown os.utime os.setxattr os.removexattr sqlite3.connect".split(), (0,)
)
"""The same of what lies behind a path."""

PROGRAMS = "subprocess.Popen os.exec os.posix_spawn os.spawn os.system os.startfile pty.spawn".split()
CONNECTIONS = "socket.connect socket.bind socket.sendto socket.sendmsg".split()
NAMES = "socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr".split()


class Refused(PermissionError):
    """What the wall raises in the script."""


Check = Callable[[tuple[Any, ...]], str]
"""Given the arguments of an event, why it is refused; empty where it is not."""


class _Wall:
    def __init__(self, folder: str, around: Surroundings) -> None:
        self.is_enforced = around.is_enforced
        own = [os.path.realpath(folder)]
        self.writable = tuple(own + (["/tmp", "/var/tmp", "/dev/shm"] if around.is_enforced else []))
        self.hidden = () if around.is_enforced else tuple(p for p in around.view.hidden if not _is_shared(p))
        self.kept = (*own, *around.view.kept)
        self.process = os.getpid()
        self.forks = 0

    def checks(self) -> dict[str, Check]:
        """What is asked of each event."""
        found: dict[str, Check] = {"open": self.opened, "os.kill": self.signalled, "os.killpg": self.signalled_group}
        found |= {event: self._changed_by(positions, self.entry_changed) for event, positions in ENTRIES.items()}
        found |= {event: self._changed_by(positions, self.content_changed) for event, positions in CONTENTS.items()}
        found |= dict.fromkeys(CONNECTIONS, self.connected) | dict.fromkeys(NAMES, self.looked_up)
        if not self.is_enforced:
            found |= dict.fromkeys(PROGRAMS, lambda arguments: PROGRAM)
            found |= {"os.fork": self.forked, "os.forkpty": self.forked}
        return found

    def opened(self, arguments: tuple[Any, ...]) -> str:
        path, _, flags = arguments
        if isinstance(flags, int) and flags & OPEN_TO_WRITE:
            return self.written(path) if flags & os.O_TRUNC else self.content_changed(path)
        return SECRET if self.hidden and not isinstance(path, int) and self._is_hidden(path) else ""

    def written(self, path: Any) -> str:
        """Why a path may not be written anew. One of the links that stand for the user's files is replaced, not followed."""
        if not isinstance(path, int) and os.path.islink(path) and not self.entry_changed(path):
            if self.content_changed(path):
                os.unlink(path)
            return ""
        return self.content_changed(path)

    def content_changed(self, path: Any) -> str:
        """Why what lies behind a path may not be changed."""
        if isinstance(path, int):
            return ""
        real = os.path.realpath(os.fsdecode(path))
        is_process = real.startswith(("/proc/self/", f"/proc/{os.getpid()}/"))
        return "" if self._is_own(real) or is_process or real in DEVICES or real.endswith("/:memory:") else WRITE

    def entry_changed(self, path: Any) -> str:
        """Why an entry of a folder may not be changed."""
        if isinstance(path, int):
            return ""
        folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
        return "" if self._is_own(os.path.join(os.path.realpath(folder), name)) else WRITE

    def _is_own(self, real: str) -> bool:
        return any(_is_in(real, each) for each in self.writable)

    def signalled(self, arguments: tuple[Any, ...]) -> str:
        process = int(arguments[0])
        while process > 1 and process != os.getpid():
            process = processes.parent(process)
        return "" if process == os.getpid() else SIGNAL

    def signalled_group(self, arguments: tuple[Any, ...]) -> str:
        return "" if int(arguments[0]) == self.process else SIGNAL

    def connected(self, arguments: tuple[Any, ...]) -> str:
        address = arguments[1]
        if isinstance(address, (str, bytes)):
            path = os.fsdecode(address)
            is_own = not path or path.startswith("\0") or self._is_own(os.path.realpath(path))
            return "" if is_own else NETWORK
        return NETWORK if isinstance(address, tuple) and not self._is_near(address[0]) else ""

    def looked_up(self, arguments: tuple[Any, ...]) -> str:
        return "" if self._is_near(arguments[0]) else NETWORK

    def forked(self, arguments: tuple[Any, ...]) -> str:
        self.forks += 1
        return "" if self.forks <= MOST_FORKS and os.getpid() == self.process else FORK

    def _changed_by(self, positions: Sequence[int], check: Callable[[Any], str]) -> Check:
        return lambda arguments: next(filter(None, (check(arguments[each]) for each in positions)), "")

    def _is_hidden(self, path: Any) -> bool:
        real = os.path.realpath(os.fsdecode(path))
        is_kept = any(_is_in(real, each) for each in self.kept)
        return not is_kept and any(_is_in(real, each) for each in self.hidden)

    def _is_near(self, host: Any) -> bool:
        """Whether a host is this machine, which is a run's own only where the network is."""
        name = os.fsdecode(host) if isinstance(host, (str, bytes)) else ""
        return self.is_enforced and (name in ("", "localhost", "::1") or name.startswith("127."))


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(os.path.join(place, ""))


def _is_shared(place: str) -> bool:
    """Whether a hidden place is only one of temporary files, which a run without a sandbox may read."""
    return place in ("/tmp", "/var/tmp", "/dev/shm")


def raise_wall(folder: str, around: Surroundings, tell: Callable[[Record], None]) -> None:
    """Put the wall up, for the rest of this process's life; `tell` is given a note for each kind of refusal, once."""
    wall = _Wall(folder, around)
    find_check = wall.checks().get
    told: set[str] = set()

    def refuse(reason: str) -> None:
        if reason not in told:
            told.add(reason)
            tell({"kind": "Note", "words": {"message": reason}})
        raise Refused(errno.EACCES, f"nnlint refuses this: {reason}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        check = find_check(event)
        if check is None:
            return
        try:
            reason = check(arguments)
        except (TypeError, ValueError, LookupError, OSError):  # the operation itself will fail on such arguments
            return
        if reason:
            refuse(reason)

    sys.addaudithook(hook)
    _guard_saving(wall, refuse)


def _guard_saving(wall: _Wall, refuse: Callable[[str], None]) -> None:
    """The same for what torch writes from its own library, of which Python tells nothing."""
    import torch

    for owner in (torch, torch.jit):
        owner.save = _guarded(owner.save, wall, refuse)  # type: ignore[attr-defined]


def _guarded(save: Callable[..., Any], wall: _Wall, refuse: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(save)
    def saved(what: Any, file: Any, *rest: Any, **keywords: Any) -> Any:
        reason = wall.written(file) if isinstance(file, (str, os.PathLike)) else ""
        if reason:
            refuse(reason)
        return save(what, file, *rest, **keywords)

    return saved
