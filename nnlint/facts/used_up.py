"""Generators of parameters that were used up before an optimizer is given them, or before a loop's second pass clips them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import GradientsClipped, OptimizerMade
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Instance, Layer, Parameters, Value

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


def used_up_by_passes(clipped: GradientsClipped) -> CodeSite | None:
    """Where the generator that a loop clips was made before the loop, whose first pass uses it up; None where it was not."""
    site = clipped.at
    name = _given_name(site)
    if name is None or not isinstance(site, CodeSite):
        return None
    loops = edits.loops_around(site)
    around = edits.statement_site(site, loops[-1]) if loops and name not in _bound_by(loops[-1]) else None
    made = None if around is None else _last_bound(around, name)
    if made is None or not _is_generator(made, name) or not _is_of_torch(clipped.target, made):
        return None
    return CodeSite(site.module, made, made, site.function)


def _is_of_torch(clipped: Value, made: ast.stmt) -> bool:
    """Whether torch's own `parameters()` of known networks, and no method of the same name, made what is clipped there."""
    if not isinstance(clipped, Parameters) or not all(isinstance(each, (Instance, Layer)) for each in clipped.owners):
        return False
    return any(node is node_at(clipped.at) for node in ast.walk(made))


def _last_bound(site: CodeSite, name: str) -> ast.stmt | None:
    """The last statement that binds a name before a statement, in its block or in the blocks around it."""
    own = [] if site.statement is None else [site.statement]
    for statement in (*own, *reversed(edits.blocks_around(site))):
        block = edits.block_of(CodeSite(site.module, statement, statement, site.function))
        before = block[: next((i for i, each in enumerate(block) if each is statement), 0)]
        found = next((each for each in reversed(before) if name in _bound_by(each)), None)
        if found is not None:
            return found
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
