"""pandas: tables as columns of arrays, with what scripts do between reading a file and handing it to a network."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins import tables
from nnlint.verify.child.stand_ins.files import make
from nnlint.verify.child.stand_ins.synthetic import Array


class Series:
    """One column."""

    def __init__(self, data: Any = (), index: Any = None, name: Any = None, dtype: Any = None) -> None:
        self.values: Array = np.asarray(
            data.values if isinstance(data, Series) else list(data) if isinstance(data, range) else data
        )
        if dtype is not None:
            self.values = self.values.astype(dtype)
        self.name = name
        self.index = np.arange(len(self.values)) if index is None else np.asarray(index)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.values if dtype is None else self.values.astype(dtype)

    def __getitem__(self, key: Any) -> Any:
        chosen = self.values[np.asarray(key) if isinstance(key, Series) else key]
        return Series(chosen, name=self.name) if isinstance(chosen, np.ndarray) else chosen

    def __setitem__(self, key: Any, value: Any) -> None:
        self.values[np.asarray(key) if isinstance(key, Series) else key] = value

    def __getattr__(self, name: str) -> Any:
        """Statistics and the like, as numpy has them."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _of_array(self, self.values, name)

    @property
    def iloc(self) -> Series:
        """By position, as everything here is."""
        return self

    loc = iloc
    dt = str = iloc

    def to_numpy(self, dtype: Any = None, **rest: Any) -> Array:
        """The values."""
        return np.asarray(self, dtype)

    def to_list(self) -> list[Any]:
        """The values."""
        result: list[Any] = self.values.tolist()
        return result

    def apply(self, function: Callable[[Any], Any], **rest: Any) -> Series:
        """The function of each value."""
        return Series(np.array([function(each) for each in self.values]), name=self.name)

    def map(self, how: Any, **rest: Any) -> Series:
        """The function of each value, or what a dictionary has for it, else 0."""
        return self.apply(how if callable(how) else lambda each: how.get(each, 0))

    def unique(self) -> Array:
        """Each value once."""
        return np.unique(self.values)

    def nunique(self) -> int:
        """How many different values there are."""
        return len(self.unique())

    def value_counts(self, **rest: Any) -> Series:
        """How often each value is there."""
        found, counts = np.unique(self.values, return_counts=True)
        return Series(counts, index=found)

    def __invert__(self) -> Series:
        return Series(~self.values)

    def isnull(self) -> Series:
        """Nothing is missing."""
        return Series(np.zeros(len(self), bool))

    isna = isnull

    def notnull(self) -> Series:
        """Everything is there."""
        return Series(np.ones(len(self), bool))

    notna = notnull

    def shift(self, periods: int = 1, **rest: Any) -> Series:
        """Each value moved on; the first stay."""
        return Series(self.values[np.clip(np.arange(len(self)) - periods, 0, len(self) - 1)], name=self.name)

    def isin(self, values: Any) -> Series:
        """Which values are among these."""
        return Series(np.isin(self.values, list(values)))

    def _same(self, *arguments: Any, **keywords: Any) -> Any:
        return self

    dropna = fillna = reset_index = sort_values = sort_index = interpolate = replace = rename = copy = ffill = bfill = (
        _same
    )


class DataFrame:
    """Columns by name, all of one length."""

    def __init__(self, data: Any = None, columns: Any = None, index: Any = None, **rest: Any) -> None:
        if isinstance(data, DataFrame):
            data = data.held
        if isinstance(data, (list, np.ndarray)) and not (len(data) and isinstance(data[0], dict)):
            array = np.asarray(data)
            array = array[:, None] if array.ndim == 1 else array
            data = dict(zip(columns if columns is not None else range(array.shape[1]), array.T, strict=False))
        elif isinstance(data, list):
            data = {name: [row.get(name) for row in data] for name in data[0]}
        self.held: dict[Any, Array] = {name: np.asarray(column) for name, column in (data or {}).items()}

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        return Index(list(self.held))

    @columns.setter
    def columns(self, names: Sequence[Any]) -> None:
        self.held = dict(zip(names, self.held.values(), strict=False))

    @property
    def values(self) -> Array:
        """All columns side by side."""
        return np.stack(list(self.held.values()), 1) if self.held else np.zeros((0, 0))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), len(self.held)

    @property
    def index(self) -> Array:
        """The numbers of the rows."""
        return np.arange(len(self))

    @index.setter
    def index(self, value: Any) -> None:
        """Rows keep their numbers."""

    @property
    def iloc(self) -> _Rows:
        """By position."""
        return _Rows(self, by_name=False)

    @property
    def loc(self) -> _Rows:
        """By row number and column name."""
        return _Rows(self, by_name=True)

    def __len__(self) -> int:
        return len(next(iter(self.held.values()), ()))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.held)

    def __contains__(self, name: Any) -> bool:
        return name in self.held

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.values if dtype is None else self.values.astype(dtype)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (list, Index)) and all(
            isinstance(each, (str, int)) and not isinstance(each, bool) for each in key
        ):
            return DataFrame({name: self._column(name) for name in key})
        if isinstance(key, (Series, np.ndarray, slice, list)):
            return self._rows(key)
        return Series(self._column(key), name=key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, (list, Index)):
            for name, column in zip(key, np.asarray(value).T, strict=False):
                self.held[name] = column
        else:
            values = np.asarray(value)
            self.held[key] = (
                np.full(len(self), value) if values.ndim == 0 else values[: len(self)] if self.held else values
            )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self.__dict__.get("held", {}):
            return Series(self.held[name], name=name)
        return _of_array(self, self._numeric(), name)

    def _column(self, name: Any) -> Array:
        if name not in self.held:
            self.held[name] = next((c for c in self.held.values() if c.dtype.kind in "fi"), np.zeros(len(self)))
        return self.held[name]

    def _rows(self, key: Any) -> DataFrame:
        chosen = np.asarray(key) if isinstance(key, (Series, list)) else key
        return DataFrame({name: column[chosen] for name, column in self.held.items()})

    def _numeric(self) -> Array:
        return np.stack(
            [column for column in self.held.values() if column.dtype.kind in "fiub"] or [np.zeros(len(self))], 1
        )

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, inplace: bool = False, **rest: Any) -> Any:
        """Without these columns; rows stay."""
        names = columns if columns is not None else labels if axis in (1, "columns") else []
        gone = {names} if isinstance(names, (str, int)) else set(names)
        kept = {name: column for name, column in self.held.items() if name not in gone}
        if inplace:
            self.held = kept
            return None
        return DataFrame(kept)

    def pop(self, name: Any) -> Series:
        """A column, taken out."""
        column = Series(self._column(name), name=name)
        del self.held[name]
        return column

    def to_numpy(self, dtype: Any = None, **rest: Any) -> Array:
        """All columns side by side."""
        return np.asarray(self, dtype)

    def astype(self, kind: Any, **rest: Any) -> DataFrame:
        """With another type."""
        kinds = kind if isinstance(kind, dict) else dict.fromkeys(self.held, kind)
        return DataFrame(
            {n: c.astype(kinds[n]) if n in kinds and c.dtype.kind in "fiub" else c for n, c in self.held.items()}
        )

    def head(self, count: int = 5) -> DataFrame:
        """The first rows."""
        return self._rows(slice(count))

    def tail(self, count: int = 5) -> DataFrame:
        """The last rows."""
        return self._rows(slice(-count, None))

    def sample(self, n: int | None = None, frac: float = 1.0, **rest: Any) -> DataFrame:
        """Some of the rows, in a random order."""
        order = np.random.default_rng(59).permutation(len(self))
        return self._rows(order[: n if n is not None else round(frac * len(self))])

    def iterrows(self) -> Iterator[tuple[int, dict[Any, Any]]]:
        """The rows, one by one."""
        return ((i, {name: column[i] for name, column in self.held.items()}) for i in range(len(self)))

    def apply(self, function: Callable[[Any], Any], axis: int = 0, **rest: Any) -> Any:
        """The function of each column, or of each row."""
        if axis in (1, "columns"):
            return Series(np.array([function(row) for _, row in self.iterrows()]))
        return DataFrame({name: np.asarray(function(Series(column, name=name))) for name, column in self.held.items()})

    def select_dtypes(self, *arguments: Any, **keywords: Any) -> DataFrame:
        """The columns of numbers."""
        return DataFrame({name: column for name, column in self.held.items() if column.dtype.kind in "fiub"})

    def rename(self, columns: Any = None, inplace: bool = False, **rest: Any) -> Any:
        """With other names."""
        renamed = {(columns or {}).get(name, name): column for name, column in self.held.items()}
        if inplace:
            self.held = renamed
            return None
        return DataFrame(renamed)

    def isnull(self) -> DataFrame:
        """Nothing is missing."""
        return DataFrame({name: np.zeros(len(self), bool) for name in self.held})

    isna = isnull

    def copy(self, *rest: Any, **keywords: Any) -> DataFrame:
        """The same table again."""
        return DataFrame({name: column.copy() for name, column in self.held.items()})

    def _same(self, *arguments: Any, **keywords: Any) -> Any:
        return None if keywords.get("inplace") else self

    dropna = fillna = reset_index = set_index = sort_values = sort_index = interpolate = replace = drop_duplicates = (
        _same
    )
    ffill = bfill = _same

    def _nothing(self, *arguments: Any, **keywords: Any) -> None:
        return None

    info = to_csv = to_excel = to_pickle = plot = hist = _nothing


class Index(list[Any]):
    """Names of columns."""

    def tolist(self) -> list[Any]:
        """As a list."""
        return list(self)

    to_list = tolist

    @property
    def values(self) -> Array:
        """As an array."""
        return np.array(self, dtype=object)

    def drop(self, names: Any) -> Index:
        """Without these."""
        gone = {names} if isinstance(names, str) else set(names)
        return Index([each for each in self if each not in gone])

    def get_loc(self, name: Any) -> int:
        """The position of a name."""
        return self.index(name)


class _Rows:
    """`frame.iloc[...]` and `frame.loc[...]`."""

    def __init__(self, frame: DataFrame, by_name: bool) -> None:
        self.frame, self.by_name = frame, by_name

    def __getitem__(self, key: Any) -> Any:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        frame = self.frame if isinstance(columns, slice) and columns == slice(None) else self._columns(columns)
        if isinstance(frame, Series):
            return frame[rows]
        if isinstance(rows, (int, np.integer)):
            return Series(np.array([column[rows] for column in frame.held.values()]), index=list(frame.held))
        return frame._rows(rows)

    def __setitem__(self, key: Any, value: Any) -> None:
        rows, column = key if isinstance(key, tuple) else (key, next(iter(self.frame.held)))
        name = column if self.by_name else list(self.frame.held)[column]
        self.frame._column(name)[np.asarray(rows) if isinstance(rows, Series) else rows] = value

    def _columns(self, columns: Any) -> Any:
        if self.by_name and not isinstance(columns, slice):
            return self.frame[columns]
        names = list(self.frame.held)
        if isinstance(columns, slice):
            return DataFrame({name: self.frame.held[name] for name in names[columns]})
        if isinstance(columns, (int, np.integer)):
            return Series(self.frame.held[names[columns % len(names)]])
        return DataFrame({names[i % len(names)]: self.frame.held[names[i % len(names)]] for i in columns})


def _of_array(owner: Any, values: Array, name: str) -> Any:
    """What numpy has under this name: a number for a column, a row of numbers for a table."""
    method = getattr(values, name)
    if not callable(method):
        return method

    def call(*arguments: Any, **keywords: Any) -> Any:
        for word in ("axis", "skipna", "inplace", "numeric_only"):
            keywords.pop(word, None)
        if isinstance(owner, DataFrame):
            return Series(method(*arguments, axis=0, **keywords), index=list(owner.select_dtypes().held))
        result = method(*arguments, **keywords)
        return (
            Series(result, name=owner.name)
            if isinstance(result, np.ndarray) and result.shape == values.shape
            else result
        )

    return call


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Any, other: Any) -> Any:
        right = np.asarray(other) if isinstance(other, (Series, DataFrame)) else other
        left = self.values if isinstance(self, Series) else self._numeric()
        result = getattr(np.asarray(left), name)(right)
        return Series(result) if isinstance(self, Series) else DataFrame(result, list(self.select_dtypes().held))

    return operate


for _name in "add sub mul truediv mod pow lt le gt ge eq ne and or radd rsub rmul rtruediv".split():
    setattr(Series, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(DataFrame, f"__{_name}__", _operator(f"__{_name}__"))


def _column_of(texts: Sequence[str]) -> Array:
    try:
        numbers = np.array([float(each) for each in texts])
    except ValueError:
        return np.array(texts, dtype=object)
    return numbers.astype(np.int64) if all(each.lstrip("-").isdigit() for each in texts) else numbers


def read_csv(
    file: Any, sep: str = ",", header: Any = "infer", names: Any = None, usecols: Any = None, **rest: Any
) -> DataFrame:
    """The table in a file; a made-up one where the file is missing."""
    path = str(os.fspath(file)) if isinstance(file, (str, os.PathLike)) else ""
    if path and not os.path.exists(path):
        make(path if os.path.splitext(path)[1] in (".csv", ".tsv", ".data") else f"{path}.csv")
        table = DataFrame(tables.table(path))
        if header is None:
            table = table.select_dtypes()
            table.columns = list(range(len(table.held))) if names is None else list(names)
        return table if usecols is None else _used(table, usecols)
    with open(path) if path else file as stream:
        rows = [row for row in csv.reader(stream, delimiter=sep if len(sep) == 1 else ",") if row]
    heads = list(names) if names is not None else rows[0] if header is not None else list(range(len(rows[0])))
    body = rows[1:] if header == 0 or (header == "infer" and names is None) else rows
    table = DataFrame({name: _column_of([row[i] for row in body]) for i, name in enumerate(heads)})
    return table if usecols is None else _used(table, usecols)


def _used(table: DataFrame, columns: Any) -> DataFrame:
    names = [each if isinstance(each, str) else list(table.held)[each % len(table.held)] for each in columns]
    result: DataFrame = table[names]
    return result


read_table = read_excel = read_parquet = read_pickle = read_feather = read_hdf = read_csv


def to_datetime(values: Any, *rest: Any, **keywords: Any) -> Any:
    """The values as they are."""
    return values


def to_numeric(values: Any, *rest: Any, **keywords: Any) -> Any:
    """The values as they are."""
    return values


def get_dummies(data: Any, *rest: Any, **keywords: Any) -> DataFrame:
    """A column for each value of a column of text."""
    frame = data if isinstance(data, DataFrame) else DataFrame({"value": np.asarray(data)})
    made: dict[Any, Array] = {}
    for name, column in frame.held.items():
        if column.dtype.kind in "fib":
            made[name] = column
        else:
            made |= {f"{name}_{each}": (column == each).astype(np.int64) for each in np.unique(column.astype(str))[:50]}
    return DataFrame(made)


def concat(frames: Sequence[Any], axis: Any = 0, **rest: Any) -> Any:
    """Under each other, or side by side."""
    frames = list(frames)
    if all(isinstance(each, Series) for each in frames):
        return Series(np.concatenate([each.values for each in frames]))
    if axis in (1, "columns"):
        return DataFrame({name: column for each in frames for name, column in DataFrame(each).held.items()})
    return DataFrame({name: np.concatenate([each.held[name] for each in frames]) for name in frames[0].held})


def isnull(value: Any) -> Any:
    """Nothing is missing."""
    return np.zeros(np.shape(value), bool) if np.ndim(value) else False


isna = isnull


def notnull(value: Any) -> Any:
    """Everything is there."""
    return ~np.asarray(isnull(value))


def set_option(*arguments: Any, **keywords: Any) -> None:
    """Nothing is shown."""
