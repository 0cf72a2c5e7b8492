"""How a thing is called in the code: what a person may write again at another place, and where not yet."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nnlint.mending import edits
from nnlint.records import replace
from nnlint.static.objects import CodeSite
from nnlint.values import Site

OWN_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def spelling(site: Site | None) -> str:
    """The text of a name, an attribute or an entry that means the same on the next line; "" for all else."""
    if not isinstance(site, CodeSite) or not _is_plain(site.node):
        return ""
    parts = ast.walk(site.statement) if site.statement is not None else ()
    apart = (part for part in parts if isinstance(part, OWN_SCOPES))
    text = edits.code_of(site)
    return "" if "\n" in text or any(_holds(part, site.node) for part in apart) else text


def network_spelling(call: Site) -> str:
    """The text of the network in a call of it: `model`, `self.net`; "" where it is nothing as simple."""
    if not isinstance(call, CodeSite) or not isinstance(call.node, ast.Call):
        return ""
    callee: ast.expr = call.node.func
    if isinstance(callee, ast.Attribute) and callee.attr in ("forward", "module"):
        callee = callee.value
    return spelling(replace(call, node=callee))


def is_bound_in(statements: Iterable[ast.AST], text: str) -> bool:
    """Whether one of the statements assigns a part of an expression, as `spelling` gives it."""
    wanted = {ast.unparse(node) for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.expr)}
    stored = (node for each in statements for node in ast.walk(each) if _is_stored(node))
    return any(ast.unparse(node) in wanted for node in stored)


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_plain(node.value) and isinstance(node.slice, (ast.Name, ast.Constant))
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_plain(node.value))


def _holds(top: ast.AST, node: ast.AST) -> bool:
    return any(part is node for part in ast.walk(top))


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store)
