"""The networks of a run as objects: what they hold, what of it torch has registered, and where it was assigned."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelBuilt, OptimizerMade, OptimizerStepped, Run
from nnlint.graph import owners_listed, parameters_of
from nnlint.operations import LAYERS
from nnlint.static.objects import Class, CodeSite, External, Function
from nnlint.values import Constant, Data, Instance, Layer, Value, alternatives, elements

MOST_NETWORKS = 2000
MOST_UPDATES = 20

TRAINABLE = frozenset(
    "linear convolution transposed_convolution embedding recurrent bilinear attention transformer batch_norm layer_norm "
    "group_norm rms_norm prelu".split()
)
"""Layers that have something to train, as they are made by default."""


def networks(run: Run) -> tuple[Instance, ...]:
    """The networks of first-party classes that the run builds, also those in other networks, in lists and in dicts."""
    return run.remember("networks", run, _networks)


def _networks(run: Run) -> tuple[Instance, ...]:
    found: dict[int, Instance] = {}
    pending: list[Value] = [built.model for built in run.events(ModelBuilt)]
    seen: set[int] = set()
    while pending and len(seen) < MOST_NETWORKS:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Instance) and current.is_network:
            found[id(current)] = current
        if isinstance(current, (Instance, Layer)):
            held = [each for each in current.attributes.values() if type(each) is not Constant]
            pending.extend(part for each in held for part in elements(each))
    return tuple(found.values())


def is_module(value: Value) -> bool:
    """Whether the value is a layer or a network: what torch registers when it is assigned."""
    return isinstance(value, Layer) or (isinstance(value, Instance) and value.is_network)


BY_NAME = frozenset("getattr modules children named_modules named_children _modules __dict__ vars eval".split())
"""How a class reaches its parts without naming them."""


def unnamed_layers(run: Run, network: Instance) -> frozenset[int]:
    """The identities of the layers that the class, at hand as a whole, assigns and never reads again: no pass goes through
    them, whoever follows it. Comments that name them do not count."""
    if not isinstance(network.cls, Class):
        return frozenset()
    read = run.remember("attributes read", network.cls, _attributes_read)
    if read is None:
        return frozenset()
    held = network.attributes.items()
    return frozenset(id(part) for name, part in held if isinstance(part, Layer) and name not in read)


def _attributes_read(cls: Class) -> frozenset[str] | None:
    """The attributes that a class and its bases read; None where they reach some in another way, or a base is not known."""
    lineage = [*cls.lineage()]
    if any(not isinstance(base, (Class, External)) for each in lineage for base in each.bases):
        return None
    nodes = [node for each in lineage for node in ast.walk(each.node)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    is_derived = any(base.rpartition(".")[2] != "Module" for base in cls.external_bases())
    return None if is_derived or (names | read) & BY_NAME else frozenset(read)


def registered(run: Run) -> frozenset[int]:
    """The identities of the layers and networks that some network of the run holds as its own parts."""
    return run.remember("registered parts", run, _registered)


def _registered(run: Run) -> frozenset[int]:
    found: set[int] = set()
    pending: list[Value] = [part for network in networks(run) for part in _own_parts(network)]
    while pending:
        current = pending.pop()
        if id(current) not in found:
            found.add(id(current))
            pending.extend(_own_parts(current))
    return frozenset(found)


def _own_parts(holder: Value) -> Iterator[Value]:
    if isinstance(holder, (Instance, Layer)):
        for held in holder.attributes.values():
            yield from (part for part in alternatives(held) if is_module(part))
    if isinstance(holder, Layer):
        yield from (part for given in holder.arguments.values() for part in elements(given) if is_module(part))
        yield from owners_listed(holder)


def applied_layers(run: Run) -> frozenset[int]:
    """The identities of the layers that something passes through in the run, with gradients recorded."""
    return run.remember("applied layers", run, _applied_layers)


def _applied_layers(run: Run) -> frozenset[int]:
    return frozenset(
        id(value.layer)
        for operation, values in run.operations.items()
        if operation in _OF_LAYERS
        for value in values
        if isinstance(value, Data) and value.layer is not None and value.gradient is not False
    )


_OF_LAYERS = frozenset(operation for operation, _ in LAYERS.values())


def trainable_layers(part: Value) -> list[Layer]:
    """The layers with something to train in a layer or network, and not frozen."""
    return [each for each in parameters_of(part) if isinstance(each, Layer) and each.operation in TRAINABLE]


def optimized(run: Run) -> frozenset[int]:
    """The identities of whatever an optimizer of the run was given by itself, and of all parts of it that are registered.

    What is updated by hand is its own optimizer.
    """
    return run.remember("optimized parts", run, _optimized)


def _optimized(run: Run) -> frozenset[int]:
    found: set[int] = set()
    pending = [
        owner
        for made in run.events(OptimizerMade)
        for held in getattr(made.optimizer, "owners", ())
        for owner in elements(held)
    ]
    pending.extend(_updated_by_hand(run))
    while pending:
        current = pending.pop()
        if id(current) not in found:
            found.add(id(current))
            pending.extend(_own_parts(current))
    return frozenset(found)


def _updated_by_hand(run: Run) -> Iterator[Layer]:
    """The layers whose weights the script itself changes: `layer.weight -= rate * layer.weight.grad`."""
    for event in run.events(OptimizerStepped):
        for stepped in elements(event.optimizer):
            current: Value = stepped
            for _ in range(MOST_UPDATES):
                if not isinstance(current, Data) or not current.inputs or current.operation == "weight":
                    break
                current = current.inputs[0]
            if isinstance(current, Data):
                yield from (each for each in current.inputs[:1] if isinstance(each, Layer))
            elif isinstance(current, Layer):
                yield current


def assignment_of(network: Instance, name: str, among_others: bool = False) -> CodeSite | None:
    """Where the class of a network, or one of its bases, first assigns `self.name`: the statement. None if it does not.

    Statements that assign it `among_others`, `self.name, self.other = [], []`, count only where they are asked for; a `None`
    that holds its place until it is made counts only where nothing else is assigned.
    """
    if not isinstance(network.cls, Class):
        return None
    empty: CodeSite | None = None
    for cls in network.cls.lineage():
        for method in cls.node.body:
            if not isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(method):
                if (
                    isinstance(node, (ast.Assign, ast.AnnAssign))
                    and _binds(node, name, among_others)
                    and node.value is not None
                ):
                    site = CodeSite(cls.module, node, node, method)
                    if not isinstance(node.value, ast.Constant) or node.value.value is not None:
                        return site
                    empty = empty or site
    return empty


def _binds(node: ast.Assign | ast.AnnAssign, name: str, among_others: bool) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if among_others:
        targets = [part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])]
    return any(
        isinstance(each, ast.Attribute) and each.attr == name and isinstance(each.value, ast.Name) for each in targets
    )


def overrides(network: Instance, name: str) -> bool:
    """Whether the class of a network has a method of that name of its own."""
    return isinstance(network.cls, Class) and isinstance(network.cls.find(name), Function)


def items_written(value: ast.expr | None) -> int | None:
    """How many elements a list or tuple is written with; None where it is made in another way."""
    return len(value.elts) if isinstance(value, (ast.List, ast.Tuple, ast.Set)) else None


def methods_of_networks(run: Run) -> frozenset[int]:
    """The identities of the functions that are methods of the run's networks, also inherited ones.

    Class methods and static ones are left out: they make networks rather than being a part of their passes.
    """
    return run.remember("methods of networks", run, _methods_of_networks)


def _methods_of_networks(run: Run) -> frozenset[int]:
    classes = {id(cls): cls for network in networks(run) for cls in network.cls.lineage()}
    return frozenset(
        id(node)
        for cls in classes.values()
        for node in cls.node.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_of_class(node)
    )


def _is_of_class(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [each.id for each in method.decorator_list if isinstance(each, ast.Name)]
    return "classmethod" in names or "staticmethod" in names


def is_inside_network(run: Run, data: Data) -> bool:
    """Whether an operation stands in a method of a network, or in a function that such a method calls."""
    methods = methods_of_networks(run)
    return any(
        isinstance(site, CodeSite) and id(site.function) in methods
        for site in (data.at, *data.calls)
        if site is not None
    )


def registered_parameters(run: Run) -> frozenset[int]:
    """The identities of the tensors that a network, or a container of torch's own, holds as parameters."""
    return run.remember("registered parameters", run, _registered_parameters)


def _registered_parameters(run: Run) -> frozenset[int]:
    holders: list[Instance | Layer] = [*networks(run)]
    holders += [
        part
        for network in networks(run)
        for held in network.attributes.values()
        for part in elements(held)
        if isinstance(part, Layer)
    ]
    return frozenset(
        id(each)
        for holder in holders
        for held in holder.attributes.values()
        for each in alternatives(held)
        if isinstance(each, Data) and each.operation == "parameter"
    )
