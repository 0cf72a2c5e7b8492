"""Lightning: what its Trainer asks modules and data modules for, and what a module that steps by itself asks it for."""

from __future__ import annotations

import ast
from typing import Any

from nnlint.static.access import attribute
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import method
from nnlint.static.machine import Machine
from nnlint.static.objects import Function
from nnlint.values import (
    NONE,
    TRUE,
    Constant,
    Data,
    Entries,
    Instance,
    Items,
    Optimizer,
    Scheduler,
    Value,
    elements,
    truth,
)

MADE_BY_CONFIGURE = "<configured>"


def steps_by_hand(machine: Machine, module: Instance, node: ast.AST) -> bool:
    """Whether a LightningModule switched automatic optimization off: in `__init__`, in its class, or by a property."""
    if not isinstance(module.cls.find("training_step"), Function):
        return False
    return truth(attribute(machine, module, "automatic_optimization", node)) is False


def configured(machine: Machine, module: Instance, node: ast.AST) -> Value:
    """What `configure_optimizers` returned: Lightning asks once, before the loop."""
    found = module.attributes.get(MADE_BY_CONFIGURE)
    if found is None:
        iterations, machine.iterations = machine.iterations, ()
        try:
            found = machine.call_method(module, "configure_optimizers", Arguments(), node)
        finally:
            machine.iterations = iterations
        module.attributes[MADE_BY_CONFIGURE] = found
    return found


@method("optimizers", "lr_schedulers")
def _optimizers(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Instance) or not isinstance(receiver.cls.find("configure_optimizers"), Function):
        return None
    wants_schedulers = getattr(getattr(node, "func", None), "attr", "") == "lr_schedulers"
    kind = Scheduler if wants_schedulers else Optimizer
    made = [each for each in _inside(configured(machine, receiver, node)) if isinstance(each, kind)]
    if not made:
        return machine.data("method", (receiver,), node, name="lr_scheduler" if wants_schedulers else "optimizer")
    return made[0] if len(made) == 1 else Items(list(made), "list")


def _inside(value: Value) -> list[Value]:
    """The optimizers and schedulers in any of the forms that `configure_optimizers` may return, in order."""
    if isinstance(value, Items):
        return [each for item in value.items for each in _inside(item)]
    if isinstance(value, Entries):
        return [each for item in value.entries.values() for each in _inside(item)]
    return list(elements(value))


# Loaders

LOADERS: dict[str, tuple[int, str, str]] = {
    "training_step": (1, "train_dataloaders", "train_dataloader"),
    "validation_step": (2, "val_dataloaders", "val_dataloader"),
    "test_step": (1, "dataloaders", "test_dataloader"),
    "predict_step": (1, "dataloaders", "predict_dataloader"),
}
"""Where the Trainer takes the batches of a step from: the position and name of an argument, or a method that makes a loader."""

PREPARED = "<prepared>"


def loader_for(machine: Machine, module: Instance, step: str, given: Arguments, node: ast.AST) -> Value | None:
    """The loader of a step: handed to the Trainer, made by a data module, or by the module itself."""
    position, keyword, maker = LOADERS[step]
    first = given.get(1)
    data = given.get(None, "datamodule") or (first if first is not None and _is_data_module(first) else None)
    held = given.get(position, keyword, "dataloaders")
    if data is None and held is not None:
        return held
    for owner in (data, module):
        if isinstance(owner, Instance) and isinstance(owner.cls.find(maker), Function):
            _prepare(machine, owner, node)
            return machine.call_method(owner, maker, Arguments(), node)
    return first


def _is_data_module(value: Value) -> bool:
    bases = value.cls.external_bases() if isinstance(value, Instance) else ()
    return any(base.rpartition(".")[2] == "LightningDataModule" for base in bases)


def _prepare(machine: Machine, owner: Instance, node: ast.AST) -> None:
    """What the Trainer calls before it asks for a loader, once."""
    if PREPARED in owner.attributes:
        return
    owner.attributes[PREPARED] = TRUE
    if isinstance(owner.cls.find("prepare_data"), Function):
        machine.call_method(owner, "prepare_data", Arguments(), node)
    setup = owner.cls.find("setup")
    if isinstance(setup, Function):
        takes_stage = len(setup.node.args.args) > 1
        machine.call_method(owner, "setup", Arguments([Constant("fit")] if takes_stage else []), node)


# Hyper-parameters


@method("save_hyperparameters")
def _save_hyperparameters(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Keeps the constructor's arguments, or those that are named, as `self.hparams`, read by attribute or by key."""
    if not isinstance(receiver, Instance):
        return None
    first = given.get(0)
    kept: Value
    if isinstance(first, (Entries, Data, Instance)):
        kept = first
    else:
        named = {each.value for each in given.positional if isinstance(each, Constant)}
        kept = Data("call", (), machine.site(node), name="hparams", parts=_arguments(machine, named))
    machine.write(receiver.attributes, "hparams", kept)
    return NONE


def _arguments(machine: Machine, named: set[object]) -> dict[Any, Value]:
    """The arguments of the constructor that runs, by name and by key."""
    function = machine.frame.function
    parameters = function.args if function is not None else ast.arguments([], [], None, [], [], None, [])
    names = [each.arg for each in (*parameters.posonlyargs, *parameters.args[1:], *parameters.kwonlyargs)]
    held = {name: machine.frame.locals[name] for name in names if name in machine.frame.locals}
    rest = machine.frame.locals.get(parameters.kwarg.arg) if parameters.kwarg is not None else None
    if isinstance(rest, Entries):
        held.update((key, each) for key, each in rest.entries.items() if isinstance(key, str))
    chosen = {name: each for name, each in held.items() if not named or name in named}
    return {**chosen, **{("index", name): each for name, each in chosen.items()}}
