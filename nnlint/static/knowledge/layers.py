"""torch.nn: layers and containers are made, applied to data, and losses computed."""

from __future__ import annotations

import ast

from nnlint.events import LossComputed, ModelBuilt, ModelCalled
from nnlint.operations import ACTIVATIONS, LAYERS, LOSS_OPERATIONS, WIDTHS
from nnlint.static.arguments import Arguments
from nnlint.static.iteration import known_elements
from nnlint.static.knowledge.common import method, wrap_output
from nnlint.static.machine import Machine
from nnlint.static.objects import CodeSite
from nnlint.values import (
    CALLED_KEY,
    MODE_KEY,
    OPTIONAL_KEY,
    TRUE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Value,
    alternatives,
    join,
    join_all,
    number,
)

WEIGHTED = frozenset(
    "linear convolution transposed_convolution embedding recurrent bilinear attention transformer".split()
)
RETURNS_PAIR = frozenset({"recurrent", "attention"})


def make_layer(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Layer:
    """Construct one of torch.nn's layers. One with weights that a loop gives a name of its own is a network by itself."""
    operation, names = LAYERS[kind]
    machine.activity += 1
    made = Layer(kind, operation, given.named(names), machine.site(node), {MODE_KEY: TRUE})
    if machine.is_conditional():
        made.attributes[OPTIONAL_KEY] = TRUE
    if machine.iterations and operation in WEIGHTED and not machine.is_inside_network and _is_named(machine, node):
        machine.emit(ModelBuilt(machine.site(node), made))
    return made


def _is_named(machine: Machine, node: ast.AST) -> bool:
    """Whether the statement gives what is made there a name: `head = nn.Linear(512, 10).to(device)`."""
    statement = machine.statement
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    value = statement.value
    while value is not node and isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value
    return value is node


def make_container(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Layer:
    """Construct a Sequential, ModuleList or ModuleDict from its modules, a list or dict of them.

    A Sequential that stands in no other network is one by itself.
    """
    made = _container(machine, kind, given, node)
    if kind == "Sequential" and not machine.is_inside_network:
        machine.emit(ModelBuilt(machine.site(node), made))
    return made


def _container(machine: Machine, kind: str, given: Arguments, node: ast.AST) -> Layer:
    machine.activity += 1
    made = Layer(kind, kind.lower(), {}, machine.site(node), {MODE_KEY: TRUE})
    held = given.positional
    if len(held) == 1 and isinstance(held[0], Entries):
        made.attributes.update((str(name), part) for name, part in held[0].entries.items())
        return made
    if (len(held) == 1 and kind != "Sequential") or (len(held) == 1 and isinstance(held[0], (Items, Data))):
        held = _modules_in(held[0])
    for part in held:
        _append(made, part)
    return made


def _modules_in(value: Value) -> list[Value]:
    """The modules of a list, or of (name, module) pairs; of lists to choose from, those that may stand at each place."""
    if isinstance(value, Either):
        choices = [_modules_in(each) for each in value.alternatives]
        longest = max(map(len, choices), default=0)
        return [join_all(each[at] for each in choices if at < len(each)) for at in range(longest)]
    known = known_elements(value)
    held = known if known is not None else list(value.items) if isinstance(value, Items) else []
    return [each.items[-1] if isinstance(each, Items) and len(each.items) == 2 else each for each in held]


def _append(container: Layer, part: Value) -> None:
    container.attributes[str(len(parts_of(container)))] = part


def parts_of(container: Layer) -> list[Value]:
    """The modules of a container, in order."""
    return [part for name, part in container.attributes.items() if isinstance(name, str) and name[:1] != "<"]


@method("append", "add_module", "register_module", "insert", "extend")
def _add(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    name = getattr(getattr(node, "func", None), "attr", "append")
    if isinstance(receiver, Instance) and receiver.is_network and name in ("add_module", "register_module"):
        key, part = given.get(0, "name"), given.get(1, "module")
        if isinstance(key, Constant) and part is not None:
            machine.write(receiver.attributes, key.value, part)
        elif part is not None:
            machine.write(receiver.attributes, f"module {len(receiver.attributes)}", part)
        return receiver
    if not isinstance(receiver, Layer):
        return None
    if name == "extend":
        for part in _modules_in(given.positional[0]) if given.positional else []:
            _append(receiver, part)
    elif name in ("add_module", "register_module"):
        key, part = given.get(0, "name"), given.get(1, "module")
        label = str(key.value) if isinstance(key, Constant) else str(len(parts_of(receiver)))
        if part is not None and _was_made_there(receiver.attributes.get(label), part):
            label = f"{label} {len(parts_of(receiver))}"  # added in one pass of a loop, and in this one: it comes last
        if part is not None:
            machine.write(receiver.attributes, label, part)
    elif given.positional:
        _append(receiver, given.positional[-1])
    return receiver


def _was_made_there(earlier: Value | None, part: Value) -> bool:
    """Whether the same constructor has made the module that goes by the name already."""
    sites = [getattr(each, "at", None) for each in (*alternatives(earlier), part)]
    nodes = [site.node if isinstance(site, CodeSite) else None for site in sites]
    return nodes[-1] is not None and any(node is nodes[-1] for node in nodes[:-1])


def apply_layer(
    machine: Machine, layer: Layer, given: Arguments, node: ast.AST, network: Instance | None = None
) -> Value:
    """Call a layer on its inputs. Called from outside any network, a layer with weights is itself the network.

    `network` is the object whose torch base the layer stands for, if it is such a one.
    """
    if layer.operation in LOSS_OPERATIONS:
        return compute_loss(machine, layer.operation, given, node, layer)
    outermost = not machine.is_inside_network and (layer.operation in WEIGHTED or layer.kind == "Sequential")
    if not outermost:
        return _applied(machine, layer, given, node)
    machine.network_depth += 1
    try:
        inner = _applied(machine, layer, given, node)
    finally:
        machine.network_depth -= 1
    model: Layer | Instance = layer if network is None else network
    output = wrap_output(machine, model, inner, given.values(), node)
    training = model.attributes.get("<training>")
    mode = training.value if isinstance(training, Constant) else None
    machine.emit(ModelCalled(machine.site(node), model, given.values(), output, mode, machine.gradient))
    return output


def _chained(machine: Machine, chain: Layer, given: Arguments, node: ast.AST) -> Value:
    value: Value = given.positional[0] if given.positional else machine.data("unknown", (), node)
    if CALLED_KEY in chain.attributes:  # it holds itself
        return value
    chain.attributes[CALLED_KEY] = TRUE
    try:
        return _through_parts(machine, chain, value, node)
    finally:
        del chain.attributes[CALLED_KEY]


def _through_parts(machine: Machine, chain: Layer, value: Value, node: ast.AST) -> Value:
    earlier, before = None, value
    for part in parts_of(chain):
        if earlier is not None and _are_exclusive(earlier, part):
            value = join(value, machine.call(part, Arguments([before]), node))
        else:
            before, value = value, machine.call(part, Arguments([value]), node)
            value = join(before, value) if _is_left_out_sometimes(part) else value
        earlier = part
    return value


def _applied(machine: Machine, layer: Layer, given: Arguments, node: ast.AST) -> Value:
    machine.activity += 1
    if layer.kind == "Sequential":
        return _chained(machine, layer, given, node)
    inputs = given.values()
    if layer.operation == "identity" and inputs:
        return inputs[0]
    made = machine.data(layer.operation, inputs, node, layer=layer, width=_width(layer, inputs))
    if layer.operation in RETURNS_PAIR and not layer.kind.endswith("GRUCell") and layer.kind != "RNNCell":
        return Items([made, machine.data("state of", (made,), node)], "tuple")
    return made


BETWEEN_LAYERS = ACTIVATIONS - {"sigmoid", "logsigmoid"}
"""Activations that a loop puts between layers, and leaves out behind the last one."""

LAST = ACTIVATIONS | {"softmax", "log_softmax"}


def _are_exclusive(first: Value, second: Value) -> bool:
    """Whether two activations in a row were added in the two arms of one `if`: a network has the one or the other."""
    if not isinstance(first, Layer) or not isinstance(second, Layer) or not {first.operation, second.operation} <= LAST:
        return False
    one, other = first.at, second.at
    if not isinstance(one, CodeSite) or not isinstance(other, CodeSite) or one.function is not other.function:
        return False
    around = one.function if one.function is not None else one.module.tree
    choices = [node for node in ast.walk(around) if isinstance(node, ast.If) and node.orelse]
    return any(
        _stands_in(one, arm) and _stands_in(other, another)
        for choice in choices
        for arm, another in ((choice.body, choice.orelse), (choice.orelse, choice.body))
    )


def _is_left_out_sometimes(part: Value) -> bool:
    """Whether an activation is added under an `if` in a loop: `if i < len(sizes) - 2: layers.append(nn.ReLU())`."""
    if not isinstance(part, Layer) or part.operation not in BETWEEN_LAYERS or OPTIONAL_KEY not in part.attributes:
        return False
    site = part.at
    if not isinstance(site, CodeSite) or not isinstance(site.statement, (ast.Expr, ast.AugAssign)):
        return False
    around = site.function if site.function is not None else site.module.tree
    return any(
        isinstance(choice, ast.If) and not choice.orelse and _stands_in(site, choice.body)
        for loop in ast.walk(around)
        if isinstance(loop, ast.For) and _stands_in(site, loop.body)
        for choice in loop.body
        if _reads(choice, loop.target)
    )


def _reads(choice: ast.stmt, target: ast.expr) -> bool:
    """Whether the test of an `if` depends on what the loop counts or draws."""
    bound = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    test = choice.test if isinstance(choice, ast.If) else None
    return test is not None and any(isinstance(node, ast.Name) and node.id in bound for node in ast.walk(test))


def _stands_in(site: CodeSite, arm: list[ast.stmt]) -> bool:
    line = getattr(site.node, "lineno", 0)
    return arm[0].lineno <= line <= (arm[-1].end_lineno or 0)


def _width(layer: Layer, inputs: tuple[Value, ...]) -> int | None:
    for name in WIDTHS.get(layer.operation, ()):
        known = number(layer.arguments.get(name))
        if known is not None:
            return int(known)
    if layer.operation in WEIGHTED or layer.operation in ("flatten", "reshape", "pool", "upsample"):
        return None
    first = inputs[0] if inputs else None
    return first.width if isinstance(first, Data) else None


def compute_loss(machine: Machine, kind: str, given: Arguments, node: ast.AST, layer: Layer | None = None) -> Value:
    """A loss compares a prediction with a target."""
    prediction = given.get(0, "input", "x1", "anchor")
    target = given.get(1, "target", "x2", "positive")
    inputs = tuple(value for value in (prediction, target) if value is not None)
    made = machine.data(kind, inputs, node, options=dict(given.keywords), layer=layer)
    if prediction is not None:
        machine.emit(LossComputed(machine.site(node), kind, prediction, target, made))
    return made
