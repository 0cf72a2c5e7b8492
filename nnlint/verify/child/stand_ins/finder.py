"""Imports of what is not installed: a small package of our own where there is one, else a module that takes everything.

The finder stands last, so what can be imported is. It serves only imports that the user's files or our stand-ins ask for:
torch and other libraries try packages that they can do without, and so does a user who catches ImportError.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

from nnlint.verify.child.stand_ins.callers import caller, expects, is_users
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.permissive import attribute_of

OURS = "nnlint.verify.child.stand_ins."
PACKAGES = f"{OURS}packages"


class Finder(importlib.abc.MetaPathFinder):
    """Stands last, and finds every module that nothing else does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for the stand-in, or None where a failed import is what the user expects."""
        for later in sys.meta_path[sys.meta_path.index(self) + 1 :]:  # six puts its own finder behind
            found = later.find_spec(name, path, target) if hasattr(later, "find_spec") else None
            if found is not None:
                return found
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "nnlint" or not _is_wanted():
            return None
        standing.add(top)
        stood_in(f"package {top}")
        return _spec(name)


class FirstFinder(importlib.abc.MetaPathFinder):
    """Stands first, for modules of packages that are stood in for already, and for what is there but fails without another."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for those, None for all others."""
        top = name.partition(".")[0]
        needed = NEEDS.get(name)
        if needed is not None and not is_installed(needed):
            stood_in(f"package {needed}")
            return _spec(name)
        return _spec(name) if top in standing else None


standing: set[str] = set()
"""The packages that are stood in for."""

NEEDS = {"torch.utils.tensorboard": "tensorboard"}
"""Modules that are there, by the package that they cannot do without."""


def _spec(name: str) -> importlib.machinery.ModuleSpec:
    return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """Our own package of that name, or None for an empty module."""
        ours = f"{PACKAGES}.{spec.name}"
        return importlib.import_module(ours) if _exists(ours) else None

    def exec_module(self, module: types.ModuleType) -> None:
        """What the module lacks is as in the package above it, else permissive."""
        module.__dict__.setdefault("__path__", [])
        parent, _, name = (module.__spec__.name if module.__spec__ else "").rpartition(".")
        held = getattr(sys.modules.get(parent), "__dict__", {})
        if isinstance(held.get(name), types.SimpleNamespace):
            module.__dict__.update(vars(held[name]))
        missing = attribute_of(module.__name__)
        own = module.__dict__.get("__getattr__")

        def attribute(wanted: str) -> Any:
            if own is not None:
                with contextlib.suppress(AttributeError):
                    return own(wanted)
            return held[wanted] if wanted in held and not wanted.startswith("__") else missing(wanted)

        module.__dict__["__getattr__"] = attribute


@functools.cache
def is_installed(name: str) -> bool:
    """Whether a package is there by itself."""
    finders = [each for each in sys.meta_path if not isinstance(each, (Finder, FirstFinder))]
    return any(each.find_spec(name, None) is not None for each in finders)


def install() -> None:
    """Put the finders in place."""
    sys.meta_path.append(Finder())
    sys.meta_path.insert(0, FirstFinder())
    _add_parents()


def _add_parents() -> None:
    """The folders above the script, up to the run's own: where modules lie that a run from the top would find."""
    parent = sys.path[0]
    while parent.startswith(ledger.folder) and parent != ledger.folder:
        parent = os.path.dirname(parent)
        if parent not in sys.path:
            sys.path.append(parent)


def _exists(name: str) -> bool:
    """Whether there is a package of our own, which is a file or a folder."""
    place = os.path.join(os.path.dirname(__file__), *name.removeprefix(OURS).split("."))
    return os.path.isdir(place) or os.path.exists(f"{place}.py")


def _is_wanted() -> bool:
    """Whether the user's files or our stand-ins import, and cannot do without."""
    frame = caller()
    if frame is None:
        return False
    if frame.f_globals.get("__name__", "").startswith(PACKAGES):
        return True
    return is_users(frame) and not expects(frame, ("ImportError", "ModuleNotFoundError"))
