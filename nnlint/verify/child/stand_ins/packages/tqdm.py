"""tqdm: what it is given, one after another; no bar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from types import SimpleNamespace
from typing import Any


class tqdm:
    """Iterates over what it wraps; what would change a bar does nothing."""

    def __init__(self, iterable: Iterable[Any] | None = None, *arguments: Any, **keywords: Any) -> None:
        self.iterable = iterable if iterable is not None else ()
        self.total = keywords.get("total")
        self.n = 0
        self.format_dict: dict[str, Any] = {"elapsed": 0.0, "rate": 1.0}

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            self.n += 1
            yield item

    def __len__(self) -> int:
        return len(self.iterable) if isinstance(self.iterable, Sized) else int(self.total or 0)

    def __enter__(self) -> tqdm:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def _nothing(self, *arguments: Any, **keywords: Any) -> None:
        return None

    set_description = set_description_str = set_postfix = set_postfix_str = refresh = close = reset = clear = (
        display
    ) = _nothing

    def update(self, count: int = 1) -> None:
        """Count on."""
        self.n += count

    @classmethod
    def write(cls, *arguments: Any, **keywords: Any) -> None:
        """Writes nothing."""

    @classmethod
    def pandas(cls, *arguments: Any, **keywords: Any) -> None:
        """Adds nothing."""


def trange(*arguments: int, **keywords: Any) -> tqdm:
    """A range."""
    return tqdm(range(*arguments), **keywords)


tqdm_notebook, tnrange = tqdm, trange
auto = notebook = autonotebook = std = SimpleNamespace(tqdm=tqdm, trange=trange)
