"""Scalers and encoders."""

from __future__ import annotations

from typing import Any

import numpy as np


class _Fitted:
    """Keeps what it has seen, and changes what it gets by it."""

    def fit(self, data: Any, *rest: Any) -> Any:
        """Look at the data."""
        return self

    def transform(self, data: Any) -> Any:
        """Change the data."""
        return np.asarray(data)

    def inverse_transform(self, data: Any) -> Any:
        """Change the data back."""
        return np.asarray(data)

    def fit_transform(self, data: Any, *rest: Any) -> Any:
        """Look at the data and change them."""
        return self.fit(data).transform(data)


class _Scaler(_Fitted):
    offset: Any = 0.0
    scale: Any = 1.0

    def transform(self, data: Any) -> Any:
        """Shifted and scaled."""
        return _typed((np.asarray(data, dtype=np.float64) - self.offset) / self.scale, data)

    def inverse_transform(self, data: Any) -> Any:
        """Scaled and shifted back."""
        return _typed(np.asarray(data, dtype=np.float64) * self.scale + self.offset, data)


def _typed(result: Any, data: Any) -> Any:
    """Numbers of the kind that was given: single precision stays single precision."""
    return result.astype(np.float32) if getattr(data, "dtype", None) == np.float32 else result


class StandardScaler(_Scaler):
    """To mean 0 and deviation 1."""

    def __init__(self, **rest: Any) -> None:
        pass

    def fit(self, data: Any, *rest: Any) -> StandardScaler:
        """Take the mean and the deviation of each column."""
        array = np.asarray(data, dtype=np.float64)
        self.offset, deviation = array.mean(0), array.std(0)
        self.scale = np.where(deviation == 0, 1.0, deviation)
        self.mean_, self.scale_, self.var_ = self.offset, self.scale, self.scale**2
        return self


class MinMaxScaler(_Scaler):
    """To a range, of 0 to 1 if none is named."""

    def __init__(self, feature_range: tuple[float, float] = (0, 1), **rest: Any) -> None:
        self.feature_range = feature_range

    def fit(self, data: Any, *rest: Any) -> MinMaxScaler:
        """Take the least and the largest of each column."""
        array = np.asarray(data, dtype=np.float64)
        low, high = self.feature_range
        self.data_min_, self.data_max_ = array.min(0), array.max(0)
        width = np.where(self.data_max_ == self.data_min_, 1.0, self.data_max_ - self.data_min_)
        self.scale = width / (high - low)
        self.offset = self.data_min_ - low * self.scale
        self.scale_, self.min_ = 1 / self.scale, -self.offset / self.scale
        return self


MaxAbsScaler = RobustScaler = StandardScaler


class LabelEncoder(_Fitted):
    """Each value by its number."""

    def fit(self, data: Any, *rest: Any) -> LabelEncoder:
        """Number the values."""
        self.classes_ = np.unique(np.asarray(data))
        return self

    def transform(self, data: Any) -> Any:
        """The numbers."""
        return np.searchsorted(self.classes_, np.asarray(data)).clip(0, len(self.classes_) - 1)

    def inverse_transform(self, data: Any) -> Any:
        """The values."""
        return self.classes_[np.asarray(data)]


OrdinalEncoder = LabelEncoder


class OneHotEncoder(_Fitted):
    """A column for each value of each column."""

    def __init__(self, **rest: Any) -> None:
        pass

    def fit(self, data: Any, *rest: Any) -> OneHotEncoder:
        """Number the values."""
        array = np.asarray(data)
        array = array[:, None] if array.ndim == 1 else array
        self.categories_ = [np.unique(column) for column in array.T]
        return self

    def transform(self, data: Any) -> Any:
        """Zeros and ones."""
        array = np.asarray(data)
        array = array[:, None] if array.ndim == 1 else array
        parts = [column[:, None] == values for column, values in zip(array.T, self.categories_, strict=False)]
        return np.concatenate(parts, 1).astype(np.float64).view(_Dense)


LabelBinarizer = OneHotEncoder


class _Dense(np.ndarray[Any, Any]):
    """An array that also says it was sparse."""

    def toarray(self) -> Any:
        """As a plain array."""
        return np.asarray(self)

    todense = toarray
