"""All files of one lint run, and the abstract runs over them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence, Set
from functools import partial
from itertools import chain

from nnlint.events import Run
from nnlint.garbage import take_apart_later
from nnlint.lazy import regex
from nnlint.reading.disk import DISK, Disk
from nnlint.records import dataclass, field
from nnlint.report import NEWER_SYNTAX, Note
from nnlint.source import Source
from nnlint.static import assignments, definitions, expressions, statements  # noqa: F401 - they fill the machine's tables
from nnlint.static.budget import Budget
from nnlint.static.entries import entry_runs
from nnlint.static.imports import Importer
from nnlint.static.machine import Machine
from nnlint.static.objects import External, Function, Module
from nnlint.static.syntax import Newer, SyntaxProblem, Unparsable, meant, parse
from nnlint.static.test_suites import is_test_suite
from nnlint.values import Data, Value

IMPORTED = regex(r"^[ \t\f]*(?:from\s+([.\w]+)\s+import\s+(.+)|import\s+(.+))$", re.MULTILINE)
BASES = regex(r"^[ \t\f]*class\s+\w+\s*\(([^)]*)", re.MULTILINE)
WORD = regex(r"\w+")
DEEPEST_RECURSION = 4000


@dataclass
class Project:
    """The files whose runs are made, and where their imports are found: among `together`, then on the disk.

    `together` are all linted files that hang together with them by imports, `trees` what was parsed of these before, `idle`
    the paths of files that are run only where another imports them.
    `runs` is lazy: a run may be dropped before the next one is made.
    `broken` holds the files that do not parse, `notes` what was cut short or not followed; both fill as the runs are made.
    """

    sources: Sequence[Source]
    together: Sequence[Source] = ()
    trees: dict[str, ast.Module] = field(default_factory=dict)
    broken: list[SyntaxProblem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    idle: Set[str] = frozenset()
    disk: Disk = DISK

    def __post_init__(self) -> None:
        self._builtins: dict[str, External] = {}
        self._base_names: Set[str] | None = None
        self._noted: set[tuple[str, int | None, str]] = set()
        self.made: list[Run] = []
        self.called_layers: set[tuple[str, int, int]] = set()
        self.budget = Budget()
        self.by_file = {source.file: source for source in (*self.together, *self.sources) if source.file}
        self.importer = Importer(self)

    def base_names(self) -> Set[str]:
        """The words in the lists of bases of all classes of the project."""
        if self._base_names is None:
            found = (BASES.findall(source.text) for source in self.together or self.sources)
            self._base_names = {word for bases in found for each in bases for word in WORD.findall(each)}
        return self._base_names

    def runs(self) -> Iterator[Run]:
        """The abstract runs, scripts before the modules they import."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEPEST_RECURSION))
        modules = [module for source in self.sources if (module := self._parsed(source)) is not None]
        for module in _scripts_first(modules):
            if is_test_suite(module.source):
                self.note(
                    module.source, None, "not analysed: it is a test suite, which trains nothing that has to learn"
                )
            elif module.source.path not in self.idle:
                for run in entry_runs(self, module):
                    self.made.append(run)
                    yield run
        for module in modules:
            if module.source.file not in self.importer.imported:
                self.trees.pop(module.source.path, None)  # those of other files are hardly more likely to import it
        take_apart_later(partial(self._take_apart, modules))

    def _take_apart(self, modules: list[Module]) -> None:
        """Undo what makes values, runs and modules hold themselves, once nobody asks about them any more."""
        for run in self.made:
            run.memory.clear()
            for value in chain(run.ties, *run.operations.values()):
                _let_go(value)
        for module in (*modules, *self.importer.by_file.values()):
            if module is not None:
                module.names.clear()
        self.made.clear()
        del self.importer

    def _parsed(self, source: Source) -> Module | None:
        tree = self.tree(source)
        return None if tree is None else self.importer.add(source, tree)

    def tree(self, source: Source) -> ast.Module | None:
        """The tree of a source. What is wrong is kept where it does not parse; then it is the tree of what was meant, if any."""
        known = self.trees.get(source.path)
        if known is not None:
            return known
        try:
            found = self.trees[source.path] = parse(source.text)
            return found
        except Newer:
            self.note(source, None, f"not analysed: {NEWER_SYNTAX}")
        except Unparsable as problem:
            place = source.place(problem.line, problem.column, problem.line, problem.column + 1)
            instead = None if source.cells else meant(source.text)
            self.broken.append(SyntaxProblem(place, problem.message, is_read=instead is not None))
            return instead
        return None

    def note(self, source: Source, line: int | None, message: str) -> None:
        """Keep something to be told under `--verbose`, once."""
        if (source.path, line, message) in self._noted:
            return
        self._noted.add((source.path, line, message))
        place = None if line is None else source.place(line, 1, line, 1)
        self.notes.append(Note(source.path, place.line if place else None, message, place.cell if place else None))

    def builtin(self, name: str) -> External:
        """A builtin function or class."""
        found = self._builtins.get(name)
        if found is None:
            found = self._builtins[name] = External(f"builtins.{name}")
        return found

    # Imports, as the statements ask for them

    def import_name(self, machine: Machine, here: Module, name: str, node: ast.AST, level: int = 0) -> Value:
        """The module of that dotted name, run if it is first-party; a name of external code otherwise."""
        return self.importer.import_name(machine, here, name, node, level)

    def member(self, machine: Machine, base: Value, name: str, node: ast.AST) -> Value:
        """`from base import name`."""
        return self.importer.member(machine, base, name, node)

    def submodule(self, module: Module, name: str) -> Value | None:
        """A submodule of a package that was imported elsewhere."""
        return self.importer.submodule(module, name)

    def note_star(self, here: Module, base: Value) -> None:
        """`from base import *`, where the base's names are not known."""
        self.importer.note_star(here, base)

    def star_import(self, module: Module, name: str) -> Value | None:
        """A name that a star import of external code would have brought."""
        return self.importer.star_import(module, name)


def _let_go(value: Value) -> None:
    if isinstance(value, Data):
        value.inputs = ()
    elif isinstance(value, Function):
        value.closure, value.owner = (), None


def _scripts_first(modules: list[Module]) -> list[Module]:
    """Modules that no other one imports come first: run from there, functions see the arguments they really get."""
    mentioned: set[str] = set()
    for module in modules:
        own = _stem(module)
        for match in IMPORTED.finditer(module.source.text):
            mentioned.update(
                word for word in WORD.findall(" ".join(part or "" for part in match.groups())) if word != own
            )
    return sorted(modules, key=lambda module: (_stem(module) in mentioned, module.source.path))


def _stem(module: Module) -> str:
    return module.name.rpartition(".")[2]
