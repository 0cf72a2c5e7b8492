"""Images, opened without a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins.folders import picture_of
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.pictures import Picture as Image

NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING = range(6)
ANTIALIAS = LANCZOS
FLIP_LEFT_RIGHT, FLIP_TOP_BOTTOM, ROTATE_90, ROTATE_180, ROTATE_270, TRANSPOSE = range(6)


class Resampling:
    """The nearest pixels are taken whatever is asked for."""

    NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING = range(6)


def open(file: Any, mode: str = "r", formats: Any = None) -> Image:
    """A picture that depends on the name of the file, and on its folder as its class."""
    name = str(file)
    stood_in(f"images in {os.path.dirname(name) or '.'}")
    return Image(picture_of(name))


def fromarray(array: Any, mode: Any = None) -> Image:
    """A picture of these bytes."""
    return Image(np.asarray(array))


def new(mode: str, size: Sequence[int], color: Any = 0) -> Image:
    """A picture of one colour."""
    shape = (size[1], size[0]) if len(mode) == 1 else (size[1], size[0], len(mode))
    return Image(np.zeros(shape, np.uint8))


def merge(mode: str, bands: Sequence[Image]) -> Image:
    """The channels together."""
    return Image(np.stack([each.array for each in bands], -1))


def blend(first: Image, second: Image, alpha: float) -> Image:
    """Between two pictures."""
    return Image((first.array * (1 - alpha) + second.array * alpha).astype(np.uint8))
