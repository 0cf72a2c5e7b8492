"""What every module of torch answers to: modes, parameters, states, moves, wrappers around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import (
    ModeSwitched,
    NetworkWrapped,
    StateUsed,
)
from nnlint.graph import parameters_of
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import (
    LASTING,
    UNNAMED,
    external,
    is_network_like,
    method,
)
from nnlint.static.machine import Machine
from nnlint.values import (
    FALSE,
    FROZEN_KEY,
    GIVEN_KEY,
    LISTED_KEY,
    MODE_KEY,
    NONE,
    TRUE,
    Constant,
    Data,
    Instance,
    Items,
    Layer,
    Parameters,
    State,
    Value,
    truth,
)


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
        if not isinstance(part, (Instance, Layer)):
            continue
        machine.write(part.attributes, MODE_KEY, mode)
        for held in part.attributes.values():
            if type(held) is Data and MODE_KEY in held.parts:
                machine.write(held.parts, MODE_KEY, mode)  # a network of a library, as a part of this one


# Parameters and states


@method("parameters", "trainable_parameters", "get_parameters", "params")
def _parameters(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, (Instance, Layer)):
        return Parameters((receiver,), machine.site(node))
    if not isinstance(receiver, Data) or given.positional:
        return None
    if getattr(getattr(node, "func", None), "attr", "") == "parameters" and LISTED_KEY not in receiver.parts:
        machine.write(receiver.parts, LISTED_KEY, TRUE)
    return Parameters((receiver,), machine.site(node))


@method("named_parameters")
def _named_parameters(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    return machine.data("named parameters", (Parameters((receiver,), machine.site(node)),), node)


@method("modules", "children", "named_modules", "named_children")
def _modules(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, (Instance, Layer)) or GIVEN_KEY in receiver.attributes:
        return None  # of a network whose constructor was not followed, the parts are not known
    name = getattr(getattr(node, "func", None), "attr", "")
    direct = [part for part in receiver.attributes.values() if _may_be_child(part)]
    parts = _in_order(receiver) if name.endswith("modules") else direct
    if name.startswith("named"):
        text = machine.data("text", (), node)
        return Items([Items([text, part], "tuple") for part in parts], at=machine.site(node))
    return Items(parts, at=machine.site(node))


def _may_be_child(part: Value) -> bool:
    """Whether an attribute is a network or layer, or was made by code that is not at hand, of a class that is given, say."""
    return next(parameters_of(part), None) is part or (isinstance(part, Data) and part.operation == "call")


def _in_order(network: Instance | Layer) -> list[Value]:
    """The networks and layers inside a network in torch's order: each before its own parts, as they were assigned."""
    place = {id(part): number for number, part in enumerate(_walked(network))}
    return sorted(parameters_of(network), key=lambda part: place.get(id(part), len(place)))


def _walked(network: Value) -> Iterator[Value]:
    pending, seen = [network], set[int]()
    while pending:
        current = pending.pop()
        if isinstance(current, (Instance, Layer)) and id(current) not in seen:
            seen.add(id(current))
            yield current
            pending.extend(reversed(current.attributes.values()))


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
    "type",
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
    network = given.get(0, "module", "model")
    if network is not None and name.endswith("DistributedDataParallel"):
        machine.emit(NetworkWrapped(machine.site(node), network))
    return network or machine.data("unknown", (), node)


@method("module")
def _called_without_wrapper(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`wrapper.module(inputs)`: a wrapper stands for its network."""
    is_network = isinstance(receiver, Layer) or (isinstance(receiver, Instance) and receiver.is_network)
    if is_network or (isinstance(receiver, Data) and is_network_like(receiver)):
        return machine.call(receiver, given, node)
    return None


@method("forward")
def _forward(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`model.forward(inputs)`, of a network that is not of a class at hand."""
    if isinstance(receiver, Layer) or (isinstance(receiver, Data) and is_network_like(receiver)):
        return machine.call(receiver, given, node)
    return None


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
    if isinstance(receiver, Instance) and value is not None:
        label = key.value if isinstance(key, Constant) else f"{UNNAMED} {id(node)} {id(value)}"
        machine.write(receiver.attributes, label, value)
        return NONE
    return None


@external("torch.nn.Parameter", "torch.nn.parameter.Parameter")
def _parameter(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    learns = given.get(1, "requires_grad")
    options = {} if learns is None else {"requires_grad": learns}
    return machine.data("parameter", given.values()[:1], node, options=options)
