"""`python -m tests.made_up_command ARGUMENT...`: the command line with the made-up catalogue, by processes from one line on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from nnlint import catalogue
from nnlint.events import Run
from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from tests import made_up

AT_WORK = "at_work_on_{}"
"""The file into which a process writes its number before it waits to be ended, at a file of that name."""


def ends(run: Run) -> Iterator[Problem]:
    """A check that is the end of the process where the text says DIE or EXIT, and does not end where it says WAIT."""
    assert isinstance(run, made_up.TextRun)
    if "DIE" in run.source.text:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if "EXIT" in run.source.text:
        os._exit(3)
    if "WAIT" in run.source.text:
        Path(AT_WORK.format(Path(run.path).stem)).write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(600)
    yield from ()


ENDING = Rule("nnlint.rules.made_up.ending_rule", "It ends.\n", ends, "NN209", Severity.ERROR, since="0.1")


def main() -> None:
    """Runs the command as its own `main` does."""
    import nnlint.analysis
    from nnlint import shares
    from nnlint.cli import main

    catalogue._catalogue_rules = lambda: iter((*made_up.RULES, ENDING))
    nnlint.analysis.__dict__["Project"] = made_up.Project
    shares.LINES_THAT_PAY[shares.FORK] = shares.LINES_THAT_PAY[shares.SPAWN] = 1
    main()


if __name__ == "__main__":
    main()
