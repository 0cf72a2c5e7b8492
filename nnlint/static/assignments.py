"""How expressions that stand alone and assignments are executed, and the running totals and kept states among them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Accumulated, GradientsCleared, MethodNamed, OptimizerStepped, StateKept
from nnlint.garbage import remembered
from nnlint.graph import live_state, update_of
from nnlint.static import calls
from nnlint.static.access import store_attribute, store_index
from nnlint.static.arguments import Arguments
from nnlint.static.expressions import binary
from nnlint.static.knowledge.common import is_network_like, is_optimizer_like, is_scaler, is_scheduler_like
from nnlint.static.machine import Machine, executes
from nnlint.static.objects import Class, External, Function, Module
from nnlint.values import NONE, Constant, Data, Either, Instance, Items, Layer, Scheduler, State, Value, elements


@executes(ast.Expr)
def _expression(machine: Machine, node: ast.Expr) -> str | None:
    if isinstance(node.value, ast.Attribute) and node.value.attr in MEANT_TO_BE_CALLED:
        _name_method(machine, node.value)
    elif not isinstance(node.value, ast.Constant):
        value = machine.evaluate(node.value)
        if isinstance(node.value, ast.Call):
            _rebind_changed(machine, node.value.func, value)
    return None


MODES = frozenset({"train", "eval"})
MEANT_TO_BE_CALLED = frozenset("step zero_grad backward train eval update unscale_".split())


def _name_method(machine: Machine, node: ast.Attribute) -> None:
    """A method that is named where it was to be called: the run goes on as if it had been."""
    receiver = machine.evaluate(node.value)
    if isinstance(receiver, (Constant, External, Module, Class)) or not _is_method(machine, receiver, node):
        return
    key = id(node)
    call = machine.meant_calls.get(key)
    if call is None:
        call = machine.meant_calls[key] = ast.copy_location(ast.Call(node, [], []), node)
    machine.emit(MethodNamed(machine.site(node), receiver, node.attr))
    machine.call_method(receiver, node.attr, Arguments(), call)


def _is_method(machine: Machine, receiver: Value, node: ast.Attribute) -> bool:
    """Whether the receiver is one of which the method is called in training: an optimizer, a network, a loss."""
    name = node.attr
    if isinstance(receiver, Either):
        return any(_is_method(machine, each, node) for each in receiver.alternatives)
    if isinstance(receiver, Instance):
        found = receiver.cls.find(name)
        return found.kind == "function" if isinstance(found, Function) else receiver.is_network and name in MODES
    if name in MODES:
        return is_network_like(receiver)
    if name in ("update", "unscale_"):
        return is_scaler(receiver)
    if name == "step":
        return isinstance(receiver, Scheduler) or is_optimizer_like(receiver) or is_scheduler_like(receiver)
    return True


MOST_ASSIGNMENTS = 256
"""Assignments that are looked at once, as those of a loop that is run pass by pass."""

IN_PLACE = frozenset({"div_", "mul_", "sub_", "add_"})


def _rebind_changed(machine: Machine, function: ast.expr, value: Value) -> None:
    """After `y.div_(2)`, the name stands for what the method made of it."""
    if not isinstance(function, ast.Attribute) or function.attr not in IN_PLACE or not isinstance(value, Data):
        return
    if isinstance(function.value, ast.Name) and value.inputs and value.inputs[0] is machine.evaluate(function.value):
        calls.bind_target(machine, function.value, value)


@executes(ast.Assign)
def _assign(machine: Machine, node: ast.Assign) -> str | None:
    adds = _is_tallied(machine) and _adds_to_itself(node)
    before = machine.evaluate(_as_load(node.targets[0])) if adds else NONE
    value = machine.evaluate(node.value)
    if isinstance(value, Constant) and _counts_on(node) and _repeats(machine):
        value = machine.data("counter", (value,), node)
    total = _total_in(value) if adds else None
    if total is not None:
        machine.emit(Accumulated(machine.site(node), before, _added(total, before), total))
    for target in node.targets:
        _assign_to(machine, target, value, node)
    return None


def _is_tallied(machine: Machine) -> bool:
    """Whether what is added up here may be a running total: in a loop, and not inside a network."""
    return bool(machine.iterations) and not machine.network_depth


@remembered(MOST_ASSIGNMENTS)
def _adds_to_itself(node: ast.Assign) -> bool:
    """Whether it is of the form `total = total + loss`, or `mean = 0.9 * mean + 0.1 * loss`; also where a total there is."""
    target = node.targets[0]
    if len(node.targets) > 1 or not isinstance(node.value, (ast.BinOp, ast.IfExp)):
        return False
    if not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        return False
    arms = (node.value.body, node.value.orelse) if isinstance(node.value, ast.IfExp) else (node.value,)
    if not any(_is_like(target, each) for arm in arms for each in _operands(arm)):
        return False
    sums = [
        arm for arm in arms if isinstance(arm, ast.BinOp) and any(isinstance(part, ast.Add) for part in ast.walk(arm))
    ]
    if len(sums) != 1:
        return False
    name = ast.unparse(target)
    return any(_is_like(target, each) and ast.unparse(each) == name for each in _operands(sums[0]))


def _is_like(target: ast.expr, operand: ast.expr) -> bool:
    """Whether an operand may be the target: it is of its form, and ends in the same name."""
    if type(operand) is not type(target):
        return False
    return _last_name(operand) == _last_name(target)


def _last_name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _total_in(value: Value) -> Data | None:
    """The sum: of `loss if total is None else total + loss`, the second."""
    if isinstance(value, Either):
        return next((each for each in value.alternatives if isinstance(each, Data) and each.operation == "add"), None)
    return value if isinstance(value, Data) else None


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """The operands of a sum, through products and quotients."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult, ast.Div)):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _added(total: Data, before: Value) -> Value:
    """What was added to `before` to make the total."""
    added = [each for each in total.inputs if each is not before and not _is_made_of(each, before)]
    return added[0] if total.operation == "add" and len(added) == 1 else total


def _is_made_of(value: Value, before: Value) -> bool:
    return isinstance(value, Data) and any(each is before for each in value.inputs)


def _counts_on(node: ast.Assign) -> bool:
    """Whether it is of the form `n = n + 1`, or `self.n = (self.n + 1) % 4`."""
    if not isinstance(node.value, ast.BinOp):
        return False
    names = {ast.unparse(target) for target in node.targets if isinstance(target, (ast.Name, ast.Attribute))}
    return any(
        isinstance(each, (ast.Name, ast.Attribute)) and ast.unparse(each) in names for each in _terms(node.value)
    )


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    """The operands of arithmetic, and of arithmetic in them."""
    if isinstance(node, ast.BinOp):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _repeats(machine: Machine) -> bool:
    """Whether the innermost loop goes on longer than it is followed: what counts in it takes more values than are seen."""
    return bool(machine.iterations) and not machine.iterations[-1].loop.whole


@executes(ast.AnnAssign)
def _annotated(machine: Machine, node: ast.AnnAssign) -> str | None:
    if node.value is not None:
        _assign_to(machine, node.target, machine.evaluate(node.value), node)
    return None


def _assign_to(machine: Machine, target: ast.expr, value: Value, node: ast.stmt) -> None:
    if isinstance(target, ast.Attribute) and target.attr == "grad":
        receiver = machine.evaluate(target.value)
        machine.emit(GradientsCleared(machine.site(node), receiver, replaced=value is not NONE))
        return
    if isinstance(target, ast.Attribute) and target.attr == "data" and machine.reads_gradients:
        updated = update_of(machine.evaluate(target.value), value)
        if updated is not None:
            machine.emit(OptimizerStepped(machine.site(node), updated))
            return
    if isinstance(target, ast.Subscript):
        value = live_state(value)
    if machine.iterations:
        _keep_state(machine, target, value, node, getattr(node, "value", None))
    calls.bind_target(machine, target, value)


def _keep_state(machine: Machine, target: ast.expr, value: Value, node: ast.stmt, written: ast.expr | None) -> None:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, Items):
        parts = written.elts if isinstance(written, (ast.Tuple, ast.List)) else [None] * len(value.items)
        for part, each, own in zip(target.elts, value.items, parts, strict=False):
            _keep_state(machine, part, each, node, own)
        return
    is_alias = isinstance(written, (ast.Name, ast.Attribute))
    if not is_alias and isinstance(value, (Data, Constant)):
        return
    kept = _named(target)
    if kept and any(_is_state(each) or (is_alias and is_network_like(each)) for each in elements(value)):
        machine.emit(StateKept(machine.site(node), value, kept))


def _named(target: ast.expr) -> str:
    if isinstance(target, ast.Subscript):
        return _named(target.value)
    if isinstance(target, ast.Name):
        return target.id
    return target.attr if isinstance(target, ast.Attribute) else ""


def _is_state(value: Value) -> bool:
    return isinstance(value, (State, Layer)) or (isinstance(value, Instance) and value.is_network)


@executes(ast.AugAssign)
def _augmented(machine: Machine, node: ast.AugAssign) -> str | None:
    load = _as_load(node.target)
    before = machine.evaluate(load)
    value = machine.evaluate(node.value)
    after = binary(machine, node.op, before, value, node)
    if isinstance(after, Constant) and _repeats(machine):
        after = machine.data("counter", (before, value), node)
    updated = update_of(before, after) if machine.reads_gradients else None
    if updated is not None:
        machine.emit(OptimizerStepped(machine.site(node), updated))
        return None
    if (
        isinstance(node.op, ast.Add)
        and _is_tallied(machine)
        and any(isinstance(each, Data) for each in elements(value))
    ):
        machine.emit(Accumulated(machine.site(node), before, value, after))
    if isinstance(before, Items) and isinstance(value, Items):
        before.items.extend(value.items)
        before.open = before.open or value.open
        return None
    if isinstance(node.target, ast.Attribute):
        if node.target.attr != "data":  # the numbers of a tensor change, the tensor stays
            store_attribute(machine, machine.evaluate(node.target.value), node.target.attr, after)
    elif isinstance(node.target, ast.Subscript):
        receiver = machine.evaluate(node.target.value)
        store_index(machine, receiver, machine.evaluate(node.target.slice), after)
    else:
        calls.bind_target(machine, node.target, after)
    return None


def _as_load(target: ast.expr) -> ast.expr:
    """The target of `+=` is also read: evaluation ignores the context, so the node serves as it is."""
    return target
