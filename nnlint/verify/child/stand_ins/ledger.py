"""What was stood in for in this run, each thing told once; and what the stand-ins may know of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nnlint.verify.child.stand_ins.hints import Hints
from nnlint.verify.protocol import Record


@dataclass
class Ledger:
    """One for each process, as a process is one run. `folder` is the copy of the user's folder.

    `folders` are those that are stood in for as a whole, `elsewhere` those outside that the script makes and may not: what it
    writes there goes into the run's own. Batches hold `samples` samples and images are `side` pixels wide at most, where these
    are not 0. While a library is `trying` to do without us, nothing is stood in for.
    """

    folder: str = ""
    hints: Hints = field(default_factory=Hints)
    write: Callable[[Record], None] = lambda record: None
    told: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    trying: bool = False
    samples: int = 0
    side: int = 0

    def tell(self, what: str) -> None:
        """Note that something was stood in for."""
        if what not in self.told:
            self.told.add(what)
            self.write({"kind": "StoodIn", "words": {"what": what}})


ledger = Ledger()


def stood_in(what: str) -> None:
    """Note that something was stood in for."""
    ledger.tell(what)
