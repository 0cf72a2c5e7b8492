"""A value that takes whatever is done to it: what a missing package hands out where nothing better is known."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

UNPACKING = {dis.opmap[name] for name in ("UNPACK_SEQUENCE",)}


class Attributes(dict[str, Any]):
    """A dictionary with its keys as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Permissive:
    """Has every attribute, can be called, entered, indexed and computed with; iteration ends at once, unpacking does not.

    Called with one function it returns that function, as a decorator does. As a base class it is an empty one.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.__dict__["_name"] = "stand-in"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = permissive(f"{self.__dict__.get('_name', type(self).__name__)}.{name}")
        self.__dict__[name] = made
        return made

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if len(arguments) == 1 and not keywords and isinstance(arguments[0], (types.FunctionType, type)):
            return arguments[0]
        return permissive(f"{self._name}()")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (Base,)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter([permissive(f"{self._name}[{i}]") for i in range(_wanted(sys._getframe(1)))])

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __contains__(self, item: Any) -> bool:
        return False

    def __lt__(self, other: Any) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __lt__

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __fspath__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "stand-in"

    __repr__ = __str__

    def __format__(self, specification: str) -> str:
        return "stand-in"


class Base:
    """What a class derived from something missing derives from instead."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def __init_subclass__(cls, **keywords: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return permissive(name)


def permissive(name: str) -> Permissive:
    """A value of this name that takes whatever is done to it."""
    made = Permissive()
    made.__dict__["_name"] = name
    return made


def attribute_of(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for a module: whatever it lacks is a permissive value."""

    def get(name: str) -> Any:
        if name.startswith("__") and name not in ("__version__",):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return "99.0.0" if name == "__version__" else permissive(f"{module}.{name}")

    return get


def _operator(self: Any, *others: Any) -> Any:
    return self


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    setattr(Permissive, f"__{_name}__", _operator)
    setattr(Permissive, f"__r{_name}__", _operator)
for _name in "neg pos abs invert".split():
    setattr(Permissive, f"__{_name}__", _operator)


def _wanted(frame: types.FrameType) -> int:
    """How many values the instruction that iterates wants: those of an unpacking, else none."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return code[at + 1] if 0 <= at < len(code) and code[at] in UNPACKING else 0
