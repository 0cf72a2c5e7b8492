"""Files that are not there: made on demand in the run's own folder, so that whatever reads them finds them."""

from __future__ import annotations

import builtins
import functools
import gzip
import io
import json
import os
import re
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnlint.verify.child.stand_ins import tables
from nnlint.verify.child.stand_ins.callers import caller, demands, expects, is_library, is_users
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

OPEN = builtins.open


def _bytes_of(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _archive(path: str) -> bytes:
    """The arrays that the script asks for by name."""
    stream = io.BytesIO()
    names = [name for name in ledger.hints.columns() if name.isidentifier()] or ["x", "y"]
    np.savez(stream, **{name: tables.array(name) for name in names})  # type: ignore[arg-type]
    return stream.getvalue()


GRAPHS = (".content", ".cites")
SETTINGS = re.compile(r"(^|[_-])(args?|cfg|conf(ig)?s?|h?params|settings|options|hyper_?parameters)([_-]|$)", re.I)


def _is_settings(path: str) -> bool:
    """Whether a file has the name of settings, not of data."""
    return SETTINGS.search(os.path.splitext(os.path.basename(path))[0]) is not None


CONTENTS: dict[str, Callable[[str], bytes]] = {
    ".csv": lambda path: tables.separated(path).encode(),
    ".tsv": lambda path: tables.separated(path, "\t").encode(),
    ".data": lambda path: tables.separated(path).encode(),
    ".txt": lambda path: tables.text(path).encode(),
    ".content": lambda path: tables.nodes(path).encode(),
    ".cites": lambda path: tables.citations().encode(),
    ".tokens": lambda path: tables.text(path).encode(),
    ".json": lambda path: json.dumps(tables.settings() if _is_settings(path) else tables.rows()).encode(),
    ".jsonl": lambda path: "\n".join(map(json.dumps, tables.rows())).encode(),
    ".yaml": lambda path: json.dumps(tables.settings()).encode(),
    ".yml": lambda path: json.dumps(tables.settings()).encode(),
    ".npy": lambda path: _bytes_of(tables.array(path)),
    ".npz": _archive,
}


def _empty_zip(path: str) -> bytes:
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    return stream.getvalue()


def _empty_tar(path: str) -> bytes:
    stream = io.BytesIO()
    tarfile.open(fileobj=stream, mode="w").close()
    return stream.getvalue()


CONTENTS |= {".zip": _empty_zip, ".tar": _empty_tar, ".tgz": lambda path: gzip.compress(_empty_tar(path))}


def bytes_of(name: str) -> bytes:
    """What a download of this name brings: the content of such a file, else a text."""
    return (_content(name.partition("?")[0]) or CONTENTS[".txt"])(name)


def _content(path: str) -> Callable[[str], bytes] | None:
    inner, suffix = os.path.splitext(path)
    if suffix.lower() != ".gz":
        return CONTENTS.get(suffix.lower())
    packed = CONTENTS.get(os.path.splitext(inner)[1].lower())
    return None if packed is None else lambda name: gzip.compress(packed(name))


def make(path: str) -> str | None:
    """Make a missing file; the path where it lies, None where nothing is known of such files."""
    content = _content(path)
    if content is None:
        return None
    place = _place(path)
    if not os.access(place, os.F_OK):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with OPEN(place, "wb") as stream:
            stream.write(content(path))
        if os.path.dirname(os.path.abspath(path)) not in ledger.folders:  # it is told as a whole
            stood_in(f"file {_shown(path)}")
    return place


def _place(path: str) -> str:
    """Where a missing file is made: at its place in the run's folder, else in a folder of its own there."""
    whole = os.path.abspath(path)
    if whole.startswith(os.path.join(ledger.folder, "")):
        return whole
    return os.path.join(ledger.folder, ".stand-ins", whole.strip("/").replace("/", "_"))


def _kept_inside(file: Any) -> Any:
    """Where a file lies whose folder the script has made outside of the run's, where it may not."""
    if not ledger.elsewhere or not isinstance(file, (str, os.PathLike)):
        return file
    path = os.path.abspath(os.fspath(file))
    if not any(path.startswith(os.path.join(str(each), "")) for each in ledger.elsewhere):
        return file
    place = _place(str(path))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    return place


def _shown(path: str) -> str:
    return os.path.relpath(path, ledger.folder) if path.startswith(ledger.folder) else path


def _is_missed(path: str) -> bool:
    """Whether somebody cannot do without: no library for its own needs, no user who catches the error."""
    if ledger.trying or is_library(path) or "/." in path.replace("/..", ""):
        return False
    frame = caller(3)
    if frame is None or "linecache" in frame.f_code.co_filename or "/torch/_" in frame.f_code.co_filename:
        return False
    return not (expects(frame, ("FileNotFoundError", "OSError", "IOError", "EnvironmentError")))


def install() -> None:
    """From now on reading a missing file finds one."""

    def open_(file: Any, mode: str = "r", *rest: Any, **keywords: Any) -> Any:
        file = _kept_inside(file)
        try:
            return OPEN(file, mode, *rest, **keywords)
        except FileNotFoundError:
            path = os.fspath(file) if isinstance(file, (str, os.PathLike)) else ""
            if not path or not _is_missed(str(path)):
                raise
            if any(letter in mode for letter in "wax"):
                place = _place(str(path))
                os.makedirs(os.path.dirname(place), exist_ok=True)
                return OPEN(place, mode, *rest, **keywords)
            place_ = make(str(path))
            if place_ is None:
                raise
            return OPEN(place_, mode, *rest, **keywords)

    put(builtins, open=open_)
    put(io, open=open_)
    for name in ("loadtxt", "genfromtxt", "load", "fromfile"):
        setattr(np, name, _of_existing(getattr(np, name)))
    put(zipfile.ZipFile, open=_member_of(zipfile.ZipFile.open))
    for name in ("ZipFile", "is_zipfile"):
        setattr(zipfile, name, _packed(getattr(zipfile, name)))
    put(tarfile, open=_packed(tarfile.open))
    put(os, popen=_answered, system=lambda command: 0)
    put(urllib.request, urlretrieve=_retrieve, urlopen=_opened)
    put(torch.hub, download_url_to_file=lambda url, file, *rest, **keywords: make(str(file)))
    put(torch, load=_load, save=_save)
    put(torch.hub, load_state_dict_from_url=_weights)
    for name in ("exists", "isfile", "isdir"):
        setattr(os.path, name, _there(getattr(os.path, name), name == "isdir"))
    _take_any_state()


def _there(look: Callable[..., bool], is_folder: bool) -> Callable[..., bool]:
    """A look whether a path exists: where the run would end for its absence, it is made."""

    def there(path: Any) -> bool:
        if look(path) or not isinstance(path, (str, os.PathLike)):
            return look(path)
        frame = caller()
        if frame is None or not is_users(frame) or not demands(frame):
            return False
        name = str(os.fspath(path))
        return is_folder or not os.path.splitext(name)[1] or make(name) is not None

    return there


def _of_existing(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_existing(file: Any, *rest: Any, **keywords: Any) -> Any:
        if isinstance(file, (str, os.PathLike)) and not os.path.exists(file):
            is_plain = "txt" in read.__name__ and not str(file).endswith(GRAPHS)
            file = _numbers(str(file), keywords) if is_plain else make(str(file)) or file
        return read(file, *rest, **keywords)

    return read_existing


def _packed(open_: Callable[..., Any]) -> Any:
    """What opens an archive: a missing one is made, and is empty."""
    if isinstance(open_, type):
        put(open_, __init__=_packed(open_.__init__))  # type: ignore[misc]
        return open_

    @functools.wraps(open_)
    def opened(*arguments: Any, **keywords: Any) -> Any:
        paths = [each for each in arguments[:2] if isinstance(each, (str, os.PathLike)) and os.path.splitext(each)[1]]
        is_read = str(keywords.get("mode") or (arguments[-1] if len(arguments) > len(paths) else "r")).startswith("r")
        if paths and is_read and not os.path.exists(paths[0]) and is_users(caller()):
            place = make(str(paths[0]))
            arguments = tuple(place if each is paths[0] and place else each for each in arguments)
        return open_(*arguments, **keywords)

    return opened


def _member_of(open_: Callable[..., Any]) -> Callable[..., Any]:
    def member(archive: Any, name: Any, mode: str = "r", *rest: Any, **keywords: Any) -> Any:
        try:
            return open_(archive, name, mode, *rest, **keywords)
        except KeyError:
            stood_in(f"file {name}")
            return io.BytesIO(bytes_of(str(name)))

    return member


def _answered(command: str, *rest: Any) -> Any:
    """What a command in a shell writes: the size of a terminal, else nothing."""
    return io.StringIO("24 80\n" if "stty size" in command else "")


def _offline(url: Any) -> None:
    """A library that can do without what it downloads learns that there is no network."""
    if ledger.trying:
        raise urllib.error.URLError(f"no network: {url}")


def _retrieve(url: str, filename: Any = None, *rest: Any, **keywords: Any) -> tuple[str, Any]:
    _offline(url)
    name = os.fspath(filename) if filename else url.rsplit("/", 1)[-1]
    return make(str(name)) or str(name), {}


def _opened(url: Any, *rest: Any, **keywords: Any) -> Any:
    _offline(url)
    name = url if isinstance(url, str) else str(getattr(url, "full_url", "page.txt"))
    stood_in(f"download {name[:80]}")
    return io.BytesIO(bytes_of(name))


def _weights(url: Any, *rest: Any, **keywords: Any) -> Checkpoint:
    """Pretrained weights: none, so a network keeps its random ones."""
    stood_in(f"pretrained weights {os.path.basename(str(url))}")
    return Checkpoint()


def _numbers(path: str, keywords: dict[str, Any]) -> io.StringIO:
    """A file of numbers alone, with as many lines before them as are to be skipped."""
    stood_in(f"file {_shown(path)}")
    lines = tables.numbers(keywords.get("delimiter") or " ")
    return io.StringIO("\n" * int(keywords.get("skiprows") or keywords.get("skip_header") or 0) + lines)


FROM_ARRAYS = frozenset({"from_numpy", "as_tensor", "tensor", "Tensor", "FloatTensor"})
"""A script that calls one of these may have stored an array in a checkpoint; any other has stored a tensor."""


class Checkpoint(dict[str, Any]):
    """The content of a missing checkpoint: every key is there, and no network objects to being loaded from it."""

    def __missing__(self, key: str) -> Any:
        name = str(key).lower()
        if any(word in name for word in ("epoch", "step", "iter", "best", "loss", "acc")):
            return 0
        return Checkpoint()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        stood_in("file of numbers")
        return self._array()[key] if ledger.hints.uses(FROM_ARRAYS) else tables.rows_of_numbers()[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._array()

    @property
    def shape(self) -> tuple[int, ...]:
        """Taken for data, it is a series in each row."""
        return tuple(self._array().shape)

    def _array(self) -> Any:
        return tables.series_in_rows()

    def eval(self) -> Checkpoint:
        """Taken for a network, it does nothing."""
        return self


LOAD, SAVE = torch.load, torch.save


def _load(file: Any, *rest: Any, **keywords: Any) -> Any:
    keywords["map_location"] = "cpu"
    if isinstance(file, (str, os.PathLike)) and not os.path.exists(file):
        stood_in(f"checkpoint {_shown(str(os.fspath(file)))}")
        return Checkpoint()
    return LOAD(file, **keywords)


def _save(content: Any, file: Any, *rest: Any, **keywords: Any) -> None:
    file = _kept_inside(file)
    if isinstance(file, (str, os.PathLike)):
        parent = os.path.dirname(os.path.abspath(file))
        if not os.path.isdir(parent):
            os.makedirs(parent, exist_ok=True)
    SAVE(content, file, *rest, **keywords)


def _take_any_state() -> None:
    for cls in (torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler):
        original = cls.load_state_dict

        def load_state_dict(owner: Any, state: Any, *rest: Any, original: Any = original, **keywords: Any) -> Any:
            return None if isinstance(state, Checkpoint) else original(owner, state, *rest, **keywords)

        put(cls, load_state_dict=load_state_dict)
