"""What goes to another machine, and what is done with it there.

A parcel holds files that hang together, as bytes, and what their imports lead to on the disk of the machine that asks, so that
the other one needs neither the files nor the same paths.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nnlint import __version__
from nnlint.analysis import Analysis, Trees, analyse
from nnlint.cluster.sent_disk import GatheringDisk, Question, SentDisk
from nnlint.reading.disk import Disk
from nnlint.reading.document import Document
from nnlint.reading.documents import read_document
from nnlint.records import dataclass, field
from nnlint.rule import Rule
from nnlint.static.connections import Connections
from nnlint.units import Unit
from nnlint.words import Silence


@dataclass(frozen=True)
class Parcel:
    """Files that hang together: of each the path that is shown, that on disk, and the bytes; and answers of the disk."""

    files: tuple[tuple[str, str | None, bytes], ...]
    answers: dict[Question, Any]


@dataclass(frozen=True)
class Portion:
    """A unit: which of the parcels its files are in, and which files of it."""

    parcel: int
    files: tuple[int, ...]
    silences: tuple[Silence, ...]


@dataclass(frozen=True)
class Order:
    """What is to be done with parcels: the portions to analyse, by which rules, and by what code."""

    portions: tuple[Portion, ...]
    codes: tuple[str, ...]
    code: tuple[str, str, str]


@dataclass(frozen=True)
class OtherCode:
    """The answer of a machine that has another nnlint or another Python: what it has."""

    code: tuple[str, str, str]


def packed(unit: Unit, disk: Disk) -> Parcel:
    """All that the analysis of a unit, and of the others with the same files, is likely to ask for."""
    gathering = GatheringDisk(disk=disk)
    Connections().add(unit.together, gathering)
    files = tuple((document.path, document.file, document.data) for document in unit.together)
    return Parcel(files, gathering.answers)


def portion(unit: Unit, parcel: int) -> Portion:
    """The unit as a part of a parcel of its files."""
    numbers = {id(document): number for number, document in enumerate(unit.together)}
    files = tuple(numbers[id(document)] for document in unit.documents)
    return Portion(parcel, files, unit.silences)


def analyse_parcels(order: Order, *parcels: Parcel) -> list[Analysis | None] | OtherCode:
    """The analysis of each portion; None for one that asked for what was not sent.

    One at a time, whatever the number of threads: what the analysis works on is the processor and the memory.
    """
    if order.code != own_code():
        return OtherCode(own_code())
    from nnlint.catalogue import rules_by_code
    from nnlint.garbage import uncollected

    rules = [rules_by_code()[code] for code in order.codes]
    with _at_work, uncollected(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that Python's parser has about the linted code
        return [_opened(parcels[each.parcel]).analysis(each, rules) for each in order.portions]


def _opened(parcel: Parcel) -> _Opened:
    """The last parcel stays open: where it is a large one, the next portion is of it, too."""
    if not _open or _open[0].parcel is not parcel:
        _open[:] = [_Opened(parcel)]
    return _open[0]


@dataclass
class _Opened:
    parcel: Parcel
    trees: Trees = field(default_factory=dict)
    _documents: tuple[Document, ...] = ()

    def analysis(self, portion: Portion, rules: Sequence[Rule]) -> Analysis | None:
        documents = self._documents = self._documents or tuple(read_document(*file) for file in self.parcel.files)
        disk = SentDisk(answers=self.parcel.answers)
        unit = Unit(tuple(documents[n] for n in portion.files), documents, portion.silences)
        analysis = analyse(unit, rules, disk, self.trees)
        return None if disk.unanswered else analysis


_at_work = threading.Lock()
_open: list[_Opened] = []


@cache
def own_code() -> tuple[str, str, str]:
    """What findings depend on besides files and settings: the versions of nnlint and Python, and a digest of nnlint's code."""
    import importlib

    import nnlint
    from nnlint.catalogue import CATALOGUE

    digest = hashlib.blake2b(digest_size=16)
    rules = importlib.import_module(CATALOGUE).__path__
    for folder in dict.fromkeys([str(Path(nnlint.__file__).parent), *rules]):
        for file in sorted(Path(folder).rglob("*.py")):
            digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return __version__, f"{sys.version_info[0]}.{sys.version_info[1]}", digest.hexdigest()
