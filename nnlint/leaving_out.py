"""The edit that leaves an operation out of a network or a training step, so that its input goes on instead."""

from __future__ import annotations

import ast

from nnlint import edits
from nnlint.finding import Edit
from nnlint.static.objects import CodeSite, External
from nnlint.values import Data, Value


def leave_out(data: Data) -> Edit | None:
    """The edit without which the operation is done: a call becomes what it was given, a module leaves its container.

    None where the text does not show clearly what to edit.
    """
    if not isinstance(data.at, CodeSite):
        return None
    layer = data.layer
    if layer is None:
        return _unwrap(data, data.at)
    if not isinstance(layer.at, CodeSite) or not isinstance(layer.at.node, ast.Call):
        return None
    if getattr(data.at.node, "func", None) is layer.at.node:
        return _unwrap(data, data.at)
    assigned = _assigned_name(layer.at)
    if assigned:
        return _unwrap(data, data.at) if _called_name(data.at) == assigned else None
    statement = layer.at.statement
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        name = getattr(statement.value.func, "attr", "")
        if name in ("append", "add_module") and layer.at.node in statement.value.args:
            return edits.remove_statement(layer.at)
    return edits.remove_element(layer.at)


def _assigned_name(site: CodeSite) -> str:
    """The name to which the call's statement binds its result."""
    statement = site.statement
    if isinstance(statement, ast.Assign) and statement.value is site.node and len(statement.targets) == 1:
        return ast.unparse(statement.targets[0])
    return ""


def _called_name(site: CodeSite) -> str:
    return ast.unparse(site.node.func) if isinstance(site.node, ast.Call) else ""


def _unwrap(data: Data, site: CodeSite) -> Edit | None:
    node = site.node
    if not isinstance(node, ast.Call):
        return None
    inner = _inner(data, node, site)
    if inner is None or isinstance(inner, ast.Starred):
        return None
    if _assigned_name(site) == ast.unparse(inner):
        return edits.remove_statement(site)
    return edits.replace_by_part(site, inner)


def _inner(data: Data, node: ast.Call, site: CodeSite) -> ast.expr | None:
    """What the call was given as its input: the receiver of a tensor's method, else the first argument."""
    function = node.func
    if data.layer is None and isinstance(function, ast.Attribute) and not _is_of_library(function.value, site):
        return function.value
    if node.args:
        return node.args[0]
    return next((keyword.value for keyword in node.keywords if keyword.arg in ("input", "x")), None)


def _is_of_library(node: ast.expr, site: CodeSite) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    bound: Value | None = site.module.names.get(node.id)
    return isinstance(bound, External)
