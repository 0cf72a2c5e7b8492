"""What verifying runs measured of one script: plain, frozen, picklable data, for the output formats."""

from __future__ import annotations

from nnlint.finding import Finding
from nnlint.records import dataclass

ALL_MENDED = "all mended"
"""The label of the run in which all findings that can be are mended."""

OTHER_ROWS = "R² in other rows"
"""The yardstick of a network that answers a sample by its row in the batch."""

Points = tuple[tuple[int, float], ...]
"""A curve: optimizer steps taken, and a value."""


@dataclass(frozen=True)
class Arm:
    """One short run: the script as written, with one finding mended, or with all of them mended.

    `mended` are the findings that were mended in it, `but` the code that was left when all others were. `score` is what it
    reaches by the yardstick, and `loss` by its loss, `after` so many of its `steps`, in the mean of so many `seeds`; None where
    there was none. `ended` says how the run ended ("steps", "time", "finished", "raised", ...) and `trouble` why, where that is a
    failure. Its curves are those of the first seed.
    """

    label: str
    mended: tuple[Finding, ...] = ()
    but: str = ""
    score: float | None = None
    loss: float | None = None
    after: int = 0
    seeds: int = 1
    steps: int = 0
    ended: str = "steps"
    trouble: str = ""
    scores: Points = ()
    losses: Points = ()
    gradients: Points = ()
    spreads: Points = ()

    @property
    def is_whole(self) -> bool:
        """Whether all findings that can be are mended in it."""
        return self.label == ALL_MENDED


@dataclass(frozen=True)
class Trial:
    """All short runs of one script.

    `way` is how it got to run ("as it is", "with stand-ins", "as a harness", or "" where it did not), `stood_in` names what
    was stood in for. `measure` is the yardstick ("accuracy", "R²", ...). `conclusion` says in plain words which finding
    does the harm; `seconds` is what all runs took together, and `start_seconds` what passed before them until PyTorch had been
    started, told of the first script of a report alone. `notes` are sentences about what the script did and may not
    ("it asked for the network, which is closed to it"), or how it was ended. `runs` is how many runs were made for its arms,
    with whatever seed; one may serve two arms.
    """

    path: str
    way: str
    arms: tuple[Arm, ...] = ()
    stood_in: tuple[str, ...] = ()
    measure: str = ""
    conclusion: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    runs: int = 0
    start_seconds: float = 0.0
