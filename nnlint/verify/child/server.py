"""The fork server: imports torch once, then forks a process for each run that is asked for.

It is started with the number of a socket. Each message on that socket brings another one, over which the request comes and the
records of the run go back; the end of that stream is the end of the run.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from typing import NoReturn

from nnlint.verify.protocol import Request

LONGEST_REQUEST = 64_000_000


def main() -> None:
    """Serves until the verifier closes the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _warm_up()
    control.sendall(b"ready\n")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 1)
        if not message or not descriptors:
            break
        connection = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            control.close()
            _serve(connection)
        connection.close()
        _reap()


def _warm_up() -> None:
    """What every training script needs, and what torch imports only at the first optimizer."""
    import numpy  # noqa: F401
    import torch

    torch.set_num_threads(1)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _serve(connection: socket.socket) -> NoReturn:
    from nnlint.verify.child.channel import Channel
    from nnlint.verify.child.mirror import mirror
    from nnlint.verify.child.script import ScriptRun

    with connection.makefile("rb") as stream:
        request = Request.from_json(stream.readline(LONGEST_REQUEST).decode())
    folder = tempfile.mkdtemp(prefix="run-")
    mirror(request.root, folder, request.texts)
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    ScriptRun(request, folder, Channel(connection)).run()


if __name__ == "__main__":
    main()
