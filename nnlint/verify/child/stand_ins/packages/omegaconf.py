"""omegaconf: settings as keys and as attributes; those that nobody has given have plausible values."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from nnlint.verify.child.stand_ins import files, plausible

MISSING = "???"


class DictConfig(dict[str, Any]):
    """Settings, nested as they were given."""

    def __init__(self, content: Any = None, *rest: Any, **keywords: Any) -> None:
        super().__init__()
        for key, value in dict(content or {}).items():
            self[key] = _held(value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = _held(value)

    def __missing__(self, name: str) -> Any:
        return Unknown(name)


class Unknown(DictConfig):
    """A setting that nobody has given: settings of its own, or a number where it is used as one."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.__dict__["_name"] = name

    def _value(self) -> Any:
        return plausible.setting(self.__dict__["_name"])

    def __float__(self) -> float:
        return float(self._value())

    def __index__(self) -> int:
        return int(self._value())

    __int__ = __index__

    def __str__(self) -> str:
        return str(self._value())

    __fspath__ = __str__

    def __bool__(self) -> bool:
        return True


def _of_value(name: str) -> Any:
    def operate(self: Unknown, *others: Any) -> Any:
        return getattr(self._value(), name)(*others)

    return operate


for _name in "add radd sub rsub mul rmul truediv rtruediv floordiv mod pow lt le gt ge eq neg hash".split():
    setattr(Unknown, f"__{_name}__", _of_value(f"__{_name}__"))


class ListConfig(list[Any]):
    """A list of settings."""


class OmegaConf:
    """What makes settings of other things."""

    @staticmethod
    def create(content: Any = None, *rest: Any, **keywords: Any) -> Any:
        """The settings of a dictionary, a list, or an object with fields."""
        fields = getattr(content, "__dataclass_fields__", None)
        if fields is not None:
            held = content() if isinstance(content, type) else content
            return DictConfig({name: getattr(held, name, None) for name in fields})
        return _held(content if content is not None else {})

    structured = create

    @staticmethod
    def load(path: Any, *rest: Any) -> Any:
        """The settings of a file; of one that only the original could read, none, so that all are plausible."""
        name = str(path)
        with contextlib.suppress(OSError, ValueError), open(files.make(name) or name, encoding="utf-8") as stream:
            return _held(json.load(stream))
        return DictConfig()

    @staticmethod
    def merge(*settings: Any) -> DictConfig:
        """All settings together, the last ones first."""
        made = DictConfig()
        for each in settings:
            made.update(OmegaConf.create(each))
        return made

    @staticmethod
    def from_cli(*rest: Any) -> DictConfig:
        """Nothing was typed."""
        return DictConfig()

    @staticmethod
    def to_container(settings: Any, *rest: Any, **keywords: Any) -> Any:
        """The same as plain values."""
        return settings

    to_object = to_container

    @staticmethod
    def to_yaml(settings: Any, *rest: Any, **keywords: Any) -> str:
        """The same as text."""
        return json.dumps(settings, default=str)

    @staticmethod
    def _nothing(*arguments: Any, **keywords: Any) -> None:
        return None

    set_struct = set_readonly = resolve = register_new_resolver = save = register_resolver = _nothing

    @staticmethod
    def is_config(value: Any) -> bool:
        """Whether these are settings."""
        return isinstance(value, (DictConfig, ListConfig))


def open_dict(settings: Any) -> Any:
    """Settings can always be added."""
    return contextlib.nullcontext(settings)


def _held(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if isinstance(value, DictConfig) else DictConfig(value)
    return ListConfig(map(_held, value)) if isinstance(value, (list, tuple)) else value
