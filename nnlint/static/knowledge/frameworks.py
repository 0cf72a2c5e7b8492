"""Frameworks that take part of the loop over: what they do for the user, as tables."""

from __future__ import annotations

import ast
import re

from nnlint.events import Backward, GradientsCleared, GradientsClipped, OptimizerStepped, StateUsed
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge import training
from nnlint.static.knowledge.common import EXTERNALS, external, method, role_name
from nnlint.static.knowledge.modules import set_mode
from nnlint.static.machine import Machine
from nnlint.static.objects import Class
from nnlint.values import NONE, Constant, Data, Instance, Items, Layer, Optimizer, Parameters, Value

NETWORK_BASES = frozenset(
    {
        "Module",
        "LightningModule",
        "PreTrainedModel",
        "Sequential",
        "ModuleList",
        "ModuleDict",
        "GraphModule",
        "ComposerModel",
        "MessagePassing",
        "FairseqModel",
        "BaseModel",
    }
)
RESTORERS = frozenset({"transformers", "diffusers", "huggingface_hub"})
"""Libraries whose classes know how to make themselves of weights that are kept somewhere."""

NETWORK_ROOTS = frozenset(
    {"torch", "pytorch_lightning", "lightning", "transformers", "torchvision", "timm", "composer"}
)


def is_network(cls: Class) -> bool:
    """Whether the class derives from torch's Module, directly or through a framework's or an unknown base of such a name."""
    for base in cls.external_bases():
        root, _, last = base.partition(".")[0], "", base.rpartition(".")[2]
        if last in ("Module", "ScriptModule", "LightningModule", "PreTrainedModel", "MessagePassing"):
            return True
        if root in NETWORK_ROOTS and (last in NETWORK_BASES or last.endswith(("Model", "Net"))):
            return True
        if root == "torchvision" and ".models" in base:
            return True
        if base.startswith("torch.nn.") and last.lstrip("_")[:1].isupper():
            return True
    return False


def is_restored(cls: Class) -> bool:
    """Whether `cls.from_pretrained(...)` constructs the class by itself: it is one of transformers' or diffusers' kind."""
    roots = {base.partition(".")[0] for base in cls.external_bases()}
    return is_network(cls) and cls.find("from_pretrained") is None and not RESTORERS.isdisjoint(roots)


def restore(machine: Machine, network: Value, node: ast.AST) -> None:
    """What `from_pretrained` does with a network that it has constructed: weights are loaded; the mode depends on the release."""
    machine.emit(StateUsed(machine.site(node), machine.data("load", (), node), network))
    set_mode(machine, network, None)


def is_composer(cls: Class) -> bool:
    """Whether composer's Trainer calls the class's `forward` on a batch, and then its `loss` on the output and the batch."""
    return any(base.rpartition(".")[2] == "ComposerModel" for base in cls.external_bases())


def instantiate_known(machine: Machine, cls: Class, given: Arguments, node: ast.AST) -> Value | None:
    """Objects of first-party classes that a framework constructs in its own way; None for all others."""
    return None


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """What a framework's class or function makes; None where nothing is known of it."""
    return None


@method(
    "prepare",
    "prepare_model",
    "prepare_optimizer",
    "prepare_data_loader",
    "prepare_scheduler",
    "setup",
    "setup_module",
    "setup_optimizers",
    "setup_dataloaders",
    "boost",
)
def _prepare(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """accelerate, fabric and boosters give back what they are given, in order."""
    if not given.positional or not (isinstance(receiver, Data) or _is_of_framework(receiver)):
        return None
    return given.positional[0] if len(given.positional) == 1 else Items(list(given.positional), "tuple")


@method("unwrap_model", "gather", "gather_for_metrics", "all_gather")
def _unwrapped(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """The network or the tensor itself, of all processes."""
    if not given.positional or not (_is_accelerator(receiver) or _is_of_framework(receiver)):
        return None
    return given.positional[0]


@method("accumulate", "no_sync", "no_backward_sync", "join_uneven_inputs", "save_model", "register_for_checkpointing")
def _left_as_it_is(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """What accelerate and fabric do around a network, or write of it: its weights and its mode stay."""
    return machine.data("method", (receiver,), node) if _is_accelerator(receiver) else None


def _is_accelerator(value: Value) -> bool:
    return isinstance(value, Data) and re.search("accel|fabric", role_name(value), re.I) is not None


def _is_of_framework(value: Value) -> bool:
    """Whether the value is an object of a first-party class that derives from one of Lightning's."""
    bases = value.cls.external_bases() if isinstance(value, Instance) else ()
    return any(base.rpartition(".")[2] in ("LightningModule", "LightningLite", "Fabric") for base in bases)


@method(
    "toggle_optimizer",
    "untoggle_optimizer",
    "toggled_optimizer",
    "log",
    "log_dict",
    "print",
)
def _read_only(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Methods of a LightningModule that leave optimizers and gradients as they are."""
    return NONE if _is_of_framework(receiver) else None


@method("clip_grad_norm_", "clip_grad_value_", "clip_gradients")
def _clip_gradients(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    targets = given.positional[-1:] if len(given.positional) == 1 else given.positional[:2]
    kept = [each for each in targets if not isinstance(each, Constant)]
    if not kept or not (isinstance(receiver, Data) or _is_of_framework(receiver)):
        return None
    machine.emit(GradientsClipped(machine.site(node), kept[-1]))
    return machine.data("norm", (kept[-1],), node)


@external("apex.amp.initialize", "intel_extension_for_pytorch.optimize")
def _initialize(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    model, optimizer = given.get(0, "models", "model"), given.get(1, "optimizers", "optimizer")
    if name.startswith("intel"):
        optimizer = given.get(None, "optimizer")
    if model is None or optimizer is None:
        return NONE if model is None else model
    return Items([model, optimizer], "tuple")


@external("horovod.torch.DistributedOptimizer", "byteps.torch.DistributedOptimizer")
def _distributed_optimizer(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return given.get(0, "optimizer") or machine.data("call", given.values(), node, name=name)


@external("torch_xla.core.xla_model.optimizer_step")
def _xla_step(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    optimizer = given.get(0, "optimizer")
    if optimizer is not None:
        named = training.argument(machine, node, given, optimizer)
        machine.emit(OptimizerStepped(machine.site(node), optimizer, named))
    return NONE


@method("make_private", "make_private_with_epsilon")
def _make_private(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """opacus gives back the network, the optimizer and the loader."""
    held = [given.get(None, name) for name in ("module", "optimizer", "data_loader")]
    return Items([each for each in held if each is not None], "tuple") if None not in held else None


# DeepSpeed: an engine that is called like its network, and clears the gradients when it steps

ENGINE_KEY = "<engine>"


@external("deepspeed.initialize")
def _deepspeed(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    network = given.get(1, "model") or machine.data("call", (), node, name="engine")
    parameters = given.get(3, "model_parameters") or Parameters((network,), machine.site(node))
    optimizer = given.get(2, "optimizer")
    if not isinstance(optimizer, (Optimizer, Data)):
        optimizer = training.make_optimizer(machine, "DeepSpeed", Arguments([parameters]), node)
    if isinstance(network, (Instance, Layer)):
        machine.write(network.attributes, ENGINE_KEY, optimizer)
    elif isinstance(network, Data):
        machine.write(network.parts, ENGINE_KEY, optimizer)
    rest = [machine.data("call", given.values(), node, name=f"deepspeed.{part}") for part in ("loader", "scheduler")]
    return Items([network, optimizer, *rest], "tuple")


def _engine_optimizer(receiver: Value) -> Value | None:
    if isinstance(receiver, (Instance, Layer)):
        return receiver.attributes.get(ENGINE_KEY)
    return receiver.parts.get(ENGINE_KEY) if isinstance(receiver, Data) else None


@method("backward")
def _engine_backward(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    loss = given.get(0, "loss")
    if _engine_optimizer(receiver) is None or loss is None:
        return None
    machine.emit(Backward(machine.site(node), loss))
    return NONE


@method("step")
def _engine_step(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    optimizer = _engine_optimizer(receiver)
    if optimizer is None:
        return None
    machine.emit(OptimizerStepped(machine.site(node), optimizer))
    machine.emit(GradientsCleared(machine.site(node), optimizer))
    return NONE


# higher: an inner loop on a copy of the network, whose steps differentiate and clear by themselves


@external("higher.innerloop_ctx")
def _inner_loop(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    network = given.get(0, "model") or machine.data("unknown", (), node)
    copied = _copy_of(machine, network, node)
    return Items([copied, machine.data("call", (copied,), node, name="differentiable inner loop")], "tuple")


@external("higher.monkeypatch", "higher.patch.monkeypatch")
def _patched(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return _copy_of(machine, given.get(0, "module") or machine.data("unknown", (), node), node)


def _copy_of(machine: Machine, network: Value, node: ast.AST) -> Value:
    return EXTERNALS["copy.deepcopy"](machine, "copy.deepcopy", Arguments([network]), node)
