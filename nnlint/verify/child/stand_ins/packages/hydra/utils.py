"""What settings name is made: a class by its path, with the rest as arguments."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any

from nnlint.verify.child.stand_ins.permissive import permissive


def get_class(path: str) -> Any:
    """What lies at a path, as `torch.optim.Adam`."""
    module, _, name = str(path).rpartition(".")
    return getattr(importlib.import_module(module), name)


get_method = get_object = get_class


def instantiate(settings: Any, *arguments: Any, **keywords: Any) -> Any:
    """The object that settings describe; what is nested in them is made first."""
    if not isinstance(settings, dict) or "_target_" not in settings:
        return permissive("instantiated")
    rest = {key: value for key, value in {**settings, **keywords}.items() if not key.startswith("_")}
    made = {
        key: instantiate(value) if isinstance(value, dict) and "_target_" in value else value
        for key, value in rest.items()
    }
    target = get_class(settings["_target_"])
    if settings.get("_partial_") or keywords.get("_partial_"):
        return functools.partial(target, *arguments, **made)
    return target(*arguments, **made)


call = instantiate


def get_original_cwd() -> str:
    """Where the run is."""
    return os.getcwd()


def to_absolute_path(path: str) -> str:
    """A path from there."""
    return os.path.join(os.getcwd(), path)
