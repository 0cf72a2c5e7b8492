"""Fixes that take a layer out of a network: of a `Sequential`, a list, an `add_module`, an attribute, a functional call."""

from __future__ import annotations

import ast

from nnlint.finding import Applicability, Edit, Fix, Place
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, External, span
from nnlint.values import Data, Site

ADDS = frozenset({"append", "add_module", "register_module"})
PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)


def without_layer(data: Data, message: str) -> Fix | None:
    """A fix that takes a layer away which keeps its input's shape. None where its place allows no clean edit."""
    site = data.layer.at if data.layer is not None else data.at
    if not isinstance(site, CodeSite) or not isinstance(site.node, ast.Call) or site.statement is None:
        return None
    if data.layer is None:
        edit = _without_call(data, site)
    elif _is_attribute(site.statement, site.node):
        edit = _identity(site, site.node)
    else:
        edit = _out_of_container(site, site.statement, site.node)
    return edits.fix(Applicability.UNSAFE, message, edit)


def without_use(data: Data, message: str) -> Fix | None:
    """A fix after which an operation is not done at this place: a module that an attribute holds stays for its other uses."""
    made = data.layer.at if data.layer is not None else None
    if not isinstance(data.at, CodeSite) or (data.layer is not None and not isinstance(made, CodeSite)):
        return None
    if not isinstance(made, CodeSite) or getattr(data.at.node, "func", None) is made.node:
        return edits.fix(Applicability.UNSAFE, message, _without_call(data, data.at))
    if not isinstance(made.node, ast.Call) or made.statement is None:
        return None
    assigned = _assigned(made)
    if assigned is None:
        return edits.fix(Applicability.UNSAFE, message, _out_of_container(made, made.statement, made.node))
    called = data.at.node.func if isinstance(data.at.node, ast.Call) else None
    is_its_call = called is not None and _same(assigned, called)
    return edits.fix(Applicability.UNSAFE, message, _without_call(data, data.at)) if is_its_call else None


def _assigned(site: CodeSite) -> ast.expr | None:
    """The target to which the statement of a call binds its result."""
    statement = site.statement
    is_bound = isinstance(statement, ast.Assign) and statement.value is site.node and len(statement.targets) == 1
    return statement.targets[0] if is_bound and isinstance(statement, ast.Assign) else None


def _is_attribute(statement: ast.stmt, node: ast.Call) -> bool:
    parent = _parent(statement, node)
    return isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Attribute)


def _out_of_container(site: CodeSite, statement: ast.stmt, node: ast.Call) -> Edit | None:
    element: ast.expr = node
    parent = _parent(statement, node)
    if isinstance(parent, ast.Tuple) and len(parent.elts) == 2 and isinstance(parent.elts[0], ast.Constant):
        element, parent = parent, _parent(statement, parent)
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in ADDS:
        return edits.remove_statement(site) if isinstance(statement, ast.Expr) else None
    if isinstance(parent, ast.Call) and _name(parent.func) in ("Sequential", "__init__"):
        return remove_element(site, parent.args, element)
    if isinstance(parent, (ast.List, ast.Tuple)):
        return remove_element(site, parent.elts, element)
    return None


def _identity(site: CodeSite, node: ast.Call) -> Edit | None:
    """An attribute stays, as it may be called in several places, and does nothing any more."""
    if not isinstance(node.func, ast.Attribute):
        return None
    return edits.replace(site, f"{edits.node_code(site, node.func.value)}.Identity()")


def _without_call(data: Data, site: CodeSite) -> Edit | None:
    """The call becomes what it was given; a statement that binds its own argument again goes."""
    statement, node = site.statement, site.node
    given = _given(data, site, node) if isinstance(node, ast.Call) else None
    if given is None or isinstance(given, ast.Starred):
        return None
    if isinstance(statement, ast.Assign) and statement.value is node and _binds_again(statement, given):
        return edits.remove_statement(site) if edits.keeps_comments(site, "") else None
    text = edits.node_code(site, given)
    return edits.replace(site, text if isinstance(given, PLAIN) else f"({text})")


def _given(data: Data, site: CodeSite, node: ast.Call) -> ast.expr | None:
    """What a call was given as its input: the receiver of a tensor's method, else the first argument."""
    function = node.func
    if data.layer is None and isinstance(function, ast.Attribute) and not _is_of_library(function.value, site):
        return function.value
    if node.args:
        return node.args[0]
    return next((keyword.value for keyword in node.keywords if keyword.arg in ("input", "x")), None)


def _is_of_library(node: ast.expr, site: CodeSite) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and isinstance(site.module.names.get(node.id), External)


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

    None where it is the only one, or where a comment stands between it and the element that comes in its place.
    """
    position = next((i for i, each in enumerate(siblings) if each is element), None)
    if not isinstance(site, CodeSite) or position is None or len(siblings) < 2:
        return None
    line, column, end_line, end_column = span(site.module, element)
    lines = site.module.lines
    tail = lines[end_line - 1][end_column - 1 :].lstrip().removeprefix(",").lstrip()
    if not lines[line - 1][: column - 1].strip() and (not tail or tail.startswith("#")):
        return _edit(site, (line, 1), (end_line + 1, 1)) if end_line < len(lines) else None
    following = span(site.module, siblings[position + 1])[:2] if position + 1 < len(siblings) else None
    if following is not None and (following[0] == end_line or not position):
        has_comment = any("#" in text for text in lines[end_line - 1 : following[0] - 1])
        return None if has_comment else _edit(site, (line, column), following)
    _, _, last_line, last_column = span(site.module, siblings[position - 1])
    has_comment = any("#" in text for text in lines[last_line - 1 : line - 1])
    return None if has_comment else _edit(site, (last_line, last_column), (end_line, end_column))


def _edit(site: CodeSite, start: tuple[int, int], end: tuple[int, int]) -> Edit:
    place: Place = site.module.source.place(*start, *end)
    return Edit(place, "")
