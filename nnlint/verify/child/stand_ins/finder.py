"""Imports of what is not installed: a small package of our own where there is one, else a module that takes everything.

The finder stands last, so what can be imported is. It serves only imports that the user's files or our stand-ins ask for:
torch and other libraries try packages that they can do without, and so does a user who catches ImportError.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence

from nnlint.verify.child.stand_ins.callers import caller, expects, is_users
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.permissive import attribute_of

OURS = "nnlint.verify.child.stand_ins."
PACKAGES = f"{OURS}packages"
TORCH_TENSORBOARD = "torch.utils.tensorboard"


class Finder(importlib.abc.MetaPathFinder):
    """Finds every module that nothing else does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for the stand-in, or None where a failed import is what the user expects."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "nnlint" or not _is_wanted():
            return None
        stood_in(f"package {top}")
        return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)


class TensorBoardFinder(importlib.abc.MetaPathFinder):
    """`torch.utils.tensorboard` is there and fails where TensorBoard is not; so this finder stands first."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for that one module, where TensorBoard is missing."""
        if name != TORCH_TENSORBOARD:
            return None
        stood_in("package tensorboard")
        return importlib.machinery.ModuleSpec(name, _Loader(), is_package=True)


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """Our own package of that name, or None for an empty module."""
        ours = f"{PACKAGES}.{spec.name}"
        return importlib.import_module(ours) if _exists(ours) else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Whatever the module lacks is permissive."""
        module.__dict__.setdefault("__path__", [])
        module.__dict__.setdefault("__getattr__", attribute_of(module.__name__))


@functools.cache
def is_installed(name: str) -> bool:
    """Whether a package is there by itself."""
    finders = [each for each in sys.meta_path if not isinstance(each, (Finder, TensorBoardFinder))]
    return any(each.find_spec(name, None) is not None for each in finders)


def install() -> None:
    """Put the finders in place."""
    sys.meta_path.append(Finder())
    if not is_installed("tensorboard"):
        sys.meta_path.insert(0, TensorBoardFinder())
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
