"""Scripts that are run with stand-ins for what they lack, by tests."""

from __future__ import annotations

from textwrap import dedent

from nnlint.events import Raised, Run
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner


def run(runs: Runner, text: str, steps: int = 20) -> Run:
    """What a script does in so many steps, whatever it lacks."""
    request = Request("", "train.py", {"train.py": dedent(text)}, steps=steps, seconds=30, way="stand-ins")
    return Reader({}).run("train.py", runs.run(request))


def trouble(run: Run) -> list[str]:
    """The errors that ended a run."""
    return [f"{raised.error}: {raised.message}" for raised in run.events(Raised)]
