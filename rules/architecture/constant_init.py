"""Weights begin with one value for all units.

## What it does
Reports weights of layers that are set to zero or to one constant: by `nn.init`, by `fill_` or `zero_`, in a function that is
applied to the network, or as an `nn.Parameter` of zeros. It is an error where a layer and the one behind it are both
constant, as then their units never differ. A constant hidden layer between others is advice, and so are constants other than
zero where nothing is trained: they may be there to follow the numbers by hand, and one that a comment says to be there for
demonstration. Biases, normalisations, embeddings, the last layer, residual branches and adapters are left alone, and a network of
one layer, a layer of one unit, and a constant that the caller has to name.

## Why it matters
Units with the same weights compute the same, get the same gradient and stay the same: a layer of 512 such units is one unit.
If all begin at zero, nothing passes through, no gradient comes back, and only the last bias is trained.
Source: Goodfellow, Bengio and Courville, "Deep Learning", section 8.4
(https://www.deeplearningbook.org/contents/optimization.html).

## Example
```python
for layer in (self.hidden, self.out):
    nn.init.constant_(layer.weight, 0.01)
```

Use instead:
```python
for layer in (self.hidden, self.out):
    nn.init.xavier_uniform_(layer.weight)
```

## Fix safety
Safe: weights that are drawn at random are what the layer is there for; offered where the weights of one layer are set.

## Witness
At the end of the run the units of the layer are still alike.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Backward, OptimizerMade, OptimizerStepped, Run, ValueSeen, WeightsSeen, WeightsSet
from nnlint.facts.calls import called_name
from nnlint.facts.first_values import constant_weights
from nnlint.facts.layers import BETWEEN, is_only_shown, names_around, wiring
from nnlint.facts.tried_out import only_shows_gradients
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import content, sources
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.operations import NORMALIZATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, comments
from nnlint.values import Data, Site, number
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

MIXING = ("linear", "convolution", "transposed_convolution", "matmul")
PASSED = BETWEEN | NORMALIZATIONS | {"dropout", "add bias"}
MEANT = regex(r"lora|adapter|zero|gate|res|film|modulat|offset|identity|ema|mask|prefix|prompt", re.IGNORECASE)
ALIKE = 1e-5
"""A deviation between units under this share of the largest weight is none."""

STATISTICS = regex(r"(?:^|_)(?:var|variance|running_var|std)$", re.IGNORECASE)
"""Names of what a normalisation has measured."""

LINES_ABOVE = 3
ANNOUNCED = regex(r"demonstrat|on purpose|deliberate|intentional", re.IGNORECASE)
"""Comments that tell that a constant is meant."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place that gives layers constant weights, where units stay alike by it."""
    constant = constant_weights(run)
    if not constant or only_shows_gradients(run):
        return
    layers = {
        id(data): key for operation in MIXING for data in _made_by(run, operation) if (key := _key_of(data, constant))
    }
    pairs: dict[int, tuple[Data, bool]] = {}
    for data in [each for operation in MIXING for each in _made_by(run, operation)]:
        for before in _fed_by(data):
            if id(before) in layers and id(data) in layers:
                pairs[layers[id(before)]] = (before, True)
                pairs[layers[id(data)]] = (data, True)
            elif id(before) in layers:
                pairs.setdefault(layers[id(before)], (before, False))
    for key, (data, stays) in pairs.items():
        if _is_left_alone(run, data, constant[key]) or (data.layer is None and _waits_for_weights(run, constant[key])):
            continue
        if stays or _is_hidden(run, data):
            yield from _problem(run, data, constant[key], stays)


def _is_left_alone(run: Run, data: Data, place: Site) -> bool:
    """Whether the constant is only shown or asked for, or the layer has a single unit, which is like no other."""
    given = data.layer.arguments if data.layer is not None else {}
    units = given.get("out_features") or given.get("out_channels")
    return is_only_shown(run, place) or _is_asked_for(place) or (units is not None and number(units) == 1)


def _is_asked_for(place: Site) -> bool:
    """Whether the caller has to name the constant: it is a parameter that has no other default than None."""
    call, function = (place.node, place.function) if isinstance(place, CodeSite) else (None, None)
    if isinstance(function, ast.Lambda):
        return True
    if not isinstance(call, ast.Call) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    given = call.args[-1] if call.args else None
    arguments = function.args
    plain = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    defaults = dict(zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True))
    if not isinstance(given, ast.Name) or given.id not in plain:
        return False
    default = defaults.get(given.id)
    return default is None or (isinstance(default, ast.Constant) and default.value is None)


def _made_by(run: Run, operation: str) -> list[Data]:
    return [each for each in run.operations.get(operation, ()) if isinstance(each, Data)]


def _key_of(data: Data, constant: dict[int, Site]) -> int | None:
    """The layer or parameter by which the operation has constant weights."""
    if data.layer is not None:
        return id(data.layer) if id(data.layer) in constant else None
    given = [each for value in data.inputs[:2] for each in content(value)]  # behind them stands the bias
    return next((id(each) for each in given if id(each) in constant), None)


def _fed_by(data: Data) -> list[Data]:
    """The operations with weights that feed this one, on whichever path; through an addition of a bias."""
    inputs = data.inputs[:1] if data.layer is not None else data.inputs[:2]
    found = [
        each for value in inputs for each in sources(value, lambda one: one.operation in PASSED or _adds_bias(one))
    ]
    return [each for each in found if isinstance(each, Data) and each.operation in MIXING]


def _adds_bias(data: Data) -> bool:
    """Whether a parameter is added to the operation's first input."""
    if data.operation != "add" or len(data.inputs) != 2:
        return False
    return any(isinstance(each, Data) and each.operation == "parameter" for each in content(data.inputs[1]))


def _is_hidden(run: Run, data: Data) -> bool:
    """Whether the layer is no part of a residual branch, a gate or an adapter, as far as its use and its names tell."""
    names = list(names_around(data))
    behind = wiring(run).after(data, lambda each: each.operation in PASSED)
    return not any(MEANT.search(name) for name in names) and not any(
        each.operation in ("add", "multiply") for each in behind
    )


def _may_be_meant(run: Run, place: Site) -> bool:
    """Whether the constant may serve to follow numbers by hand, in a test say: it is not zero, and nothing steps in this run."""
    node = place.node if isinstance(place, CodeSite) else None
    if any(True for _ in run.events(OptimizerStepped)) or not isinstance(node, ast.Call):
        return False
    return called_name(Data("call", at=place)).startswith("ones") or any(
        isinstance(part, ast.Constant) and isinstance(part.value, (int, float)) and part.value
        for each in node.args
        for part in ast.walk(each)
    )


def _waits_for_weights(run: Run, place: Site) -> bool:
    """Whether a network written by hand has nothing but zeros and ones, the variances that it normalises by among them, in code
    that trains nothing: weights that somebody else has trained are loaded into it."""
    if any(True for _ in run.events(OptimizerMade)) or any(True for _ in run.events(Backward)):
        return False
    function = place.function if isinstance(place, CodeSite) else None
    targets = [each.targets[0] for each in getattr(function, "body", ()) if isinstance(each, ast.Assign)]
    names = {each.attr for each in targets if isinstance(each, ast.Attribute)}
    return any(STATISTICS.search(name) for name in names)


def _is_announced(place: Site) -> bool:
    """Whether a comment by the line, or closely above it, says that the constant is there to be looked at."""
    if not isinstance(place, CodeSite) or (line := getattr(place.node, "lineno", 0)) < 1:
        return False
    return any(ANNOUNCED.search(each) for each in comments(place.module, line - LINES_ABOVE, line))


def _problem(run: Run, data: Data, place: Site, stays: bool) -> Iterator[Problem]:
    layer = data.layer.at if data.layer is not None else None
    is_certain = stays and not _may_be_meant(run, place) and not _is_announced(place)
    at_end = (
        "so its units stay alike, as those of the layer next to it are constant too"
        if stays
        else ("so its units begin alike")
    )
    related = (
        ((layer, "all its weights begin with the same value"),) if layer is not None and layer is not place else ()
    )
    yield Problem(
        place,
        f"the weights of this layer are set to one value, {at_end}",
        label="one value for all weights",
        related=related,
        help="draw weights at random: `nn.init.xavier_uniform_`, or torch's own default",
        fix=_drawn(place) if is_certain else None,
        severity=None if is_certain else Severity.ADVICE,
    )


def _drawn(place: Site) -> Fix | None:
    """The weights of one layer drawn at random; None where all parameters are set in a loop, biases among them."""
    if not isinstance(place, CodeSite) or not isinstance(place.node, ast.Call):
        return None
    node = place.node
    name = called_name(Data("call", at=place))
    if name == "Parameter":
        return _as_random(place, node)
    target = node.args[0] if name.rstrip("_") in ("zeros", "ones", "constant") and node.args else None
    if name in ("zero_", "fill_") and isinstance(node.func, ast.Attribute):
        target = node.func.value
        target = target.value if isinstance(target, ast.Attribute) and target.attr == "data" else target
    found = spelled(place, "torch.nn.init", "xavier_uniform_")
    if not isinstance(target, ast.Attribute) or found is None:
        return None
    spelling, importing = found
    edit = edits.replace(place, f"{spelling}({edits.node_code(place, target)})")
    return edits.fix(
        Applicability.SAFE, "draw the weights at random", edit, *((importing,) if importing is not None else ())
    )


def _as_random(place: CodeSite, node: ast.Call) -> Fix | None:
    made = node.args[0] if node.args else None
    function = made.func if isinstance(made, ast.Call) else None
    if made is None or not isinstance(function, ast.Attribute) or function.attr not in ("zeros", "ones"):
        return None
    text = edits.node_code(place, made)
    name = edits.node_code(place, function)
    drawn = f"{name[: -len(function.attr)]}randn{text[len(name) :]} * 0.01"
    edit = edits.replace(CodeSite(place.module, made), drawn)
    return edits.fix(Applicability.SAFE, "draw the weights at random", edit)


def witness(case: Case) -> Verdict:
    """Whether the units of the layer are alike at the end of the run."""
    places = [related.place for related in case.finding.related]
    seen: list[WeightsSeen | ValueSeen] = [
        event for event in (case.at(WeightsSeen, *places) if places else []) if "unit_spread" in event.numbers
    ]
    seen += [event for event in case.at(ValueSeen) if event.what == "kept" and "unit_spread" in event.numbers]
    if not seen:
        return not_reached(case)
    least = min(seen, key=lambda event: event.numbers["unit_spread"])
    spread, size = least.numbers["unit_spread"], least.numbers["weight_size"]
    if spread <= ALIKE * size:
        return confirmed(
            f"at the end all units still have the same weights, of {size:.2g} at most", spread=spread, size=size
        )
    return refuted(f"at the end the weights of the units deviate by {spread:.2g}", spread=spread, size=size)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN311",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS | frozenset("zero_ fill_ normal_ uniform_ copy_ trunc_normal_ random_".split()),),
    needs=needs((WeightsSet, "parameter")),
)
