"""Splitting made-up data by the sizes of the real ones."""

from __future__ import annotations

from typing import Any

from torch.utils import data

from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

SPLIT = data.random_split


def install() -> None:
    """From now on a split by sizes that are not those of the data has parts in their proportion."""
    put(data, random_split=_split)
    put(data.dataset, random_split=_split)


def _split(dataset: Any, lengths: Any, *rest: Any, **keywords: Any) -> Any:
    count, wanted = len(dataset), sum(lengths)
    is_by_size = all(float(each).is_integer() for each in lengths)
    if (
        is_by_size
        and wanted
        and wanted != count
        and any(told.startswith(("data set", "file", "folder")) for told in ledger.told)
    ):
        stood_in(f"a split of {count} samples instead of {wanted}")
        lengths = [count * int(each) // wanted for each in lengths]
        lengths[0] += count - sum(lengths)
    return SPLIT(dataset, lengths, *rest, **keywords)
