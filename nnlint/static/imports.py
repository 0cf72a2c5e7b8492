"""First-party imports: which file a dotted name means, and the module it holds."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nnlint.lazy import regex
from nnlint.operations import CONTAINERS, FUNCTIONS, LAYERS, LOSSES
from nnlint.reading.disk import Disk
from nnlint.reading.real_paths import RealPaths
from nnlint.records import replace
from nnlint.source import Source
from nnlint.static.machine import CutShort, Frame, Machine, Surroundings
from nnlint.static.objects import Deferred, External, Module
from nnlint.static.syntax import MeantModule
from nnlint.trace import Block
from nnlint.values import Data, Either, Value, alternatives, join_all

LARGEST_IMPORT = 1_000_000
"""Bytes of an imported module that is still read: generated tables of data are larger, hand-written code is not."""

MOST_PARENTS = 6
INNER = ("src", "lib")
"""Folders that are installed, or that scripts beside them put on the path before they import from there."""

NEVER_LOCAL = frozenset({"torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "torchvision"})
FRAMEWORKS = {
    "accelerate": "accelerator.py",
    "composer": "trainer",
    "deepspeed": "runtime",
    "fastai": "learner.py",
    "higher": "patch.py",
    "ignite": "engine",
    "lightning": "pytorch",
    "lightning_fabric": "__init__.py",
    "mmengine": "runner",
    "pytorch_lightning": "trainer",
    "skorch": "net.py",
    "torch_geometric": "nn",
    "transformers": "modeling_utils.py",
}
"""Frameworks that the tables know, and what their folder holds: beside their own source, examples use them as all others do."""

TRANSFORMS = regex(
    r"(?:Compose|ToTensor|PILToTensor|ToPILImage|Normalize|Resize|Scale|CenterCrop|FiveCrop|TenCrop|Pad|Grayscale|ColorJitter|"
    r"GaussianBlur|Random[A-Z][A-Za-z]+)$"
)
"""Names that a star import of torchvision's transforms brings."""

STAR_NAMES = frozenset({*LAYERS, *CONTAINERS, *FUNCTIONS, *LOSSES, "Module", "Parameter", "functional", "nn", "optim"})


class Importer:
    """Finds, parses and runs first-party modules, each once."""

    def __init__(self, project: Surroundings) -> None:
        self.project = project
        self.by_file: dict[str, Module | None] = {}
        self.imported: set[str] = set()
        self.found: dict[tuple[str, str], str | None] = {}
        self.externals: dict[str, External] = {}
        self.stars: dict[int, list[str]] = {}
        self.folders = Folders(project.disk)

    def add(self, source: Source, tree: ast.Module) -> Module:
        """The module of a linted source."""
        stem = re.sub(r"\.(py|ipynb)$", "", source.path).replace("/", ".")
        self.project.budget.lines += source.text.count("\n") + 1
        if isinstance(tree, MeantModule):
            source = replace(source, text=tree.text)
        module = Module(stem, source, tree, is_package=source.path.endswith("__init__.py"))
        if source.file is not None:
            self.by_file[source.file] = module
        return module

    def import_name(self, machine: Machine, here: Module, name: str, node: ast.AST, level: int = 0) -> Value:
        """The module of a dotted name: run if first-party, else external."""
        file = self._file_of(here, name, level) or self._beside_script(machine.entry, here, name, level)
        module = None if file is None else self._load(file)
        if module is not None:
            self._run(machine, module)
            return module
        if level and not name:
            return External("." * level + here.name)
        if file is None and (level or "." in name) and self._is_own(here, name, level):
            told = f"the import of {'.' * level}{name} is not followed: its source is not there"
            self.project.note(here.source, getattr(node, "lineno", None), told)
        return self.external(name)

    def _is_own(self, here: Module, name: str, level: int) -> bool:
        """Whether a name that no file was found for would be a part of the project: a relative one, or one below a package of it.

        A folder inside of another package is called by no name of its own: `numba` in `library/backends/numba` is not meant.
        """
        if here.source.file is None or level:
            return here.source.file is not None
        root = self._file_of(here, name.partition(".")[0], 0)
        if root is None or os.path.basename(root) != "__init__.py":
            return False
        return self.folders.existing(os.path.dirname(os.path.dirname(root)), []) is None

    def external(self, name: str) -> External:
        """The external code of a dotted name; one object for each."""
        root, *rest = name.split(".")
        found = self.externals.get(root)
        if found is None:
            found = self.externals[root] = External(root)
        for part in rest:
            found = found.part(part)
        return found

    def member(self, machine: Machine, base: Value, name: str, node: ast.AST) -> Value:
        """`from base import name`: a name of the module, or a submodule."""
        if isinstance(base, External):
            if base.name.startswith("."):
                return External(name)
            return base.part(name)
        if not isinstance(base, Module):
            return Data("name", (), machine.site(node), name=name)
        found = base.names.get(name)
        if found is not None:
            return self._settled(machine, base, name, found) if base.has_deferred else found
        if base.source.file is not None and base.is_package:
            file = self.folders.existing(os.path.dirname(base.source.file), [name])
            module = None if file is None else self._load(file)
            if module is not None:
                self._run(machine, module)
                return module
        return self.star_import(base, name) or Data("name", (), machine.site(node), name=name)

    def _settled(self, machine: Machine, base: Module, name: str, value: Value) -> Value:
        """The value of a package's name, imported now where that was deferred."""
        if not any(isinstance(each, Deferred) for each in alternatives(value)):
            return value
        del base.names[name]  # what is imported may ask for the name, too
        settled = join_all(self._imported(machine, each) for each in alternatives(value))
        if isinstance(value, Either) and value.open:
            settled = Either(alternatives(settled), open=True)
        base.names[name] = settled
        return settled

    def _imported(self, machine: Machine, value: Value) -> Value:
        if not isinstance(value, Deferred):
            return value
        statement = value.statement
        base = self.import_name(machine, value.module, statement.module or "", statement, statement.level)
        return self.member(machine, base, value.name, statement)

    def submodule(self, module: Module, name: str) -> Value | None:
        """A submodule of a package, if it was loaded."""
        if module.source.file is None or not module.is_package:
            return None
        file = self.folders.existing(os.path.dirname(module.source.file), [name])
        return None if file is None else self.by_file.get(file)

    def note_star(self, here: Module, base: Value) -> None:
        """Remember whose names a star import may have brought."""
        if isinstance(base, External):
            self.stars.setdefault(id(here), []).append(base.name)
        elif isinstance(base, Module):
            self.stars.setdefault(id(here), []).extend(self.stars.get(id(base), ()))

    def star_import(self, module: Module, name: str) -> Value | None:
        """A name that a star import of torch or a framework would have brought."""
        for base in self.stars.get(id(module), ()):
            if base == "torchvision.transforms":
                if name == "functional" or TRANSFORMS.match(name):
                    return self.external(base).part(name)
            elif base.startswith("torch") and name in STAR_NAMES:
                return self.external(base).part(name)
            if base.startswith(("torch.optim", "fastai", "d2l")):
                return self.external(base).part(name)
        return None

    def _file_of(self, here: Module, name: str, level: int) -> str | None:
        if here.source.file is None:
            return None
        folder = os.path.dirname(here.source.file)
        key = (folder, "." * level + name)
        if key not in self.found:
            self.found[key] = imported_file(self.folders, folder, name, level)
        return other_than_itself(self.folders, here.source.file, self.found[key], name, level)

    def _beside_script(self, entry: Module, here: Module, name: str, level: int) -> str | None:
        """The file that a name means in the folder of the script that is run, where Python looks first, whoever imports it."""
        if entry is here or level or entry.source.file is None:
            return None
        folder = os.path.dirname(entry.source.file)
        key = (folder, f"{name} beside it")
        if key not in self.found:
            found = imported_file(self.folders, folder, name)
            self.found[key] = found if found is not None and found.startswith(folder) else None
        return self.found[key]

    def _load(self, file: str) -> Module | None:
        self.imported.add(file)
        if file not in self.by_file:
            self.by_file[file] = None
            self.by_file[file] = self._read(file)
        return self.by_file[file]

    def _read(self, file: str) -> Module | None:
        source = self._source(file)
        if source is None:
            return None
        broken = len(self.project.broken)
        tree = self.project.tree(source)
        del self.project.broken[broken:]
        return None if tree is None else self.add(source, tree)

    def _source(self, file: str) -> Source | None:
        known = self.project.by_file.get(file)
        if known is not None:
            return known
        if self.project.disk.size(file) > LARGEST_IMPORT:
            return None
        document = self.project.disk.read(file)
        return None if document is None else document.source

    def _run(self, machine: Machine, module: Module) -> None:
        """Run a module's top level as an import does, in this run."""
        if module.executed:
            return
        module.executed = True
        frame, block, statement = machine.frame, machine.block, machine.statement
        journals, iterations, calls = machine.journals, machine.iterations, machine.calls
        machine.frame, machine.block, machine.journals = Frame(module, module.names), Block(), []
        machine.iterations, machine.calls = (), ()
        try:
            machine.execute(module.tree.body)
        except CutShort:
            self.project.note(module.source, None, "importing it was cut short: the step budget is used up")
            raise
        finally:
            imported = machine.block
            machine.frame, machine.block, machine.statement = frame, block, statement
            machine.journals, machine.iterations, machine.calls = journals, iterations, calls
            machine.block.items.extend(imported.items)


class Folders:
    """Where modules are looked for, each folder listed once: most names are those of code that is not at hand."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.names: dict[str, frozenset[str] | None] = {}
        self.files: dict[tuple[str, ...], str | None] = {}
        self.holding: dict[tuple[str, str], tuple[str, ...]] = {}
        self.beside: dict[str, tuple[tuple[str, ...], str]] = {}
        self.real_paths = RealPaths()

    def real(self, file: str) -> str:
        """The path of a file without links."""
        return self.real_paths.of(file)

    def existing(self, folder: str, parts: list[str]) -> str | None:
        """The file of a module, or of a package, in a folder."""
        key = (folder, *parts)
        if key not in self.files:
            self.files[key] = self._existing(folder, parts) if self._may_hold(folder, *parts[:1]) else None
        return self.files[key]

    def above(self, folder: str, root: str) -> tuple[str, ...]:
        """The folders around that one, itself included, that may hold what a name begins with, nearest first."""
        key = (folder, root)
        if key not in self.holding:
            self.holding[key] = tuple(each for each in self._searched(folder) if self._may_hold(each, root))
        return self.holding[key]

    def _searched(self, folder: str) -> Iterator[str]:
        for _ in range(MOST_PARENTS):
            inner, above = self.around(folder)
            yield folder
            yield from inner
            if self.is_top(folder):
                return
            folder = above

    def around(self, folder: str) -> tuple[tuple[str, ...], str]:
        """The `src` and the `lib` below a folder, and the folder above it: asked for each name that a file imports."""
        if folder not in self.beside:
            self.beside[folder] = tuple(os.path.join(folder, name) for name in INNER), os.path.dirname(folder)
        return self.beside[folder]

    def is_top(self, folder: str) -> bool:
        """Whether no module is looked for above the folder: it is that of a repository, or of all files."""
        return self.holds(folder, ".git") or self.around(folder)[1] == folder

    def holds(self, folder: str, name: str) -> bool:
        """Whether there is anything of that name in a folder."""
        names = self._listed(folder)
        return self.disk.holds(folder, name) if names is None else name in names

    def _existing(self, folder: str, parts: list[str]) -> str | None:
        path = os.path.join(folder, *parts)
        is_folder_there = not parts or self._is_listed(folder, parts[0])
        is_module_there = is_folder_there if len(parts) != 1 else self._is_listed(folder, f"{parts[0]}.py")
        own = [f"{path}.py"] if parts and is_module_there else []
        package = [os.path.join(path, "__init__.py")] if is_folder_there else []
        return next((each for each in (*own, *package) if self.disk.is_file(Path(each))), None)

    def _may_hold(self, folder: str, root: str = "__init__") -> bool:
        names = self._listed(folder)
        return names is None or root in names or f"{root}.py" in names

    def _is_listed(self, folder: str, name: str) -> bool:
        """Whether there may be something of that name in a folder."""
        names = self._listed(folder)
        return names is None or name in names

    def _listed(self, folder: str) -> frozenset[str] | None:
        if folder not in self.names:
            self.names[folder] = self.disk.names(folder)
        return self.names[folder]


def imported_file(folders: Folders, folder: str, name: str, level: int = 0) -> str | None:
    """The first-party file that a dotted name means in a file of that folder; None for external code.

    `level` counts the dots of a relative import.
    """
    root = name.split(".")[0]
    if not level and (root in NEVER_LOCAL or root in sys.stdlib_module_names):
        return None
    file = _resolved(folders, folder, name, level)
    return None if file is not None and not level and _is_framework(folders, file, name) else file


def other_than_itself(folders: Folders, file: str, found: str | None, name: str, level: int) -> str | None:
    """The file that is meant where a name would lead a file to itself: scripts that are run from above mean another.

    In `utils/model.py`, `import model` means the package `model` beside `utils`.
    """
    if found != file or level:
        return found
    return imported_file(folders, os.path.dirname(os.path.dirname(file)), name)


def _is_framework(folders: Folders, file: str, name: str) -> bool:
    """Whether a file belongs to the source of a framework that the tables know better than its text tells."""
    root = name.split(".")[0]
    mark = FRAMEWORKS.get(root)
    folder = next((each for each in Path(file).parents if each.name == root), None) if mark else None
    return mark is not None and folder is not None and folders.holds(str(folder), mark)


def _resolved(folders: Folders, folder: str, name: str, level: int) -> str | None:
    parts = [part for part in name.split(".") if part]
    if level:
        for _ in range(level - 1):
            folder = os.path.dirname(folder)
        return folders.existing(folder, parts)
    for around in folders.above(folder, parts[0]):
        found = folders.existing(around, parts)
        if found is not None:
            return found
    return None
