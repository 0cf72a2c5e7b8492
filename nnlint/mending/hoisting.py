"""A fix that moves a construction out of the loops that repeat it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.finding import Applicability, Fix
from nnlint.mending import edits
from nnlint.static.objects import CodeSite
from nnlint.values import Site


def hoisted(site: Site, message: str) -> Fix | None:
    """Moves the assignment of what is made at the site before the outermost loop that binds nothing it uses.

    None where it is no plain assignment of its own, where its own loop binds what it uses, or binds its name elsewhere.
    """
    statement = site.statement if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return None
    if statement.value is not site.node or not _is_directly_in_loop(site, statement):
        return None
    target = _target_before(site, statement)
    lines, removed = edits.statement_lines(site), edits.remove_statement(site)
    if target is None or lines is None or removed is None:
        return None
    return edits.fix(Applicability.SAFE, message, edits.insert_before(target, *lines), removed)


def _is_directly_in_loop(site: CodeSite, statement: ast.stmt) -> bool:
    loops = edits.loops_around(site)
    block = edits.block_of(site)
    return bool(loops) and isinstance(loops[-1], (ast.For, ast.AsyncFor, ast.While)) and loops[-1].body is block


def _target_before(site: CodeSite, statement: ast.Assign | ast.AnnAssign) -> CodeSite | None:
    used = {ast.unparse(node) for node in ast.walk(statement) if isinstance(node, (ast.Name, ast.Attribute))}
    outermost = None
    for loop in reversed(edits.loops_around(site)):
        if used & set(_bound_in(loop, statement)):
            break
        outermost = loop
    return None if outermost is None else edits.statement_site(site, outermost)


def _bound_in(loop: ast.stmt, but: ast.stmt) -> Iterator[str]:
    """The names and attributes that a loop binds, all but those of one statement."""
    own = {id(node) for node in ast.walk(but)}
    for node in ast.walk(loop):
        if id(node) in own:
            continue
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield ast.unparse(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
