"""What Python's own statements make: modules, functions, classes, bound methods, and names of code that is not at hand."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from nnlint.finding import Place
from nnlint.lazy import regex
from nnlint.records import dataclass, field
from nnlint.source import Source
from nnlint.values import Constant, Instance, Layer, Value

CALLED_BACKWARDS = regex(r"\(\s*(\w+)(\s+(?:fed|ssalc)\b)?")
"""A name before an opening bracket, and whether it is defined there, in a text read backwards: a search finds brackets
ten times faster than it tries each word."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False)
class Module(Value):
    """A first-party module: its tree, and its global names once it was run."""

    name: str
    source: Source
    tree: ast.Module
    names: dict[Any, Value] = field(default_factory=dict)
    is_package: bool = False
    executed: bool = False
    followed: set[ast.AST] = field(default_factory=set)
    generators: dict[ast.AST, bool] = field(default_factory=dict)
    has_deferred: bool = False
    replaced: list[tuple[dict[Any, Value], str, Value | None]] = field(default_factory=list)
    _lines: list[str] | None = None
    _calls: Counter[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The lines of the text, as Python's parser counts them."""
        if self._lines is None:
            self._lines = self.source.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self._lines

    def lines_of(self, first: ast.stmt | ast.expr, last: ast.stmt | ast.expr | None = None) -> list[str]:
        """The lines on which a node stands, or a node and all up to another."""
        return self.lines[first.lineno - 1 : (last or first).end_lineno]

    def text_of(self, first: ast.stmt | ast.expr, last: ast.stmt | ast.expr | None = None) -> str:
        """Those lines as one text."""
        return "\n".join(self.lines_of(first, last))

    def give_back(self) -> None:
        """Undo what the file did to the names of other files' modules and classes: another script is another process."""
        while self.replaced:
            names, name, before = self.replaced.pop()
            if before is None:
                names.pop(name, None)
            else:
                names[name] = before

    @property
    def calls(self) -> Counter[str]:
        """How often each name stands before an opening bracket where it is not defined."""
        if self._calls is None:
            found = CALLED_BACKWARDS.findall(self.source.text[::-1])
            self._calls = Counter(name[::-1] for name, defined in found if not defined)
        return self._calls


@dataclass(eq=False, slots=True)
class Deferred(Value):
    """A name that a package imports for type checkers alone: who asks the package for it has it imported then."""

    module: Module
    statement: ast.ImportFrom
    name: str


@dataclass(eq=False, slots=True)
class CodeSite:
    """A node in a module, the statement it belongs to, and the function around it (None at module level)."""

    module: Module
    node: ast.AST
    statement: ast.stmt | None = None
    function: FunctionNode | None = None

    @property
    def place(self) -> Place:
        """Where the node stands in the user's file, columns in characters."""
        line, column, end_line, end_column = span(self.module, self.node)
        return self.module.source.place(line, column, end_line, end_column)


def node_at(site: object) -> Any:
    """The node at a place in the code, by which the place is known again; what is no place in the code stands for itself."""
    return site.node if isinstance(site, CodeSite) else site


def span(module: Module, node: ast.AST) -> tuple[int, int, int, int]:
    """The node's span in its module's text: 1-based lines and columns, in characters (ast counts UTF-8 bytes)."""
    line = getattr(node, "lineno", 1)
    end_line = getattr(node, "end_lineno", None) or line
    column = characters(module, line, getattr(node, "col_offset", 0))
    end_column = characters(module, end_line, getattr(node, "end_col_offset", None) or 0)
    return line, column + 1, end_line, end_column + 1


def comments(module: Module, first: int, last: int) -> list[str]:
    """What stands behind the first `#` of each of these lines, counted from 1, both included."""
    lines = module.lines[max(first, 1) - 1 : max(last, 0)]
    return [line.partition("#")[2] for line in lines]


def characters(module: Module, line: int, offset: int) -> int:
    """How many characters the first `offset` UTF-8 bytes of a line are."""
    if line > len(module.lines):
        return offset
    text = module.lines[line - 1]
    return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))


@dataclass(eq=False, slots=True)
class External(Value):
    """A dotted name of code that is not at hand: `torch.nn.functional.softmax`."""

    name: str
    parts: dict[str, External] = field(default_factory=dict)

    def part(self, name: str) -> External:
        """The attribute of that name, always the same object."""
        found = self.parts.get(name)
        if found is None:
            found = self.parts[name] = External(f"{self.name}.{name}")
        return found


@dataclass(eq=False, slots=True)
class Function(Value):
    """A function or lambda whose source is at hand, with the scopes it closes over, innermost first."""

    node: FunctionNode
    module: Module
    closure: tuple[dict[Any, Value], ...] = ()
    defaults: dict[str, Value] = field(default_factory=dict)
    owner: Class | None = None
    decorators: tuple[Value, ...] = ()
    kind: str = "function"

    @property
    def name(self) -> str:
        """The function's name; "<lambda>" for a lambda."""
        return "<lambda>" if isinstance(self.node, ast.Lambda) else self.node.name


MOST_BASES = 100


@dataclass(eq=False, slots=True)
class Member:
    """A member of an enumeration: equal to itself alone."""

    name: str
    value: Value


@dataclass(eq=False, slots=True)
class Class(Value):
    """A class whose source is at hand."""

    node: ast.ClassDef
    module: Module
    bases: tuple[Value, ...]
    names: dict[Any, Value] = field(default_factory=dict)
    decorators: tuple[Value, ...] = ()

    def lineage(self) -> Iterator[Class]:
        """The class and its first-party bases, nearest first."""
        pending: list[Value] = [self]
        seen: set[int] = set()
        while pending and len(seen) < MOST_BASES:
            current = pending.pop(0)
            if isinstance(current, Class) and id(current) not in seen:
                seen.add(id(current))
                yield current
                pending[:0] = current.bases

    def external_bases(self) -> Iterator[str]:
        """The dotted names of the bases that are not at hand."""
        for cls in self.lineage():
            for base in cls.bases:
                if isinstance(base, External):
                    yield base.name

    def member(self, name: str) -> Constant | None:
        """The member of that name, always the same; None where the class is no enumeration, or one that equals plain values."""
        key = ("member", name)
        owner = next((cls for cls in self.lineage() if name in cls.names), None)
        if owner is None or "enum.Enum" not in self.external_bases() or len(set(self.external_bases())) > 1:
            return None
        if key not in owner.names:
            owner.names[key] = Constant(Member(name, owner.names[name]))
        found = owner.names[key]
        return found if isinstance(found, Constant) else None

    def find(self, name: str, after: Class | None = None) -> Value | None:
        """A name in the class or its bases; only in those that follow `after`, where given."""
        skipping = after is not None
        for cls in self.lineage():
            if not skipping and name in cls.names:
                return cls.names[name]
            skipping = skipping and cls is not after
        return None


def sole_definition(module: Module) -> Value | None:
    """What a name that only settings know can mean in a module: the one function or class there that nothing else uses."""
    found = [
        value
        for name, value in module.names.items()
        if isinstance(value, (Class, Function)) and not _is_part_of(module, str(name), value)
    ]
    bases = [base for each in found if isinstance(each, Class) for base in each.bases]
    free = [each for each in found if not any(each is base for base in bases)]
    return free[0] if len(free) == 1 else None


def _is_part_of(module: Module, name: str, value: Class | Function) -> bool:
    """Whether the module itself calls it; `F.nll_loss(...)` inside of `nll_loss` is another one."""
    if name.startswith("_") or module.calls[name] <= 0:  # as of the hundreds that a package brings
        return name.startswith("_")
    own = sum(not match[1] for match in re.finditer(rf"(\.\s*)?\b{name}\s*\(", module.source.text))
    return own > (value.module is module)


CONTAINER_BASES = frozenset({"Sequential", "ModuleList", "ModuleDict"})


def container_in(instance: Instance) -> Layer | None:
    """The container that an object of a class derived from one is, with its modules as they are now; None for others."""
    if not instance.is_network:
        return None
    kinds = {base.rpartition(".")[2] for base in instance.cls.external_bases()} & CONTAINER_BASES
    if not kinds:
        return None
    kind = kinds.pop()
    parts: dict[Any, Value] = {
        name: part
        for name, part in instance.attributes.items()
        if isinstance(part, Layer) or (isinstance(part, Instance) and part.is_network)
    }
    return Layer(kind, kind.lower(), {}, instance.at, parts)


@dataclass(eq=False, slots=True)
class Bound(Value):
    """A method taken from a value: `receiver.name`. `function` is its source, where at hand."""

    receiver: Value
    name: str
    function: Function | None = None


@dataclass(eq=False, slots=True)
class Super(Value):
    """`super()` inside a method of `cls`, for the object `receiver`."""

    receiver: Value
    cls: Class


@dataclass(eq=False, slots=True)
class Partial(Value):
    """`functools.partial`: a callable with some arguments already given."""

    function: Value
    arguments: tuple[Value, ...]
    keywords: dict[str, Value]


@dataclass(eq=False, slots=True)
class Native(Value):
    """A callable of the engine's own: what a decorated or wrapped thing turns into."""

    name: str
    call: Any


@dataclass(eq=False, slots=True)
class Generator(Value):
    """A call of a generator function, whose body runs when something draws from it.

    `passed` is how many values it has yielded before the one that is drawn now; None where that is not known.
    """

    function: Function
    locals: dict[Any, Value]
    receiver: Value | None
    drawn: list[Value] | None = None
    passed: int | None = None
