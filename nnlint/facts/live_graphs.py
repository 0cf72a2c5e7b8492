"""What a backward pass finds behind a loss: weights that learn, or the operations at which the graph was cut before them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence

from nnlint.events import Backward, OptimizerMade, OptimizerStepped, Run
from nnlint.facts.identity import COPIES
from nnlint.graph import ancestors, content, data_in, is_from_data_set, only_looks
from nnlint.lazy import regex
from nnlint.operations import LOSS_OPERATIONS, WEIGHTED
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, External, node_at
from nnlint.values import Constant, Data, Either, Entries, Items, Value, alternatives, elements, number, truth

TAKEN_OUT = frozenset({"detach", "item", "numpy", "tensor"})
"""Operations whose result has the numbers and no graph: `x.detach()`, `x.data`, `float(x)`, `torch.tensor(x)`, `Variable(x)`."""

BLOCKS = frozenset({"argmax", "compare", "length", "round", "sign"})
"""Operations that no gradient goes through, and that are no cut of a graph."""

WHOLE_NUMBERS = frozenset(
    "long int short byte bool char int64 int32 int16 int8 uint8 LongTensor IntTensor BoolTensor".split()
)
"""Spellings of the types that have no gradient."""

MADE_OF_NUMBERS = frozenset({"from_numpy", "tensor", "FloatTensor", "LongTensor"})
"""Functions whose result never has the graph of what they are given."""

PICKS = frozenset({"max", "min", "topk"})
"""Operations that give positions beside the values, as the second of a pair."""

LEARNS = WEIGHTED | {"transformer", "weight", "parameter"}
NO_WEIGHTS = frozenset(
    "batch load random zeros ones full dataset text counter arange linspace randperm range slice".split()
) | {"batch part"}
PASSED = frozenset({"index", "element", "spread"})
"""Operations on something that need not be known, whose result has a graph only if that has one."""

FIRST_ALONE = PASSED | {"output", "to"}
"""Operations of which the first input alone has a graph: the others are inputs of a network, positions, types and devices."""

PICKED = FIRST_ALONE | {"gather"}
UNKNOWN = frozenset({"argument", "name", "attribute", "call", "method", "unknown", "exception", "sent"})
TARGETS = regex(
    r"^_*(y|t|gt|tgt|trg)(_|s?$|\d)|label|target|truth|_gt$|^batch|^data|loader|^images?$|^inputs?$|mask|pos_weight",
    re.I,
)
"""Names of what a loss compares with, or a network is given: data, with no graph of their own."""

KEEPS_ROOT = frozenset(
    "identity to view squeeze mean sum clone multiply divide add negative stack concatenate tensor detach item numpy abs".split()
)
"""Operations between a loss and what is differentiated: what is done to a number."""

CRITERIA = regex(r"^(\w*criteri(on|a)|loss_?(fn|func|function)|objective)$", re.I)
"""Names of losses that are not at hand."""

MOST_VISITED = 3000
MOST_CUTS = 19


CALLED_LOSS = regex(r"(?:^|_)loss(?:_|\d|$)|Loss$", re.IGNORECASE)
"""Names of losses, and of their terms."""


@dataclass(frozen=True)
class LossGraph:
    """Whether a backward pass reaches anything that learns; the operations that cut it off from a network; the calls
    under `no_grad` that left no graph behind; and the operations behind a network that have no gradient (all in no order)."""

    is_live: bool
    cuts: tuple[Data, ...] = ()
    unrecorded: tuple[Data, ...] = ()
    blocks: tuple[Data, ...] = ()


LIVE = LossGraph(True)


def graph_behind(run: Run, loss: Value) -> LossGraph:
    """The graph behind a loss. What is not known is taken to learn."""
    return run.remember("graph behind", loss, lambda value: _Walk(run).walk(value))


def dead_terms(run: Run, loss: Value) -> Iterator[Data]:
    """The cuts of terms of a sum that were losses themselves, or were given only numbers, and add no more than one to it."""
    for term in _terms(loss):
        for each in alternatives(term):
            if isinstance(each, Data) and each.operation in ("detach", "item") and _is_loss(_before_cuts(each)):
                yield each
            elif isinstance(each, Data) and each.operation in LOSS_OPERATIONS:
                graph = graph_behind(run, each)
                yield from () if graph.is_live or graph.blocks else graph.cuts
    parts = terms(loss)
    yield from (each for each in parts if len(parts) > 1 and isinstance(each, Data) and _is_cut_loss(each))


def _is_cut_loss(term: Data) -> bool:
    """Whether it is what the code calls a loss, cut off: `actor_loss.item()`."""
    inner = term.inputs[0] if term.operation in ("detach", "item") and term.inputs else None
    if not isinstance(inner, Data) or not CALLED_LOSS.search(inner.bound):
        return False
    return isinstance(term.at, CodeSite) and isinstance(term.at.node, ast.Call) and _has_network(inner)


def _before_cuts(value: Value) -> Value:
    while isinstance(value, Data) and value.operation in ("detach", "item") and value.inputs:
        value = value.inputs[0]
    return value


def _terms(loss: Value) -> Iterator[Value]:
    pending: list[Value] = [loss]
    budget = MOST_VISITED
    is_sum = False
    while pending and budget:
        budget -= 1
        value = pending.pop()
        if isinstance(value, Data) and value.operation == "add":
            is_sum = True
            pending.extend(value.inputs)
        elif isinstance(value, Data) and value.operation in ("identity", "mean", "sum", "multiply", "divide", "to"):
            pending.extend(each for each in value.inputs if not isinstance(each, Constant))
        elif is_sum:
            yield value


def terms(loss: Value, choose: Callable[[Value], Sequence[Value]] = alternatives) -> list[Value]:
    """The terms of a sum, each with its constant factors taken off; a straight-through estimate is one term.

    Of what may be one of several values, those are looked at that `choose` gives.
    """
    found: list[Value] = []
    pending: list[Value] = [loss]
    budget = MOST_VISITED
    while pending and budget:
        budget -= 1
        value = pending.pop()
        if isinstance(value, Either):
            pending.extend(choose(value))
        elif (
            isinstance(value, Data)
            and value.operation in ("add", "subtract")
            and not any(map(_is_detached, value.inputs))
        ):
            pending.extend(value.inputs)
        elif isinstance(value, Data) and value.operation in ("identity", "mean", "sum", "negative") and value.inputs:
            pending.append(value.inputs[0])
        elif isinstance(value, Data) and value.operation in ("multiply", "divide") and _variable(value) is not None:
            pending.extend(each for each in [_variable(value)] if each is not None)
        elif not isinstance(value, Constant):
            found.append(value)
    return found


def _is_detached(value: Value) -> bool:
    return isinstance(value, Data) and value.operation == "detach"


def _variable(product: Data) -> Value | None:
    """The one factor that is no constant."""
    factors = [each for each in product.inputs if not isinstance(each, Constant)]
    return factors[0] if len(factors) == 1 else None


def _is_loss(value: Value) -> bool:
    """Whether a term is certainly a loss, perhaps weighed: not the difference to another, as in a straight-through estimate."""
    while isinstance(value, Data) and value.operation in ("multiply", "mean", "sum", "to", "identity") and value.inputs:
        value = next((each for each in value.inputs if not isinstance(each, Constant)), value.inputs[0])
    return isinstance(value, Data) and value.operation in LOSS_OPERATIONS and _has_network(value)


class _Walk:
    """One walk from a loss towards the weights."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.cuts: dict[int, Data] = {}
        self.unrecorded: dict[int, Data] = {}
        self.blocks: dict[int, Data] = {}
        self.pending: list[tuple[Value, bool]] = []

    def walk(self, loss: Value) -> LossGraph:
        self.pending.append((loss, True))
        seen: set[int] = set()
        while self.pending:
            value, is_root = self.pending.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if len(seen) > MOST_VISITED or self._learns(value, is_root):
                return LIVE
        return LossGraph(False, *(tuple(found.values()) for found in (self.cuts, self.unrecorded, self.blocks)))

    def _learns(self, value: Value, is_root: bool) -> bool:
        """Whether the value certainly, or possibly, has something that learns; else what it was made from is walked on to."""
        if isinstance(value, Constant):
            return False
        if isinstance(value, (Either, Items, Entries)):
            self.pending.extend((each, is_root) for each in elements(value))
            return isinstance(value, Entries) and value.open
        if not isinstance(value, Data):
            return True
        if value.gradient is None or (not is_root and self._is_leaf(value)):
            return True
        if value.operation in TAKEN_OUT:
            return self._is_taken_out(value, is_root)
        if value.gradient is False:
            return self._is_unrecorded(value, is_root)
        if has_no_gradient(value):
            first = _first_block(value)
            self.blocks.update({} if first is None else {id(first): first})
            return _asks_gradient(value)
        if value.operation in NO_WEIGHTS or is_from_data_set(value):
            return _asks_gradient(value)
        if value.operation in LEARNS:
            return True
        if only_looks(value):
            return False
        if _is_read_unrecorded(value):
            self.pending.append((value.inputs[0], False))
            return False
        if value.operation in UNKNOWN and not self._is_criterion(value):
            return not _is_given(value)
        self._walk_on(value, is_root and value.operation in KEEPS_ROOT)
        return False

    def _is_criterion(self, value: Data) -> bool:
        """Whether it comes from a loss of which is only known that it is given two things, and that no optimizer trains it."""
        if value.operation != "call" or len(value.inputs) != 3 or not CRITERIA.search(value.name.rpartition(".")[2]):
            return False
        callee = value.inputs[0]
        return callee not in self._owners() and isinstance(callee, Data) and not callee.inputs[1:]

    def _owners(self) -> list[Value]:
        made = (event.optimizer for event in self.run.events(OptimizerMade))
        return [
            each for optimizer in made for owner in getattr(optimizer, "owners", ()) for each in alternatives(owner)
        ]

    def _walk_on(self, value: Data, is_root: bool) -> None:
        inputs = value.inputs[:1] if value.operation in FIRST_ALONE else value.inputs
        inputs = inputs[1:] if value.operation == "call" else inputs
        if value.operation in LOSS_OPERATIONS and len(value.inputs) > 1 and _is_drawn(value.inputs[1]):
            inputs = inputs[:1]
        if value.operation in ("multiply", "divide") and not any(isinstance(each, Constant) for each in inputs):
            is_root = False  # a factor may be what is learned: `log_alpha * (log_prob + target).detach()`
        self.pending.extend((each, is_root) for each in inputs)
        if value.operation not in LOSS_OPERATIONS:
            self.pending.extend((each, is_root) for each in value.options.values())

    def _is_taken_out(self, value: Data, is_root: bool) -> bool:
        """A cut, if a network stands behind it, or if it is the loss itself; else a new leaf, that learns where it asks to."""
        first = self._nearest_cut(value)
        if first is None and is_root and value.operation == "tensor" and value.inputs:
            self.pending.extend((each, True) for each in value.inputs)
            return False
        if first is None and is_root and _is_taken_out_by_call(value):
            first = value
        if first is None:
            return value.operation == "tensor" and (_asks_gradient(value) or _may_be_unknown(value))
        if first.gradient is False and any(_is_unrecorded_part(each) for each in ancestors(first)):
            self._add_unrecorded(first)
        else:
            self.cuts[id(first)] = first
        return False

    def _is_unrecorded(self, value: Data, is_root: bool) -> bool:
        if _asks_gradient(value) and not is_root:
            return True
        self._add_unrecorded(value)
        if is_root and value.operation not in NO_WEIGHTS:
            self.unrecorded.setdefault(id(value), value)
        return False

    def _add_unrecorded(self, value: Data) -> None:
        found = [data for data in ancestors(value) if _is_unrecorded_part(data)]
        self.unrecorded.update((id(data), data) for data in found)

    def _is_leaf(self, value: Data) -> bool:
        """Whether gradients were switched on for a tensor on the way, and somebody uses them: it learns by itself."""
        if not _asks_gradient(value):
            return False
        if "grad" in value.parts or not any(self.run.events(OptimizerStepped)):
            return True
        if value in self._owners():
            return True
        return self._nearest_cut(value) is None and not _is_chosen_by_network(value)

    def _nearest_cut(self, value: Data) -> Data | None:
        return self.run.remember("nearest cut", value, _first_cut)


def _is_chosen_by_network(value: Data) -> bool:
    """Whether it is what a network chose, in another type or shape: `net(x).argmax(1).float()`."""
    current: Value = value
    while isinstance(current, Data) and not has_no_gradient(current):
        if current.operation not in COPIES or not current.inputs:
            return False
        current = current.inputs[0]
    return isinstance(current, Data) and _has_network(current)


def _is_taken_out_by_call(value: Data) -> bool:
    """Whether it is `x.detach()`, `x.item()` or the like of something computed: `.data` may be anything."""
    node = value.at.node if isinstance(value.at, CodeSite) else None
    computed = [each for each in value.inputs if isinstance(each, Data) and each.operation not in NO_WEIGHTS]
    return isinstance(node, ast.Call) and bool(computed)


def _is_drawn(target: Value) -> bool:
    """Whether a target is drawn by a loop, from something that need not be known."""
    found = content(target)
    return bool(found) and all(isinstance(each, Data) and each.operation == "element" for each in found)


def _is_unrecorded_part(data: Data) -> bool:
    """Whether it is what a network put out, or a layer with weights did, while no gradients were recorded."""
    return data.gradient is False and (
        data.operation == "output" or (data.operation in LEARNS and data.layer is not None)
    )


def has_no_gradient(data: Data) -> bool:
    """Whether an operation is constant wherever it has a gradient at all: a choice, a comparison, a cast to whole numbers."""
    if data.operation in BLOCKS:
        return True
    if data.operation == "to":
        return not WHOLE_NUMBERS.isdisjoint(_types_named(data))
    first = data.inputs[0] if data.inputs else None
    if not isinstance(first, Data) or first.operation not in PICKS:
        return False
    if data.operation == "attribute":
        return data.name == "indices"
    return data.operation == "index" and len(data.inputs) > 1 and number(data.inputs[1]) == 1


def _types_named(data: Data) -> set[str]:
    """The method's own name (`x.long()`), and the last parts of the names that it is given (`x.to(torch.long)`)."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    own = function.attr if isinstance(function, ast.Attribute) else ""
    given = [*data.inputs[1:], *data.options.values()]
    return {own, *(each.name.rpartition(".")[2] for each in given if isinstance(each, External))}


def _first_block(value: Data) -> Data | None:
    """Of the operations without a gradient from a value on, that nearest to the network. None where there is no network."""
    found = None
    pending, seen = [value], {id(value)}
    while pending:
        current = pending.pop(0)
        if not _has_network(current):
            continue
        found = current
        for each in ancestors(Items(list(current.inputs)), stop=_stops):
            if has_no_gradient(each) and id(each) not in seen:
                seen.add(id(each))
                pending.append(each)
    return found


def _is_read_unrecorded(data: Data) -> bool:
    """Whether it is read from what a network of a library gave, without recording: `outputs.logits`."""
    source = data.inputs[0] if data.operation == "attribute" and data.inputs else None
    return isinstance(source, Data) and source.operation == "output" and source.gradient is False


def _stops(data: Data) -> bool:
    return has_no_gradient(data) or data.operation == "output"


def _first_cut(value: Data) -> Data | None:
    """Of the cuts from a value on, that nearest to the network. None where there is no network."""
    current, found = value, value if value.operation in TAKEN_OUT and _has_network(value) else None
    for _ in range(MOST_CUTS):
        following = next(
            (each for each in _carried(current) if each.operation in TAKEN_OUT and _has_network(each)), None
        )
        if following is None:
            return found
        current = found = following
    return found


def _carried(value: Data) -> Iterator[Data]:
    """What gives a value its graph, up to cuts and networks: not the moves by which values are picked."""
    pending = [value]
    seen: set[int] = {id(value)}
    while pending and len(seen) < MOST_VISITED:
        current = pending.pop()
        if current is not value:
            yield current
        if current is value or not _ends(current):
            given = data_in(current.inputs[:1] if current.operation in PICKED else current.inputs)
            pending += [each for each in given if id(each) not in seen]
            seen.update(map(id, given))


def _ends(data: Data) -> bool:
    if data.operation in TAKEN_OUT or _is_answer(data):
        return True
    return data.operation == "output" and not _is_inner_cut(data)


def _is_inner_cut(output: Data) -> bool:
    """Whether the network itself cuts its output off."""
    inner = output.inputs[0]
    return isinstance(inner, Data) and inner.operation in TAKEN_OUT


def _has_network(data: Data) -> bool:
    """Whether a network stands behind it: not behind what an environment, or any object not at hand, answered to it."""
    return any(
        each.operation == "output"
        or each.operation in LOSS_OPERATIONS
        or (each.operation in LEARNS and each.layer is not None)
        for each in ancestors(data, stop=_is_answer)
    )


def _is_answer(data: Data) -> bool:
    return data.operation == "method"


def _may_be_unknown(value: Data) -> bool:
    """Whether a new tensor is made of something unknown: `Variable(x)` of old releases kept a graph."""
    if _spelled(value) in MADE_OF_NUMBERS:
        return False
    unknown = (each for each in ancestors(value) if each.operation in UNKNOWN and not _is_given(each))
    return any(not is_from_data_set(each) for each in unknown)


def _spelled(value: Data) -> str:
    node = value.at.node if isinstance(value.at, CodeSite) else None
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _is_given(value: Data) -> bool:
    """Whether it goes by the name of data, with no graph of its own."""
    if value.operation in ("attribute", "method") and value.inputs and isinstance(value.inputs[0], Data):
        return value.inputs[0].operation in NO_WEIGHTS or value.inputs[0].operation in TAKEN_OUT
    if value.operation == "call":
        return False
    names = (value.name.rpartition(".")[2], value.bound)
    return any(name and TARGETS.search(name) for name in names)


def _asks_gradient(value: Data) -> bool:
    node = value.at.node if isinstance(value.at, CodeSite) else None
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "requires_grad_" and value.operation == "to":
        return not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value is False)
    switch = value.stored("requires_grad") or value.options.get("requires_grad")
    return switch is not None and truth(switch) is not False


def differentiated_losses(run: Run) -> Iterator[Backward]:
    """The backward passes, each place once."""
    seen: set[object] = set()
    for event in run.events(Backward):
        node = node_at(event.at)
        key = (node, id(event.loss))
        if key not in seen:
            seen.add(key)
            yield event
