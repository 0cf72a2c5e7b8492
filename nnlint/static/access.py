"""Names, attributes and subscripts: how a value is reached and how it is stored."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence

from nnlint.graph import has_graph, is_from_data_set, parameters_of
from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.static.objects import Bound, Class, External, Function, Member, Module, Partial, Super, container_in
from nnlint.static.parts import store_part, stored_part
from nnlint.static.usual_names import MEANT, meant_by
from nnlint.values import (
    FALSE,
    MODE_KEY,
    NONE,
    TRUE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Loader,
    Optimizer,
    Parameters,
    Value,
    join_all,
)

BUILTINS = frozenset(dir(builtins))
SAMPLE = "<sample>"
TRANSPOSES = frozenset({"T", "mT", "H"})
PACKS = frozenset({"pack_padded_sequence", "pack_sequence"})


def lookup(machine: Machine, name: str, node: ast.AST) -> Value:
    """The value of a name: local, enclosing, global, builtin, or data of its own that stays the same."""
    frame = machine.frame
    found = frame.locals.get(name)
    if found is not None:
        return found
    for scope in frame.closure:
        found = scope.get(name)
        if found is not None:
            return found
    names = frame.module.names
    found = names.get(name)
    if found is not None:
        return found
    if name in BUILTINS:
        return machine.project.builtin(name)
    found = machine.project.star_import(frame.module, name) or _as_usual(machine, name, node)
    if found is None:
        found = Data("name", (), machine.site(node), name=name)
    names[name] = found
    return found


def _as_usual(machine: Machine, name: str, node: ast.AST) -> Value | None:
    """What everybody means by a name whose import is missing."""
    module = machine.frame.module
    meant = meant_by(name, module.source.text, module.tree) if name in MEANT else None
    if meant is None:
        return None
    base, _, last = meant.rpartition(".")
    if not base:
        return machine.project.import_name(machine, module, meant, node)
    return machine.project.member(machine, machine.project.import_name(machine, module, base, node), last, node)


def attribute(machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
    """`value.name`, for any value."""
    if isinstance(value, External):
        return value.part(name)
    if isinstance(value, Instance):
        return _of_instance(machine, value, name, node)
    if isinstance(value, Data):
        return _of_data(machine, value, name, node)
    if isinstance(value, Module):
        return _of_module(machine, value, name, node)
    if isinstance(value, (Layer, Optimizer)):
        return _of_torch_object(machine, value, name, node)
    if isinstance(value, Either):
        known = [each for each in value.alternatives if each is not NONE]
        return join_all(attribute(machine, each, name, node) for each in known)
    if isinstance(value, Class):
        return _of_class(machine, value, name, node)
    if isinstance(value, Super):
        return _of_super(value, name)
    if isinstance(value, Constant) and isinstance(value.value, Member) and name in ("name", "value"):
        return Constant(value.value.name) if name == "name" else value.value.value
    if isinstance(value, Function) and name in ("__name__", "__doc__"):
        return Data("attribute", (value,), machine.site(node), name=name)
    trained = _trained_by(value) if name in ("model", "lightning_module") else None
    return trained or Bound(value, name)


def _trained_by(value: Value) -> Instance | None:
    """The network whose framework's trainer it is: `self.trainer.model` is the module itself."""
    owner = value.receiver if isinstance(value, Bound) and value.name == "trainer" else None
    return owner if isinstance(owner, Instance) and owner.is_network else None


def _of_instance(machine: Machine, value: Instance, name: str, node: ast.AST) -> Value:
    found = value.attributes.get(name)
    if found is not None:
        return found
    inherited = value.cls.find(name)
    if inherited is not None:
        return bind(machine, value, inherited, name, node)
    if name == "__class__":
        return value.cls if isinstance(value.cls, Class) else Data("attribute", (value,), name=name)
    if name == "training" and value.is_network:
        return value.attributes.get(MODE_KEY, Data("attribute", (value,), machine.site(node), name=name))
    if name == "module" and value.is_network:
        return value
    if name == "_modules" and value.is_network:
        return Entries(
            {label: part for label, part in value.attributes.items() if next(parameters_of(part), None) is part}
        )
    if any(value.cls.external_bases()):
        return Bound(value, name)
    getter = value.cls.find("__getattr__")
    if isinstance(getter, Function):
        return machine.call(Bound(value, "__getattr__", getter), Arguments([Constant(name)]), node)
    unknown = Data("attribute", (value,), machine.site(node), name=name)
    value.attributes[name] = unknown
    machine.run.ties.append(unknown)
    return unknown


def bind(machine: Machine, receiver: Value, found: Value, name: str, node: ast.AST) -> Value:
    """A class attribute seen from an object: methods are bound, properties computed."""
    if not isinstance(found, Function):
        return found
    if found.kind == "static":
        return found
    if found.kind == "property":
        return machine.call(Bound(receiver, name, found), Arguments(), node)
    return Bound(receiver, name, found)


def _of_data(machine: Machine, value: Data, name: str, node: ast.AST) -> Value:
    found = value.parts.get(name)
    if found is not None:
        return found
    if name in TRANSPOSES:
        return machine.data("transpose", (value,), node)
    if name in ("module", "training") and MODE_KEY in value.parts:
        return value if name == "module" else value.parts[MODE_KEY]
    if name in ("data", "values") and value.operation != "name" and not is_from_data_set(value):
        if _is_packed(value):
            return machine.data("gather", value.inputs[:1], node) if value.operation == "call" else value
        return machine.data("detach" if name == "data" else "values", (value,), node)
    if name == "requires_grad" and value.inputs and (known := has_graph(value)) is not None:
        return TRUE if known else FALSE
    made = Data("attribute", (value,), machine.site(node), name=name, gradient=value.gradient)
    machine.reads_gradients = machine.reads_gradients or name == "grad"
    value.parts[name] = made
    machine.run.ties.append(made)
    return made


def _is_packed(value: Data) -> bool:
    """Whether it is a batch without its padding, or what a recurrent layer makes of one: its `data` are the rows, uncut."""
    while value.operation in ("recurrent", "output") and value.inputs and isinstance(value.inputs[0], Data):
        value = value.inputs[0]
    return value.operation == "call" and bool(value.inputs) and value.name.rpartition(".")[2] in PACKS


def _of_module(machine: Machine, value: Module, name: str, node: ast.AST) -> Value:
    found = value.names.get(name) or machine.project.submodule(value, name)
    if value.has_deferred and name != "__dict__":
        found = machine.project.member(machine, value, name, node)
    found = found or machine.project.star_import(value, name)
    if found is None and name == "__dict__":
        made = machine.data("call", (), node, name=name)
        made.parts.update({("index", key): each for key, each in value.names.items() if isinstance(key, str)})
        return made
    if found is None:
        found = value.names[name] = Data("name", (), machine.site(node), name=f"{value.name}.{name}")
    return found


def _of_torch_object(machine: Machine, value: Layer | Optimizer, name: str, node: ast.AST) -> Value:
    found = value.attributes.get(name)
    if found is not None:
        return found
    if name == "module":
        return value
    if name == "training" and isinstance(value, Layer):
        return value.attributes.get(MODE_KEY, Data("attribute", (value,), machine.site(node), name=name))
    if isinstance(value, Layer) and name in ("weight", "bias"):
        made = Data("weight", (value,), machine.site(node), name=name)
        value.attributes[("parameter", name)] = made
        machine.run.ties.append(made)
        return made
    if isinstance(value, Layer) and name in value.arguments:
        return value.arguments[name]
    if isinstance(value, Optimizer) and name == "param_groups":
        return Data("attribute", (value,), machine.site(node), name=name)
    return Bound(value, name)


def _of_class(machine: Machine, value: Class, name: str, node: ast.AST) -> Value:
    found = value.find(name)
    if isinstance(found, Function) and found.kind == "class":
        return Bound(value, name, found)
    if found is not None:
        return found if isinstance(found, Function) else value.member(name) or found
    return Data("attribute", (value,), machine.site(node), name=name)


def _of_super(value: Super, name: str) -> Value:
    receiver = value.receiver
    start = receiver.cls if isinstance(receiver, Instance) else value.cls
    found = start.find(name, after=value.cls)
    if isinstance(found, Function):
        return found if found.kind == "static" else Bound(receiver, name, found)
    return found if found is not None else Bound(receiver, name)


def store_attribute(machine: Machine, value: Value, name: str, stored: Value) -> None:
    """`value.name = stored`."""
    for target in value.alternatives if isinstance(value, Either) else (value,):
        if isinstance(target, (Instance, Layer, Optimizer)):
            machine.write(target.attributes, MODE_KEY if name == "training" and _is_network(target) else name, stored)
        elif isinstance(target, Data):
            machine.write(target.parts, name, stored)
        elif isinstance(target, (Module, Class)):
            machine.remember_foreign(target, name)
            machine.write(target.names, name, stored)


def _is_network(value: Value) -> bool:
    return isinstance(value, Layer) or (isinstance(value, Instance) and value.is_network)


def index(machine: Machine, value: Value, key: Value, node: ast.AST) -> Value:
    """`value[key]`, for any value."""
    if isinstance(value, Either):
        known = [each for each in value.alternatives if each is not NONE]
        return join_all(index(machine, each, key, node) for each in known)
    if isinstance(value, Items):
        return _index_items(machine, value, key, node)
    if isinstance(value, Entries):
        return _index_entries(machine, value, key, node)
    if isinstance(value, Layer) and value.attributes:
        return _index_container(machine, value, key, node)
    if isinstance(value, Parameters):
        return Data("weight", (value,), machine.site(node))
    if isinstance(value, Instance):
        container = container_in(value) if value.cls.find("__getitem__") is None else None
        if container is not None:
            return _index_container(machine, container, key, node)
        return machine.call_method(value, "__getitem__", Arguments([key]), node)
    if isinstance(value, (External, Class, Partial)):
        return _of_dictionary(value, key) or value
    if isinstance(value, Data) and (stored := stored_part(value, key)) is not None:
        return stored
    if isinstance(value, Data) and isinstance(key, Constant) and key.value.__hash__:
        found = _batch_part(machine, value, key, node) or machine.data("index", (value, key), node)
        if isinstance(found, Data) and found.operation == "index":
            found.gradient = value.gradient  # as it is kept, it stands for reads under other switches too
        value.parts[("index", key.value)] = found
        return found
    return machine.data("index", (value, key), node)


def _of_dictionary(value: Value, key: Value) -> Value | None:
    """`torchvision.models.__dict__[name]`: the library's function of that name."""
    owner, _, last = value.name.rpartition(".") if isinstance(value, External) else ("", "", "")
    if last != "__dict__" or not isinstance(key, Constant) or not isinstance(key.value, str):
        return None
    return External(f"{owner}.{key.value}")


def _batch_part(machine: Machine, value: Data, key: Constant, node: ast.AST) -> Value | None:
    """The part of a batch that comes from one of the arrays of a TensorDataset, or from a data set's `__getitem__`."""
    loader = value.inputs[0] if value.operation == "batch" else None
    if not isinstance(loader, Loader) or loader.arguments.get("collate_fn", NONE) is not NONE:
        return None
    dataset, splits = loader.dataset, []
    while isinstance(dataset, Data) and dataset.operation in ("train split", "test split", "index") and dataset.inputs:
        splits.append(dataset.operation)
        dataset = dataset.inputs[0]
    part = _part_of_sample(machine, dataset, value, key, node)
    if part is None:
        return None
    for split in reversed(splits):
        part = machine.data(split, (part,), node)
    return machine.data("batch part", (part, value), node)


def parts_of_batch(machine: Machine, batch: Data, node: ast.AST) -> list[Value] | None:
    """All parts of a batch in order, where its data set is at hand: `(part.to(device) for part in batch)`."""
    parts: list[Value] = []
    while _batch_part(machine, batch, Constant(len(parts)), node) is not None:
        parts.append(index(machine, batch, Constant(len(parts)), node))
    return parts or None


def _part_of_sample(machine: Machine, dataset: Value | None, batch: Data, key: Constant, node: ast.AST) -> Value | None:
    if isinstance(dataset, Data) and dataset.operation == "dataset":
        return _element(dataset.inputs, key)
    if not isinstance(dataset, Instance) or not isinstance(dataset.cls.find("__getitem__"), Function):
        return None
    sample = batch.parts.get(SAMPLE)
    if sample is None:
        sample = machine.call_method(dataset, "__getitem__", Arguments([machine.data("counter", (), node)]), node)
        batch.parts[SAMPLE] = sample
    if isinstance(sample, Entries):
        return sample.entries.get(key.value)
    return _element(sample.items, key) if isinstance(sample, Items) and not sample.open else None


def _element(values: Sequence[Value], key: Constant) -> Value | None:
    position = key.value
    return values[position] if isinstance(position, int) and -len(values) <= position < len(values) else None


def _index_items(machine: Machine, value: Items, key: Value, node: ast.AST) -> Value:
    if isinstance(key, Constant) and isinstance(key.value, int):
        if -len(value.items) <= key.value < len(value.items) and (not value.open or key.value in (0, -1)):
            return value.items[key.value]
    elif isinstance(key, Data) and key.operation == "slice":
        return Items(_sliced(value, key), value.kind, value.open or not _known_slice(key), value.at)
    return join_all(value.items[:4]) if value.items else machine.data("index", (value, key), node)


def taken_out(machine: Machine, value: Items, key: Value) -> Value | None:
    """The element that is taken out of a list there: the first or last of one that may hold more between; None where it stays.

    Where another path goes on with the list, nothing is taken.
    """
    at = key.value if isinstance(key, Constant) else None
    is_known = isinstance(at, int) and -len(value.items) <= at < len(value.items) and (not value.open or at in (0, -1))
    is_left = len(value.items) > 1 or not value.open  # of one that may hold more, the one that is known stands for all
    return value.items.pop(at) if isinstance(at, int) and is_known and is_left and not machine.journals else None


def _known_slice(key: Data) -> bool:
    return all(isinstance(bound, Constant) for bound in key.inputs)


def _sliced(value: Items, key: Data) -> list[Value]:
    bounds = [bound.value if isinstance(bound, Constant) else None for bound in key.inputs]
    if not _known_slice(key) or not all(bound is None or isinstance(bound, int) for bound in bounds):
        return list(value.items)
    if value.open and not _leaves_out_ends(bounds, len(value.items)):
        return list(value.items)
    return value.items[slice(*bounds)] if bounds[2] != 0 else []


def _leaves_out_ends(bounds: list[int | None], known: int) -> bool:
    """Whether a slice drops some of the first and last elements, known though there may be more between: `layers[:-1]`."""
    lower, upper, step = bounds
    first, last = lower or 0, upper or 0
    return first >= 0 >= last and step is None and upper != 0 and first - last < known


def _index_entries(machine: Machine, value: Entries, key: Value, node: ast.AST) -> Value:
    if isinstance(key, Constant):
        try:
            found = value.entries.get(key.value)
        except TypeError:
            found = None
        if found is None:
            found = machine.data("index", (value, key), node)
            if value.open:
                value.entries[key.value] = found
        return found
    held = list(value.entries.values())[:4]
    return join_all(held) if held else machine.data("index", (value, key), node)


def _index_container(machine: Machine, value: Layer, key: Value, node: ast.AST) -> Value:
    held = [part for name, part in value.attributes.items() if isinstance(name, str) and name[:1] != "<"]
    if isinstance(key, Constant):
        if isinstance(key.value, int) and -len(held) <= key.value < len(held):
            return held[key.value]
        return value.attributes.get(key.value) or machine.data("index", (value, key), node)
    if isinstance(key, Data) and key.operation == "slice":
        part = Layer(value.kind, value.operation, value.arguments, value.at)
        part.attributes.update((str(i), each) for i, each in enumerate(_sliced(Items(held), key)))
        return part
    return join_all(held[:4])


def store_index(machine: Machine, value: Value, key: Value, stored: Value) -> None:
    """`value[key] = stored`."""
    if isinstance(value, Either):
        for each in value.alternatives:
            store_index(machine, each, key, stored)
    elif isinstance(value, Entries):
        known = key.value if isinstance(key, Constant) and key.value.__hash__ else ("unknown", stored)
        machine.write(value.entries, known, stored)
        value.open = value.open or not isinstance(key, Constant)
    elif isinstance(value, Items):
        position = key.value if isinstance(key, Constant) else None
        if isinstance(position, int) and -len(value.items) <= position < len(value.items):
            value.items[position] = stored
        else:
            value.open = True
            if len(value.items) < 16:
                value.items.append(stored)
    elif isinstance(value, Layer):
        name = str(key.value) if isinstance(key, Constant) else str(len(value.attributes))
        if isinstance(key, Constant) and isinstance(key.value, int) and key.value < 0:
            names = [name for name in value.attributes if isinstance(name, str) and name[:1] != "<"]
            name = names[key.value] if -key.value <= len(names) else name
        machine.write(value.attributes, name, stored)
    elif isinstance(value, Data):
        store_part(machine, value, key, stored)
