"""Sparse matrices, held whole: those of small graphs, which are what scripts build, fit into memory that way."""

from __future__ import annotations

from typing import Any

import numpy as np


class spmatrix(np.matrix):  # type: ignore[type-arg]
    """A matrix with the names that scipy gives the parts and the forms of a sparse one; `*` multiplies matrices.

    One that is made of its diagonal alone keeps it as its `scales`: the product with it takes no time.
    """

    format = "coo"
    scales: Any = None

    def _places(self) -> tuple[Any, Any]:
        rows, columns = np.asarray(self).nonzero()
        return rows, columns

    @property
    def row(self) -> Any:
        """The row of each number that is not 0."""
        return self._places()[0].astype(np.int32)

    @property
    def col(self) -> Any:
        """The column of each."""
        return self._places()[1].astype(np.int32)

    indices = col

    @property
    def data(self) -> Any:
        """These numbers themselves."""
        return np.asarray(self)[self._places()]

    @property
    def nnz(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self))

    @property
    def indptr(self) -> Any:
        """Where the numbers of each row begin."""
        return np.concatenate([[0], np.cumsum(np.count_nonzero(np.asarray(self), axis=1))]).astype(np.int32)

    def dot(self, other: Any, *rest: Any) -> Any:
        """The product of two matrices."""
        if self.scales is not None and np.ndim(other) == 2:
            return _sparse(self.scales[:, None] * np.asarray(other))
        scales = getattr(other, "scales", None)
        if scales is not None:
            return _sparse(np.asarray(self) * scales)
        product = np.dot(np.asarray(self), np.asarray(other))
        return _sparse(product) if issparse(other) or np.ndim(other) == 0 else product

    __mul__ = __matmul__ = dot

    def multiply(self, other: Any) -> spmatrix:
        """Number by number."""
        return _sparse(np.multiply(self, other))

    def power(self, exponent: float) -> spmatrix:
        """Each number to this power."""
        return _sparse(np.power(np.asarray(self), exponent))

    def toarray(self, *rest: Any) -> Any:
        """An ordinary array."""
        return np.asarray(self)

    @property
    def A(self) -> Any:
        """The same."""
        return np.asarray(self)

    def todense(self, *rest: Any) -> Any:
        """An ordinary matrix."""
        return np.matrix(np.asarray(self))

    def tocoo(self, *rest: Any, **keywords: Any) -> spmatrix:
        """It has no form of its own, and so is all of them."""
        return self

    tocsr = tocsc = tolil = todok = todia = asformat = tocoo

    def diagonal(self, *rest: Any) -> Any:
        """Its numbers on the diagonal, in an array."""
        return np.asarray(self).diagonal(*rest)

    def setdiag(self, values: Any) -> None:
        """Put these on the diagonal."""
        np.fill_diagonal(self, values)

    def sum(self, axis: Any = None, *rest: Any, **keywords: Any) -> Any:
        """A number, or an ordinary matrix with one row or column."""
        return np.matrix(np.asarray(self)).sum(axis) if axis is not None else np.asarray(self).sum()

    def eliminate_zeros(self) -> None:
        """There are none to keep."""

    sum_duplicates = sort_indices = eliminate_zeros


def _sparse(values: Any, dtype: Any = None) -> spmatrix:
    made: spmatrix = np.asarray(values, dtype=dtype).view(spmatrix)
    return made


def _made(given: Any, shape: Any = None, dtype: Any = None, copy: bool = False) -> spmatrix:
    """Of an array, of a shape, of numbers with their rows and columns, or with the places at which rows begin."""
    if not isinstance(given, tuple):
        return _sparse(np.array(given, ndmin=2), dtype)
    if len(given) == 3:
        data, columns, begins = map(np.asarray, given)
        given = (data, (np.repeat(np.arange(len(begins) - 1), np.diff(begins)), columns))
    if not hasattr(given[1], "__len__"):
        return _sparse(np.zeros(given), dtype or float)
    data, (rows, columns) = np.asarray(given[0]), map(np.asarray, given[1])
    size = shape or (int(rows.max()) + 1, int(columns.max()) + 1)
    held = np.zeros(size, dtype=dtype or data.dtype)
    np.add.at(held, (rows, columns), data)
    return _sparse(held)


coo_matrix = csr_matrix = csc_matrix = lil_matrix = dok_matrix = dia_matrix = bsr_matrix = _made
coo_array = csr_array = csc_array = lil_array = _made


def eye(rows: int, columns: int | None = None, k: int = 0, dtype: Any = float, format: Any = None) -> spmatrix:
    """Ones on the diagonal."""
    return _sparse(np.eye(rows, columns, k, dtype=dtype))


identity = eye


def diags(diagonals: Any, offsets: Any = 0, shape: Any = None, format: Any = None, dtype: Any = None) -> spmatrix:
    """These numbers on the diagonal, or on several."""
    if np.ndim(offsets) == 0:
        made = _sparse(np.diag(np.ravel(diagonals), offsets), dtype)
        made.scales = np.diagonal(np.asarray(made)) if offsets == 0 else None
        return made
    return _sparse(sum(np.diag(np.ravel(each), place) for each, place in zip(diagonals, offsets, strict=True)), dtype)


def vstack(blocks: Any, format: Any = None, dtype: Any = None) -> spmatrix:
    """One above the other."""
    return _sparse(np.vstack([np.asarray(each) for each in blocks]), dtype)


def hstack(blocks: Any, format: Any = None, dtype: Any = None) -> spmatrix:
    """One beside the other."""
    return _sparse(np.hstack([np.asarray(each) for each in blocks]), dtype)


def issparse(value: Any) -> bool:
    """Whether a value is one of these."""
    return isinstance(value, spmatrix)


isspmatrix = isspmatrix_coo = isspmatrix_csr = issparse


def triu(values: Any, k: int = 0, format: Any = None) -> spmatrix:
    """Its part above the diagonal."""
    return _sparse(np.triu(np.asarray(values), k))


def tril(values: Any, k: int = 0, format: Any = None) -> spmatrix:
    """Its part below the diagonal."""
    return _sparse(np.tril(np.asarray(values), k))
