"""Fixes that take a layer out of a network: of a `Sequential`, a list, an `add_module`, an attribute, a functional call."""

from __future__ import annotations

import ast

from nnlint import edits
from nnlint.finding import Applicability, Edit, Fix, Place
from nnlint.static.objects import CodeSite, span
from nnlint.values import Data, Site

ADDS = frozenset({"append", "add_module", "register_module"})
PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)


def without_layer(data: Data, message: str) -> Fix | None:
    """A fix that takes a layer away which keeps its input's shape. None where its place allows no clean edit."""
    site = data.layer.at if data.layer is not None else data.at
    if not isinstance(site, CodeSite) or not isinstance(site.node, ast.Call) or site.statement is None:
        return None
    edit = _without_module(site, site.node) if data.layer is not None else _without_call(site, site.node)
    return edits.fix(Applicability.UNSAFE, message, edit)


def _without_module(site: CodeSite, node: ast.Call) -> Edit | None:
    assert site.statement is not None
    element: ast.expr = node
    parent = _parent(site.statement, node)
    if isinstance(parent, ast.Tuple) and len(parent.elts) == 2 and isinstance(parent.elts[0], ast.Constant):
        element, parent = parent, _parent(site.statement, parent)
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in ADDS:
        return edits.remove_statement(site) if isinstance(site.statement, ast.Expr) else None
    if isinstance(parent, ast.Call) and _name(parent.func) in ("Sequential", "__init__"):
        return remove_element(site, parent.args, element)
    if isinstance(parent, (ast.List, ast.Tuple)):
        return remove_element(site, parent.elts, element)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Attribute):
        return _identity(site, node)
    return None


def _identity(site: CodeSite, node: ast.Call) -> Edit | None:
    """An attribute stays, as it may be called in several places, and does nothing any more."""
    if not isinstance(node.func, ast.Attribute):
        return None
    return edits.replace(site, f"{edits.node_code(site, node.func.value)}.Identity()")


def _without_call(site: CodeSite, node: ast.Call) -> Edit | None:
    statement, given = site.statement, node.args[0] if node.args else None
    if given is None or isinstance(given, ast.Starred):
        return None
    if isinstance(statement, ast.Assign) and statement.value is node and _binds_again(statement, given):
        return edits.remove_statement(site)
    text = edits.node_code(site, given)
    return edits.replace(site, text if isinstance(given, PLAIN) else f"({text})")


def _binds_again(statement: ast.Assign, given: ast.expr) -> bool:
    """Whether the statement binds its own argument: `x = dropout(x)`."""
    targets = statement.targets
    return len(targets) == 1 and isinstance(targets[0], (ast.Name, ast.Attribute)) and _same(targets[0], given)


def _same(first: ast.expr, second: ast.expr) -> bool:
    return ast.unparse(first) == ast.unparse(second)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _parent(top: ast.AST, node: ast.AST) -> ast.AST | None:
    for candidate in ast.walk(top):
        if any(child is node for child in ast.iter_child_nodes(candidate)):
            return candidate
    return None


def remove_element(site: Site, siblings: list[ast.expr], element: ast.expr) -> Edit | None:
    """Delete one of several elements between commas: with its lines where it has them to itself.

    None where it is the only one, or shares its first or last line with an element and a comment stands between.
    """
    position = next((i for i, each in enumerate(siblings) if each is element), None)
    if not isinstance(site, CodeSite) or position is None or len(siblings) < 2:
        return None
    line, column, end_line, end_column = span(site.module, element)
    lines = site.module.lines
    tail = lines[end_line - 1][end_column - 1 :].lstrip().removeprefix(",").lstrip()
    if not lines[line - 1][: column - 1].strip() and (not tail or tail.startswith("#")):
        return _edit(site, (line, 1), (end_line + 1, 1)) if end_line < len(lines) else None
    if position + 1 < len(siblings):
        next_line, next_column, *_ = span(site.module, siblings[position + 1])
        return _edit(site, (line, column), (next_line, next_column)) if next_line == end_line else None
    _, _, last_line, last_column = span(site.module, siblings[position - 1])
    return _edit(site, (last_line, last_column), (end_line, end_column)) if last_line == line else None


def _edit(site: CodeSite, start: tuple[int, int], end: tuple[int, int]) -> Edit:
    place: Place = site.module.source.place(*start, *end)
    return Edit(place, "")
