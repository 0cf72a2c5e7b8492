"""Lightning's manual optimization: what a LightningModule that steps by itself asks its framework for."""

from __future__ import annotations

import ast

from nnlint.static.access import attribute
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import method
from nnlint.static.machine import Machine
from nnlint.static.objects import Function
from nnlint.values import Entries, Instance, Items, Optimizer, Scheduler, Value, elements, truth

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
