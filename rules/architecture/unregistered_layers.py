"""Layers in a plain list, tuple or dict are not registered.

## What it does
Reports an attribute of a network that holds layers with weights, or networks, in a list, tuple, set or dict of Python's own, when
forward uses them. What is also registered in another way is left alone: through a `ModuleList`, `ModuleDict` or `Sequential`
made from it, `add_module`, `setattr`, or an attribute of its own. So are layers whose parameters go into an optimizer by
themselves, frozen ones, networks that were handed in and trained elsewhere, and a list written around a single module, which
hides it on purpose.

## Why it matters
torch finds the parts of a module among its attributes, and does not look into lists. The weights of these layers are not in
`parameters()`, so that no optimizer trains them; `to(device)`, `train()`, `eval()` and `state_dict()` pass them by. Where other
layers are trained, the loss still falls, and the network works with random weights in its middle.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html

## Example
```python
self.layers = [nn.Linear(width, width) for _ in range(depth)]
```

Use instead:
```python
self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
```

## Fix safety
Safe: the list becomes a `ModuleList`, a dict with names for keys a `ModuleDict`; they are indexed, iterated and appended to
alike.

## Witness
At the end of the run these layers have been called, and no network that was called has their weights among its parameters.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelBuilt, Run, WeightsSeen
from nnlint.facts.networks import (
    applied_layers,
    assignment_of,
    is_module,
    items_written,
    networks,
    optimized,
    overrides,
    registered,
    trainable_layers,
)
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import Class, CodeSite, Function, node_at
from nnlint.values import FROZEN_KEY, Data, Entries, Instance, Items, Layer, Value, alternatives, elements, truth
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

LIBRARIES = ("torch_geometric.nn.", "dgl.nn.")
"""Layers of these libraries have weights, too."""

KINDS = {"dict": "dict", "list": "list", "tuple": "tuple", "set": "set"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each attribute of a network that holds layers in a plain container."""
    for network in networks(run):
        for name, held in network.attributes.items():
            containers = [each for each in alternatives(held) if isinstance(each, (Items, Entries))]
            if containers and isinstance(name, str):
                yield from _problem(run, network, name, containers)


def _problem(run: Run, network: Instance, name: str, containers: list[Items | Entries]) -> Iterator[Problem]:
    missing = [part for held in containers for part in _missing_of(run, held)]
    statement = assignment_of(network, name, among_others=True) if missing else None
    if statement is None or _is_hidden_on_purpose(network, statement) or _registers_by_text(network):
        return
    missing = [part for part in missing if not _serves(network, part)]
    is_cut_short = _is_cut_short(run, network)
    used = [part for part in missing if (is_cut_short or _is_used(run, part)) and _is_made_for(network, run, part)]
    if not used:
        return
    kind = "dict" if isinstance(containers[0], Entries) else containers[0].kind
    plain = KINDS.get(kind, "list")
    better = "nn.ModuleDict" if plain == "dict" else "nn.ModuleList"
    places = [getattr(part, "at", None) for part in used]
    yield Problem(
        statement,
        f"these layers are never trained, because torch does not look for layers in a plain {plain}",
        label=f"a plain {plain}: its layers are no part of the network",
        related=tuple((site, "not among the network's parameters") for site in _distinct(places)),
        help=f"keep them in an `{better}`",
        fix=_registering(statement, containers),
    )


def _is_cut_short(run: Run, network: Instance) -> bool:
    """Whether of the network's class nothing but the constructor is at hand, as it is posted by who asks about the layers."""
    cls = network.cls
    if not isinstance(cls, Class) or list(cls.lineage()) != [cls] or cls.node.name in run.base_names():
        return False
    methods = [name for name, value in cls.names.items() if isinstance(value, Function)]
    return methods == ["__init__"] and set(cls.external_bases()) == {"torch.nn.Module"}


def _missing_of(run: Run, container: Items | Entries) -> list[Value]:
    """What of a container is not registered. Of layers that one constructor makes in a loop, all are, where any is: the loop that
    registers them one by one may be followed for one pass alone."""
    parts = elements(container)
    taken = {node_at(getattr(part, "at", None)) for part in parts if is_module(part) and id(part) in registered(run)}
    alike = taken if container.open else set()
    return [part for part in parts if _is_missing(run, part) and node_at(getattr(part, "at", None)) not in alike]


def _distinct(sites: list[object]) -> list[CodeSite]:
    return list({site.place: site for site in sites if isinstance(site, CodeSite)}.values())


def _is_missing(run: Run, part: Value) -> bool:
    if isinstance(part, Data):
        return part.operation == "call" and part.name.startswith(LIBRARIES) and part.name.endswith("Conv")
    return is_module(part) and id(part) not in optimized(run) and not _is_registered(run, part)


def _is_registered(run: Run, part: Value) -> bool:
    """Whether a network holds the layer, or has taken all that is in a container out of it, one by one."""
    if id(part) in registered(run):
        return True
    inner = [held for held in part.attributes.values() if is_module(held)] if isinstance(part, Layer) else []
    return bool(inner) and all(_is_registered(run, held) for held in inner)


def _is_used(run: Run, part: Value) -> bool:
    """Whether something with weights in it is applied in the run, and neither frozen nor optimized by itself."""
    if isinstance(part, Data):
        return True
    if isinstance(part, (Layer, Instance)) and truth(part.attributes.get(FROZEN_KEY)):
        return False
    layers = [layer for layer in trainable_layers(part) if id(layer) not in optimized(run)]
    return any(id(layer) in applied_layers(run) for layer in layers)


def _serves(network: Instance, part: Value) -> bool:
    """Whether it is a helper that holds the network, whose layers it applies, and has none of its own."""
    held = [*part.attributes.values()] if isinstance(part, Instance) else []
    if not any(each is network for value in held for each in elements(value)):
        return False
    return not any(is_module(each) and trainable_layers(each) for value in held for each in alternatives(value))


def _is_made_for(network: Instance, run: Run, part: Value) -> bool:
    """Whether the layer is made by the network itself, or the network is what is optimized: others train what they hand in."""
    if id(network) in optimized(run):
        return True
    site, own = getattr(part, "at", None), network.at
    if not isinstance(site, CodeSite) or not isinstance(own, CodeSite):
        return False
    functions = {id(node) for cls in network.cls.lineage() for node in cls.node.body}
    calls = getattr(part, "calls", ())
    return id(site.function) in functions or any(id(call.function) in functions for call in calls)


def _is_hidden_on_purpose(network: Instance, statement: CodeSite) -> bool:
    value = getattr(statement.node, "value", None)
    return items_written(value) == 1 or overrides(network, "parameters")


def _registers_by_text(network: Instance) -> bool:
    """Whether the class runs code that it writes itself, which may assign the layers: `exec("self.conv1 = conv")`."""
    names = (
        node.func.id
        for cls in network.cls.lineage()
        for node in ast.walk(cls.node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    return "exec" in names


def _registering(statement: CodeSite, containers: list[Items | Entries]) -> Fix | None:
    """The container's value in a ModuleList or ModuleDict; None where it holds more than modules by name."""
    node = statement.node
    value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
    if isinstance(node, ast.Assign) and any(isinstance(each, ast.Tuple) for each in node.targets):
        return None
    if value is None or len(containers) > 1 or not _can_be_registered(containers[0]):
        return None
    kind = "ModuleDict" if isinstance(containers[0], Entries) else "ModuleList"
    found = spelled(statement, "torch.nn", kind)
    if found is None:
        return None
    name, importing = found
    text = "" if _is_empty(value) else edits.node_code(statement, value)
    edit = edits.replace(CodeSite(statement.module, value), f"{name}({text})")
    extra = (importing,) if importing is not None else ()
    return edits.fix(Applicability.SAFE, f"keep them in an `{name}`", edit, *extra)


def _can_be_registered(held: Items | Entries) -> bool:
    if isinstance(held, Entries):
        return all(isinstance(key, str) and "." not in key for key in held.entries) and all(
            is_module(part) for part in held.entries.values()
        )
    return all(is_module(part) or isinstance(part, Data) for part in held.items)


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, (ast.List, ast.Tuple)):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    return (
        isinstance(value, ast.Call)
        and not value.args
        and not value.keywords
        and isinstance(value.func, ast.Name)
        and (value.func.id in KINDS)
    )


def witness(case: Case) -> Verdict:
    """Whether layers made there were called, and are not among the parameters of any network that was called."""
    places = [related.place for related in case.finding.related]
    seen = [event for event in case.at(WeightsSeen, *places) if event.numbers.get("calls")] if places else []
    if not seen:
        return not_reached(case)
    missing = [event for event in seen if not event.numbers["registered"]]
    if missing:
        trained = sum(event.numbers["optimized"] for event in missing)
        return confirmed(
            f"{len(missing)} layers were called whose weights are not among the parameters of any network",
            layers=len(missing),
            optimized=trained,
        )
    return refuted("the layers made there are among the parameters of a network", layers=len(seen))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN305",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(ModelBuilt),
)
