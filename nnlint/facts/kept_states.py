"""Weights that a training loop keeps for later by reference: what changes them, and who uses them after that."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from nnlint.events import Backward, Escaped, OptimizerStepped, Run, StateKept, StateUsed
from nnlint.facts.gradients import parts_of
from nnlint.graph import ancestors, cuts_graph, networks_behind
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import follow, select
from nnlint.values import Data, Instance, Layer, Optimizer, State, Value, alternatives, elements

BEST = regex(r"best|snapshot|saved_|optimal|winner|lowest|highest", re.IGNORECASE)
"""Names under which a model is kept for later; under other names it is only passed on."""

TRAINS = regex(r"train|fit|epoch|optimi|learn", re.IGNORECASE)
FOLLOWED = (StateKept, StateUsed, OptimizerStepped, Escaped)


class Kept(NamedTuple):
    """What was kept on one path, the event that changed it since, and whether it was saved to a file before that."""

    state: StateKept | None = None
    changed: OptimizerStepped | Escaped | None = None
    is_saved: bool = False


class Stale(NamedTuple):
    """Weights that were kept, changed, and used after that (`used` is None where a model is read by its other name)."""

    kept: StateKept
    changed: OptimizerStepped | Escaped
    used: StateUsed | Escaped | None


def is_kept_last(kept: StateKept) -> bool:
    """Whether the weights are kept because of the epoch's number alone: the last ones, which the live ones are."""
    tests = [block.test for block in edits.blocks_around(kept.at) if isinstance(block, ast.If)] if kept.at else []
    compared = [each for test in tests for each in ast.walk(test) if isinstance(each, ast.Compare)]
    if BEST.search(kept.name) or not any(_counts(each) for each in compared):
        return False
    return all(isinstance(each.ops[0], (ast.Eq, ast.NotEq, ast.In)) for each in compared)


def _counts(compared: ast.Compare) -> bool:
    """Whether a comparison is one of a number of epochs or steps: `epoch % 10 == 9`."""
    return any(isinstance(each, ast.BinOp) and isinstance(each.op, ast.Mod) for each in ast.walk(compared))


def stale_states(run: Run) -> Iterator[Stale]:
    """The weights of a run that are used after they changed, one for each place that keeps them."""
    nodes = dict.fromkeys(_node(event) for event in run.events(StateKept) if event.iterations and _owners(event))
    if not nodes:
        return
    steps = select(run.trace, lambda event: isinstance(event, FOLLOWED))
    for node in nodes:
        found: list[Stale] = []
        kept = [event for event in run.events(StateKept) if _node(event) is node and _owners(event)]
        follow(select(steps, partial(_concerns, run, kept)), Kept(), _protocol(run, node, found))
        yield from found[:1]


def _concerns(run: Run, kept: Sequence[StateKept], event: Any) -> bool:
    """Whether an event may keep, change or use any of the weights that are kept at one place."""
    if isinstance(event, StateKept):
        return _node(event) is _node(kept[0])
    if isinstance(event, StateUsed):
        return any(_uses(run, event, each) for each in kept)
    return any(
        _changes(run, event, each)
        or (isinstance(event, Escaped) and (_is_not_followed_again(event, each) or _uses(run, event, each)))
        for each in kept
    )


def _protocol(run: Run, node: Any, found: list[Stale]) -> Any:
    def advance(before: Hashable, event: Any) -> Hashable:
        kept = before if isinstance(before, Kept) else Kept()
        if isinstance(event, StateKept) and _node(event) is node:
            if kept.state is not None and isinstance(node, ast.Call):
                return kept  # a list keeps the earlier ones too
            return Kept(event) if _owners(event) else Kept()
        if kept.state is None or (isinstance(event, Escaped) and _is_not_followed_again(event, kept.state)):
            return Kept()
        if kept.changed is None and _changes(run, event, kept.state):
            if _is_alias(kept.state) and _is_read_later(kept.state, event):
                found.append(Stale(kept.state, event, None))
            return Kept(kept.state, event, kept.is_saved)
        if not isinstance(event, (StateUsed, Escaped)) or not _uses(run, event, kept.state):
            return kept
        if kept.changed is None:
            return kept._replace(is_saved=kept.is_saved or _saves(event))
        if not (kept.is_saved and _loads_nothing(event)):
            found.append(Stale(kept.state, kept.changed, event))
        return kept

    return advance


def _loads_nothing(event: StateUsed | Escaped) -> bool:
    """Whether a state is only saved or returned: whoever saves it at once, and again later or for the caller, has the first
    file. A caller that loads what is returned uses it once more."""
    return isinstance(event, StateUsed) and event.into is None


def _saves(event: StateUsed | Escaped) -> bool:
    """Whether a state is written to a file."""
    at = event.at
    return _loads_nothing(event) and isinstance(at, CodeSite) and isinstance(at.node, ast.Call)


def _is_not_followed_again(event: Escaped, kept: StateKept) -> bool:
    """Whether the call that kept the state comes again, and is not followed this time: it keeps a newer one."""
    around = [site.node for site in kept.calls if isinstance(site, CodeSite)]
    own = kept.at.statement if isinstance(kept.at, CodeSite) else None
    if not isinstance(event.at, CodeSite):
        return False
    return event.at.statement is own is not None or any(node is event.at.node for node in around)


def is_choice(kept: StateKept) -> bool:
    """Whether each arm of an `if` gives the name to another network: it says which one is used from now on."""
    value = written_for(kept)
    if not isinstance(kept.at, CodeSite) or value is None or not _is_alias(kept):
        return False
    around = [block for block in edits.blocks_around(kept.at) if isinstance(block, ast.If) and block.orelse]
    named = [each for block in around for each in ast.walk(block) if isinstance(each, ast.Assign)]
    others = [
        each
        for each in named
        if each is not kept.at.statement and any(_name(part) == kept.name for part in _parts(each.targets))
    ]
    return any(not isinstance(each.value, ast.Constant) and ast.dump(each.value) != ast.dump(value) for each in others)


def _node(event: StateKept) -> Any:
    return node_at(event.at)


def _owners(event: StateKept) -> list[Value]:
    """Whose live weights are kept: of states that are no copies, or of a model that gets another name for later."""
    states = [each for each in elements(event.state) if isinstance(each, State)]
    if states:
        return [each.owner for each in states if not each.copied and not isinstance(each.owner, Optimizer)]
    written = written_for(event)
    if not isinstance(written, (ast.Name, ast.Attribute)):
        return []
    kept: list[Value] = [each for each in elements(event.state) if isinstance(each, (Instance, Layer, Data))]
    return kept if kept and _is_meant_for_later(event, written) else []


def _is_meant_for_later(event: StateKept, written: ast.expr) -> bool:
    """Whether the other name of a model says that it is kept, or it gets it where a score is the best one so far."""
    if BEST.search(event.name) or BEST.search(ast.unparse(written)):
        return not BEST.search(ast.unparse(written))
    around = edits.blocks_around(event.at)
    return bool(around) and isinstance(around[-1], ast.If) and _keeps_a_record(around[-1])


def _keeps_a_record(branch: ast.If) -> bool:
    """Whether a branch keeps the better one of the two numbers that it compared: `if loss < low: low = loss`."""
    compared = [each for each in ast.walk(branch.test) if isinstance(each, ast.Compare) and len(each.comparators) == 1]
    pairs = [{ast.unparse(each.left), ast.unparse(each.comparators[0])} for each in compared if _is_ordered(each)]
    return any(pair in pairs for statement in branch.body for pair in _assigned(statement))


def _is_ordered(compared: ast.Compare) -> bool:
    return isinstance(compared.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))


def _assigned(statement: ast.stmt) -> Iterator[set[str]]:
    """What is assigned to what: of `low, kept = loss, model`, both pairs."""
    if not isinstance(statement, ast.Assign):
        return
    for target in statement.targets:
        is_spread = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
        values = statement.value.elts if is_spread and isinstance(statement.value, ast.Tuple) else [statement.value]
        for part, value in zip(_parts([target]), values, strict=False):
            yield {ast.unparse(part), ast.unparse(value)}


def written_for(event: StateKept) -> ast.expr | None:
    """The expression whose value is kept: of `best_score, best_model = score, model`, the one for that name."""
    statement = event.at.statement if isinstance(event.at, CodeSite) else None
    value = getattr(statement, "value", None)
    if isinstance(statement, ast.Assign) and isinstance(value, ast.Tuple):
        for target in statement.targets:
            parts = target.elts if isinstance(target, ast.Tuple) and len(target.elts) == len(value.elts) else []
            for part, expression in zip(parts, value.elts, strict=False):
                if _name(part) == event.name:
                    return expression
    return value if isinstance(value, ast.expr) else None


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_alias(event: StateKept) -> bool:
    return not any(isinstance(each, State) for each in elements(event.state))


def _is_read_later(event: StateKept, changed: OptimizerStepped | Escaped) -> bool:
    """Whether the other name of a model is read outside the loop that binds it and trains the model."""
    if not isinstance(event.at, CodeSite):
        return False
    training = [each.loop.at.statement for each in changed.iterations if isinstance(each.loop.at, CodeSite)]
    loops = (each for each in edits.loops_around(event.at) if any(each is loop for loop in training))
    loop = next(loops, None)
    targets = event.at.statement.targets if isinstance(event.at.statement, ast.Assign) else []
    if loop is None and any(_local_name(part) == event.name for part in _parts(targets)):
        return False  # the function is left before the model is trained, and makes another the next time
    inside = {id(node) for node in ast.walk(loop)} if loop is not None else set()
    for node in ast.walk(event.at.module.tree):
        if _name(node) == event.name and isinstance(getattr(node, "ctx", None), ast.Load) and id(node) not in inside:
            return True
    return False


def _local_name(target: ast.AST) -> str:
    """The name that is bound, or under which the list or dictionary is found that keeps it: `best`, `snapshot["model"]`."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def _parts(targets: list[ast.expr]) -> Iterator[ast.AST]:
    for target in targets:
        yield from target.elts if isinstance(target, (ast.Tuple, ast.List)) else (target,)


def _changes(run: Run, event: Any, kept: StateKept) -> bool:
    """Whether an event updates the weights that were kept."""
    if isinstance(event, OptimizerStepped):
        optimizers = alternatives(event.optimizer)
        return any(_trains(run, event, each, kept, owner) for each in optimizers for owner in _owners(kept))
    if isinstance(event, Escaped) and TRAINS.search(event.callee) and "state_dict" not in event.callee:
        return any(id(owner) in run.remember("given", event, _given) for owner in _owners(kept))
    return False


def _trains(run: Run, step: OptimizerStepped, optimizer: Value, kept: StateKept, owner: Value) -> bool:
    parts, own = run.remember("parts", optimizer, parts_of), run.remember("parts", owner, parts_of)
    if parts is not None and own is not None:
        return bool(parts & own)
    if isinstance(optimizer, Optimizer):
        return any(each is owner for each in optimizer.owners)
    between = (event for event in run.events(Backward) if kept.order < event.order < step.order)
    return any(id(owner) in run.remember("networks behind", event.loss, _networks_behind) for event in between)


def _networks_behind(loss: Value) -> frozenset[int]:
    """The identities of the networks that a loss depends on, and of whatever else was called: of an owner of a state, that says
    enough."""
    behind = (data for data in ancestors(loss, stop=cuts_graph) if not cuts_graph(data))
    called = (data.inputs[0] for data in behind if data.operation == "call" and data.inputs)
    return frozenset(id(each) for each in (*networks_behind(loss), *called))


def _uses(run: Run, event: StateUsed | Escaped, kept: StateKept) -> bool:
    given = run.remember("given", event, _given)
    return any(id(each) in given for each in elements(kept.state) if isinstance(each, State))


def _given(event: StateUsed | Escaped) -> frozenset[int]:
    """The identities of all that is loaded, or given away."""
    values = (event.state,) if isinstance(event, StateUsed) else event.values
    return frozenset(id(each) for value in values for each in elements(value))
