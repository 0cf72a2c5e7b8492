"""Running totals that keep the graph: what is added up, or kept in a list, after it was differentiated by itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nnlint.events import Accumulated, Backward, Differentiated, Event, Iteration, Loop, OptimizerStepped, Run
from nnlint.facts.differentiated import behind
from nnlint.facts.gradients import OPEN_OPERATIONS
from nnlint.graph import ancestors, cuts_graph, has_network_behind
from nnlint.lazy import regex
from nnlint.mending.edits import loops_around
from nnlint.operations import TRANSPARENT
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Either, Entries, Items, Value

ARITHMETIC = frozenset(
    "add subtract multiply divide power negative mean sum sqrt exp log abs square clamp max min maximum minimum where".split()
)
KEEPS_GRAPH = (TRANSPARENT | ARITHMETIC) - {"detach", "numpy", "array", "tensor", "values", "output"}
"""Operations whose result is a term of the loss as much as what they were given."""

SIZES = frozenset("size shape numel nelement dim ndim device dtype length".split())
MOST_TERMS = 300
AT_STEPS = regex(r"sync_gradients|accumulat")
"""How code asks whether the gradients of several batches are together."""


@dataclass(frozen=True)
class LiveTotal:
    """A total that grows by a live graph in every pass: `loss` is where that graph was differentiated by itself."""

    total: Accumulated
    loss: Backward


def live_totals(run: Run) -> Iterator[LiveTotal]:
    """The totals of a run that keep graphs which nothing differentiates any more, in order."""
    totals = [event for event in run.events(Accumulated) if event.iterations and _is_kept(event)]
    backwards = list(run.events(Backward))
    if run.cut_short or not totals or not backwards:
        return
    held = {id(each) for event in totals for each in (event.total, event.result)}
    held -= {id(event.loss) for event in backwards}  # a sum over the parts of a batch is a loss like any other
    terms = {backward: _terms(backward.loss, held) for backward in backwards}
    for total in totals:
        near = [each for each in backwards if each.iterations[:1] == total.iterations[:1]]
        added = _terms(total.value, held, own=total.value) if near else {}
        loss = next((each for each in near if _is_differentiated_alone(total, each, added, terms[each])), None)
        if (
            loss is None
            or not _outlives(run, totals, total, loss)
            or _begins_anew_at_steps(total)
            or _is_differentiated_whole(totals, total, loss, _differentiated(run))
        ):
            continue
        yield LiveTotal(total, loss)


def _is_kept(event: Accumulated) -> bool:
    """Whether the total certainly keeps what it is given: a sum with a graph, a list; not a meter that is not at hand."""
    if isinstance(event.result, Data) and event.result is event.total:
        node = event.at.node if isinstance(event.at, CodeSite) else None
        return getattr(getattr(node, "func", None), "attr", "") in ("append", "appendleft")
    return not isinstance(event.result, Data) or event.result.gradient is True


def _terms(value: Value | None, held: set[int], own: Value | None = None) -> dict[int, Data]:
    """The data that a value consists of, through arithmetic and views, where gradients flow; through no total but its own."""
    found: dict[int, Data] = {}
    seen: set[int] = set()
    pending = [value]
    while pending and len(found) < MOST_TERMS:
        current = pending.pop()
        if current is None or id(current) in seen or (id(current) in held and current is not own):
            continue
        seen.add(id(current))
        if isinstance(current, Either):
            pending.extend(current.alternatives)
        elif isinstance(current, Items):
            pending.extend(current.items)
        elif isinstance(current, Entries):
            pending.extend(current.entries.values())
        elif isinstance(current, Data) and not cuts_graph(current) and current.gradient is not None:
            found[id(current)] = current
            if current.operation in KEEPS_GRAPH and not _is_part_of_result(current):
                pending.extend(current.inputs)
    return found


def _is_part_of_result(data: Data) -> bool:
    """Whether the data is one of several that code not at hand returned: of which some may be cut from the graph."""
    whole = data.inputs[0] if data.operation == "index" and data.inputs else None
    return isinstance(whole, Data) and whole.operation in ("call", "method")


def _is_differentiated_alone(
    total: Accumulated, backward: Backward, added: dict[int, Data], terms: dict[int, Data]
) -> bool:
    """Whether the pass that adds the value differentiates it by itself: before, or as the very loss, or a term of the loss, that
    it adds.

    The two share their outermost loop.
    """
    if backward.order < total.order:
        return any(_carries_graph(terms[key]) or added[key] is backward.loss for key in added.keys() & terms.keys())
    return len(total.iterations) == len(_shared(total, backward)) and any(
        each in added for each in (*_whole(backward.loss), *_terms_of_sum(backward.loss))
    )


def _whole(loss: Value) -> Iterator[int]:
    """The loss itself, scaled or not."""
    current: Value | None = loss
    while isinstance(current, Data):
        if current.operation not in OPEN_OPERATIONS or current.operation in ("call", "method"):
            yield id(current)
        scaled = current.operation in ("divide", "multiply", "identity", "mean", "clone") and current.inputs
        current = current.inputs[0] if scaled else None


def _terms_of_sum(loss: Value) -> Iterator[int]:
    """The terms that the loss is a sum of, scaled or not, where they come out of a network each."""
    pending, seen = [loss], 0
    while pending and seen < MOST_TERMS:
        current, seen = pending.pop(), seen + 1
        if isinstance(current, Data) and current.operation in ("add", "multiply", "divide", "identity"):
            pending.extend(current.inputs)
        if isinstance(current, Data) and current is not loss and _carries_graph(current):
            yield id(current)


def _carries_graph(data: Data) -> bool:
    if data.operation in ("output", "length") or data.name in SIZES or _is_part_of_result(data):
        return False
    return has_network_behind(data)


def _shared(first: Event, second: Event) -> tuple[Iteration, ...]:
    count = 0
    for one, other in zip(first.iterations, second.iterations, strict=False):
        if one is not other:
            break
        count += 1
    return first.iterations[:count]


def _outlives(run: Run, totals: Sequence[Accumulated], total: Accumulated, loss: Backward) -> bool:
    """Whether the total of an earlier pass lives on in this one, and a step lies between: not one per batch, over its parts."""
    shared = _shared(total, loss)
    live = {id(each) for each in ancestors(total.total, stop=cuts_graph) if not cuts_graph(each)}
    live.add(id(total.total))
    alike = [each for each in totals if _same_node(each, total)]
    before = [each for each in alike if any(_is_of_earlier_pass(each, here) for here in shared)]
    steps = [step.order for step in run.events(OptimizerStepped)]
    return any(
        (each.total is total.total or id(each.result) in live)
        and (not steps or any(each.order < step < total.order for step in steps))
        for each in before
    )


def lives_on(run: Run, total: Accumulated, loop: Loop) -> bool:
    """Whether a later pass of the loop adds to the same total: it is not begun anew in each."""
    number = next((each.number for each in total.iterations if each.loop is loop), 0)
    for later in run.events(Accumulated):
        is_later = any(each.loop is loop and each.number > number for each in later.iterations)
        if is_later and _same_node(later, total):
            behind_it = {id(each) for each in ancestors(later.total, stop=cuts_graph)} | {id(later.total)}
            return later.total is total.total or id(total.result) in behind_it
    return False


def _is_of_earlier_pass(event: Event, here: Iteration) -> bool:
    return any(each.loop is here.loop and each.number < here.number for each in event.iterations)


def _begins_anew_at_steps(total: Accumulated) -> bool:
    """Whether the innermost loop gives the list another, empty one, wherever the gradients of several batches are put together:
    it holds the graphs of one step."""
    loops = loops_around(total.at)
    node = total.at.node if isinstance(total.at, CodeSite) else None
    held = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    while isinstance(held, (ast.Subscript, ast.Attribute)):
        held = held.value
    if not loops or not isinstance(held, ast.Name):
        return False
    choices = [
        each for each in ast.walk(loops[-1]) if isinstance(each, ast.If) and AT_STEPS.search(ast.unparse(each.test))
    ]
    return any(
        isinstance(each, ast.Assign) and any(getattr(one, "id", "") == held.id for one in each.targets)
        for choice in choices
        for each in choice.body
    )


def _same_node(first: Event, second: Event) -> bool:
    return isinstance(first.at, CodeSite) and isinstance(second.at, CodeSite) and first.at.node is second.at.node


def _differentiated(run: Run) -> list[frozenset[int]]:
    """The graphs that are differentiated, each by the identities of its data."""
    losses = [event.loss for event in run.events(Backward)] + [event.value for event in run.events(Differentiated)]
    return [behind(run, loss) for loss in losses]


def _is_differentiated_whole(
    totals: Sequence[Accumulated], total: Accumulated, loss: Backward, differentiated: Sequence[frozenset[int]]
) -> bool:
    """Whether a loss is made of the total, or of what several passes added to it."""
    depth = len(_shared(total, loss)) - 1
    alike = [each for each in totals if _same_node(each, total) and len(each.iterations) > depth]
    passes = {id(data): each.iterations[depth] for each in alike for data in _first_data(each.value)}
    results = {id(each.result) for each in alike if each.result is not each.value}  # the first is no sum yet
    return any(graph & results or len({passes[key] for key in graph & passes.keys()}) > 1 for graph in differentiated)


def _first_data(value: Value) -> Iterator[Data]:
    if isinstance(value, Data):
        yield value
    elif isinstance(value, (Items, Entries)):
        held = value.items if isinstance(value, Items) else value.entries.values()
        yield from (each for each in held if isinstance(each, Data))
