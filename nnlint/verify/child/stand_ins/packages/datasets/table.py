"""A table of columns, and several by the names of their splits."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

BATCH = 1000


class Value:
    """A column of numbers or texts."""

    def __init__(self, dtype: str = "string", *rest: Any) -> None:
        self.dtype = dtype


class ClassLabel(Value):
    """A column of classes, which have names."""

    def __init__(self, num_classes: int | None = None, names: Any = None, *rest: Any) -> None:
        super().__init__("int64")
        self.names = list(names or [f"class_{i}" for i in range(num_classes or 2)])
        self.num_classes = len(self.names)

    def int2str(self, number: Any) -> Any:
        """The name of a class, or of each."""
        return self.names[number] if isinstance(number, int) else [self.names[int(each)] for each in number]

    def str2int(self, name: Any) -> Any:
        """The number of a class, or of each."""
        return self.names.index(name) if isinstance(name, str) else [self.names.index(each) for each in name]


class Sequence(Value):
    """A column of lists."""

    def __init__(self, feature: Any = None, *rest: Any, **keywords: Any) -> None:
        super().__init__("list")
        self.feature = feature


class Features(dict[str, Any]):
    """What each column is, by its name."""

    def copy(self) -> Features:
        """The same again."""
        return Features(self)


class Dataset(torch.utils.data.Dataset[Any]):
    """Rows are dictionaries; a slice is one of lists, a name gives a column. `set_format` has them as tensors."""

    def __init__(self, columns: Mapping[str, Any], features: Any = None) -> None:
        self.columns = {name: list(column) for name, column in columns.items()}
        known = features or {}
        self.features = Features(
            {name: known.get(name) or Value(_type_of(column)) for name, column in self.columns.items()}
        )
        self.format: str | None = None
        self.visible: tuple[str, ...] | None = None
        self.transform: Callable[[Any], Any] | None = None

    @classmethod
    def from_dict(cls, mapping: Any, *rest: Any, **keywords: Any) -> Dataset:
        """A table of these columns."""
        return cls(mapping)

    @classmethod
    def from_list(cls, rows: Any, *rest: Any, **keywords: Any) -> Dataset:
        """A table of these rows."""
        return cls(_columns(rows))

    @classmethod
    def from_pandas(cls, frame: Any, *rest: Any, **keywords: Any) -> Dataset:
        """The table of a data frame."""
        return cls({str(name): np.asarray(frame[name]).tolist() for name in frame.columns})

    @classmethod
    def from_generator(cls, generator: Callable[..., Iterable[Any]], *rest: Any, **keywords: Any) -> Dataset:
        """A table of the rows that a function yields."""
        return cls(_columns(list(itertools.islice(generator(**(keywords.get("gen_kwargs") or {})), BATCH))))

    # Rows and columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    num_rows = property(__len__)

    @property
    def column_names(self) -> list[str]:
        """The names of all columns."""
        return list(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), len(self.columns)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._formatted(self.columns[key])
        names = self.visible or tuple(self.columns)
        if isinstance(key, (slice, list, tuple, range, np.ndarray, torch.Tensor)) and not _is_number(key):
            places = range(len(self))[key] if isinstance(key, slice) else [int(each) for each in key]
            batch = {name: [self.columns[name][place] for place in places] for name in names}
            return self.transform(batch) if self.transform else {name: self._formatted(batch[name]) for name in names}
        row = {name: self.columns[name][int(key)] for name in names}
        if self.transform:
            return {name: held[0] for name, held in self.transform({name: [row[name]] for name in row}).items()}
        return {name: self._formatted(value) for name, value in row.items()}

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def _formatted(self, value: Any) -> Any:
        if self.format is None or isinstance(value, (str, dict)):
            return value
        try:
            array = np.asarray(value)
        except ValueError:  # lists of unequal length
            return [self._formatted(each) for each in value]
        if array.dtype.kind not in "iufb":
            return value
        return array if self.format in ("numpy", "np") else torch.from_numpy(array.astype(array.dtype))

    # Operations, each of which gives a table of its own

    def _with(self, columns: Mapping[str, Any]) -> Dataset:
        made = Dataset(columns, self.features)
        made.format, made.transform = self.format, self.transform
        made.visible = self.visible and tuple(name for name in self.visible if name in made.columns)
        return made

    def map(self, function: Any = None, with_indices: bool = False, batched: bool = False, **keywords: Any) -> Dataset:
        """What a function makes of each row, or of each batch."""
        more = keywords.get("fn_kwargs") or {}
        dropped = keywords.get("remove_columns") or []
        dropped = [dropped] if isinstance(dropped, str) else dropped
        wanted = keywords.get("input_columns")
        size = (keywords.get("batch_size") or BATCH) if batched else 1
        made: dict[str, list[Any]] = {}
        for start in range(0, len(self), size):
            places = list(range(start, min(start + size, len(self))))
            batch = {
                name: self._formatted([column[place] for place in places]) for name, column in self.columns.items()
            }
            given = batch if batched else {name: column[0] for name, column in batch.items()}
            first = [given[name] for name in ([wanted] if isinstance(wanted, str) else wanted)] if wanted else [given]
            rest = [places if batched else places[0]] if with_indices else []
            result = function(*first, *rest, **more)
            changed = result if batched else {name: [value] for name, value in dict(result or {}).items()}
            kept = {name: list(batch[name]) for name in batch if name not in dropped and name not in changed}
            for name, column in {**kept, **changed}.items():
                made.setdefault(name, []).extend(column)
        return self._with(made)

    def filter(self, function: Any, *rest: Any, **keywords: Any) -> Dataset:
        """The rows for which a function says so."""
        if keywords.get("batched"):
            chosen = np.flatnonzero(np.asarray(function(self[:]))).tolist()
        else:
            chosen = [place for place in range(len(self)) if function(self[place], **(keywords.get("fn_kwargs") or {}))]
        return self.select(chosen)

    def select(self, indices: Iterable[int], *rest: Any, **keywords: Any) -> Dataset:
        """These rows; a number beyond the last counts on from the first."""
        places = [int(place) % max(1, len(self)) for place in itertools.islice(indices, len(self))]
        return self._with({name: [column[place] for place in places] for name, column in self.columns.items()})

    def shuffle(self, seed: int | None = None, *rest: Any, **keywords: Any) -> Dataset:
        """All rows in a random order."""
        return self.select(np.random.default_rng(seed).permutation(len(self)).tolist())

    def train_test_split(self, test_size: Any = 0.25, *rest: Any, **keywords: Any) -> DatasetDict:
        """Two parts: "train" and "test"."""
        share = float(test_size or 0.25)
        count = max(1, int(share if share >= 1 and share < len(self) else (share % 1 or 0.25) * len(self)))
        shuffled = self.shuffle(keywords.get("seed") or 0)
        return DatasetDict(train=shuffled.select(range(count, len(self))), test=shuffled.select(range(count)))

    def remove_columns(self, names: Any) -> Dataset:
        """Without these columns."""
        gone = [names] if isinstance(names, str) else list(names)
        return self._with({name: column for name, column in self.columns.items() if name not in gone})

    def select_columns(self, names: Any) -> Dataset:
        """These columns alone."""
        kept = [names] if isinstance(names, str) else list(names)
        return self._with({name: self.columns[name] for name in kept})

    def rename_column(self, old: str, new: str) -> Dataset:
        """With another name for a column."""
        return self.rename_columns({old: new})

    def rename_columns(self, names: Mapping[str, str]) -> Dataset:
        """With other names for some columns."""
        known = {names.get(name, name): feature for name, feature in self.features.items()}
        made = self._with({names.get(name, name): column for name, column in self.columns.items()})
        made.features = Features(known)
        return made

    def add_column(self, name: str, column: Any, *rest: Any) -> Dataset:
        """With one more column."""
        return self._with({**self.columns, name: column})

    def class_encode_column(self, name: str, *rest: Any) -> Dataset:
        """With a column's values as classes."""
        values = sorted(set(self.columns[name]))
        made = self._with({**self.columns, name: [values.index(each) for each in self.columns[name]]})
        made.features[name] = ClassLabel(names=[str(each) for each in values])
        return made

    def set_format(self, type: str | None = None, columns: Any = None, *rest: Any, **keywords: Any) -> None:
        """From now on rows are tensors or arrays, of these columns alone."""
        self.format, self.visible = type, tuple(columns) if columns is not None else None

    def with_format(self, type: str | None = None, columns: Any = None, *rest: Any, **keywords: Any) -> Dataset:
        """The same table, its rows tensors or arrays."""
        made = self._with(self.columns)
        made.set_format(type, columns)
        return made

    def reset_format(self) -> None:
        """Rows as they are."""
        self.set_format()

    def set_transform(self, transform: Any, *rest: Any, **keywords: Any) -> None:
        """From now on rows are what a function makes of them."""
        self.transform = transform

    def with_transform(self, transform: Any, *rest: Any, **keywords: Any) -> Dataset:
        """The same table, its rows what a function makes of them."""
        made = self._with(self.columns)
        made.set_transform(transform)
        return made

    def unique(self, name: str) -> list[Any]:
        """The values of a column, each once."""
        return list(dict.fromkeys(self.columns[name]))

    def to_pandas(self) -> Any:
        """A data frame."""
        return importlib.import_module("pandas").DataFrame(self.columns)

    def to_list(self) -> list[dict[str, Any]]:
        """All rows."""
        return [{name: column[place] for name, column in self.columns.items()} for place in range(len(self))]

    def _same(self, *arguments: Any, **keywords: Any) -> Dataset:
        return self

    cast = cast_column = flatten_indices = sort = flatten = take = with_rank = to_iterable_dataset = _same

    def save_to_disk(self, *arguments: Any, **keywords: Any) -> None:
        """Writes nothing."""


class DatasetDict(dict[str, Dataset]):
    """Tables by the names of their splits; an operation is done to each."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(Dataset, name):
            raise AttributeError(name)

        def each(*arguments: Any, **keywords: Any) -> Any:
            done = {split: getattr(held, name)(*arguments, **keywords) for split, held in self.items()}
            return DatasetDict(done) if all(isinstance(held, Dataset) for held in done.values()) else None

        return each

    @property
    def column_names(self) -> dict[str, list[str]]:
        """The columns of each split."""
        return {split: held.column_names for split, held in self.items()}

    @property
    def num_rows(self) -> dict[str, int]:
        """The rows of each split."""
        return {split: len(held) for split, held in self.items()}


def concatenate_datasets(parts: Any, *rest: Any, **keywords: Any) -> Dataset:
    """One table of several, one after the other."""
    held = list(parts)
    names = held[0].columns
    made: Dataset = held[0]._with({name: [value for part in held for value in part.columns[name]] for name in names})
    return made


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in (rows[0] if rows else ())}


def _is_number(key: Any) -> bool:
    return bool(hasattr(key, "ndim") and key.ndim == 0)


def _type_of(column: list[Any]) -> str:
    kinds = {bool: "bool", int: "int64", float: "float32", str: "string"}
    return kinds.get(type(column[0]), "list") if column else "null"
