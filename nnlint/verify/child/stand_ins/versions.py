"""Names and habits of earlier versions of PyTorch, numpy and Pillow that scripts were written for."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnlint.verify.child.stand_ins.finder import is_installed
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.patching import put

ALIASES: dict[str, Any] = {"float": float, "int": int, "bool": bool, "object": object, "str": str, "long": int}
"""What numpy had until 1.24."""

FILTERS = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"}
"""What Pillow had until 10, and what it is called now."""


def install() -> None:
    """From now on they work again."""
    put(Tensor, __getitem__=_item)
    put(_BaseDataLoaderIter, next=_BaseDataLoaderIter.__next__)
    put(np, **{name: kind for name, kind in ALIASES.items() if name not in vars(np)})
    if is_installed("PIL"):
        image = importlib.import_module("PIL.Image")
        put(image, **{old: getattr(image, new) for old, new in FILTERS.items() if not hasattr(image, old)})


GET = Tensor.__getitem__


def _item(tensor: Tensor, key: Any) -> Any:
    """`loss.data[0]` was the number in `loss` until PyTorch 0.4."""
    if type(key) is int and key == 0 and tensor.dim() == 0:
        stood_in("PyTorch before 0.4, where a number had one element")
        return tensor
    return GET(tensor, key)
