"""What a loop draws: the elements of anything that can be iterated, and how many passes are worth following.

A loop over known elements is unrolled, as long as nothing happens in it that a run would show (building a network from a list of
sizes); any other loop is passed twice, so that what one iteration leaves for the next is seen. In the second pass of an outer
loop an inner one is passed once: what recurs was seen in the first, and loops within loops add up instead of multiplying.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nnlint.events import (
    Accumulated,
    Event,
    GradientsCleared,
    Loop,
    ModeSwitched,
    OptimizerStepped,
    StateKept,
    WeightsSet,
)
from nnlint.graph import has_network_behind
from nnlint.lazy import regex
from nnlint.static import counters
from nnlint.static.access import parts_of_batch
from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.static.objects import Function, Generator, container_in
from nnlint.values import (
    NONE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Loader,
    Optimizer,
    Parameters,
    Value,
)

MOST_UNROLLED = 16
MOST_NESTED = 4
"""Loops within each other that are unrolled; those further inside add up."""
PASSES = 2

WRAPPERS = frozenset({"progress", "iter", "reversed", "sorted", "list", "detach", "values"})
"""Operations whose result yields the elements of their first input."""

AGAIN = "cycle"
"""The name of what is iterated again from its beginning when it has come to its end."""

TRAINS = regex(r"backward|\.step\(|epoch|loss|train|eval|print\(")
"""In such a loop over a range, the counter stays unknown: `if i % 100 == 0` must not be decided by its first two values."""


def loop_over(
    machine: Machine, node: ast.AST, over: Value | None, target: ast.AST | None = None, whole: bool = False
) -> Loop:
    """The loop of a `for`, `while` or comprehension; its words are the header's source text."""
    kind = "while" if isinstance(node, ast.While) else "for"
    header = node.test if isinstance(node, ast.While) else node
    words = " ".join(_source(machine, part) for part in (target, header) if part is not None)
    return Loop(machine.site(node), kind, over, words.lower(), whole)


def _source(machine: Machine, node: ast.AST) -> str:
    lines = machine.frame.module.lines
    line, end_line = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
    if line != end_line or line > len(lines):
        return ""
    return lines[line - 1].encode()[node.col_offset : node.end_col_offset].decode(errors="ignore")  # type: ignore[attr-defined]


def element_passes(
    machine: Machine, over: Value, node: ast.AST, body: list[ast.stmt] | None = None
) -> tuple[Iterator[Value], bool]:
    """The elements to run the body with, one a pass, and whether they are all there are."""
    known = all_elements(machine, over, node)
    is_deep = sum(each.loop.whole for each in machine.iterations) >= MOST_NESTED
    if known is None or len(known) > MOST_UNROLLED or is_deep or _counts_training(machine, over, body):
        return _two_passes(machine, over, node), False
    return _unrolled(machine, known), True


def _counts_training(machine: Machine, over: Value, body: list[ast.stmt] | None) -> bool:
    counted = over.inputs[0] if isinstance(over, Data) and over.operation in ("enumerate", "progress") else over
    if not body or not (isinstance(counted, Data) and counted.operation == "range"):
        return False
    text = machine.frame.module.text_of(body[0], body[-1])
    return TRAINS.search(text) is not None


def _unrolled(machine: Machine, known: list[Value]) -> Iterator[Value]:
    events = len(machine.run.all_events)
    for number, value in enumerate(known):
        if number >= PASSES and not all(isinstance(each, SETTLING) for each in machine.run.all_events[events:]):
            return
        yield value


SETTLING = (ModeSwitched, GradientsCleared, OptimizerStepped, WeightsSet, StateKept)
"""Events of loops that do one thing to each of several objects, such as clearing one parameter after the other, or name each."""


def _two_passes(machine: Machine, over: Value, node: ast.AST) -> Iterator[Value]:
    for number in _passes(machine, over):
        yield element(machine, over, number, node)


def _passes(machine: Machine, over: Value | None = None) -> Iterator[int]:
    """The passes of a loop whose end is not known, by number: a second one only where it can show more than the first.

    In a later pass of a loop around, one is enough; and a loop in which all happens in loops inside, which have gone on to their
    second pass, need not begin them again.
    """
    depth = len(machine.iterations) + 1
    is_seen = any(each.number > 1 and not each.loop.whole for each in machine.iterations)
    for number in range(1 if is_seen else PASSES):
        activity, events = machine.activity, len(machine.run.all_events)
        yield number
        if machine.told_apart and counters.is_told_apart(machine, over):
            continue
        if machine.activity == activity or _is_all_inside(machine.run.all_events[events:], depth):
            return


def _is_all_inside(happened: Sequence[Event], depth: int) -> bool:
    """Whether all that happened stands in loops further inside, and nothing of it may last until the next pass.

    A loop over all of a few elements, such as `for phase in ["train", "val"]`, comes to each but once: it repeats nothing.
    """
    if not happened or any(all(each.loop.whole for each in event.iterations[depth:]) for event in happened):
        return False
    return not any(map(_may_last, happened))


def _may_last(event: Event) -> bool:
    """Whether the event is of what may be carried from one pass of an outer loop to the next: a kept state, a live total."""
    return isinstance(event, StateKept) or (isinstance(event, Accumulated) and has_network_behind(event.value))


def ends_at_once(body: list[ast.stmt]) -> bool:
    """Whether a loop with this body never comes to a second pass: `while True:` around what is tried until it works."""
    return any(isinstance(statement, (ast.Break, ast.Return, ast.Raise)) for statement in body)


def while_passes(machine: Machine) -> Iterator[int]:
    """The passes of a `while` loop, by number."""
    yield from _passes(machine)


def all_elements(machine: Machine, over: Value, node: ast.AST) -> list[Value] | None:
    """All elements in order, where they are known: of a batch the parts that its data set gives it."""
    if isinstance(over, Data) and over.operation == "batch":
        return parts_of_batch(machine, over, node)
    return known_elements(over)


def known_elements(over: Value | None) -> list[Value] | None:
    """All elements in order, where they are known."""
    if isinstance(over, Items):
        return None if over.open else list(over.items)
    if isinstance(over, Constant):
        return _letters(over)
    if isinstance(over, Entries):
        return None if over.open else [Constant(key) for key in over.entries]
    if isinstance(over, Layer):
        return [part for name, part in over.attributes.items() if isinstance(name, str) and name[:1] != "<"] or None
    if isinstance(over, Data):
        return _known_of_data(over)
    if isinstance(over, Instance) and not isinstance(over.cls.find("__iter__"), Function):
        return known_elements(container_in(over))
    return None


def _letters(over: Constant) -> list[Value] | None:
    """The letters of a short text: `zip("ab", (left, right))` names two."""
    text = over.value
    return [Constant(letter) for letter in text] if isinstance(text, str) and len(text) <= MOST_UNROLLED else None


def _known_of_data(over: Data) -> list[Value] | None:
    if over.operation == "range":
        return _known_range(over)
    if over.operation == "enumerate":
        inner, start = known_elements(over.inputs[0]), counters.start_of(over)
        if inner is None or start is None:
            return None
        return [Items([Constant(n), each], "tuple") for n, each in enumerate(inner, start)]
    if over.operation == "zip":
        columns = [known_elements(each) for each in over.inputs]
        if any(column is None for column in columns):
            return None
        rows = zip(*[column for column in columns if column is not None], strict=False)
        return [Items(list(row), "tuple") for row in rows]
    if over.operation in WRAPPERS:
        inner = known_elements(over.inputs[0])
        return inner[::-1] if inner is not None and over.operation == "reversed" else inner
    return None


def _known_range(over: Data) -> list[Value] | None:
    bounds = [each.value for each in over.inputs if isinstance(each, Constant) and isinstance(each.value, int)]
    if len(bounds) != len(over.inputs) or not bounds or (len(bounds) > 2 and bounds[2] == 0):
        return None
    counted = range(*bounds)
    return [Constant(n) for n in counted] if len(counted) <= MOST_UNROLLED else None


def generator_in(over: Value) -> Generator | None:
    """The generator that a loop draws from, behind `enumerate` and progress bars."""
    while isinstance(over, Data) and over.operation in ("enumerate", "progress", "iter") and over.inputs:
        over = over.inputs[0]
    return over if isinstance(over, Generator) else None


def yielded(machine: Machine, over: Value, value: Value, node: ast.AST) -> Value:
    """What the loop is given for a yielded value: numbered, where it draws through `enumerate`."""
    generator = generator_in(over)
    passed = None if generator is None else generator.passed
    while isinstance(over, Data) and over.inputs:
        if over.operation == "enumerate":
            counter = (
                machine.data("counter", (over,), node)
                if passed is None
                else counters.drawn(machine, over, passed, node)
            )
            value = Items([counter, value], "tuple")
        over = over.inputs[0]
    return value


def element(machine: Machine, over: Value, number: int, node: ast.AST) -> Value:
    """One element of what is iterated; a new one each time, as data drawn twice are not the same data."""
    if isinstance(over, Loader):
        return machine.data("batch", (over,), node)
    if isinstance(over, Items):
        return _pick(over.items, number) or machine.data("element", (over,), node)
    if isinstance(over, Entries):
        keys: list[Value] = [Constant(key) for key in over.entries]
        return _pick(keys, number) or machine.data("element", (over,), node)
    if isinstance(over, Generator):
        return _pick(machine.draw(over), number) or machine.data("element", (over,), node)
    if isinstance(over, Parameters):
        return machine.data("weight", (over,), node)
    if isinstance(over, Layer):
        return _pick(known_elements(over) or [], number) or machine.data("element", (over,), node)
    if isinstance(over, Either):
        choices = [each for each in over.alternatives if each is not NONE]
        if not choices:
            return machine.data("element", (over,), node)
        return element(machine, _weights_of_all(machine, choices, node) or choices[0], number, node)
    if isinstance(over, Instance):
        return _of_instance(machine, over, number, node)
    if isinstance(over, Data):
        return _of_data(machine, over, number, node)
    return machine.data("element", (over,), node)


def _weights_of_all(machine: Machine, choices: list[Value], node: ast.AST) -> Value | None:
    """Where the parameters of one of several networks are iterated, those of all: what is done to the one is not known apart."""
    is_named = [isinstance(each, Data) and each.operation == "named parameters" for each in choices]
    lists = [each.inputs[0] if isinstance(each, Data) and each.inputs else each for each in choices]
    parameters = [each for each in lists if isinstance(each, Parameters)]
    if len(choices) < 2 or len(parameters) < len(choices) or len(set(is_named)) > 1:
        return None
    merged = Parameters(tuple(owner for each in parameters for owner in each.owners), machine.site(node))
    return machine.data("named parameters", (merged,), node) if is_named[0] else merged


def _pick(values: list[Value], number: int) -> Value | None:
    return values[min(number, len(values) - 1)] if values else None


def _of_data(machine: Machine, over: Data, number: int, node: ast.AST) -> Value:
    if over.operation == "range":
        return counters.drawn(machine, over, number, node)
    if over.operation == "enumerate":
        inner = element(machine, over.inputs[0], number, node)
        return Items([counters.drawn(machine, over, number, node), inner], "tuple")
    if over.operation == "zip":
        return Items([element(machine, each, number, node) for each in over.inputs], "tuple")
    if over.operation in WRAPPERS and over.inputs:
        inner = _from_the_end(over)
        if over.name == AGAIN and isinstance(inner, Data) and inner.operation == "range":
            return machine.data("element", (over,), node)  # a later pass may be back where it begins
        return element(machine, inner, number, node)
    if over.operation == "named parameters":
        return Items([machine.data("text", (), node), machine.data("weight", over.inputs, node)], "tuple")
    if over.operation == "attribute" and over.name == "param_groups" and isinstance(over.inputs[0], Optimizer):
        machine.training_events += 1  # what sets the rate belongs to the step
        return machine.data("parameter group", over.inputs, node)
    if over.operation == "index" and isinstance(over.inputs[0], Data) and over.inputs[0].operation == "parameter group":
        return machine.data("weight", over.inputs[0].inputs, node)
    return machine.data("element", (over,), node)


def _from_the_end(over: Data) -> Value:
    """What is iterated behind a wrapper; of a list or the keys of a dict that are reversed, those that are known, last first."""
    inner = over.inputs[0]
    if over.operation != "reversed" or not isinstance(inner, (Items, Entries)):
        return inner
    held: list[Value] = [Constant(key) for key in inner.entries] if isinstance(inner, Entries) else inner.items
    return Items(held[::-1], "list", inner.open)


def _of_instance(machine: Machine, over: Instance, number: int, node: ast.AST) -> Value:
    for name in ("__iter__", "__getitem__"):
        if isinstance(over.cls.find(name), Function):
            given = Arguments([machine.data("counter", (), node)] if name == "__getitem__" else [])
            made = machine.call_method(over, name, given, node)
            if name == "__getitem__":
                return made
            return machine.data("element", (over,), node) if made is over else element(machine, made, number, node)
    return machine.data("element", (over,), node)


def spread(value: Value) -> tuple[list[Value], bool]:
    """The known elements of something spread with a star, and whether there may be more."""
    if isinstance(value, Items):
        return list(value.items), value.open
    known = known_elements(value)
    return ([value], True) if known is None else (known, False)
