"""Changes that only a verifying run makes, to see what a fault does: a rate divided, a scaling left out."""

from __future__ import annotations

import ast

from nnlint.finding import Applicability, Fix
from nnlint.mending import edits
from nnlint.static.objects import CodeSite
from nnlint.values import Site


def other_number(site: Site, message: str, becomes: str) -> Fix | None:
    """The number at a site, or that of an argument with its name, replaced; `{}` in `becomes` is what stood there."""
    if not isinstance(site, CodeSite):
        return None
    node = site.node.value if isinstance(site.node, ast.keyword) else site.node
    if not isinstance(node, ast.expr):
        return None
    text = edits.node_code(site, node)
    edit = edits.replace(CodeSite(site.module, node), becomes.format(text))
    return edits.fix(Applicability.UNSAFE, message, edit)


def left_out(site: Site, message: str) -> Fix | None:
    """An operation at a site replaced by what it was done to: the left operand, else the first argument."""
    if not isinstance(site, CodeSite):
        return None
    kept = _operand(site.node)
    if isinstance(site.node, ast.AugAssign):
        edit = edits.replace(CodeSite(site.module, site.node.value), "1")
        return edits.fix(Applicability.UNSAFE, message, edit)
    if kept is None:
        return None
    text = edits.node_code(site, kept)
    return edits.fix(Applicability.UNSAFE, message, edits.replace(site, f"({text})"))


def _operand(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.BinOp):
        number = isinstance(node.left, (ast.Constant, ast.UnaryOp)) and isinstance(node.op, ast.Mult)
        return node.right if number else node.left
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
        return node.args[0]
    return None


def only_element(site: Site, value: float, message: str) -> Fix | None:
    """The list or tuple in which a number stands, cut down to the element of that value; its lines stay as many."""
    if not isinstance(site, CodeSite):
        return None
    holders = [
        node
        for node in ast.walk(site.module.tree)
        if isinstance(node, (ast.List, ast.Tuple)) and site.node in node.elts
    ]
    kept = [each for node in holders for each in node.elts if isinstance(each, ast.Constant) and each.value == value]
    if not kept:
        return None
    holder, text = holders[0], edits.node_code(site, kept[0])
    lines = "\n" * ((holder.end_lineno or holder.lineno) - holder.lineno)
    replaced = f"[{text}{lines}]" if isinstance(holder, ast.List) else f"({text},{lines})"
    return edits.fix(Applicability.UNSAFE, message, edits.replace(CodeSite(site.module, holder), replaced))
