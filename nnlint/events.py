"""THE VOCABULARY: what happens in a training run (being written)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nnlint.finding import Place


class Site(Protocol):
    """Anything that stands at a place in the source."""

    @property
    def place(self) -> Place: ...


@dataclass
class Run:
    """One run of one entry file."""

    path: str
