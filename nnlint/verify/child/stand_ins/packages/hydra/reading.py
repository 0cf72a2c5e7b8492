"""Files of settings in the part of YAML that settings are mostly written in: nested keys, plain values, short lists."""

from __future__ import annotations

import ast
import contextlib
import os
import re
from typing import Any

from nnlint.verify.child.stand_ins.packages.omegaconf import DictConfig

LINE = re.compile(r"^(\s*)(-\s+)?([\w./]+)\s*:\s*(.*?)\s*$")
WORDS = {"true": True, "false": False, "null": None, "none": None, "~": None, "": None}


def settings_of(folder: str, name: str) -> DictConfig:
    """The settings of a file, with those of the files that its `defaults` name; unknown ones are plausible."""
    made = DictConfig()
    text = _text(os.path.join(folder, name.removesuffix(".yaml") + ".yaml"))
    for group, chosen in _defaults(text):
        if chosen and group != name:
            part = parsed(_text(os.path.join(folder, group, f"{chosen}.yaml")))
            made[group] = DictConfig(part)
    for key, value in parsed(text).items():
        if key != "defaults":
            held = made.get(key)
            made[key] = DictConfig({**held, **value}) if isinstance(held, dict) and isinstance(value, dict) else value
    return DictConfig(made)


def _text(file: str) -> str:
    with contextlib.suppress(OSError), open(file, encoding="utf-8") as stream:
        return stream.read()
    return ""


def _defaults(text: str) -> list[tuple[str, str]]:
    block = re.search(r"^defaults:\s*\n((?:[ \t]*-.*\n?|[ \t]*\n)*)", text, re.M)
    pairs = re.findall(r"-\s*(?:override\s+)?/?([\w/]+)\s*:\s*([\w.-]+)", block.group(1)) if block else []
    return [(group, chosen) for group, chosen in pairs if chosen not in ("null", "none")]


def parsed(text: str) -> dict[str, Any]:
    """The nested keys of a text, and their values."""
    whole: dict[str, Any] = {}
    open_: list[tuple[int, dict[str, Any]]] = [(-1, whole)]
    for line in text.splitlines():
        found = LINE.match(re.sub(r"(^|\s)#.*$", "", line))
        if found is None or found.group(2):
            continue
        indent, key, value = len(found.group(1)), found.group(3), found.group(4)
        while open_[-1][0] >= indent:
            open_.pop()
        if value:
            open_[-1][1][key] = _value(value)
        else:
            made: dict[str, Any] = {}
            open_[-1][1][key] = made
            open_.append((indent, made))
    return whole


def _value(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    with contextlib.suppress(ValueError, SyntaxError):
        return ast.literal_eval(text)
    if text.startswith("["):
        return [_value(part.strip()) for part in text.strip("[]").split(",") if part.strip()]
    return text.strip("'\"")
