"""Generators whose source is at hand: their bodies run as something draws from them."""

from __future__ import annotations

from collections.abc import Callable

from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.machine import Machine
from nnlint.static.objects import Generator
from nnlint.values import Constant, Value, number

YIELDS = "<yields>"
"""The local name under which a running generator counts what it has yielded on a path."""


def run_generator(machine: Machine, generator: Generator, body: Callable[[Value], object]) -> None:
    """Run a generator's body; what it yields goes to the body of the loop that draws from it, at that moment.

    A decorator such as `@torch.no_grad()` holds for the generator's body alone, as torch switches it at each yield. A `with`
    inside holds for the loop's body, too, as it does in torch, and as context managers mean it.
    """
    consumer, statement, outside = machine.frame, machine.statement, machine.gradient
    inside = knowledge.decorated_gradient(generator.function.decorators, outside)

    def receive(value: Value) -> None:
        producer, produced_at = machine.frame, machine.statement
        generator.passed = _count_of_yields(machine)
        machine.frame, machine.statement = consumer, statement
        try:
            with machine.recording(machine.gradient if inside is outside else outside):
                body(value)
        finally:
            machine.frame, machine.statement = producer, produced_at

    with machine.recording(inside):
        machine.enter(generator.function, dict(generator.locals), generator.receiver, generator.function.node, receive)


def _count_of_yields(machine: Machine) -> int | None:
    """How many values the generator that is running has yielded before on this path; None where its arms differ in that."""
    space = machine.frame.locals
    before = space.get(YIELDS)
    passed = 0 if before is None else number(before)
    machine.write(space, YIELDS, Constant(None if passed is None else passed + 1))
    return None if passed is None else int(passed)


def draw(machine: Machine, generator: Generator) -> list[Value]:
    """What a generator yields, all at once: for whoever does not loop over it."""
    if generator.drawn is None:
        generator.drawn = []
        run_generator(machine, generator, generator.drawn.append)
    return generator.drawn
