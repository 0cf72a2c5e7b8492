"""Generators of parameters that were used up before an optimizer is given them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import OptimizerMade
from nnlint.mending import edits
from nnlint.static.objects import CodeSite

USES = frozenset("list tuple sum set sorted any all len max min enumerate zip".split())
KEEPS = frozenset({"zip", "enumerate", "len"})


def used_up(made: OptimizerMade) -> CodeSite | None:
    """Where the generator that an optimizer is given was used up before, in the same block; None where it was not."""
    site = made.at
    name = _given_name(site)
    if name is None or not isinstance(site, CodeSite):
        return None
    before: list[ast.stmt] = []
    for statement in edits.block_of(site):
        if statement is site.statement:
            break
        before.append(statement)
    start = next((i for i in range(len(before) - 1, -1, -1) if name in _bound_by(before[i])), None)
    if start is None or not _is_generator(before[start], name):
        return None
    for statement in before[start + 1 :]:
        use = next(_uses(statement, name), None)
        if use is not None:
            return CodeSite(site.module, use, statement, site.function)
    return None


def _given_name(site: object) -> str | None:
    call = site.node if isinstance(site, CodeSite) else None
    if not isinstance(call, ast.Call):
        return None
    given = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "params")]
    return given[0].id if given and isinstance(given[0], ast.Name) else None


def _bound_by(statement: ast.stmt) -> set[str]:
    stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in stored if isinstance(node.ctx, ast.Store)}


def _is_generator(statement: ast.stmt, name: str) -> bool:
    """Whether it is `name = model.parameters()`, or a filter or a generator expression over it."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target, value = statement.targets[0], statement.value
    if not isinstance(target, ast.Name) or target.id != name:
        return False
    if isinstance(value, ast.GeneratorExp):
        return ".parameters()" in ast.unparse(value)
    if not isinstance(value, ast.Call):
        return False
    if isinstance(value.func, ast.Attribute):
        return value.func.attr == "parameters"
    return isinstance(value.func, ast.Name) and value.func.id == "filter" and ".parameters()" in ast.unparse(value)


def _uses(statement: ast.stmt, name: str) -> Iterator[ast.expr]:
    """The places where a statement draws all that the generator has."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.iter, ast.Name) and node.iter.id == name:
            yield node.iter
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in USES - KEEPS:
            yield from (each for each in node.args if isinstance(each, ast.Name) and each.id == name)
