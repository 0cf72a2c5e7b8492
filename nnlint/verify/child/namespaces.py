"""Namespaces of the kernel around one run: own processes, own view of the files, no network, no capabilities.

An ordinary user may make them on most Linux machines. Where that is not so, `level` says so, and nothing here is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NEW_USER, NEW_PROCESSES = 0x10000000, 0x20000000
NEW_MOUNTS, NEW_NETWORK, NEW_IPC, NEW_NAMES = 0x00020000, 0x40000000, 0x08000000, 0x04000000
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 1 << 12, 1 << 14, 1 << 18
SET_DUMPABLE, SET_SUBREAPER, SET_NO_NEW_PRIVILEGES, DROP_FROM_BOUNDING_SET = 4, 36, 38, 24
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
MOST_PIDS = 400


@dataclass(frozen=True)
class View:
    """What of the files a run sees: `hidden` places are empty, but for what is `kept` below them; `size` in bytes."""

    hidden: tuple[str, ...]
    kept: tuple[str, ...]
    size: int
    temporary: int


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user", ctypes.c_uint64),
    )


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: Any) -> None:
    """Call a function of the C library. Raises OSError where it fails, or where there is none of that name."""
    try:
        result = getattr(_library(), function)(*arguments)
    except AttributeError as error:
        raise OSError(f"no {function} on this machine") from error
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def set_dumpable(dumpable: bool) -> None:
    """Whether others of the same user may look into this process."""
    with contextlib.suppress(OSError):
        _call("prctl", SET_DUMPABLE, int(dumpable), 0, 0, 0)


def adopt_orphans() -> None:
    """Make this process the parent of all below it whose own parent ends."""
    with contextlib.suppress(OSError):
        _call("prctl", SET_SUBREAPER, 1, 0, 0, 0)


def drop_privileges() -> None:
    """Give up all capabilities for good."""
    with contextlib.suppress(OSError):
        _call("prctl", SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for capability in range(64):
        with contextlib.suppress(OSError):
            _call("prctl", DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    with contextlib.suppress(OSError):
        _call("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def separate_processes() -> None:
    """From now on the children of this process are in a namespace of their own, and the first of them is its init."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_USER | NEW_PROCESSES)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def separate_view(folder: str, view: View) -> None:
    """Take the network away and make everything read-only, but for the folder and what is hidden, which become empty."""
    _call("unshare", NEW_MOUNTS | NEW_NETWORK | NEW_IPC | NEW_NAMES)
    _mount(None, "/", RECURSIVE | PRIVATE)
    _set_attributes("/", READ_ONLY | NO_DEVICES, AT_RECURSIVE)
    _cover(folder, (), view.size)
    _separate_proc()
    _cover("/dev", DEVICES, 1_000_000)
    for device in filter(os.path.exists, DEVICES):
        _set_attributes(device, 0, clear=READ_ONLY | NO_DEVICES)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"/dev/{name}")
    os.mkdir("/dev/shm")
    _set_attributes("/dev", READ_ONLY)
    _cover("/dev/shm", (), view.temporary)
    for place in view.hidden:
        if place != "/dev/shm":
            _hide(place, (*view.kept, folder), view.temporary)


def _separate_proc() -> None:
    """A /proc that shows only this namespace, where the kernel allows it; the old one shows, but opens, nothing of others."""
    with contextlib.suppress(OSError):
        _mount("proc", "/proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS, "proc")
        settings = {"user/max_user_namespaces": "0"}
        if _counts_pids_by_namespace():
            settings["kernel/pid_max"] = str(MOST_PIDS)
        for name, value in settings.items():
            with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as file:
                file.write(value)
        _set_attributes("/proc", READ_ONLY)


def _counts_pids_by_namespace() -> bool:
    """Whether the largest process number is set for a namespace alone, as it is since Linux 6.14."""
    numbers = os.uname().release.split("-")[0].split(".")
    return tuple(int(each) for each in numbers[:2] if each.isdigit()) >= (6, 14)


def _hide(place: str, kept: Sequence[str], size: int) -> None:
    if os.path.isdir(place):
        _cover(place, kept, size)
    else:
        _mount(os.devnull, place, BIND)


def _cover(place: str, kept: Sequence[str], size: int) -> None:
    """Put an empty folder in memory in the place of another, and what is kept of that back into it."""
    inside = [path for path in sorted(kept) if path.startswith(place + "/") and os.path.exists(path)]
    handles = [(path, os.path.isdir(path), os.open(path, os.O_PATH)) for path in inside]
    _mount("tmpfs", place, NO_SETUID | NO_DEVICES, "tmpfs", f"size={size},mode=0777")
    for path, is_folder, handle in handles:
        os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
        if not is_folder:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        _mount(f"/proc/self/fd/{handle}", path, BIND | RECURSIVE)
        os.close(handle)


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    texts = [None if each is None else each.encode() for each in (source, target, kind, options)]
    _call("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def _set_attributes(path: str, flags: int, how: int = 0, clear: int = 0) -> None:
    attributes = _MountAttributes(flags, clear, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _call("syscall", ctypes.c_long(MOUNT_SETATTR), AT_FDCWD, path.encode(), how, ctypes.byref(attributes), size)


def level(folder: str, view: View) -> str:
    """How much works here, found out by a process that tries: "view" (all), "processes" (these alone) or "none"."""
    trier = os.fork()
    if trier == 0:
        os._exit(_tried(folder, view))
    _, status = os.waitpid(trier, 0)
    return {0: "view", 1: "processes"}.get(os.waitstatus_to_exitcode(status), "none")


def _tried(folder: str, view: View) -> int:
    try:
        separate_processes()
        init = os.fork()
    except OSError:
        return 2
    if init == 0:
        try:
            separate_view(folder, view)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(init, 0)[1])
