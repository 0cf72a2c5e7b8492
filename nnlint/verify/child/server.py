"""The fork server: imports torch once, then forks a supervisor for each run that is asked for, which forks the script's process.

It is started with the number of a socket and a description of its surroundings. Each message on that socket brings two others:
over the first come a key and the request, and how the run ended goes back; over the second go the records of the run, sealed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from typing import NoReturn

from nnlint.verify.child import namespaces
from nnlint.verify.child.channel import Channel
from nnlint.verify.child.limits import limit_process
from nnlint.verify.child.supervisor import Surroundings, supervise
from nnlint.verify.child.wall import raise_wall
from nnlint.verify.protocol import Request
from nnlint.verify.seal import KEY_BYTES, Seal

LONGEST_REQUEST = 64_000_000
BROKEN = 70
"""The status of a script's process that could not tell how the run ended."""


def main() -> None:
    """Serves until the verifier closes the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    around = _surroundings(json.loads(sys.argv[2]))
    _warm_up()
    control.sendall(f"ready {around.level}\n".encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not message or len(descriptors) != 2:
            break
        report, records = (socket.socket(fileno=each) for each in descriptors)
        if os.fork() == 0:
            control.close()
            _carry_out(around, report, records)
        report.close()
        records.close()
        _reap(os.WNOHANG)
    control.close()
    _reap(0)


def _surroundings(told: dict[str, object]) -> Surroundings:
    view = namespaces.View(
        hidden=tuple(map(str, told["hidden"])),  # type: ignore[call-overload]
        kept=tuple(map(str, told["kept"])),  # type: ignore[call-overload]
        size=int(str(told["size"])),
        temporary=int(str(told["temporary"])),
    )
    folder, is_walled = str(told["folder"]), bool(told["is_walled"])
    with tempfile.TemporaryDirectory(dir=folder) as trial:
        level = namespaces.level(trial, view) if sys.platform == "linux" and told["namespaces"] else "none"
    return Surroundings(folder, level, view, is_walled)


def _warm_up() -> None:
    """What every training script needs, what torch imports only at the first optimizer, and all of this package."""
    import numpy  # noqa: F401
    import torch

    import nnlint.verify.child.script  # noqa: F401

    torch.set_num_threads(1)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def _reap(how: int) -> None:
    """Collect the supervisors that have ended, or, with 0, wait for all of them: they notice that the verifier has gone."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how) != (0, 0):
            pass


def _carry_out(around: Surroundings, report: socket.socket, records: socket.socket) -> NoReturn:
    with report.makefile("rb") as stream:
        key = stream.read(KEY_BYTES)
        line = stream.readline(LONGEST_REQUEST)
    if len(key) < KEY_BYTES or not line.endswith(b"\n"):
        os._exit(1)
    request, seal = Request.from_json(line.decode()), Seal(key)
    del key
    supervise(request, around, report, records, lambda folder: _run_script(request, around, folder, records, seal))


def _run_script(request: Request, around: Surroundings, folder: str, records: socket.socket, seal: Seal) -> NoReturn:
    """In the process of the script: give up all that it must not have, then run it."""
    from nnlint.verify.child.script import ScriptRun

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _close_all_but(records.fileno())
    namespaces.drop_privileges()
    limit_process(request.memory, request.seconds, is_own_user=around.level != "none")
    channel = Channel(records, seal)
    run = ScriptRun(request, folder, channel)
    raise_wall(folder, around, channel.write)
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    leave = run.exit
    try:
        run.run()
    except BaseException:  # the script has broken what the end of a run needs; what was seen until then still counts
        channel.flush()
    finally:
        leave(BROKEN)


def _close_all_but(kept: int) -> None:
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main()
