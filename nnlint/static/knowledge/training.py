"""The training step: optimizers, schedulers, backward passes, clears and steps."""

from __future__ import annotations

import ast
import re

from nnlint.events import (
    Backward,
    Differentiated,
    GradientsCleared,
    GradientsClipped,
    GradientsUnscaled,
    Loop,
    OptimizerMade,
    OptimizerStepped,
    ScalerUpdated,
    SchedulerStepped,
)
from nnlint.graph import ancestors, content, is_transparent, parts_held, sources
from nnlint.lazy import regex
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge import schedulers
from nnlint.static.knowledge.common import (
    LASTING,
    NETWORKS,
    SCHEDULING,
    external,
    is_optimizer_like,
    is_scaler,
    method,
    owners_in,
    role_name,
)
from nnlint.static.machine import Machine
from nnlint.static.objects import Bound, Class, CodeSite, External, Function
from nnlint.values import (
    NONE,
    Data,
    Either,
    Instance,
    Items,
    Layer,
    Optimizer,
    Parameters,
    Scheduler,
    Value,
    alternatives,
    elements,
    join_all,
    number,
)

ADAM = ("params", "lr", "betas", "eps", "weight_decay", "amsgrad")
OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "SGD": ("params", "lr", "momentum", "dampening", "weight_decay", "nesterov"),
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax"), ADAM),
    "SparseAdam": ("params", "lr", "betas", "eps"),
    "Adagrad": ("params", "lr", "lr_decay", "weight_decay"),
    "Adadelta": ("params", "lr", "rho", "eps", "weight_decay"),
    "RMSprop": ("params", "lr", "alpha", "eps", "weight_decay", "momentum", "centered"),
    "Rprop": ("params", "lr", "etas", "step_sizes"),
    "ASGD": ("params", "lr", "lambd", "alpha", "t0", "weight_decay"),
    "LBFGS": ("params", "lr", "max_iter"),
}
"""Constructor parameters of torch.optim's classes (torch 2.x documentation)."""

SCALER_KEY = "<scaler>"
"""The part of a scaled loss under which it keeps the scaler that scaled it."""

FRAMEWORK_BACKWARD = regex(r"accel|fabric|engine|scaler|manager|trainer|optim|strategy|booster|model|self", re.I)
OF_STEPS = frozenset({"closure"})
"""The keywords that the step of an optimizer takes."""


# Optimizers and schedulers


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """What a class or function that is not at hand makes, if that is an optimizer or a scheduler."""
    last = name.rpartition(".")[2]
    if ".lr_scheduler." in name or (SCHEDULING.search(last) and _takes_optimizer(given)):
        return make_scheduler(machine, last, given, node)
    if name.startswith("torch.optim.") and last in OPTIMIZERS:
        return make_optimizer(machine, last, given, node)
    if (last[:1].isupper() or "opt" in last.lower()) and any(map(_is_parameters, given.values())):
        return make_optimizer(machine, last, given, node)
    return None


def _is_parameters(value: Value) -> bool:
    return any(isinstance(each, Parameters) for each in elements(value))


def _takes_optimizer(given: Arguments) -> bool:
    return any(map(is_optimizer_like, given.values()))


def make_optimizer(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Optimizer:
    """Construct an optimizer over parameters."""
    arguments = given.named(OPTIMIZERS.get(kind, ("params", "lr")))
    owners = owners_in(arguments.get("params")) or owners_in(Items(list(given.positional)))
    made = Optimizer(kind, owners, arguments, machine.site(node))
    held = frozenset(part for owner in owners for each in alternatives(owner) for part in parts_held(each))
    machine.emit(OptimizerMade(machine.site(node), made, held))
    return made


def is_optimizer_class(cls: Class) -> bool:
    """Whether a first-party class is an optimizer whose own step, if it has one, only updates: none that wraps another's."""
    if not any(base.startswith("torch.optim.") and ".lr_scheduler." not in base for base in cls.external_bases()):
        return False
    step = cls.find("step")
    if not isinstance(step, Function):
        return True
    text = step.module.text_of(step.node)
    return "super" not in text and "zero_grad" not in text and ".step(" not in text


LENGTHS = {
    "CosineAnnealingLR": ("T_max",),
    "CosineAnnealingWarmRestarts": ("T_0",),
    "OneCycleLR": ("max_lr", "total_steps"),
}
"""What schedulers are told of their length by position."""


def make_scheduler(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Scheduler:
    """Construct a learning-rate scheduler."""
    arguments = given.named(("optimizer", *LENGTHS.get(kind, ())))
    return schedulers.made(machine, kind, arguments.get("optimizer"), arguments, node)


@method("step")
def _step(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if any(map(_is_parameters, given.values())):
        return None  # a moving average is told whose weights to follow; an optimizer has its own
    first = given.get(0, "optimizer", "closure")
    scaler = receiver if is_scaler(receiver) else None
    followed = scaler is not None and _step_wrappers(machine, given, node)
    stepped = next((each for each in given.values() if _is_steppable(each, scaler is not None)), None)
    if stepped is not None:
        named = argument(machine, node, given, stepped)
        machine.emit(OptimizerStepped(machine.site(node), _optimizers_among(stepped), named, scaler))
    if stepped is not None or followed:
        return NONE
    if isinstance(receiver, Scheduler):
        machine.emit(SchedulerStepped(machine.site(node), receiver, given.get(0, "metrics", "metric", "epoch")))
        return NONE
    is_closure = isinstance(first, Function) or (isinstance(first, Bound) and first.function is not None)
    if first is not None and is_closure and (isinstance(receiver, Data) or is_optimizer_like(receiver)):
        return _step_with_closure(machine, receiver, first, node)
    is_given_more = bool(given.positional) or not OF_STEPS.issuperset(
        given.keywords
    )  # MXNet's trainers take a batch size
    if is_optimizer_like(receiver) and not (isinstance(receiver, Data) and is_given_more):
        machine.emit(OptimizerStepped(machine.site(node), receiver, _receiver(machine, node)))
        return NONE
    if isinstance(receiver, Data) and SCHEDULING.search(role_name(receiver)):
        return NONE
    return None


def _step_with_closure(machine: Machine, receiver: Value, closure: Value, node: ast.AST) -> Value:
    """LBFGS calls the closure again after each of its updates: a single step is a loop. One in a loop is passed twice anyway."""
    results: list[Value] = []

    def once() -> None:
        results.append(machine.call(closure, Arguments(), node))
        machine.emit(OptimizerStepped(machine.site(node), receiver, _receiver(machine, node)))

    if isinstance(receiver, Optimizer) and receiver.kind == "LBFGS" and not machine.iterations:
        machine.loop(Loop(machine.site(node), "while", None, "closure"), iter([once, once]))
    else:
        once()
    return results[-1]


def _is_steppable(value: Value, by_scaler: bool) -> bool:
    """Whether it is an optimizer, or one of several that a setting chooses; a scaler steps nothing else, whatever it may be."""
    choices = [is_optimizer_like(each) for each in alternatives(value) if each is not NONE]
    return any(choices) if by_scaler else bool(choices) and all(choices)


def _step_wrappers(machine: Machine, given: Arguments, node: ast.AST) -> bool:
    """Follow the steps of the project's own classes that a scaler is given, which wrap an optimizer; whether there are any."""
    wrappers = [
        each
        for value in given.values()
        for each in alternatives(value)
        if isinstance(each, Instance) and not is_optimizer_like(each) and isinstance(each.cls.find("step"), Function)
    ]
    for each in wrappers:
        machine.call_method(each, "step", Arguments(), node)
    return bool(wrappers)


def _optimizers_among(value: Value) -> Value:
    """What of several values is an optimizer: a class of the project's own that wraps one is followed by itself."""
    if not isinstance(value, Either):
        return value
    return join_all(each for each in value.alternatives if is_optimizer_like(each))


@method("optimizer_step")
def _optimizer_step(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if given.positional:
        stepped = given.positional[0]
        machine.emit(OptimizerStepped(machine.site(node), stepped, argument(machine, node, given, stepped)))
        return NONE
    return None


def _receiver(machine: Machine, node: ast.AST) -> CodeSite | None:
    """The expression before the dot of a method call."""
    function = node.func if isinstance(node, ast.Call) else None
    return machine.site(function.value) if isinstance(function, ast.Attribute) else None


def argument(machine: Machine, node: ast.AST, given: Arguments, value: Value) -> CodeSite | None:
    """The expression by which a value was given to a call."""
    if not isinstance(node, ast.Call) or any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    written = [*zip(given.positional, node.args, strict=False)]
    written += [(given.keywords[each.arg], each.value) for each in node.keywords if each.arg in given.keywords]
    return next((machine.site(expression) for each, expression in written if each is value), None)


@method("zero_grad", "cleargrads")
def _zero_grad(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    machine.emit(GradientsCleared(machine.site(node), receiver))
    return NONE


@method("zero_", "zero", "fill_", "copy_")
def _gradient_given(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Gradients that are cleared, or come from elsewhere: `p.grad.zero_()`, `p.grad.copy_(mean)`, `p.grad.fill_(0.1)`."""
    for gradient in _gradients(machine, receiver):
        replaced = bool(given.positional) and number(given.positional[0]) != 0
        machine.emit(GradientsCleared(machine.site(node), gradient.inputs[0], replaced=replaced))
        return receiver
    return None


def _gradients(machine: Machine, value: Value) -> list[Data]:
    """The gradients that a value is; none of rows or columns of them: `embedding.weight.grad[frozen].zero_()`."""
    found = sources(value, _is_whole) if machine.reads_gradients else []
    return [each for each in found if isinstance(each, Data) and each.operation == "attribute" and each.name == "grad"]


def _is_whole(data: Data) -> bool:
    return is_transparent(data) and data.operation != "index"


@method("clamp_", "clip_")
def _gradient_clamped(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Gradients that are bounded one by one: `p.grad.data.clamp_(-1, 1)`."""
    for gradient in _gradients(machine, receiver):
        for owner in owners_in(gradient.inputs[0]) or (gradient.inputs[0],):
            machine.emit(GradientsClipped(machine.site(node), owner))
        return receiver
    return None


@method("add_", "sub_", "addcdiv_", "addcmul_", "copy_", "mul_", "set_")
def _in_place(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """A hand-written update: `p.data.add_(p.grad, alpha=-rate)`."""
    if not machine.reads_gradients:
        return None
    updated = {id(source): source for source in content(receiver)}
    for value in given.values():
        for data in ancestors(value, stop=lambda each: each.operation == "attribute"):
            if data.operation == "attribute" and data.name == "grad":
                for source in content(data.inputs[0]):
                    if id(source) in updated:
                        owners = owners_in(source) or (source,)
                        machine.emit(OptimizerStepped(machine.site(node), owners[0]))
                        return receiver
    return None


# Gradients


@method("backward")
def _backward(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    first = given.get(0, "loss")
    if _is_by_hand(receiver, given, node) or (first is not None and _is_asked_further(machine, node)):
        return None
    if (isinstance(receiver, (Optimizer, Instance, Layer)) and first is not None) or (
        _is_framework(receiver) and isinstance(first, (Data, Either))
    ):
        machine.emit(Backward(machine.site(node), first))
    else:
        machine.emit(Backward(machine.site(node), receiver, _scaler_of(receiver)))
    return NONE


def _scaler_of(loss: Value) -> Value | None:
    """The gradient scaler that a loss comes from: `scaler.scale(loss)`."""
    for each in alternatives(loss):
        if isinstance(each, Data) and SCALER_KEY in each.parts:
            return each.parts[SCALER_KEY]
    return None


RATE = regex(r"(?i)(?:^|_|\.)(?:rate|lr|alpha|eta|step_?size)$")
"""Names of a learning rate: who hands it to a backward pass has the weights updated there, by hand."""


def _is_by_hand(receiver: Value, given: Arguments, node: ast.AST) -> bool:
    """Whether a network written by hand is given the gradient of its output, and what its forward pass left: no loss."""
    rest = given.positional[1:]
    if isinstance(receiver, Instance):
        written = node.args[1:] if isinstance(node, ast.Call) else []
        return any(RATE.search(ast.unparse(each)) for each in written)
    return (
        isinstance(receiver, Data)
        and NETWORKS.search(role_name(receiver)) is not None
        and bool(rest)
        and not any(is_optimizer_like(each) for each in rest)
    )


def _is_asked_further(machine: Machine, node: ast.AST) -> bool:
    """Whether the code goes on with an attribute of what comes back: a backward pass of a loss gives nothing, the way back of an
    invertible network gives pictures."""
    statement = machine.statement
    return statement is not None and any(
        isinstance(each, ast.Attribute) and each.value is node for each in ast.walk(statement)
    )


def _is_framework(receiver: Value) -> bool:
    return (
        isinstance(receiver, Data)
        and receiver.operation in LASTING
        and FRAMEWORK_BACKWARD.search(role_name(receiver)) is not None
    )


@method("manual_backward")
def _manual_backward(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not given.positional:
        return None
    machine.emit(Backward(machine.site(node), given.positional[0]))
    return NONE


@external("torch.autograd.backward")
def _autograd_backward(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    along = given.get(1, "grad_tensors")
    is_of_another = isinstance(along, Data) and along.operation == "gradient" and bool(along.inputs)
    # backward(x, grad(y, x)): the pass goes through y, and ends at x
    for loss in elements(along.inputs[0] if isinstance(along, Data) and is_of_another else given.get(0, "tensors")):
        machine.emit(Backward(machine.site(node), loss))
    return NONE


@external("torch.autograd.grad")
def _autograd_grad(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    outputs = given.get(0, "outputs")
    if outputs is not None:
        machine.emit(Differentiated(machine.site(node), outputs, given.get(1, "inputs")))
    return machine.data("gradient", given.values(), node)


@external(
    "torch.nn.utils.clip_grad_norm_",
    "torch.nn.utils.clip_grad_norm",
    "torch.nn.utils.clip_grad_value_",
    "torch.nn.utils.clip_grad.clip_grad_norm_",
)
def _clip(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    target = given.get(0, "parameters")
    if target is not None:
        machine.emit(GradientsClipped(machine.site(node), target))
    return machine.data("norm", given.values()[:1], node)


@method("scale", "scale_loss")
def _scale(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not given.positional or not isinstance(receiver, (Data, External)):
        return None
    made = machine.data("identity", (given.positional[0],), node)
    if is_scaler(receiver):
        made.parts[SCALER_KEY] = receiver
    return made


@external("apex.amp.scale_loss")
def _scale_loss(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("scaled loss", given.values()[:1], node)


@external("torch.cuda.amp.GradScaler", "torch.amp.GradScaler")
def _grad_scaler(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("call", (), node, name="GradScaler")


@method("unscale_")
def _unscale(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    optimizer = given.get(0, "optimizer")
    if not is_scaler(receiver) or optimizer is None:
        return NONE if is_scaler(receiver) else None
    machine.emit(GradientsUnscaled(machine.site(node), optimizer))
    return NONE


@method("update")
def _update_scaler(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not is_scaler(receiver):
        return None
    machine.emit(ScalerUpdated(machine.site(node), receiver))
    return NONE
