"""Python's standard library: functools, itertools, copy, collections."""

from __future__ import annotations

import ast

from nnlint.lazy import regex
from nnlint.static.access import attribute, lookup
from nnlint.static.arguments import Arguments
from nnlint.static.iteration import spread
from nnlint.static.knowledge.common import external
from nnlint.static.machine import Machine
from nnlint.static.objects import Native, Partial
from nnlint.values import NONE, Constant, Data, Either, Entries, Instance, Items, Layer, Site, State, Value, join_all

DOTTED_NAME = regex(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@external("functools.partial")
def _partial(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    if not given.positional:
        return machine.data("call", (), node)
    return Partial(given.positional[0], tuple(given.positional[1:]), dict(given.keywords))


@external("functools.wraps")
def _wraps(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    return Native("wraps", lambda _machine, inner, _node: inner.get(0) or NONE)


@external("itertools.chain", "itertools.chain.from_iterable")
def _chain(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    held: list[Value] = []
    is_open = given.open
    for value in given.positional:
        inner, more = spread(value)
        held.extend(inner)
        is_open = is_open or more
    return Items(held, "list", is_open, machine.site(node))


@external("copy.deepcopy", "copy.copy")
def _copy(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0, "x")
    return copied(machine, value, name.endswith("deepcopy"), node) if value is not None else NONE


def copied(machine: Machine, value: Value, deep: bool, node: ast.AST) -> Value:
    """A copy of any value, and of what it holds if `deep`."""
    if isinstance(value, State):
        return State(value.owner, machine.site(node), value.copied or deep)
    if isinstance(value, (Instance, Layer)):
        return _copied_object(value, deep, machine.site(node), {})
    if isinstance(value, Items):
        return Items([copied(machine, each, deep, node) for each in value.items], value.kind, value.open, value.at)
    if isinstance(value, Entries):
        copies = {key: copied(machine, each, deep, node) for key, each in value.entries.items()}
        return Entries(copies, value.open, value.at)
    if isinstance(value, Either):
        return join_all(copied(machine, each, deep, node) for each in value.alternatives)
    if isinstance(value, Data):
        return machine.data("clone", (value,), node, name=value.name)
    return value


def _copied_object(value: Value, deep: bool, at: Site | None, made: dict[int, Value]) -> Value:
    """A copy of an object; a deep one has parts of its own, each copied once."""
    if id(value) in made:
        return made[id(value)]
    copy: Instance | Layer
    if isinstance(value, Instance):
        copy = Instance(value.kind, value.cls, dict(value.attributes), at, value.is_network)
    elif isinstance(value, Layer):
        copy = Layer(value.kind, value.operation, value.arguments, at, dict(value.attributes))
    else:
        return value
    made[id(value)] = copy
    if deep:
        for name, part in value.attributes.items():
            copy.attributes[name] = _copied_object(part, deep, getattr(part, "at", None), made)
    return copy


@external("builtins.eval")
def _eval(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    """`eval` of a known name, which scripts use to pick a class: `eval(options.model)(...)`."""
    text = given.get(0)
    if not isinstance(text, Constant) or not isinstance(text.value, str) or not DOTTED_NAME.fullmatch(text.value):
        return machine.data("call", given.values(), node, name=name)
    first, *rest = text.value.split(".")
    value = lookup(machine, first, node)
    for part in rest:
        value = attribute(machine, value, part, node)
    return value


@external("collections.namedtuple")
def _namedtuple(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    declared = given.get(1, "field_names")
    if isinstance(declared, Constant) and isinstance(declared.value, str):
        fields = declared.value.replace(",", " ").split()
    else:
        known = declared.items if isinstance(declared, Items) else []
        fields = [str(each.value) for each in known if isinstance(each, Constant)]

    def construct(machine: Machine, inner: Arguments, node: ast.AST) -> Value:
        made = machine.data("call", inner.values(), node, name=name)
        for position, (field, value) in enumerate(inner.named(tuple(fields)).items()):
            made.parts[field] = value
            made.parts["index", position] = value
        return made

    return Native("namedtuple", construct)
