"""The training step: optimizers, schedulers, gradients, modes, states."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from nnlint.events import (
    Accumulated,
    Backward,
    Differentiated,
    GradientsCleared,
    GradientsClipped,
    LoaderMade,
    ModeSwitched,
    OptimizerMade,
    OptimizerStepped,
    SchedulerMade,
    SchedulerStepped,
    StateUsed,
)
from nnlint.graph import ancestors, content, parameters_of
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import (
    LASTING,
    SCHEDULING,
    external,
    is_network_like,
    is_optimizer_like,
    method,
    owners_in,
    role_name,
)
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, External, Function
from nnlint.values import (
    FALSE,
    FROZEN_KEY,
    MODE_KEY,
    NONE,
    TRUE,
    Constant,
    Data,
    Either,
    Instance,
    Items,
    Layer,
    Loader,
    Optimizer,
    Parameters,
    Scheduler,
    State,
    Value,
    elements,
    truth,
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

NOT_OPTIMIZERS = re.compile(r"\b(list|tuple|chain|filter|sum|set|len|iter|clip_grad|parameters_to_vector|named)", re.I)
FRAMEWORK_BACKWARD = re.compile(r"accel|fabric|engine|scaler|manager|trainer|optim|strategy|booster|model|self", re.I)


# Optimizers and schedulers


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """What a class or function that is not at hand makes, if that is an optimizer or a scheduler."""
    last = name.rpartition(".")[2]
    if ".lr_scheduler." in name or (_takes_optimizer(given) and SCHEDULING.search(last)):
        return make_scheduler(machine, last, given, node)
    if name.startswith("torch.optim.") and last in OPTIMIZERS:
        return make_optimizer(machine, last, given, node)
    if any(_is_parameters(value) for value in given.values()) and last[:1].isupper():
        return make_optimizer(machine, last, given, node)
    if any(_is_parameters(value) for value in given.values()) and re.search(r"opt", last, re.I):
        return make_optimizer(machine, last, given, node)
    return None


def _is_parameters(value: Value) -> bool:
    return any(isinstance(each, Parameters) for each in elements(value))


def _takes_optimizer(given: Arguments) -> bool:
    return any(isinstance(each, Optimizer) or is_optimizer_like(each) for each in given.values())


def make_optimizer(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Optimizer:
    """Construct an optimizer over parameters."""
    arguments = given.named(OPTIMIZERS.get(kind, ("params", "lr")))
    owners = owners_in(arguments.get("params")) or owners_in(Items(list(given.positional)))
    made = Optimizer(kind, owners, arguments, machine.site(node))
    machine.emit(OptimizerMade(machine.site(node), made))
    return made


def is_optimizer_class(cls: Class) -> bool:
    """Whether a first-party class is an optimizer whose own step, if it has one, only updates: none that wraps another's."""
    if not any(base.startswith("torch.optim.") and ".lr_scheduler." not in base for base in cls.external_bases()):
        return False
    step = cls.find("step")
    if not isinstance(step, Function):
        return True
    text = "\n".join(step.module.lines[step.node.lineno - 1 : step.node.end_lineno])
    return "super" not in text and "zero_grad" not in text and ".step(" not in text


def make_scheduler(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Scheduler:
    """Construct a learning-rate scheduler."""
    arguments = given.named(("optimizer",))
    made = Scheduler(kind, arguments.get("optimizer"), arguments, machine.site(node))
    machine.emit(SchedulerMade(machine.site(node), made))
    return made


@method("step")
def _step(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    first = given.get(0, "optimizer", "closure")
    stepped = next((each for each in given.values() if is_optimizer_like(each)), None)
    if stepped is not None:
        machine.emit(OptimizerStepped(machine.site(node), stepped))
        return NONE
    if isinstance(receiver, Scheduler):
        machine.emit(SchedulerStepped(machine.site(node), receiver))
        return NONE
    if isinstance(first, Function) and (isinstance(receiver, Data) or is_optimizer_like(receiver)):
        result = machine.call(first, Arguments(), node)
        machine.emit(OptimizerStepped(machine.site(node), receiver))
        return result
    if is_optimizer_like(receiver) and not (isinstance(receiver, Data) and given.positional):
        machine.emit(OptimizerStepped(machine.site(node), receiver))
        return NONE
    if isinstance(receiver, Data) and SCHEDULING.search(role_name(receiver)):
        return NONE
    return None


@method("optimizer_step")
def _optimizer_step(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if given.positional:
        machine.emit(OptimizerStepped(machine.site(node), given.positional[0]))
        return NONE
    return None


@method("zero_grad")
def _zero_grad(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    machine.emit(GradientsCleared(machine.site(node), receiver))
    return NONE


@method("zero_", "fill_", "zero")
def _zero(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    for source in content(receiver):
        if isinstance(source, Data) and source.operation == "attribute" and source.name == "grad":
            machine.emit(GradientsCleared(machine.site(node), source.inputs[0]))
            return receiver
    return None


@method("copy_")
def _gradient_given(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Gradients from elsewhere: `p.grad.copy_(mean)`."""
    for source in content(receiver) if machine.reads_gradients else ():
        if isinstance(source, Data) and source.operation == "attribute" and source.name == "grad":
            machine.emit(GradientsCleared(machine.site(node), source.inputs[0], replaced=True))
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
    if (isinstance(receiver, (Optimizer, Instance)) and first is not None) or (
        _is_framework(receiver) and isinstance(first, (Data, Either))
    ):
        machine.emit(Backward(machine.site(node), first))
    else:
        machine.emit(Backward(machine.site(node), receiver))
    return NONE


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
    for loss in elements(given.get(0, "tensors")):
        machine.emit(Backward(machine.site(node), loss))
    return NONE


@external("torch.autograd.grad")
def _autograd_grad(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    outputs = given.get(0, "outputs")
    if outputs is not None:
        machine.emit(Differentiated(machine.site(node), outputs))
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
    return machine.data("identity", (given.positional[0],), node)


@external("apex.amp.scale_loss")
def _scale_loss(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("scaled loss", given.values()[:1], node)


@external("torch.cuda.amp.GradScaler", "torch.amp.GradScaler")
def _grad_scaler(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("call", (), node, name="GradScaler")


@method("unscale_", "update")
def _scaler_method(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Data) and re.search("scaler", f"{receiver.name} {receiver.bound}", re.I):
        return NONE
    return None


# Gradient recording


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


def context_gradient(machine: Machine, context: Value) -> tuple[bool, bool | None]:
    """Whether a `with` context switches gradient recording, and to what (None: not known)."""
    if isinstance(context, External):
        return context.name.endswith(("no_grad", "inference_mode")), False
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


# Modes


@method("train", "eval")
def _switch_mode(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    name = getattr(getattr(node, "func", None), "attr", "train")
    is_network = isinstance(receiver, Layer) or (isinstance(receiver, Instance) and receiver.is_network)
    if not is_network and not (isinstance(receiver, Data) and _is_switch(receiver, given)):
        return None
    flag = given.get(0, "mode") if name == "train" else None
    training = (True if flag is None else truth(flag)) if name == "train" else False
    set_mode(machine, receiver, training)
    machine.emit(ModeSwitched(machine.site(node), receiver, training))
    return receiver


def _is_switch(receiver: Data, given: Arguments) -> bool:
    if receiver.operation not in LASTING | {"detach", "to"}:
        return False
    return not given.positional or isinstance(given.positional[0], Constant) or is_network_like(receiver)


def set_mode(machine: Machine, network: Value, training: bool | None) -> None:
    """Switch a network and all networks in it."""
    mode = Data("unknown") if training is None else (TRUE if training else FALSE)
    if isinstance(network, Data):
        machine.write(network.parts, MODE_KEY, mode)
    for part in parameters_of(network):
        if isinstance(part, (Instance, Layer)):
            machine.write(part.attributes, MODE_KEY, mode)


# Parameters and states


@method("parameters", "trainable_parameters", "get_parameters", "params")
def _parameters(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, (Instance, Layer)) or (isinstance(receiver, Data) and not given.positional):
        return Parameters((receiver,), machine.site(node))
    return None


@method("named_parameters")
def _named_parameters(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    return machine.data("named parameters", (Parameters((receiver,), machine.site(node)),), node)


@method("modules", "children", "named_modules", "named_children")
def _modules(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, (Instance, Layer)):
        return None
    name = getattr(getattr(node, "func", None), "attr", "")
    direct = [part for part in receiver.attributes.values() if next(parameters_of(part), None) is part]
    parts = list(parameters_of(receiver)) if name.endswith("modules") else direct
    if name.startswith("named"):
        text = machine.data("text", (), node)
        return Items([Items([text, part], "tuple") for part in parts], at=machine.site(node))
    return Items(parts, at=machine.site(node))


@method("state_dict")
def _state_dict(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    return State(receiver, machine.site(node))


@method("load_state_dict")
def _load_state_dict(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    machine.emit(StateUsed(machine.site(node), given.get(0, "state_dict") or NONE, receiver))
    return machine.data("unknown", (), node)


@external("torch.save", "torch.jit.save", "pickle.dump", "joblib.dump")
def _save(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    machine.emit(StateUsed(machine.site(node), given.get(0, "obj") or NONE))
    return NONE


@method(
    "to",
    "cuda",
    "cpu",
    "half",
    "float",
    "double",
    "bfloat16",
    "requires_grad_",
    "share_memory",
    "apply",
    "xpu",
    "compile",
)
def _moved(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, (Instance, Layer)):
        if getattr(getattr(node, "func", None), "attr", "") == "requires_grad_":
            machine.write(receiver.attributes, FROZEN_KEY, TRUE if truth(given.get(0)) is False else FALSE)
        return receiver
    if isinstance(receiver, Data) and is_network_like(receiver):
        return receiver
    return None


@external(
    "torch.nn.DataParallel",
    "torch.nn.parallel.DistributedDataParallel",
    "torch.nn.parallel.DataParallel",
    "torch.distributed.fsdp.FullyShardedDataParallel",
    "apex.parallel.DistributedDataParallel",
    "torch.compile",
    "torch.jit.script",
    "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
    "apex.parallel.convert_syncbn_model",
    "torch.nn.utils.weight_norm",
    "torch.nn.utils.spectral_norm",
    "torch.nn.utils.parametrizations.weight_norm",
    "torch.nn.utils.parametrizations.spectral_norm",
)
def _wrapped(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return given.get(0, "module", "model") or machine.data("unknown", (), node)


@external("torch.jit.trace", "torch.jit.trace_module", "torch.fx.symbolic_trace")
def _traced(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return given.get(0, "func", "mod", "root") or machine.data("unknown", (), node)


@external("torch.utils.checkpoint.checkpoint")
def _checkpointed(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if not given.positional:
        return machine.data("unknown", (), node)
    own = {key: value for key, value in given.keywords.items() if key not in CHECKPOINT}
    return machine.call(given.positional[0], Arguments(given.positional[1:], own, given.open), node)


CHECKPOINT = frozenset({"use_reentrant", "context_fn", "determinism_check", "debug", "preserve_rng_state"})


@external("torch.func.functional_call", "torch.nn.utils.stateless.functional_call")
def _functional_call(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    network, inputs = given.get(0, "module"), given.get(2, "args")
    if network is None or inputs is None:
        return machine.data("call", given.values(), node, name=name)
    values = inputs.items if isinstance(inputs, Items) else [inputs]
    return machine.call(network, Arguments(list(values)), node)


@method("register_buffer", "register_parameter")
def _register(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    key, value = given.get(0, "name"), given.get(1, "tensor", "param")
    if isinstance(receiver, Instance) and isinstance(key, Constant) and value is not None:
        machine.write(receiver.attributes, key.value, value)
        return NONE
    return None


@external("torch.nn.Parameter", "torch.nn.parameter.Parameter")
def _parameter(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("parameter", given.values()[:1], node)


# Loaders


LOADER = (
    "dataset",
    "batch_size",
    "shuffle",
    "sampler",
    "batch_sampler",
    "num_workers",
    "collate_fn",
    "pin_memory",
    "drop_last",
)


@external("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader", "torch_geometric.loader.DataLoader")
def _data_loader(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    arguments = given.named(LOADER)
    if given.open:
        arguments.setdefault("batch_size", machine.data("unknown", (), node))
    made = Loader(arguments.get("dataset"), arguments, machine.site(node))
    machine.emit(LoaderMade(machine.site(node), made))
    return made


@external("torch.utils.data.TensorDataset")
def _tensor_dataset(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("dataset", given.values(), node, name="TensorDataset")


@external("torch.utils.data.random_split")
def _random_split(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    whole = tuple(given.positional[:1])
    lengths = given.get(1, "lengths")
    known = lengths.items if isinstance(lengths, Items) and not lengths.open else (None, None)
    parts: list[Value] = []
    for length in known:
        options = {} if length is None else {"length": length}
        parts.append(machine.data("test split" if parts else "train split", whole, node, options=options))
    return Items(parts, "tuple")


@external("torch.utils.data.Subset")
def _subset(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("index", given.values(), node, name="Subset")


@method("update", "add", "add_", "push")
def _metered(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """A meter that is not at hand keeps what it is given."""
    if isinstance(receiver, Data) and receiver.operation in LASTING and given.positional:
        first = given.positional[0]
        if (
            isinstance(first, Data)
            and machine.iterations
            and re.search("meter|loss|avg|average", role_name(receiver), re.I)
        ):
            machine.emit(Accumulated(machine.site(node), receiver, first, receiver))
            return NONE
    return None
