"""Calls that leave the code at hand: which table of knowledge answers, and what happens where none does."""

from __future__ import annotations

import ast

from nnlint.events import ModelCalled
from nnlint.operations import (
    ACTIVATIONS,
    CONTAINERS,
    FOREIGN,
    FUNCTIONS,
    LAYERS,
    LOSSES,
    OPTION_NAMES,
    PARAMETERS,
    TRANSPARENT,
    WEIGHTED,
)
from nnlint.operations import METHODS as OPERATIONS
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge import (
    arrays,
    decorators,
    fitting,
    frameworks,
    inherited,
    layers,
    options,
    recording,
    schedulers,
    training,
    zoo,
)
from nnlint.static.knowledge import ignite as ignite  # the tables of these fill as they are imported
from nnlint.static.knowledge import ignite_supervised as ignite_supervised
from nnlint.static.knowledge import initialization as initialization
from nnlint.static.knowledge import loaders as loaders
from nnlint.static.knowledge import modules as modules
from nnlint.static.knowledge import python as python
from nnlint.static.knowledge import states as states
from nnlint.static.knowledge.common import (
    EXTERNALS,
    METHODS,
    escape,
    is_network_like,
    role_name,
    stands_for_network,
    with_contents,
    wrap_output,
)
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, External, Function
from nnlint.values import MODE_KEY, Constant, Data, Instance, Items, Parameters, Value

__all__ = [
    "METHODS",
    "apply_layer",
    "call_external",
    "call_method",
    "call_unknown",
    "context_gradient",
    "decorated",
    "decorated_gradient",
    "decorated_options",
    "entered",
    "escape",
    "forward_inherited",
    "has_fields",
    "initialize_inherited",
    "instantiate_known",
    "is_network",
    "is_network_like",
    "is_restored",
    "restore",
    "with_contents",
    "wrap_output",
]

WITHOUT_OTHERS = ACTIVATIONS - {"prelu"} | {"softmax", "log_softmax"}
"""Operations that no second tensor takes part in."""

COMPUTED = (
    WITHOUT_OTHERS | WEIGHTED | TRANSPARENT - {"list", "values"} | {"batch", "batch part", "call", "element", "method"}
)
"""What makes a tensor, and no number of a dimension."""

apply_layer = layers.apply_layer
forward_inherited = inherited.forward_inherited
context_gradient = recording.context_gradient
decorated_gradient = recording.decorated_gradient
decorated = decorators.decorated
decorated_options = options.decorated_options
has_fields = decorators.has_fields
is_network = frameworks.is_network
is_restored = frameworks.is_restored
restore = frameworks.restore

NUMERIC = frozenset({"torch", "numpy", "scipy", "cupy", "torch_scatter"})
"""Libraries whose functions go by the names of `nnlint.operations`."""

BATCH = frozenset(
    "x input inputs input_ids pixel_values input_values inputs_embeds attention_mask labels batch".split()
)
"""Keywords by which a network is given its batch, where it is called and not constructed."""

BIASED = frozenset({"addmm", "addmv", "baddbmm"})
"""Functions that add their first argument to the product of the next two."""

LOSS_FUNCTIONS = {spelling: kind for kind, names in LOSSES.items() for spelling in names}


def initialize_inherited(machine: Machine, instance: Instance, given: Arguments, node: ast.AST) -> None:
    """What the constructor of a base that is not at hand does to an object."""
    inherited.initialize_inherited(machine, instance, given, node)
    fitting.initialize_framework(machine, instance, given)
    schedulers.initialize(machine, instance, given)


def instantiate_known(machine: Machine, cls: Class, given: Arguments, node: ast.AST) -> Value | None:
    """Objects of first-party classes that torch or a framework knows how to use; None for all others."""
    if training.is_optimizer_class(cls):
        return training.make_optimizer(machine, cls.node.name, given, node)
    return schedulers.make_own(machine, cls, given, node) or frameworks.instantiate_known(machine, cls, given, node)


def call_external(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """Call a function or class by its dotted name."""
    handler = EXTERNALS.get(name)
    if handler is not None:
        return handler(machine, name, given, node)
    root, _, _ = name.partition(".")
    last = name.rpartition(".")[2]
    if root in FOREIGN:
        return machine.data("call", given.values(), node, name=name)
    if root in NUMERIC:
        known = _numeric(machine, root, last, name, given, node)
        if known is not None:
            return known
    fitting.observe(machine, name, given, node)
    for ask in (zoo.make, training.make, arrays.make, frameworks.make):
        made = ask(machine, name, given, node)
        if made is not None:
            return made
    escape(machine, given.values(), name, node)
    return machine.data("call", given.values(), node, name=name, options=dict(given.keywords))


def _numeric(machine: Machine, root: str, last: str, name: str, given: Arguments, node: ast.AST) -> Value | None:
    if root == "torch":
        if last in CONTAINERS:
            return layers.make_container(machine, last, given, node)
        if last in LAYERS and (last[0].isupper() and ".functional" not in name):
            return layers.make_layer(machine, last, given, node)
        if last in LOSS_FUNCTIONS:
            return layers.compute_loss(machine, LOSS_FUNCTIONS[last], given, node)
    if last in BIASED and len(given.positional) > 2:
        return _biased(machine, given, node)
    operation = FUNCTIONS.get(last)
    if operation == "tensor" and ".sparse." in name:
        return None  # the first argument says where the numbers stand
    return None if operation is None else operate(machine, operation, given, node)


def _biased(machine: Machine, given: Arguments, node: ast.AST) -> Data:
    """`addmm(bias, rows, weights)`: a product, and what is added to it."""
    product = machine.data("matmul", tuple(given.positional[1:3]), node)
    return machine.data("add", (product, given.positional[0]), node)


def operate(machine: Machine, operation: str, given: Arguments, node: ast.AST) -> Data:
    """New data from an operation spelled as a function or method, its options by torch's names."""
    values = list(given.positional)
    options = {OPTION_NAMES.get(name, name): value for name, value in given.keywords.items()}
    for name in ("input", "x", "a", "tensors"):
        if not values and name in options:
            values.append(options.pop(name))
    if operation == "to":  # a device, or a tensor that is like it, gives no numbers
        values = [value for value in values if value is values[0] or not isinstance(value, Data)]
        options = {name: value for name, value in options.items() if not isinstance(value, Data)}
    names = PARAMETERS.get(operation, ())
    if names:
        options = {**dict(zip(names, values[1:], strict=False)), **options}
        values = values[:1]
    made = machine.data(operation, tuple(values), node, options=options)
    made.width = _width(operation, values)
    if operation == "dropout" or operation in LAYER_OPERATIONS:
        machine.activity += 1
    return made


LAYER_OPERATIONS = frozenset(operation for operation, _ in LAYERS.values())
SHAPED = frozenset({"view", "reshape"})
ROWS_ONLY = frozenset({"flatten", "transpose", "permute", "sum", "mean", "max", "min", "index", "squeeze", "matmul"})


def _width(operation: str, values: list[Value]) -> int | None:
    if not values:
        return None
    if operation in SHAPED:
        shape = values[1:]
        if len(shape) == 1 and isinstance(shape[0], Items):
            shape = shape[0].items
        last = shape[-1] if shape else None
        known = last.value if isinstance(last, Constant) else None
        return known if isinstance(known, int) and known > 0 else None
    first = values[0]
    return first.width if isinstance(first, Data) and operation not in ROWS_ONLY else None


def call_method(machine: Machine, receiver: Value, name: str, given: Arguments, node: ast.AST) -> Value:
    """`receiver.name(...)`, where the method's source is not at hand."""
    for handler in METHODS.get(name, ()):
        result = handler(machine, receiver, given, node)
        if result is not None:
            return result
    if isinstance(receiver, Data):
        if name in BIASED and len(given.positional) > 1:
            return _biased(machine, Arguments([receiver, *given.positional]), node)
        operation = OPERATIONS.get(name)
        if operation is not None and not _is_held_layer(operation, given):
            return operate(machine, operation, Arguments([receiver, *given.positional], given.keywords), node)
    escape(machine, _reached(receiver, given), name, node)
    return machine.data("method", (receiver, *given.values()), node, name=name, options=dict(given.keywords))


def _is_held_layer(operation: str, given: Arguments) -> bool:
    """Whether `modules.softmax(x)` calls a layer that something unknown holds, of which only the name tells what it may do."""
    first = given.positional[0] if operation in WITHOUT_OTHERS and given.positional else None
    return isinstance(first, Data) and first.operation in COMPUTED


def _reached(receiver: Value, given: Arguments) -> tuple[Value, ...]:
    """What a method not at hand can reach: its arguments, its receiver, and what the receiver was made from."""
    if isinstance(receiver, Data) and receiver.operation == "call":
        return (*given.values(), receiver, *receiver.inputs)
    return (*given.values(), receiver)


def call_unknown(machine: Machine, callee: Data, given: Arguments, node: ast.AST) -> Value:
    """Call something unknown: a network, if it is called like one; else anything."""
    is_given = bool(given.positional) or MODE_KEY in callee.parts or given.open or not BATCH.isdisjoint(given.keywords)
    is_prepared = "return_tensors" in given.keywords  # so are tokenizers asked, whatever they are called
    is_network_called = is_given and not is_prepared and not machine.is_inside_network and is_network_like(callee)
    if callee.operation == "detach" or (is_network_called and not any(map(stands_for_network, given.positional))):
        made = machine.data("call", (callee, *given.values()), node, name=role_name(callee))
        inner = zoo.apply_own_head(machine, callee, made, node)
        output = wrap_output(machine, callee, inner, given.values(), node)
        training_mode = callee.parts.get(MODE_KEY)
        mode = training_mode.value if isinstance(training_mode, Constant) else None
        machine.emit(ModelCalled(machine.site(node), callee, given.values(), output, mode, machine.gradient))
        return output
    if callee.operation == "gradient switch" and given.positional and isinstance(given.positional[0], Function):
        return recording.under_decorator(given.positional[0], callee)
    if any(isinstance(value, Parameters) for value in given.values()):
        return training.make_optimizer(machine, role_name(callee), given, node)
    if callee.name == "getattr" and _is_of_schedulers(callee.inputs[:1]):
        return training.make_scheduler(machine, "LRScheduler", given, node)
    escape(machine, given.values(), role_name(callee), node)
    return machine.data("call", (callee, *given.values()), node, name=role_name(callee))


def _is_of_schedulers(holders: tuple[Value, ...]) -> bool:
    """Whether a class was taken from torch's schedulers by a name that is not known: `getattr(lr_scheduler, kind)`."""
    return any(isinstance(each, External) and each.name.endswith("lr_scheduler") for each in holders)


def entered(machine: Machine, context: Value, node: ast.AST) -> Value:
    """What `with context as name` binds."""
    if isinstance(context, Instance) and context.cls.find("__enter__") is not None:
        return machine.call_method(context, "__enter__", Arguments(), node)
    if isinstance(context, Data) and context.operation == "scaled loss":
        return context.inputs[0]
    return context
