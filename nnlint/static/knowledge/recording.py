"""Where gradients are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, as contexts, decorators and calls."""

from __future__ import annotations

import ast
import re

from nnlint.records import replace
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import (
    external,
    method,
)
from nnlint.static.machine import Machine
from nnlint.static.objects import External, Function
from nnlint.values import (
    FALSE,
    NONE,
    TRUE,
    Constant,
    Data,
    Value,
    truth,
)


@external("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode")
def _no_grad(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if given.positional and isinstance(given.positional[0], Function):
        return under_decorator(given.positional[0], External(name))
    on = truth(given.get(0, "mode")) is False
    return Data("gradient switch", (TRUE if on else FALSE,), machine.site(node))


def under_decorator(function: Function, decorator: Value) -> Function:
    """The function as if it had this decorator too."""
    return replace(function, decorators=(*function.decorators, decorator))


@external("torch.enable_grad", "torch.autograd.enable_grad")
def _enable_grad(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return Data("gradient switch", (TRUE,), machine.site(node))


@external("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")
def _set_grad_enabled(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    before = machine.gradient
    flag = given.get(0, "mode") or TRUE
    machine.gradient = truth(flag)
    made = Data("gradient switch", (flag,), machine.site(node))
    made.parts["before"] = Constant(before)
    return made


@method("enter_context")
def _enter_context(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """A switch that a stack of contexts leaves at its end: `stack.enter_context(torch.no_grad())`."""
    context = given.get(0, "cm")
    if context is None or not isinstance(receiver, Data):
        return None
    switched, gradient = context_gradient(machine, context)
    if not switched:
        return None
    receiver.parts.setdefault("before", Constant(machine.gradient))
    machine.gradient = gradient
    return context


@method("close")
def _close(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    before = receiver.parts.get("before") if isinstance(receiver, Data) and is_stack(receiver) else None
    if not isinstance(before, Constant):
        return None
    machine.gradient = before.value
    return NONE


@method("__enter__")
def _enter(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """A switch that is entered by hand, and stays on until it is left by hand: `torch.no_grad().__enter__()`."""
    if not isinstance(receiver, Data) or is_stack(receiver):
        return None
    before = machine.gradient
    switched, gradient = context_gradient(machine, receiver)
    if not switched:
        return None
    receiver.parts["entered"] = Constant(before)
    machine.gradient = gradient
    return receiver


@method("__exit__")
def _exit(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    before = receiver.parts.get("entered") if isinstance(receiver, Data) else None
    if not isinstance(before, Constant):
        return None
    machine.gradient = before.value
    return NONE


def is_stack(context: Value) -> bool:
    """Whether a context is a stack of others, which it leaves when it is left."""
    return isinstance(context, Data) and context.name.endswith("ExitStack")


def context_gradient(machine: Machine, context: Value) -> tuple[bool, bool | None]:
    """Whether a `with` context switches gradient recording, and to what (None: not known)."""
    if isinstance(context, External):
        return context.name.endswith(("no_grad", "inference_mode")), False
    if is_stack(context):
        return True, machine.gradient
    if isinstance(context, Data) and context.operation in ("call", "method"):
        return context.name.endswith(("no_grad", "inference_mode")), False  # the script's own, or under another name
    if not isinstance(context, Data) or context.operation != "gradient switch":
        return False, None
    before = context.parts.get("before")
    if isinstance(before, Constant):
        machine.gradient = before.value
    return True, truth(context.inputs[0])


def decorated_gradient(decorators: tuple[Value, ...], before: bool | None) -> bool | None:
    """Whether a function's body records gradients, as its decorators have it."""
    gradient = before
    for decorator in decorators:
        if isinstance(decorator, External) and decorator.name.endswith(("no_grad", "inference_mode")):
            gradient = False
        elif isinstance(decorator, Data) and decorator.operation == "gradient switch":
            gradient = truth(decorator.inputs[0])
        elif isinstance(decorator, Data) and re.search("no_grad|inference_mode|evaluat", decorator.name):
            gradient = False
        elif isinstance(decorator, Data) and not isinstance(before, bool):
            gradient = None
    return gradient
