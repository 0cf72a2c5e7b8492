"""torchaudio: made-up sounds of the right lengths, and transforms that keep shapes right."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.packages.torchaudio import datasets, transforms
from nnlint.verify.child.stand_ins.packages.torchaudio.datasets import RATE, sound

functional = transforms.functional
__version__ = "2.99.0"


def load(path: Any, *rest: Any, **keywords: Any) -> tuple[Tensor, int]:
    """The sound of a file, whose class follows from the name of its folder, and its rate."""
    stood_in("sounds of files")
    parts = str(path).replace("\\", "/").split("/")
    return sound(sum("/".join(parts[-2:-1]).encode()) % 10, sum(parts[-1].encode())), RATE


def save(*arguments: Any, **keywords: Any) -> None:
    """Writes nothing."""


__all__ = ["datasets", "functional", "load", "save", "transforms"]
