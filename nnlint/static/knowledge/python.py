"""Python's own: builtins, containers, progress bars, decorators."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import islice
from typing import Any

from nnlint.events import Accumulated, StateKept
from nnlint.graph import ancestors_of_all
from nnlint.operations import CONTAINERS, LAYERS, LOSS_OPERATIONS
from nnlint.static import text
from nnlint.static.access import attribute, store_attribute, taken_out
from nnlint.static.arguments import Arguments
from nnlint.static.iteration import AGAIN, all_elements, element, known_elements, spread
from nnlint.static.knowledge.common import EXTERNALS, LOSSES, UNNAMED, external, is_network_like, method, role_name
from nnlint.static.knowledge.standard_library import copied
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, External, Function, Generator, Module, sole_definition
from nnlint.values import (
    NONE,
    TRUE,
    Constant,
    Data,
    Entries,
    Instance,
    Items,
    Layer,
    Parameters,
    State,
    Value,
    elements,
    join_all,
    number,
)

MOST_ITEMS = 32
MOST_BEHIND_ONE = 40
MODULES = frozenset({"torch.nn.Module", "torch.nn.modules.Module", "torch.nn.modules.module.Module"})


# Builtins


@external("builtins.len")
def _len(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    measured = given.get(0)
    if isinstance(measured, (Items, Entries)) and not measured.open:
        return Constant(len(measured.items if isinstance(measured, Items) else measured.entries), machine.site(node))
    return machine.data("length", given.values(), node)


@external(
    "builtins.range",
    "builtins.xrange",
    "torch.arange",
    "numpy.arange",
    "tqdm.trange",
    "tqdm.auto.trange",
    "tqdm.notebook.trange",
)
def _range(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if not name.endswith("range") or name.endswith("arange"):
        return machine.data("arange", given.values(), node)
    return machine.data("range", tuple(given.positional), node)


@external("builtins.enumerate")
def _enumerate(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    start = given.get(1, "start")
    return machine.data("enumerate", given.values()[:1], node, options={} if start is None else {"start": start})


@external("builtins.zip", "itertools.product", "itertools.zip_longest")
def _zip(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("zip", tuple(given.positional), node)


@external(
    "tqdm.tqdm",
    "tqdm.auto.tqdm",
    "tqdm.notebook.tqdm",
    "tqdm.tqdm_notebook",
    "tqdm.rich.tqdm",
    "tqdm.autonotebook.tqdm",
    "rich.progress.track",
    "fastprogress.progress_bar",
    "fastprogress.master_bar",
    "progressbar.progressbar",
    "alive_progress.alive_it",
    "itertools.islice",
)
def _progress(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    inner = given.get(0, "iterable", "gen")
    return (
        machine.data("progress", () if inner is None else (inner,), node) if inner else machine.data("call", (), node)
    )


@external("itertools.cycle")
def _cycle(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("progress", given.values()[:1], node, name=AGAIN)


@external("builtins.iter", "builtins.reversed", "builtins.sorted")
def _iter(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data(name.rpartition(".")[2], given.values()[:1], node)


@external("builtins.next")
def _next(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return _drawn(machine, given.positional[0], node) if given.positional else machine.data("unknown", (), node)


@method("next", "__next__")
def _next_of_iterator(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """`iter(loader).next()`, as torch before 1.13 had it."""
    return _drawn(machine, receiver, node) if isinstance(receiver, Data) and receiver.operation == "iter" else None


def _drawn(machine: Machine, iterator: Value, node: ast.AST) -> Value:
    """The next element; a batch remembers the iterator that it was drawn from."""
    drawn = element(machine, iterator, 0, node)
    if isinstance(drawn, Data) and drawn.operation == "batch" and isinstance(iterator, Data):
        drawn.options["iterator"] = iterator
    return drawn


@external("builtins.list", "builtins.tuple", "builtins.set", "collections.deque")
def _list(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    kind = name.rpartition(".")[2]
    if not given.positional:
        return Items([], kind, at=machine.site(node))
    first = given.positional[0]
    if isinstance(first, Generator):
        first = Items(list(machine.draw(first)), kind, True)
    known = known_elements(first)
    if known is not None:
        return Items(known, kind, at=machine.site(node))
    if isinstance(first, Items):
        return Items(list(first.items), kind, first.open, machine.site(node))
    if isinstance(first, Parameters):
        return Parameters(first.owners, machine.site(node), first.partial)
    return machine.data("list", (first,), node)


@external(
    "builtins.dict", "collections.OrderedDict", "types.SimpleNamespace", "argparse.Namespace", "easydict.EasyDict"
)
def _dict(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    made = Entries(dict(given.keywords), given.open, machine.site(node))
    if given.positional:
        first = given.positional[0]
        if isinstance(first, Generator):
            first = Items(list(machine.draw(first)), "list", True)
        if isinstance(first, State):
            return State(first.owner, machine.site(node), first.copied)
        if isinstance(first, Entries):
            made.entries = {**first.entries, **made.entries}
            made.open = first.open
        elif isinstance(first, Items):
            for pair in first.items:
                if isinstance(pair, Items) and len(pair.items) == 2 and isinstance(pair.items[0], Constant):
                    made.entries[pair.items[0].value] = pair.items[1]
            made.open = first.open
        else:
            made.open = True
    if "Namespace" in name or "EasyDict" in name:
        return Data("call", (), machine.site(node), name=name, parts=dict(made.entries))
    return made


@external("collections.defaultdict")
def _defaultdict(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return Entries({}, True, machine.site(node))


@external("builtins.getattr")
def _getattr(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    key = given.get(1)
    if given.positional and isinstance(key, Constant) and isinstance(key.value, str):
        return attribute(machine, given.positional[0], key.value, node)
    held = given.get(0)
    if isinstance(held, Instance):
        unnamed = [part for label, part in held.attributes.items() if str(label).startswith(UNNAMED)]
        if unnamed:
            return join_all(unnamed)
    only = sole_definition(held) if isinstance(held, Module) else None
    return only or machine.data("call", given.values(), node, name="getattr")


@external("builtins.setattr")
def _setattr(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if len(given.positional) == 3:
        receiver, key, value = given.positional
        label = key.value if isinstance(key, Constant) else f"{UNNAMED} {id(node)} {id(value)}"
        store_attribute(machine, receiver, label, value)
    return NONE


@method("__setattr__")
def _setattr_of(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    return _setattr(machine, "setattr", Arguments([receiver, *given.positional]), node)


@external("builtins.isinstance")
def _isinstance(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    value, kind = given.get(0), given.get(1)
    if isinstance(value, Instance) and isinstance(kind, Class):
        return Constant(any(cls is kind for cls in value.cls.lineage()))
    if isinstance(kind, External) and kind.name in MODULES:
        known = value is not None and is_network_like(value)
        return TRUE if known else machine.data("call", given.values(), node, name="isinstance")
    kinds = kind.items if isinstance(kind, Items) and not kind.open else [kind]
    if isinstance(value, (Layer, Instance)) and all(_is_of_torch(each) for each in kinds):
        own = (
            {value.kind}
            if isinstance(value, Layer)
            else {each.rpartition(".")[2] for each in value.cls.external_bases()}
        )
        return Constant(any(each.name.rpartition(".")[2] in own for each in kinds if isinstance(each, External)))
    return machine.data("call", given.values(), node, name="isinstance")


@external("builtins.map", "multiprocessing.Pool.map")
def _map(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if len(given.positional) < 2:
        return machine.data("call", given.values(), node, name=name)
    function, over = given.positional[0], given.positional[1]
    known = all_elements(machine, over, node)
    if known is not None:
        return Items([machine.call(function, Arguments([each]), node) for each in known[:MOST_ITEMS]], "list")
    return Items([machine.call(function, Arguments([element(machine, over, 0, node)]), node)], "list", True)


@external("builtins.filter")
def _filter(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return given.positional[1] if len(given.positional) > 1 else machine.data("unknown", (), node)


@external("builtins.sum")
def _sum(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    first = given.get(0)
    if isinstance(first, Items) and first.kind in ("list", "tuple", "generator") and first.items:
        return machine.data("add", tuple(first.items[:MOST_ITEMS]), node)
    return machine.data("sum", given.values()[:1], node)


@external("builtins.max", "builtins.min", "builtins.abs", "builtins.round")
def _numeric(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    operation = name.rpartition(".")[2]
    known = [value for value in given.positional if number(value) is not None]
    if operation in ("max", "min") and len(known) > 1 and len(known) == len(given.positional):
        pick = max if operation == "max" else min
        return pick(known, key=lambda value: number(value) or 0.0)
    return machine.data(operation, tuple(given.positional[:1] if operation != "max" else given.positional), node)


@external("builtins.float", "builtins.int")
def _number(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0)
    known = number(value)
    if known is not None and isinstance(value, Constant):
        converted = float(known) if name.endswith("float") else int(known)
        return Constant(converted, value.at, value.overridable)
    return machine.data("item", given.values()[:1], node)


@external(
    "builtins.print", "builtins.exit", "builtins.quit", "gc.collect", "torch.manual_seed", "torch.cuda.empty_cache"
)
def _nothing(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return NONE


@external("builtins.type")
def _type(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0)
    return value.cls if isinstance(value, Instance) and len(given.positional) == 1 else machine.data("call", (), node)


@external("builtins.str")
def _str(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    known = text.known_text(given.positional, machine.site(node)) if len(given.positional) == 1 else None
    return known or machine.data("call", given.values(), node, name=name)


@external("builtins.globals")
def _globals(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    made = machine.data("call", (), node, name=name)
    for key, value in machine.frame.module.names.items():
        if isinstance(value, (Class, Function)):
            made.parts["index", key] = value
    return made


@external("builtins.object", "builtins.bool", "builtins.open", "builtins.input", "builtins.hasattr")
def _plain(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return machine.data("call", given.values(), node, name=name)


def _is_of_torch(kind: Value | None) -> bool:
    """Whether it is one of torch's layers, of which nothing else derives."""
    last = kind.name.rpartition(".")[2] if isinstance(kind, External) else ""
    return isinstance(kind, External) and kind.name.startswith("torch.nn.") and (last in LAYERS or last in CONTAINERS)


# Containers


@method("append", "add", "appendleft")
def _append(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not given.positional or not isinstance(receiver, (Items, Data)):
        return None
    value = given.positional[0]
    _accumulate(machine, receiver, value, node)
    if isinstance(receiver, Items):
        if len(receiver.items) < MOST_ITEMS:
            receiver.items.append(value)
        receiver.open = receiver.open or bool(machine.journals) or _repeats(machine)
        return NONE
    return None


def _repeats(machine: Machine) -> bool:
    """Whether the current statement may run more often than the abstract run follows it."""
    return any(not each.loop.whole for each in machine.iterations)


def _accumulate(machine: Machine, total: Value, value: Value, node: ast.AST) -> None:
    if not machine.iterations or machine.network_depth:
        return
    kept = elements(value)
    if any(isinstance(each, State) for each in kept):
        machine.emit(StateKept(machine.site(node), value, role_name(total)))
    data = [each for each in kept if isinstance(each, Data)]
    if any(LOSSES.search(role_name(each)) for each in data) or _is_computed(data):
        machine.emit(Accumulated(machine.site(node), total, value, total))


def _is_computed(values: Sequence[Data]) -> bool:
    """Whether a network or a loss stands near behind any of the values."""
    near = islice(ancestors_of_all(values), MOST_BEHIND_ONE * len(values))
    return any(data.operation == "output" or data.operation in LOSS_OPERATIONS for data in near)


@method("extend")
def _extend(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Items) or not given.positional:
        return None
    held, is_open = spread(given.positional[0])
    receiver.items.extend(held[:MOST_ITEMS])
    receiver.open = receiver.open or is_open
    return NONE


@method("insert")
def _insert(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Items) or len(given.positional) < 2:
        return None
    position = given.positional[0]
    at = position.value if isinstance(position, Constant) and isinstance(position.value, int) else len(receiver.items)
    receiver.items.insert(at, given.positional[1])
    return NONE


@method("pop", "popleft", "popitem")
def _pop(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Entries):
        key = given.get(0)
        found = receiver.entries.get(key.value) if isinstance(key, Constant) else None
        return found or given.get(1) or machine.data("unknown", (), node)
    if isinstance(receiver, Items):
        first = Constant(0) if getattr(getattr(node, "func", None), "attr", "") == "popleft" else Constant(-1)
        taken = taken_out(machine, receiver, given.get(0) or first)
        if taken is not None:
            return taken
        return join_all(receiver.items[:4]) if receiver.items else machine.data("unknown", (), node)
    return None


@method("items")
def _items(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Entries):
        pairs: list[Value] = [Items([Constant(key), each], "tuple") for key, each in receiver.entries.items()]
        return Items(pairs, "list", receiver.open)
    if isinstance(receiver, Layer):
        named = [(name, part) for name, part in receiver.attributes.items() if str(name)[:1] != "<"]
        return Items([Items([Constant(name), part], "tuple") for name, part in named])
    return None


@method("values")
def _values(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Entries):
        return Items(list(receiver.entries.values()), "list", receiver.open)
    if isinstance(receiver, Layer):
        return Items([part for name, part in receiver.attributes.items() if str(name)[:1] != "<"])
    return None


@method("keys")
def _keys(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Entries):
        return Items([Constant(key) for key in receiver.entries], "list", receiver.open)
    return None


@method("get", "setdefault")
def _get(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Entries):
        return None
    key = given.get(0)
    default = given.get(1) or NONE
    if isinstance(key, Constant) and key.value.__hash__:
        found = receiver.entries.get(key.value)
        if found is not None:
            return found
        return default if not receiver.open else machine.data("unknown", (), node)
    return join_all([*list(receiver.entries.values())[:3], default])


@method("update")
def _update(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Entries):
        return None
    added: dict[Any, Value] = dict(given.keywords)
    for value in given.positional:
        if isinstance(value, Entries):
            added.update(value.entries)
        receiver.open = receiver.open or not isinstance(value, Entries) or value.open
    for key, value in added.items():
        machine.write(receiver.entries, key, value)
    return NONE


@method("copy")
def _copy_container(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, (Items, Entries)):
        return copied(machine, receiver, False, node)
    if isinstance(receiver, State):
        return State(receiver.owner, machine.site(node), receiver.copied)
    return None


@method(
    "format",
    "join",
    "split",
    "strip",
    "lower",
    "upper",
    "title",
    "capitalize",
    "startswith",
    "endswith",
    "replace",
    "write",
    "info",
    "debug",
)
def _text(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Constant) or not isinstance(receiver.value, str):
        return None
    name, at = getattr(getattr(node, "func", None), "attr", ""), machine.site(node)
    if name == "format":
        known = text.braces(receiver, given.positional, given.keywords, at)
    else:
        known = text.cased(name, receiver, at) if not given.values() else None
    return known or machine.data("text", given.values(), node)


@method(
    "set_description", "set_postfix", "set_postfix_str", "add_scalar", "add_scalars", "log", "warning", "error", "close"
)
def _reported(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """Progress bars and loggers only read what they are given."""
    if isinstance(receiver, Data) and receiver.operation in ("progress", "call", "argument", "attribute", "name"):
        return NONE if getattr(getattr(node, "func", None), "attr", "") != "log" else None
    return None


def _inner_of_progress(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return _progress(machine, name, given, node)


EXTERNALS["tqdm"] = _inner_of_progress
