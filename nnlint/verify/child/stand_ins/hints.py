"""What the user's own text tells about the data it expects: column names, class counts, the sizes of first and last layers."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_FILES = 60
LARGEST_FILE = 400_000
SKIPPED_FOLDERS = frozenset({"site-packages", "node_modules", "__pycache__"})

LAYERS_IN = frozenset({"Linear", "LazyLinear", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"})
CLASS_NAMES = frozenset({"num_classes", "n_classes", "nclasses", "num_class", "n_class", "classes", "output_size"})
IMAGE_NAMES = frozenset({"image_size", "img_size", "imagesize", "imsize", "input_size", "crop_size", "img_dim"})


@dataclass
class Hints:
    """Facts read off the syntax of the script and of the files beside it, the script's first."""

    trees: list[ast.Module] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tree in reversed(self.trees):
            self.numbers |= _numbers(tree)

    def columns(self) -> list[str]:
        """The names that subscripts use, as `table["price"]` does, in order."""
        found: dict[str, None] = {}
        for node in self._nodes(ast.Subscript):
            for name in _strings(node.slice):
                found.setdefault(name)
        return list(found)

    def number_named(self, names: frozenset[str]) -> int | None:
        """The value of the first constant or option that has one of these names."""
        return next((self.numbers[name] for name in names if name in self.numbers), None)

    def classes(self) -> int | None:
        """How many classes the script speaks of."""
        named = self.number_named(CLASS_NAMES)
        if named is not None and named > 1:
            return named
        sizes = [size for size in self._layer_sizes(frozenset({"Linear"}), 1, "out_features") if size > 1]
        return sizes[-1] if sizes else None

    def features(self) -> int | None:
        """How many numbers the first layer takes."""
        sizes = list(self._layer_sizes(LAYERS_IN, 0, "in_features", "input_size"))
        return (
            sizes[0]
            if sizes
            else self.number_named(frozenset({"input_size", "input_dim", "n_features", "in_features"}))
        )

    def taken_of(self, method: str) -> int | None:
        """How many things an assignment takes of the result of a method of this name."""
        for node in self._nodes(ast.Assign):
            target, value = node.targets[0], node.value
            if isinstance(value, ast.Call) and _last_name(value.func) == method and isinstance(target, ast.Tuple):
                return len(target.elts)
        return None

    def image_size(self) -> int | None:
        """How large the script's images are."""
        return self.number_named(IMAGE_NAMES)

    def channels(self) -> int | None:
        """How many channels the first convolution takes."""
        return next(self._layer_sizes(frozenset({"Conv2d"}), 0, "in_channels"), None)

    def _nodes(self, kind: type[Any]) -> Iterator[Any]:
        for tree in self.trees:
            for node in ast.walk(tree):
                if isinstance(node, kind):
                    yield node

    def _layer_sizes(self, layers: frozenset[str], index: int, *keywords: str) -> Iterator[int]:
        calls = [call for call in self._nodes(ast.Call) if _last_name(call.func) in layers]
        for call in sorted(calls, key=lambda call: self._order(call)):
            given = [keyword.value for keyword in call.keywords if keyword.arg in keywords]
            if len(call.args) > index:
                given.append(call.args[index])
            for node in given[:1]:
                value = self._number(node)
                if value is not None:
                    yield value

    def _order(self, node: ast.expr) -> int:
        return node.lineno if len(self.trees) == 1 else 0

    def _number(self, node: ast.expr) -> int | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = self._number(node.left), self._number(node.right)
            return left * right if left is not None and right is not None else None
        if isinstance(node, ast.Constant):
            return node.value if type(node.value) is int else None
        name = _last_name(node)
        return self.numbers.get(name) if name else None


def hints_of(folder: str, script: str) -> Hints:
    """The hints of a script and of the Python files beside and below it."""
    first = os.path.join(folder, script)
    files = dict.fromkeys([first, *_python_files(os.path.dirname(first))])
    trees = [tree for file in list(files)[:MOST_FILES] if (tree := _parsed(file)) is not None]
    return Hints(trees)


def _python_files(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in SKIPPED_FOLDERS)[:20]
        yield from (os.path.join(parent, name) for name in sorted(names) if name.endswith(".py"))


def _parsed(file: str) -> ast.Module | None:
    try:
        if os.path.getsize(file) > LARGEST_FILE:
            return None
        with open(file, "rb") as stream:
            return ast.parse(stream.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _strings(node: ast.expr) -> Iterator[str]:
    elements = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
    for element in elements:
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            yield element.value


def _numbers(tree: ast.Module) -> dict[str, int]:
    """Names that are given a whole number: by an assignment, as a default, or as the default of an option."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = [(_last_name(target), node.value) for target in node.targets]
        elif isinstance(node, ast.Call):
            pairs = [(keyword.arg or "", keyword.value) for keyword in node.keywords] + list(_option(node))
        elif isinstance(node, ast.arguments):
            with_default = [*node.posonlyargs, *node.args][
                len(node.posonlyargs) + len(node.args) - len(node.defaults) :
            ]
            pairs = [(argument.arg, value) for argument, value in zip(with_default, node.defaults, strict=True)]
        else:
            continue
        for name, value in pairs:
            if name and isinstance(value, ast.Constant) and type(value.value) is int:
                found.setdefault(name.lower(), value.value)
                found.setdefault(name, value.value)
    return found


def _option(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    if _last_name(call.func) != "add_argument":
        return
    for default in (keyword.value for keyword in call.keywords if keyword.arg == "default"):
        for name in call.args:
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value.lstrip("-").replace("-", "_"), default
