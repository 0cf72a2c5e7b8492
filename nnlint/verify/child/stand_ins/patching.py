"""Replacing functions and classes of libraries."""

from __future__ import annotations

from typing import Any


def put(owner: Any, **values: Any) -> None:
    """Give a module or a class other attributes of these names."""
    for name, value in values.items():
        setattr(owner, name, value)
