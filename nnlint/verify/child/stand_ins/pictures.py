"""Images: PIL's own where it is installed, else a small class with what training scripts ask of one."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins.finder import is_installed
from nnlint.verify.child.stand_ins.synthetic import Array

GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Picture:
    """An image of unsigned bytes, (height, width) or (height, width, 3), with PIL's names."""

    format = None

    def __init__(self, array: Array) -> None:
        self.array = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array

    @property
    def mode(self) -> str:
        """PIL's name of the colour layout."""
        return "L" if self.array.ndim == 2 else "RGBA" if self.array.shape[2] == 4 else "RGB"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.array.shape[1], self.array.shape[0]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.size[0]

    @property
    def height(self) -> int:
        """In pixels."""
        return self.size[1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.array if dtype is None else self.array.astype(dtype)

    def convert(self, mode: str = "RGB", *rest: Any) -> Picture:
        """The image in grey ("L", "1") or colour."""
        if mode in ("L", "1", "F", "I", "P"):
            return Picture((self.array[..., :3] @ GREY).astype(np.uint8)) if self.array.ndim == 3 else self
        return Picture(np.stack([self.array] * 3, -1)) if self.array.ndim == 2 else Picture(self.array[..., :3])

    def resize(self, size: Sequence[int], *rest: Any, **keywords: Any) -> Picture:
        """The image in another size, its nearest pixels."""
        return Picture(resized(self.array, int(size[1]), int(size[0])))

    def crop(self, box: Sequence[float]) -> Picture:
        """A part of the image, black outside."""
        left, top, right, bottom = (int(each) for each in box)
        rows = (max(0, -top), max(0, bottom - self.height))
        columns = (max(0, -left), max(0, right - self.width))
        padded = np.pad(self.array, [rows, columns] + [(0, 0)] * (self.array.ndim - 2))
        top, left = top + max(0, -top), left + max(0, -left)
        return Picture(padded[top : top + bottom - int(box[1]), left : left + right - int(box[0])])

    def transpose(self, method: Any = 0) -> Picture:
        """The image mirrored."""
        return Picture(self.array[:, ::-1])

    def copy(self) -> Picture:
        """The same image again."""
        return Picture(self.array.copy())

    def getpixel(self, at: tuple[int, int]) -> Any:
        """One pixel."""
        return self.array[at[1], at[0]].tolist()

    def getbands(self) -> tuple[str, ...]:
        """One letter for each channel."""
        return tuple(self.mode)

    def split(self) -> tuple[Picture, ...]:
        """One image for each channel."""
        return tuple(Picture(self.array[..., i]) for i in range(len(self.mode)))

    def _same(self, *arguments: Any, **keywords: Any) -> Picture:
        return self

    rotate = filter = quantize = point = _same

    def _nothing(self, *arguments: Any, **keywords: Any) -> None:
        return None

    save = show = close = load = verify = thumbnail = putpalette = paste = _nothing

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *error: Any) -> None:
        return None


def picture(array: Array) -> Any:
    """An image of these bytes."""
    if not is_installed("PIL"):
        return Picture(array)
    image = importlib.import_module("PIL.Image")
    return image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def resized(array: Array, height: int, width: int) -> Array:
    """The nearest pixels of an array (height, width, ...)."""
    if array.shape[:2] == (height, width):
        return array
    rows = np.arange(max(1, height)) * array.shape[0] // max(1, height)
    columns = np.arange(max(1, width)) * array.shape[1] // max(1, width)
    result: Array = array[rows][:, columns]
    return result
