"""OpenCV: reading, resizing and colours of images; whatever else there is takes everything."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins.packages.PIL import Image
from nnlint.verify.child.stand_ins.pictures import resized

IMREAD_GRAYSCALE, IMREAD_COLOR, IMREAD_UNCHANGED = 0, 1, -1
COLOR_BGR2RGB, COLOR_RGB2BGR, COLOR_BGR2GRAY, COLOR_RGB2GRAY, COLOR_GRAY2BGR, COLOR_GRAY2RGB = 4, 4, 6, 7, 8, 8


def imread(file: Any, flags: int = 1) -> Any:
    """A picture that depends on the name of the file."""
    array = np.asarray(Image.open(file).convert("RGB"))
    return array.mean(2).astype(np.uint8) if flags == IMREAD_GRAYSCALE else array


def resize(image: Any, size: Any = None, *rest: Any, **keywords: Any) -> Any:
    """The nearest pixels."""
    width, height = size or keywords["dsize"]
    return resized(image, height, width)


def cvtColor(image: Any, code: int, *rest: Any) -> Any:
    """Colours in the other order, or grey."""
    if code in (COLOR_BGR2GRAY, COLOR_RGB2GRAY):
        return image.mean(2).astype(image.dtype)
    return np.stack([image] * 3, -1) if image.ndim == 2 else image[..., ::-1]


def imwrite(*arguments: Any, **keywords: Any) -> bool:
    """Writes nothing."""
    return True


def flip(image: Any, code: int) -> Any:
    """Mirrored."""
    return image[:, ::-1] if code > 0 else image[::-1]
