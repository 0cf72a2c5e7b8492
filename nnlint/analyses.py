"""The analyses of many units, in their order: taken from an earlier run, made one after the other, or by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from nnlint.analysis import Analysed, Analysis, Group, Kept, Progress, Trees, Work, analyse, analyse_asking
from nnlint.catalogue_table import load_files
from nnlint.interrupts import let_through
from nnlint.reading.disk import Disk
from nnlint.rule import Rule
from nnlint.shares import FORK, method_of_starting, pays
from nnlint.units import Unit

Analyses = Callable[[Sequence[Unit], Sequence[Rule], Disk, Progress, "Kept | None"], "Iterator[Analysis | None]"]
"""Who makes the analyses of units: one for each, in their order, whoever is done first; None for what an interrupt has left."""


def analyses_of(
    todo: Sequence[Unit], rules: Sequence[Rule], disk: Disk, progress: Progress, kept: Kept | None, jobs: int
) -> Iterator[Analysis | None]:
    """The analysis of each unit, by so many processes where that pays; None for what an interrupt has left."""
    if kept is None:
        for analysed in _made(todo, rules, partial(_unasked, rules, disk), progress, jobs):
            yield analysed and analysed[0]
        return
    with let_through():
        known = {number: found for number, unit in enumerate(todo) if (found := kept.get(unit)) is not None}
    missing = [unit for number, unit in enumerate(todo) if number not in known]
    made = _made(missing, rules, partial(_asking, rules, disk), progress, jobs)
    for number, unit in enumerate(todo):
        if number in known:
            yield known.pop(number)
        else:
            analysed = next(made)
            if analysed is not None:
                kept.put(unit, *analysed)
            yield analysed and analysed[0]


def _unasked(rules: Sequence[Rule], disk: Disk, unit: Unit, trees: Trees, progress: Progress) -> Analysed:
    return analyse(unit, rules, disk, trees, progress), []


def _asking(rules: Sequence[Rule], disk: Disk, unit: Unit, trees: Trees, progress: Progress) -> Analysed:
    return analyse_asking(unit, rules, disk, trees, progress)


def _made(
    todo: Sequence[Unit], rules: Sequence[Rule], work: Work, progress: Progress, jobs: int
) -> Iterator[Analysed | None]:
    method = method_of_starting()
    if method and pays(todo, jobs, method):
        from nnlint.workers import by_workers

        if method == FORK:
            load_files(rules)  # once for all processes
        yield from by_workers(todo, work, jobs, progress, method)
        return
    group = Group()
    is_interrupted = False
    for unit in todo:
        analysed = None
        try:
            with let_through():
                analysed = None if is_interrupted else work(unit, group.trees_of(unit), progress)
        except KeyboardInterrupt:
            is_interrupted = True
        yield analysed
    group.leave()
