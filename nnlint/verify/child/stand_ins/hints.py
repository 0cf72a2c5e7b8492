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
CONVOLUTIONS = frozenset({"Conv2d", "LazyConv2d"})
SMALLEST_SIDE = 8
IMAGE_NAMES = frozenset({"image_size", "img_size", "imagesize", "imsize", "input_size", "crop_size", "img_dim"})


@dataclass
class Hints:
    """Facts read off the syntax of the script and of the files beside it, the script's first."""

    trees: list[ast.Module] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = [_numbers(tree) for tree in self.trees]

    def columns(self) -> list[str]:
        """The names that subscripts use, as `table["price"]` does, in order."""
        found: dict[str, None] = {}
        for node in self._nodes(ast.Subscript):
            for name in _strings(node.slice):
                found.setdefault(name)
        return list(found)

    def columns_by_place(self) -> int:
        """How many columns a table has at least of which some are taken by their places, as `table.iloc[:, 2:16]` does."""
        places = [
            node.slice.elts[1]
            for node in self._nodes(ast.Subscript)
            if isinstance(node.value, ast.Attribute)
            and node.value.attr == "iloc"
            and isinstance(node.slice, ast.Tuple)
            and len(node.slice.elts) == 2
        ]
        ends = [self._number(each.upper) for each in places if isinstance(each, ast.Slice) and each.upper is not None]
        single = [self._number(each) for each in places if not isinstance(each, ast.Slice)]
        return max([0, *(end for end in ends if end), *(each + 1 for each in single if each is not None)])

    def nested_keys(self) -> list[tuple[str, ...]]:
        """The names of nested subscripts, as `settings["model"]["width"]` has them, in order."""
        found = (tuple(_keys(node)) for node in self._nodes(ast.Subscript))
        return list(dict.fromkeys(keys for keys in found if keys))

    def number_named(self, names: frozenset[str]) -> int | None:
        """The value of the first constant or option that has one of these names."""
        return next((numbers[name] for numbers in self.numbers for name in names if name in numbers), None)

    def classes(self) -> int | None:
        """How many classes the script speaks of: a constant of such a name, or the width of the last layer."""
        for tree, numbers in zip(self.trees, self.numbers, strict=True):
            named = [numbers[name] for name in CLASS_NAMES if numbers.get(name, 0) > 1]
            sizes = [size for size in self._sizes(tree, frozenset({"Linear"}), 1, "out_features") if size > 1]
            if named or sizes:
                return [*sizes, *named][-1]
        return None

    def features(self) -> int | None:
        """How many numbers the first layer takes."""
        sizes = list(self._layer_sizes(LAYERS_IN, 0, "in_features", "input_size"))
        return (
            sizes[0]
            if sizes
            else self.number_named(frozenset({"input_size", "input_dim", "n_features", "in_features"}))
        )

    def uses(self, names: frozenset[str]) -> bool:
        """Whether the script calls something of one of these names."""
        return any(_last_name(call.func) in names for call in self._nodes(ast.Call))

    def taken_of(self, method: str) -> int | None:
        """How many things an assignment takes of the result of a method of this name."""
        for node in self._nodes(ast.Assign):
            target, value = node.targets[0], node.value
            if isinstance(value, ast.Call) and _last_name(value.func) == method and isinstance(target, ast.Tuple):
                return len(target.elts)
        return None

    def image_size(self) -> int | None:
        """How large the script's images are."""
        return self.number_named(IMAGE_NAMES) or self._side_of_flat()

    def _side_of_flat(self) -> int | None:
        """The side of images whose pixels a first layer takes all at once; None where the first layer is a convolution."""
        size = None if self.uses(CONVOLUTIONS) else self.features()
        sides = [round((size / channels) ** 0.5) for channels in (3, 1)] if size else []
        fitting = [side for side, channels in zip(sides, (3, 1), strict=False) if channels * side * side == size]
        return next((side for side in fitting if side >= SMALLEST_SIDE), None)

    def channels(self) -> int | None:
        """How many channels the first convolution takes."""
        return next(self._layer_sizes(frozenset({"Conv2d"}), 0, "in_channels"), None)

    def _nodes(self, kind: type[Any]) -> Iterator[Any]:
        for tree in self.trees:
            for node in ast.walk(tree):
                if isinstance(node, kind):
                    yield node

    def _layer_sizes(self, layers: frozenset[str], index: int, *keywords: str) -> Iterator[int]:
        for tree in self.trees:
            yield from self._sizes(tree, layers, index, *keywords)

    def _sizes(self, tree: ast.Module, layers: frozenset[str], index: int, *keywords: str) -> Iterator[int]:
        """A number that layers are made with, in the order of the text."""
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _last_name(node.func) in layers]
        for call in sorted(calls, key=lambda call: call.lineno):
            given = [keyword.value for keyword in call.keywords if keyword.arg in keywords]
            for node in (given or call.args[index:])[:1]:
                value = self._number(node)
                if value is not None:
                    yield value

    def _number(self, node: ast.expr) -> int | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = self._number(node.left), self._number(node.right)
            return left * right if left is not None and right is not None else None
        if isinstance(node, ast.Constant):
            return node.value if type(node.value) is int else None
        name = _last_name(node)
        return self.number_named(frozenset({name})) if name else None


def hints_of(folder: str, script: str) -> Hints:
    """The hints of a script and of the files beside and below it that it imports, directly or not."""
    first = os.path.join(folder, script)
    others = {os.path.basename(file).removesuffix(".py"): file for file in _python_files(os.path.dirname(first))}
    waiting, seen = [first], {first}
    trees: list[ast.Module] = []
    while waiting and len(trees) < MOST_FILES:
        tree = _parsed(waiting.pop(0))
        if tree is None:
            continue
        trees.append(tree)
        for name in _imported(tree):
            file = others.get(name)
            if file is not None and file not in seen:
                seen.add(file)
                waiting.append(file)
    return Hints(trees)


def _imported(tree: ast.Module) -> Iterator[str]:
    """The last parts of the names of imported modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (name.rpartition(".")[2] for name in names)


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


def _keys(node: ast.expr) -> Iterator[str]:
    """The constant strings of a subscript of a subscript, the outermost first."""
    if isinstance(node, ast.Subscript):
        yield from _keys(node.value)
        yield from _strings(node.slice)


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
