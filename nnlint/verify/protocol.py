"""What the verifier and its child processes say to each other: one request for each run, then records, as lines of JSON.

The child runs somebody's code, so what it sends is data that anybody may have written: it is parsed as JSON, bounded in size,
and nothing in it is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Probe:
    """A span of a script whose value is measured each time it is evaluated: 1-based lines and columns, in characters.

    `path` is relative to the request's root; in a notebook the lines are those of its cells joined. One that is `awaited` keeps
    the run going for a while until it has been seen.
    """

    number: int
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    awaited: bool = False

    @property
    def span(self) -> tuple[int, int, int, int]:
        """Where it starts and ends."""
        return self.line, self.column, self.end_line, self.end_column


@dataclass(frozen=True)
class Request:
    """One run of one script.

    `root` is the folder that the run sees a copy of, `script` the path of the script in it. `texts` replace files of the
    copy, by path: mended scripts, the joined cells of a notebook. The run ends by itself after `steps` optimizer steps or
    `seconds`, whatever comes first; it is ended from outside when `grace` seconds more, for the measurements at its end,
    are over, or its processes together take more than `memory` bytes. The network is scored `every` so many steps. `way` says how
    the script gets to run: "as-is", "stand-ins" or "harness"; batches then hold `samples` samples at most (0: as many as the
    script says), images are at most `side` pixels wide (0: as wide as they are), and a training with hardly a step in `patience`
    seconds is ended as slow (0: it is not). With `old_steps` a step goes unnoticed by graphs that hold what it changes, as before
    PyTorch 1.5. `by_hand` says how a network written in numpy is scored: on its samples as they are ("in place") or "in other
    rows"; "" where none is looked for.
    """

    root: str
    script: str
    texts: Mapping[str, str] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    arguments: tuple[str, ...] = ()
    steps: int = 1000
    seconds: float = 20.0
    every: int = 25
    seed: int = 0
    way: str = "as-is"
    memory: int = 4 << 30
    grace: float = 5.0
    samples: int = 0
    side: int = 0
    patience: float = 0.0
    old_steps: bool = False
    by_hand: str = ""

    def to_json(self) -> str:
        """The request as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Request:
        """The request of such a line."""
        fields = json.loads(line)
        probes = tuple(Probe(**probe) for probe in fields.pop("probes"))
        return cls(probes=probes, arguments=tuple(fields.pop("arguments")), **fields)
