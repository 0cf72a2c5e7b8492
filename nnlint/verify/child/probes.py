"""Probes: flagged spans of the script are wrapped in a call that measures their value and hands it on unchanged.

The wrapping is done on the tree of the script when it is compiled, so the user's text, its line numbers and its control flow stay
as they are. An expression `a / b` becomes `probe(3, part(3, "left", a) / part(3, "right", b))`; behind an assignment the
assigned name is measured.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from nnlint.verify.protocol import Probe

VALUE = "__nnlint_value__"
PART = "__nnlint_part__"
REACHED = "__nnlint_reached__"

Span = tuple[int, int, int, int]
NOT_WRAPPED = (ast.Starred, ast.Slice, ast.FormattedValue, ast.JoinedStr)


def with_probes(tree: ast.Module, text: str, probes: Iterable[Probe]) -> tuple[ast.Module, set[int]]:
    """The tree with these probes in it, and the numbers of those whose span is an expression or a statement of it."""
    wanted: dict[Span, list[int]] = {}
    numbers = []
    lines = text.split("\n")
    for probe in probes:
        wanted.setdefault(_in_bytes(probe, lines), []).append(probe.number)
        numbers.append(probe.number)
    wrapper = _Wrapper(wanted)
    changed = ast.fix_missing_locations(wrapper.visit(tree))
    assert isinstance(changed, ast.Module)
    left = {number for numbers in wanted.values() for number in numbers}
    return changed, {number for number in numbers if number not in left}


def _in_bytes(probe: Probe, lines: list[str]) -> Span:
    return (
        probe.line,
        _bytes_before(lines, probe.line, probe.column),
        probe.end_line,
        _bytes_before(lines, probe.end_line, probe.end_column),
    )


def _bytes_before(lines: list[str], line: int, column: int) -> int:
    return len(lines[line - 1][: column - 1].encode()) if 1 <= line <= len(lines) else column - 1


class _Wrapper(ast.NodeTransformer):
    def __init__(self, wanted: dict[Span, list[int]]) -> None:
        self.wanted = wanted

    def generic_visit(self, node: ast.AST) -> ast.AST:
        numbers = self._numbers(node)
        super().generic_visit(node)
        for field, value in ast.iter_fields(node):
            if field in ("body", "orelse", "finalbody") and isinstance(value, list):
                setattr(node, field, list(self._block(value)))
        if numbers and isinstance(node, ast.expr):
            return self._wrapped(node, numbers)
        return node

    def _numbers(self, node: ast.AST) -> list[int]:
        if not isinstance(node, ast.expr) or isinstance(node, NOT_WRAPPED):
            return []
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return []
        return self.wanted.pop(_span(node), [])

    def _wrapped(self, node: ast.expr, numbers: list[int]) -> ast.expr:
        _wrap_parts(node, numbers[0])
        for number in numbers:
            node = _call(VALUE, node, number, node)
        return node

    def _block(self, statements: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in statements:
            numbers = self.wanted.pop(_span(statement), []) if isinstance(statement, ast.stmt) else []
            if not numbers:
                yield statement
                continue
            target = _target(statement)
            if isinstance(statement, ast.AugAssign):
                yield from (_measured(statement, PART, n, _loaded(statement.target), "left") for n in numbers)
            _wrap_value(statement, numbers[0])
            yield from (_measured(statement, REACHED, number) for number in numbers)
            yield statement
            if target is not None:
                yield from (_measured(statement, VALUE, number, target) for number in numbers)


def _span(node: ast.AST) -> Span:
    return (
        getattr(node, "lineno", 0),
        getattr(node, "col_offset", 0),
        getattr(node, "end_lineno", 0) or 0,
        getattr(node, "end_col_offset", 0) or 0,
    )


def _target(statement: ast.stmt) -> ast.expr | None:
    """What an assignment binds, as an expression to read it by."""
    if isinstance(statement, ast.Assign):
        return _loaded(statement.targets[0])
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        return _loaded(statement.target) if getattr(statement, "value", None) is not None else None
    return None


def _loaded(target: ast.expr) -> ast.expr | None:
    """A copy of an assignment's target that reads it; None where reading would do more than that."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Tuple):
        parts = [_loaded(each) for each in target.elts]
        return ast.Tuple([each for each in parts if each is not None], ast.Load()) if all(parts) else None
    if isinstance(target, ast.Attribute) and isinstance(base := _loaded_base(target.value), ast.expr):
        return ast.Attribute(base, target.attr, ast.Load())
    if isinstance(target, ast.Subscript) and isinstance(target.slice, (ast.Name, ast.Constant)):
        base = _loaded_base(target.value)
        return None if base is None else ast.Subscript(base, _copied(target.slice), ast.Load())
    return None


def _loaded_base(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Name):
        return ast.Name(node.id, ast.Load())
    if isinstance(node, ast.Attribute):
        base = _loaded_base(node.value)
        return None if base is None else ast.Attribute(base, node.attr, ast.Load())
    return None


def _copied(node: ast.expr) -> ast.expr:
    return ast.Name(node.id, ast.Load()) if isinstance(node, ast.Name) else node


def _wrap_value(statement: ast.stmt, number: int) -> None:
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr) or isinstance(value, NOT_WRAPPED):
        return
    if isinstance(statement, ast.Expr):
        _wrap_parts(value, number)
        statement.value = _call(VALUE, value, number, value)
    elif isinstance(statement, ast.AugAssign):
        statement.value = _call(PART, value, number, "right", value)
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Return)):
        _wrap_parts(value, number)


def _wrap_parts(node: ast.expr, number: int) -> None:
    """Measure the operands of an operation, and the receiver and the first argument of a call, too."""
    if _is_probe(node):
        _wrap_parts(node.args[1], number)
    elif isinstance(node, ast.BinOp):
        node.left = _call(PART, node.left, number, "left", node.left)
        node.right = _call(PART, node.right, number, "right", node.right)
    elif isinstance(node, ast.Compare):
        node.left = _call(PART, node.left, number, "left", node.left)
        node.comparators[0] = _call(PART, node.comparators[0], number, "right", node.comparators[0])
    elif isinstance(node, ast.Subscript) and not isinstance(node.slice, (ast.Slice, ast.Tuple, ast.Constant)):
        node.value = _call(PART, node.value, number, "whole", node.value)
        node.slice = _call(PART, node.slice, number, "index", node.slice)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not _is_super(node.func.value):
            node.func.value = _call(PART, node.func.value, number, "receiver", node.func.value)
        if node.args and not isinstance(node.args[0], NOT_WRAPPED):
            node.args[0] = _call(PART, node.args[0], number, "argument", node.args[0])


def _is_probe(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == VALUE


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _call(function: str, at: ast.AST, *arguments: int | str | ast.expr) -> ast.Call:
    given = [each if isinstance(each, ast.expr) else ast.Constant(each) for each in arguments]
    call = ast.Call(ast.Name(function, ast.Load()), given, [])
    ast.copy_location(call, at)
    return call


def _measured(
    statement: ast.stmt, function: str, number: int, value: ast.expr | None = None, role: str = ""
) -> ast.stmt:
    arguments: list[int | str | ast.expr] = [number]
    if role:
        arguments.append(role)
    if value is not None:
        arguments.append(value)
    elif function != REACHED:
        function, arguments = REACHED, [number]
    made = ast.Expr(_call(function, statement, *arguments))
    ast.copy_location(made, statement)
    return made
