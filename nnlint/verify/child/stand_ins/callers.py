"""Who asks for what is missing, and what they would do without: read off the source of the calling line."""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

from nnlint.verify.child.stand_ins.ledger import ledger

Node = TypeVar("Node", bound=ast.AST)
HERE = os.path.dirname(__file__)
EXITS = frozenset({"exit", "_exit", "quit", "error"})
LIBRARIES = tuple({sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/etc"})
EVERYTHING = frozenset({"Exception", "BaseException"})


def caller(depth: int = 2) -> FrameType | None:
    """The frame of the code that asks: the first outside the stand-ins and the import system."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_machinery(name: str) -> bool:
    return (
        (name.startswith(HERE) and "/packages/" not in name)
        or name.startswith("<frozen importlib")
        or "/importlib/" in name
    )


def is_library(path: str) -> bool:
    """Whether a path lies where nothing of the user's can be missing."""
    if path.startswith(LIBRARIES) or "/site-packages/" in path:
        return True
    inside = os.path.join(ledger.folder, "")
    return any(
        f"{path}/".startswith(os.path.join(each, "")) and not f"{each}/".startswith(inside) for each in sys.path if each
    )


def is_users(frame: FrameType | None) -> bool:
    """Whether a frame is of the user's own code."""
    return (
        frame is not None
        and bool(ledger.folder)
        and frame.f_code.co_filename.startswith(os.path.join(ledger.folder, ""))
    )


def expects(frame: FrameType, errors: Iterable[str]) -> bool:
    """Whether the line stands in a `try` that catches one of these errors and goes on."""
    line, wanted = frame.f_lineno, frozenset(errors) | EVERYTHING
    return any(
        node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
        and any(_goes_on(handler, wanted) for handler in node.handlers)
        for node in _nodes(frame.f_code.co_filename, ast.Try)
    )


def demands(frame: FrameType) -> bool:
    """Whether the script ends where what the line asks is not so: it asserts it, or ends in an `if not` or an `else`.

    The answer may first be given a name, of which that is asked later on.
    """
    line, file = frame.f_lineno, frame.f_code.co_filename
    names = {
        ast.unparse(target)
        for node in _nodes(file, ast.Assign)
        if _spans(node, line)
        for target in node.targets
        if isinstance(target, ast.Name | ast.Attribute)
    }

    def is_asked(test: ast.expr) -> bool:
        return _spans(test, line) or any(
            ast.unparse(node) in names for node in ast.walk(test) if isinstance(node, ast.Name | ast.Attribute)
        )

    if any(is_asked(node.test) and not _negates(node.test) for node in _nodes(file, ast.Assert)):
        return True
    return any(
        is_asked(node.test) and _ends(node.body if _negates(node.test) else node.orelse)
        for node in _nodes(file, ast.If)
    )


def _negates(test: ast.expr) -> bool:
    return any(
        (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        or (isinstance(node, ast.Compare) and (_is_zero(node) or isinstance(node.ops[0], ast.Lt | ast.LtE)))
        for node in ast.walk(test)
    )


def _is_zero(node: ast.Compare) -> bool:
    """Whether a comparison asks for none, or for a falsehood."""
    other = node.comparators[0]
    return isinstance(node.ops[0], ast.Eq | ast.Is) and isinstance(other, ast.Constant) and other.value in (0, False)


def _nodes(file: str, kind: type[Node]) -> Iterator[Node]:
    return (node for node in _all_nodes(file) if isinstance(node, kind))


@functools.lru_cache(maxsize=200)
def _all_nodes(file: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse("".join(linecache.getlines(file)))))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def _spans(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _goes_on(handler: ast.ExceptHandler, wanted: frozenset[str]) -> bool:
    if handler.type is not None:
        names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if not names & wanted:
            return False
    return not _ends(handler.body)


def _ends(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Raise) or _exits(node) for each in body for node in ast.walk(each))


def _exits(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in EXITS
