"""Generators of parameters that were used up before an optimizer is given them, or before a loop's second pass clips them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeGuard

from nnlint.events import GradientsClipped, OptimizerMade, Run
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import follow, select
from nnlint.values import Entries, Instance, Items, Layer, Optimizer, Parameters, Value, alternatives

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


class UsedTwice(NamedTuple):
    """Two optimizers that are given one generator of parameters, on one path: nothing is left for the later one."""

    later: OptimizerMade
    first: OptimizerMade
    is_all: bool
    """Whether the generator is all that the later one is given."""


def used_twice(run: Run) -> Iterator[UsedTwice]:
    """The optimizers that are given a generator of parameters that another one, or the same call of before, has used up."""
    given: dict[int, list[tuple[OptimizerMade, int]]] = {}
    for made in run.events(OptimizerMade):
        for generator, group in _generators_given(made):
            given.setdefault(id(generator), []).append((made, group))
    found: dict[object, UsedTwice] = {}
    for uses in given.values():
        if len(uses) > 1 and (not uses[0][1] or len({group for _, group in uses}) > 1):  # torch keeps a list in a group
            follow(select(run.trace, partial(_is_one_of, {id(made) for made, _ in uses})), None, _protocol(found))
    yield from found.values()


def _is_one_of(wanted: set[int], event: Any) -> bool:
    return id(event) in wanted


def _protocol(found: dict[object, UsedTwice]) -> Callable[[Hashable, Any], Hashable]:
    def advance(before: Hashable, event: Any) -> Hashable:
        if isinstance(before, OptimizerMade) and before is not event:
            is_all = not isinstance(_params(event), (Items, Entries))
            found.setdefault(node_at(event.at), UsedTwice(event, before, is_all))
        return before or event

    return advance


def _generators_given(made: OptimizerMade) -> Iterator[tuple[Parameters, int]]:
    """What torch's own `parameters()` of known networks gives, as it comes, and the identity of its group, or 0."""
    for given in alternatives(_params(made)):
        if _is_fresh(given):
            yield given, 0
        for group in given.items if isinstance(given, Items) else ():
            held = group.entries.get("params") if isinstance(group, Entries) else None
            yield from ((each, id(group)) for each in alternatives(held) if _is_fresh(each))


def _is_fresh(given: Value | None) -> TypeGuard[Parameters]:
    """Whether it is the generator itself, filtered at most: no list that was made of it."""
    node = node_at(given.at) if isinstance(given, Parameters) else None
    if not isinstance(given, Parameters) or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "parameters" and all(isinstance(owner, (Instance, Layer)) for owner in given.owners)


def _params(made: OptimizerMade) -> Value | None:
    return made.optimizer.arguments.get("params") if isinstance(made.optimizer, Optimizer) else None


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
