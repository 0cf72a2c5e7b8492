"""datasets: tables of columns with the operations that training scripts use, filled with texts and images that can be learned."""

from __future__ import annotations

from typing import Any

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.packages.datasets.catalogue import ROWS, TAGS, columns_of, columns_of_files, kind_of
from nnlint.verify.child.stand_ins.packages.datasets.table import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Sequence,
    Value,
    concatenate_datasets,
)

FILES = frozenset("csv json text parquet imagefolder audiofolder pandas arrow".split())
IterableDataset, IterableDatasetDict = Dataset, DatasetDict


def load_dataset(path: Any = "", name: Any = None, *rest: Any, split: Any = None, **keywords: Any) -> Any:
    """The data set of a name: all of its splits, or one, or a slice of one (`train[:10%]`)."""
    whole = f"{path}/{name or ''}".strip("/")
    stood_in(f"data set {whole}")
    if split is None:
        files = keywords.get("data_files")
        names = list(files) if isinstance(files, dict) else ["train"] if str(path) in FILES else list(ROWS)
        return DatasetDict({each: _split(whole, each) for each in names})
    if isinstance(split, (list, tuple)):
        return [_split(whole, str(each)) for each in split]
    return _split(whole, str(split))


load_from_disk = load_dataset


def _split(name: str, split: str) -> Dataset:
    base = split.partition("[")[0].partition("+")[0]
    kind = kind_of(name)
    known = columns_of_files() if name.partition("/")[0] in FILES else columns_of(kind, base)
    made = Dataset(known)
    if kind.label in known and kind.classes:
        made.features[kind.label] = ClassLabel(names=[f"class_{i}" for i in range(kind.classes)])
    if kind.other == "tags":
        made.features |= {each: Sequence(ClassLabel(names=TAGS)) for each in ("ner_tags", "pos_tags", "chunk_tags")}
    return made


__all__ = [
    "ClassLabel",
    "Dataset",
    "DatasetDict",
    "Features",
    "Sequence",
    "Value",
    "concatenate_datasets",
    "load_dataset",
    "load_from_disk",
]
