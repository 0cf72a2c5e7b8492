"""Folders of images that are not there: listing one gives made-up names, and opening any of them a picture."""

from __future__ import annotations

import functools
import glob
import importlib
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlint.verify.child.stand_ins import synthetic
from nnlint.verify.child.stand_ins.callers import caller, expects, is_library, is_users
from nnlint.verify.child.stand_ins.finder import is_installed
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

FILES = 256
SUFFIX = re.compile(r"\.(jpe?g|png|bmp|tiff?|gif|npy|txt|csv|json)$", re.I)
TEXTS = re.compile(r"imdb|text|review|corpus|(^|[/_])(names|pos|neg|sentences)$", re.I)
"""Folders of texts rather than of images."""

LIST, GLOB = os.listdir, glob.glob


def install() -> None:
    """From now on missing folders are full, and those that the script may not make are there."""
    put(os, listdir=_listed, makedirs=_made(os.makedirs), mkdir=_made(os.mkdir))
    put(glob, glob=_globbed)
    if is_installed("PIL"):
        image = importlib.import_module("PIL.Image")
        put(image, open=_opened(image.open, image.fromarray))


def _made(make: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(make)
    def make_or_note(path: Any, *rest: Any, **keywords: Any) -> None:
        try:
            make(path, *rest, **keywords)
        except PermissionError:
            frame = caller()
            if frame is None or not is_users(frame) or expects(frame, ("PermissionError", "OSError", "IOError")):
                raise
            stood_in(f"folder {path}")
            ledger.elsewhere.add(os.path.abspath(path))

    return make_or_note


def _listed(path: Any = ".") -> list[Any]:
    try:
        return LIST(path)
    except (FileNotFoundError, NotADirectoryError):
        if not is_users(caller()) or is_library(str(path)):
            raise
        stood_in(f"folder {path}")
        ledger.folders.add(os.path.abspath(path))
        return _names(str(path), ".txt" if TEXTS.search(str(path)) else ".jpg")


def _globbed(pattern: Any, *rest: Any, **keywords: Any) -> list[Any]:
    found = GLOB(pattern, *rest, **keywords)
    folder = os.path.dirname(str(pattern).replace("**", "")).rstrip("/*") or "."
    if found or os.path.isdir(folder) or not is_users(caller()) or is_library(folder):
        return found
    stood_in(f"folder {folder}")
    ledger.folders.add(os.path.abspath(folder))
    suffix = SUFFIX.search(str(pattern))
    return [os.path.join(folder, name) for name in _names(folder, suffix.group(0) if suffix else ".jpg")]


def _names(folder: str, suffix: str) -> list[str]:
    """Names with a class in them, as those of cats and dogs have."""
    classes = ledger.hints.classes() or 2
    return [f"class{i % classes}_{i:04}{suffix}" for i in range(FILES)]


def picture_of(name: str) -> synthetic.Array:
    """The pixels of a missing file: its class is in its name, else in its folder."""
    folder, _, last = name.rpartition("/")
    digits = re.match(r"class(\d+)_(\d+)", last)
    label = int(digits.group(1)) if digits else sum(folder.encode())
    index = int(digits.group(2)) if digits else sum(last.encode())
    side = ledger.hints.image_size() or 256
    return synthetic.image(label, index, ledger.hints.classes() or 10, (side, side, 3))


def _opened(open_: Callable[..., Any], made: Callable[[Any], Any]) -> Callable[..., Any]:
    def open_or_make(file: Any, *rest: Any, **keywords: Any) -> Any:
        try:
            return open_(file, *rest, **keywords)
        except FileNotFoundError:
            stood_in(f"images in {os.path.dirname(str(file)) or '.'}")
            return made(np.asarray(picture_of(str(file))))

    return open_or_make
