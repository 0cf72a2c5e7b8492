"""What is made anew in every pass of a loop, over things that live on: an optimizer per batch, over one model.

A loop is followed for two passes. What both make at the same place, over the same objects, is remade; where the objects are made
in the loop too, or drawn by it (a fold's model, a layer, an image), it belongs to the pass.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from nnlint.events import Escaped, Event, Iteration, ModelBuilt, Run, StateUsed
from nnlint.facts.gradients import parts_of
from nnlint.facts.loops import counts_epochs, counts_trials, draws_batches, is_over_choices
from nnlint.lazy import regex
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Instance, Value, elements

Made = TypeVar("Made", bound=Event)
RESETS = regex(r"init|reset|load|restor|build|prune|rewind|grow|creat", re.IGNORECASE)
RESETS_WEIGHTS = regex(
    r"\b(reset_?(param|weight|model|net)\w*|re_?init\w*|(param|weights?)_(init|reset)\w*|init\w*_(weights?|param\w*))\b"
    r"|\.apply\("
)


@dataclass(frozen=True)
class Remade(Generic[Made]):
    """A construction that `iteration` repeats, and what uses it: directly, or in the `inner` loops.

    It is `guarded` where some passes go without: the one of an earlier pass is used on.
    """

    made: Made
    used: Event
    iteration: Iteration
    inner: tuple[Iteration, ...]
    guarded: bool


def remade(
    run: Run,
    made: Sequence[Made],
    used: Event,
    candidates: Sequence[Made | None],
    owners: Callable[[Made], Sequence[Value]],
) -> Iterator[Remade[Made]]:
    """The constructions among `candidates` (None: one that is not known) behind a use, that a loop around both repeats."""
    for each in candidates:
        shared = _shared(each, used) if each is not None else ()
        if each is None or not shared or shared[-1].number < 2:
            continue
        here = shared[-1]
        if not any(_is_repeated(earlier, each, here, owners) for earlier in made):
            continue
        if not _resets(run, each, here, owners(each)):
            guarded = any(other is None or here not in other.iterations for other in candidates)
            yield Remade(each, used, here, used.iterations[len(shared) :], guarded)


def holds_own_training(found: Remade[Made]) -> bool:
    """Whether each pass of the loop is a training of its own: a trial, a phase, a task, with its epochs inside."""
    loop, inner = found.iteration.loop, found.inner
    if any(counts_epochs(each.loop) and not draws_batches(each.loop) for each in inner):
        return True
    if counts_epochs(loop):
        return False
    if counts_trials(loop) and not draws_batches(loop):
        return True
    if not inner:
        return False
    return len(inner) > 1 or is_over_choices(loop) or not draws_batches(inner[-1].loop)


def is_periodic(found: Remade[Made]) -> bool:
    """Whether the guard holds again and again: `epoch % 10 == 0`."""
    sites = (*found.made.calls, found.made.at)
    return any(_stands_under_modulo(site) for site in sites if isinstance(site, CodeSite))


def _stands_under_modulo(site: CodeSite) -> bool:
    top = site.function if site.function is not None else site.module.tree
    for node in ast.walk(top):
        if isinstance(node, ast.If) and any(isinstance(part, ast.Mod) for part in ast.walk(node.test)):
            body = (part for statement in node.body for part in ast.walk(statement))
            if any(part is site.statement for part in body):
                return True
    return False


def _shared(made: Event, used: Event) -> tuple[Iteration, ...]:
    count = 0
    for first, second in zip(made.iterations, used.iterations, strict=False):
        if first is not second:
            break
        count += 1
    return made.iterations[:count]


def _is_repeated(earlier: Made, later: Made, here: Iteration, owners: Callable[[Made], Sequence[Value]]) -> bool:
    """Whether an earlier pass of the same loop made the same, over the same objects."""
    if earlier is later or not _same_node(earlier, later):
        return False
    if not any(each.loop is here.loop and each.number < here.number for each in earlier.iterations):
        return False
    before, after = owners(earlier), owners(later)
    return bool(after) and [id(owner) for owner in before] == [id(owner) for owner in after]


def _same_node(first: Event, second: Event) -> bool:
    return isinstance(first.at, CodeSite) and isinstance(second.at, CodeSite) and first.at.node is second.at.node


def _resets(run: Run, made: Event, here: Iteration, owners: Sequence[Value]) -> bool:
    """Whether the pass sets the weights back, loads others or adds to the network before: a training starts there."""
    parts = {part for owner in owners for part in (parts_of(owner) or {id(owner)})} | {id(owner) for owner in owners}
    around = parts | {holder for owner in owners for holder in _holders(owner)}
    for event in run.all_events[: made.order]:
        if here in event.iterations and _starts_anew(event, around if isinstance(event, StateUsed) else parts):
            return True
    statement = here.loop.at.statement if isinstance(here.loop.at, CodeSite) else None
    if not isinstance(here.loop.at, CodeSite) or not isinstance(statement, (ast.For, ast.AsyncFor, ast.While)):
        return False
    lines = here.loop.at.module.lines_of(statement)
    return any(RESETS_WEIGHTS.search(line.partition("#")[0]) for line in lines)


def _holders(owner: Value) -> Iterator[int]:
    """What a part of a network that is not at hand is a part of: of `network.encoder`, wrapped or not, the network."""
    for each in elements(owner):
        current: Value = each
        while isinstance(current, Data) and current.operation in ("attribute", "call", "method") and current.inputs:
            current = current.inputs[0]
            yield id(current)


def _starts_anew(event: Event, parts: set[int]) -> bool:
    if isinstance(event, StateUsed):
        return event.into is not None and _touches(event.into, parts)
    if isinstance(event, ModelBuilt):
        return id(event.model) in parts
    if isinstance(event, Escaped) and RESETS.search(event.callee):
        return any(_touches(value, parts) for value in event.values)
    return False


def _touches(value: Value, parts: set[int]) -> bool:
    for each in elements(value):
        held = (each, *each.attributes.values()) if isinstance(each, Instance) else (each,)
        if any(id(part) in parts for part in held):
            return True
    return False
