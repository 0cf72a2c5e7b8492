"""Ignite's ready-made engines: what the trainer and the evaluator that it makes of a network do with each batch."""

from __future__ import annotations

import ast
from collections.abc import Callable

from nnlint.events import Backward, GradientsCleared, OptimizerStepped
from nnlint.static.access import index
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import EXTERNALS, external
from nnlint.static.knowledge.ignite import made_engine
from nnlint.static.knowledge.modules import set_mode
from nnlint.static.machine import Machine
from nnlint.static.objects import Function, Native
from nnlint.values import NONE, Constant, Items, Value

Update = Callable[[Machine, Value], Value]
"""What an engine does with a batch, and what it hands on to its metrics."""


@external("ignite.engine.create_supervised_trainer")
def _trainer(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """Clears, asks the network in training mode, differentiates the loss and steps, as ignite documents it."""
    model, optimizer, loss = given.get(0, "model"), given.get(1, "optimizer"), given.get(2, "loss_fn")
    prepare = given.get(5, "prepare_batch")

    def update(machine: Machine, batch: Value) -> Value:
        inputs, targets = _prepared(machine, prepare, batch, node)
        machine.emit(GradientsCleared(machine.site(node), optimizer or NONE))
        with machine.recording(True):
            output = _answer(machine, model or NONE, inputs, True, node)
            value = machine.call(loss or NONE, Arguments([output, targets]), node)
        machine.emit(Backward(machine.site(node), value))
        machine.emit(OptimizerStepped(machine.site(node), optimizer or NONE))
        return value

    return made_engine(machine, given, _at_home(machine, update), node)


@external("ignite.engine.create_supervised_evaluator")
def _evaluator(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """Asks the network in evaluation mode, without gradients, and hands on what it says, and what it should have said."""
    model, prepare = given.get(0, "model"), given.get(4, "prepare_batch")

    def update(machine: Machine, batch: Value) -> Value:
        inputs, targets = _prepared(machine, prepare, batch, node)
        with machine.recording(False):
            return Items([_answer(machine, model or NONE, inputs, False, node), targets], "tuple")

    return made_engine(machine, given, _at_home(machine, update), node)


def _at_home(machine: Machine, update: Update) -> Native:
    """The update as a function of the engine and a batch, whose events stand where the engine was made."""
    home, made_at = machine.frame, machine.statement

    def call(machine: Machine, given: Arguments, node: ast.AST) -> Value:
        frame, statement = machine.frame, machine.statement
        machine.frame, machine.statement = home, made_at
        try:
            return update(machine, given.get(1) or NONE)
        finally:
            machine.frame, machine.statement = frame, statement

    return Native("update", call)


def _prepared(machine: Machine, prepare: Value | None, batch: Value, node: ast.AST) -> tuple[Value, Value]:
    """The inputs and targets of a batch: what a function of the script's own makes of it, or its two parts."""
    if isinstance(prepare, Function):
        batch = machine.call(prepare, Arguments([batch], {"device": NONE, "non_blocking": NONE}), node)
    return index(machine, batch, Constant(0), node), index(machine, batch, Constant(1), node)


def _answer(machine: Machine, model: Value, inputs: Value, training: bool, node: ast.AST) -> Value:
    set_mode(machine, model, training)
    return machine.call(model, Arguments([inputs]), node)


@external("ignite.distributed.auto_model", "ignite.distributed.auto_optim")
def _adapted(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """What ignite makes of a network, or an optimizer, for several processes: it does what the one that it is given does."""
    return given.get(0, "model") or given.get(0, "optimizer") or machine.data("unknown", (), node)


@external("ignite.distributed.auto_dataloader")
def _auto_loader(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """A loader with a sampler for the processes that there are."""
    return EXTERNALS["torch.utils.data.DataLoader"](machine, name, given, node)
