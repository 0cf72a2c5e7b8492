"""Ignite: an engine calls the function it was made with on each batch, and handlers at its events."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial

from nnlint.events import Loop
from nnlint.records import dataclass, field
from nnlint.static.arguments import Arguments
from nnlint.static.iteration import element_passes, while_passes
from nnlint.static.knowledge.common import external, method
from nnlint.static.machine import Machine
from nnlint.static.objects import Function, Native
from nnlint.values import NONE, Data, Value

Handler = tuple[str, Value, list[Value]]
"""The event's name, the function, and the arguments it takes after the engine."""


@dataclass(eq=False, slots=True)
class Engine(Data):
    """An engine that calls `update` on each batch of whatever it is run over, and `handlers` at its events."""

    update: Value = NONE
    handlers: list[Handler] = field(default_factory=list)
    has_run: bool = False


@external("ignite.engine.Engine", "ignite.engine.engine.Engine", "ignite.engine.DeterministicEngine")
def _engine(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return made_engine(machine, given, given.get(0, "process_function") or NONE, node)


def made_engine(machine: Machine, given: Arguments, update: Value, node: ast.AST) -> Engine:
    """An engine with this update function; where the script does not run it, it is run at the end."""
    made = Engine("call", given.values(), machine.site(node), name="Engine")
    made.update = update
    frame, statement = machine.frame, machine.statement

    def run_at_last() -> None:
        if not made.has_run:
            machine.frame, machine.statement = frame, statement
            _run_engine(machine, made, machine.data("unknown", (), node), node, is_known=False)

    machine.pending.append(run_at_last)
    return made


@method("run")
def _run(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Engine):
        return None
    _run_engine(machine, receiver, given.get(0, "data") or machine.data("unknown", (), node), node)
    return machine.data("method", (receiver,), node, name="run")


@method("on")
def _on(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Engine) or not given.positional:
        return None
    event, *extra = given.positional

    def register(machine: Machine, inner: Arguments, node: ast.AST) -> Value:
        handler = inner.get(0) or NONE
        receiver.handlers.append((_event_name(event), handler, extra))
        return handler

    return Native("on", register)


@method("add_event_handler")
def _add_event_handler(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Engine) or len(given.positional) < 2:
        return None
    event, handler, *extra = given.positional
    receiver.handlers.append((_event_name(event), handler, extra))
    return NONE


def _event_name(event: Value) -> str:
    return str(getattr(event, "name", "")).rpartition(".")[2]


def _run_engine(machine: Machine, engine: Engine, batches: Value, node: ast.AST, is_known: bool = True) -> None:
    """Run an engine over batches. `is_known` says that the script does so, and takes metrics of what comes out."""
    engine.has_run = True
    outcome = "metrics of the engine" if is_known else "output of the engine"

    def tell(event: str) -> None:
        for handler in _handlers(engine, event):
            _handle(machine, engine, handler, node)

    def update(batch: Value) -> None:
        tell("ITERATION_STARTED")
        result = machine.call(engine.update, Arguments([engine, batch]), node)
        machine.data("call", (result,), node, name=outcome)
        tell("ITERATION_COMPLETED")

    tell("STARTED")
    _run_batches(machine, node, batches, update, tell)
    tell("COMPLETED")


def _run_batches(
    machine: Machine, node: ast.AST, batches: Value, body: Callable[[Value], None], tell: Callable[[str], None]
) -> None:
    """The loop over epochs, and in it the one over batches."""
    epochs = Loop(machine.site(node), "for", None, "epoch in epochs")

    def one_epoch() -> None:
        tell("EPOCH_STARTED")
        passes, _ = element_passes(machine, batches, node)
        inner = Loop(machine.site(node), "for", batches, "batch in batches")
        machine.loop(inner, (partial(body, batch) for batch in passes))
        tell("EPOCH_COMPLETED")

    machine.loop(epochs, (one_epoch for _ in while_passes(machine)))


def _handlers(engine: Engine, event: str) -> Iterator[Handler]:
    return (handler for handler in engine.handlers if handler[0] == event)


def _handle(machine: Machine, engine: Engine, handler: Handler, node: ast.AST) -> None:
    _, function, extra = handler
    takes_engine = not isinstance(function, Function) or len(function.node.args.args) > len(extra)
    machine.call(function, Arguments([engine, *extra] if takes_engine else list(extra)), node)
