"""A deep stack of saturating activations lets hardly any gradient through.

## What it does
Reports four or more hidden layers in a row whose activation is a sigmoid or tanh, with no normalisation, no skip connection
and no other activation between. An output activation does not count, and gates and recurrent cells have none of these stacks.
Where all of them are tanh it is advice: with a careful initialisation such networks do train. A network that is
called LeNet, or whose file is, is left alone: it is rebuilt as it was published. So is a stack whose first layers have a way out
of their own, by which they are trained alone.

## Why it matters
The slope of a sigmoid is one quarter at most, and next to nothing where it saturates: each layer takes the gradient down by a
factor of four and more. Behind four of them the first layers get less than a hundredth of what the last one gets, and stay as
they were drawn.
Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

## Example
```python
nn.Sequential(
    nn.Linear(8, 64), nn.Sigmoid(), nn.Linear(64, 64), nn.Sigmoid(),
    nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 2),
)
```

Use instead:
```python
nn.Sequential(
    nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2),
)
```

## Fix safety
Unsafe: every one of these activations becomes a ReLU, and saved weights were fitted with them; offered where all of them are
written out for this stack alone, and the answer is not derived by its inputs, as for a differential equation: a ReLU has no
second derivative.

## Witness
The gradient of the stack's first layer is under a hundredth of that of the layer behind it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Differentiated, Run, WeightsSeen
from nnlint.facts.layers import REARRANGING, made_by, names_around, place_of, wiring
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.graph import ancestors, sources
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site, elements
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS, names_of

SATURATING = ("sigmoid", "tanh")
LAYERS = frozenset({"linear", "convolution", "transposed_convolution"})
PASSED = REARRANGING | {"dropout", "pool"}
FEWEST = 4
LITTLE = 0.01
INSTEAD = {"sigmoid": "relu", "tanh": "relu", "Sigmoid": "ReLU", "Tanh": "ReLU"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each stack, at its last activation."""
    activations = [each for operation in SATURATING for each in made_by(run, operation)]
    if len(activations) < FEWEST:
        return
    stacks = [stack for each in activations if len(stack := _stack(each)) >= FEWEST and _is_hidden(run, each)]
    inner = {id(each) for stack in stacks for each in stack[:-1]}
    for stack in stacks:
        if id(stack[-1]) not in inner:
            yield from _problem(run, stack)


def _stack(last: Data) -> list[Data]:
    """The saturating activations that lead to one through a layer each, first to last."""
    found = [last]
    while (before := _before(found[-1])) is not None and all(before is not each for each in found):
        found.append(before)
    return found[::-1]


def _before(activation: Data) -> Data | None:
    """The saturating activation one layer before, where nothing else feeds that layer."""
    layer = _single(activation)
    if layer is None or layer.operation not in LAYERS:
        return None
    before = _single(layer)
    return before if before is not None and before.operation in SATURATING else None


def _single(data: Data) -> Data | None:
    found = sources(data.inputs[0], lambda each: each.operation in PASSED) if data.inputs else []
    return found[0] if len(found) == 1 and isinstance(found[0], Data) else None


def _first_layer(stack: list[Data]) -> Data | None:
    layer = _single(stack[0])
    return layer if layer is not None and layer.operation in LAYERS else None


def _is_hidden(run: Run, activation: Data) -> bool:
    """Whether layers with weights follow, and nothing else takes the activation."""
    behind = wiring(run).after(activation, lambda each: each.operation in PASSED)
    return bool(behind) and all(each.operation in LAYERS for each in behind)


def _has_another_way_out(run: Run, stack: list[Data]) -> bool:
    """Whether the first layers are trained by themselves, too, through layers of which the stack knows nothing: one by one,
    as stacked autoencoders are."""
    own = {id(each.layer) for each in stack} | {
        id(layer.layer) for each in stack if (layer := _single(each)) is not None
    }
    first = [id(each.layer) for each in stack[: -FEWEST + 2] if each.layer is not None]
    wires = wiring(run)
    passes = (data for operation in SATURATING for data in made_by(run, operation) if id(data.layer) in first)
    behind = (each for data in passes for each in wires.after(data, lambda each: each.operation in PASSED))
    return any(each.operation in LAYERS and each.layer is not None and id(each.layer) not in own for each in behind)


def _is_asked_for(place: Site) -> bool:
    """Whether the caller of the function around has chosen the activation: one of several that are compared, say."""
    node = place.node if isinstance(place, CodeSite) else None
    function = place.function if isinstance(place, CodeSite) else None
    if not isinstance(node, ast.Call) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = {each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    return isinstance(node.func, ast.Name) and node.func.id in arguments


def _is_of_lenet(last: Data, place: Site) -> bool:
    """Whether the network is rebuilt as it was published: its class, a function, a name or the whole file is called so."""
    file = str(place.module.source.path).rpartition("/")[2] if isinstance(place, CodeSite) else ""
    return any("lenet" in name.lower() for name in (file, *names_around(last)))


def _is_derived(run: Run, activation: Data) -> bool:
    """Whether what the network makes of the activation is derived by its inputs: a ReLU has no second derivative."""
    return any(
        any(data is activation for data in ancestors(value))
        for event in run.events(Differentiated)
        for value in elements(event.value)
    )


def _problem(run: Run, stack: list[Data]) -> Iterator[Problem]:
    first, last = _first_layer(stack), stack[-1]
    place = place_of(last)
    if first is None or place is None or _is_of_lenet(last, place):
        return
    if _is_asked_for(place) or _has_another_way_out(run, stack):
        return
    following = next(iter(wiring(run).after(last, lambda each: each.operation in PASSED)), None)
    start, end = place_of(first), place_of(following) if following is not None else None
    has_to_be_smooth = _is_derived(run, last)
    is_advice = all(each.operation == "tanh" for each in stack)
    yield Problem(
        place,
        f"{len(stack)} saturating activations in a row let hardly any gradient through to the first layers",
        label=f"the last of {len(stack)} in a row",
        related=(
            *(((end, "gets the full gradient"),) if end is not None else ()),
            *(((start, "gets what is left of it"),) if start is not None else ()),
        ),
        help="use fewer layers, or tanh with a careful initialisation"
        if has_to_be_smooth
        else "use ReLU or its kin in hidden layers, or normalise between them",
        fix=None if is_advice or has_to_be_smooth else _rectified(stack),
        severity=Severity.ADVICE if is_advice else None,
    )


def _rectified(stack: list[Data]) -> Fix | None:
    """Every activation of the stack as a ReLU; None where one of them is made, or spelled, in another way."""
    sites: dict[int, CodeSite] = {}
    for each in stack:
        site = each.layer.at if each.layer is not None else each.at
        if not isinstance(site, CodeSite) or _is_shared(site, each):
            return None
        sites[id(site.node)] = site
    changes = [_renamed(site) for site in sites.values()]
    return edits.fix(Applicability.UNSAFE, "make them ReLUs", *changes)


def _is_shared(site: Site, activation: Data) -> bool:
    """Whether the module is kept under a name of its own, by which other code may use it."""
    if not isinstance(site, CodeSite) or activation.layer is None:
        return False
    return isinstance(site.statement, ast.Assign) and site.statement.value is site.node


def _renamed(site: CodeSite) -> Edit | None:
    function = site.node.func if isinstance(site.node, ast.Call) else None
    if not isinstance(function, ast.Attribute) or function.attr not in INSTEAD:
        return None
    text = edits.node_code(site, function)
    return edits.replace(CodeSite(site.module, function), text[: -len(function.attr)] + INSTEAD[function.attr])


def witness(case: Case) -> Verdict:
    """Whether the first layer's gradient is a hundredth of that of the layer behind the stack."""
    places = [related.place for related in case.finding.related]
    if len(places) < 2:
        return not_reached(case)
    last, first = ([e.numbers["gradient"] for e in case.at(WeightsSeen, p) if "gradient" in e.numbers] for p in places)
    if not first or not last or not max(last):
        return not_reached(case)
    ratio = min(first) / max(last)
    words = f"the gradient of the first layer is {ratio:.2g} times that of the layer behind the stack"
    return confirmed(words, ratio=ratio) if ratio < LITTLE else refuted(words, ratio=ratio)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN310",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS | names_of(*SATURATING),),
    needs=needs(SATURATING),
)
