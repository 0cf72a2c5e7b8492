"""A hidden layer is so narrow that next to nothing passes through it.

## What it does
Reports a hidden linear layer of width 1, or of a width under 4 and under a sixteenth of both its neighbours, and a recurrent
layer of one unit before a linear one, where everything has to go through it that the network knows of its input: the next layer
takes exactly these units, and no other path leads around them. An output layer is none, nor is what is meant to be narrow: the
gate of a squeeze-and-excitation block, an attention score, a low-rank adapter beside the main path, a score that is
concatenated with others, the code of an autoencoder.

## Why it matters
Behind a layer of width 1 the network computes a function of one number per sample, however wide the layers are that follow. All
of the gradient for what lies before it has to pass through that one number, too; behind a ReLU it is often zero for half of the
samples, and where it dies, the network answers with a constant.
Source: seed story 0.

## Example
```python
nn.Sequential(nn.Linear(7, 1), nn.ReLU(), nn.Linear(1, 100), nn.ReLU(), nn.Linear(100, 1))
```

Use instead:
```python
nn.Sequential(nn.Linear(7, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 1))
```

## Witness
The layer's output has rank 1 over a batch (or the rank of its width), and the norm of the gradient falls at it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import LayerApplied, Run
from nnlint.facts.evaluation import trains_inside
from nnlint.facts.layers import REARRANGING, Wiring, inputs_of, made_by, names_around, place_of, related_call, wiring
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS, NORMALIZATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Layer
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

FEW = 4
RATIO = 16
WIDER = 32
"""The width that a verifying run gives the layer instead."""

NORMALIZED_SIZES = ("num_features", "normalized_shape")
HIDES = (ACTIVATIONS | NORMALIZATIONS | {"dropout", "alpha_dropout"}) - {"sigmoid"}
"""Operations that make a layer before them a hidden one; a sigmoid may as well end a score that another layer calibrates."""

PASSED = HIDES | {"sigmoid", "to", "clone", "contiguous", "identity"}
"""Operations that leave the number of units as it is and each unit in its place."""

SIZES = frozenset({"size", "shape", "dim", "ndim"})
DECODES = frozenset({"transposed_convolution", "upsample"})
MEANT = regex(r"squeez|excit|gate|atten|lora|adapter|rank|calib", re.IGNORECASE)
"""Names of layers, classes and functions that tell that a layer is narrow on purpose."""

CODES = regex(r"encod|latent|bottle|compress|code$|embed|reduc|mu$|logvar|vae|autoenc|^ae$|visual", re.IGNORECASE)
"""Names that tell that one layer is narrow on purpose: the narrowest on the way."""

LONGEST_WAY = 24


def check(run: Run) -> Iterator[Problem]:
    """One problem for each hidden linear layer that is too narrow and on every path."""
    for data in made_by(run, "linear"):
        width = _size(data.layer, "out_features")
        if data.layer is None or width is None or not 1 <= width < FEW or not _may_be_narrow(data.layer, width):
            continue
        following = _next_layers(wiring(run), data)
        if not following or not _is_narrow(wiring(run), data, data.layer, width, following):
            continue
        if _is_one_of_several_tried(run, data.layer):
            continue
        if not _is_meant(run, data, following):
            yield from _problem(data, width, following[0], _widened(wiring(run), data, following))
    for data in made_by(run, "recurrent"):
        if _size(data.layer, "hidden_size") != 1:
            continue
        following = _layers_behind_state(wiring(run), data)
        if _is_single_unit(data.layer, following) and not _is_meant(run, data, following):
            yield from _problem(data, 1, following[0], None)


def _is_one_of_several_tried(run: Run, layer: Layer) -> bool:
    """Whether a function that trains is given the width, and also others: what too few units do is to be seen."""
    at = layer.at
    if not isinstance(at, CodeSite) or not isinstance(at.function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    named = {each.id for each in ast.walk(at.node) if isinstance(each, ast.Name)}
    given = {each.arg for each in (*at.function.args.args, *at.function.args.kwonlyargs)}
    if named.isdisjoint(given) or not trains_inside(run, at, at.function):
        return False
    made = (each.layer for each in made_by(run, "linear") if each.layer is not None)
    alike = [each for each in made if isinstance(each.at, CodeSite) and each.at.node is at.node]
    return len({_size(each, "out_features") for each in alike}) > 1


def _may_be_narrow(layer: Layer, width: int) -> bool:
    """Whether the layer alone does not tell that it is wide enough."""
    return width == 1 or (layer.number("in_features") or 0) > RATIO * width


def _layers_behind_state(wires: Wiring, data: Data) -> list[Data]:
    """The linear layers that take what a recurrent layer puts out at some step, or its last state; none where others do, too."""
    found = wires.after(data, lambda each: each.operation in PASSED | REARRANGING | {"state of"})
    return found if all(each.operation == "linear" for each in found) else []


def _is_single_unit(layer: Layer | None, following: list[Data]) -> bool:
    """Whether a recurrent layer has one unit, of which the next layer makes more, or which sums up more inputs."""
    if not following or layer is None:
        return False
    widths = [_size(each.layer, "out_features") for each in following]
    widens = (layer.number("input_size") or 0) > 1 or all((width or 0) > 1 for width in widths)
    return widens and all(_size(each.layer, "in_features") == 1 for each in following)


def _size(layer: Layer | None, name: str) -> int | None:
    """A size that the code fixes, or an option's default; None where it is not known, or is a parameter's default.

    Whoever calls a function may have other sizes in mind; an option's default is what most runs take.
    """
    given = layer.arguments.get(name) if layer is not None else None
    if not isinstance(given, Constant) or not isinstance(given.value, int):
        return None
    statement = given.at.statement if isinstance(given.at, CodeSite) else None
    is_of_parameter = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    return None if given.overridable and is_of_parameter else given.value


def _next_layers(wires: Wiring, data: Data) -> list[Data]:
    """The linear layers that take a layer's units; none where anything else takes them, too."""
    found = wires.after(data, lambda each: each.operation in PASSED)
    return found if all(each.operation == "linear" for each in found) else []


def _is_narrow(wires: Wiring, data: Data, layer: Layer, width: int, following: list[Data]) -> bool:
    after = [_size(each.layer, "out_features") for each in following]
    if any(_size(each.layer, "in_features") != width for each in following):
        return False
    if width > 1:
        return all((each or 0) > RATIO * width for each in after)
    if _is_hidden(wires, data):
        return True
    before = layer.number("in_features")
    return (before is None or before > 1) and all(each is None or each > 1 for each in after)


def _is_hidden(wires: Wiring, data: Data) -> bool:
    """Whether an activation, a normalisation or a dropout follows at once."""
    return any(each.operation in HIDES for each in wires.used_by(data))


def _is_meant(run: Run, data: Data, following: list[Data]) -> bool:
    """Whether the layer is narrow for a reason: another path leads around it, it is a code, or it is called so."""
    names = list(names_around(data))
    if any(MEANT.search(name) for name in names):
        return True
    wires = wiring(run)
    is_only_code = not any(_narrows_again(wires, each) for each in following)
    if is_only_code and any(CODES.search(name) for name in names):
        return True
    outputs = [each for each in wires.downstream(data) if each.operation == "output"]
    behind = _behind(data, None)
    if is_only_code and any(_is_decoded(each, data, behind) for each in outputs):
        return True
    has_way_around = any(_behind(each, data).keys() & behind.keys() for each in outputs)
    return has_way_around and not _is_block_of_residual(wires, data, following)


def _narrows_again(wires: Wiring, following: Data) -> bool:
    """Whether a later hidden layer is narrower than the one before it: of a code there is one, and it is the narrowest."""
    current, width = following, _size(following.layer, "out_features")
    for _ in range(LONGEST_WAY):
        after = _next_layers(wires, current)
        if len(after) != 1 or width is None:
            return False
        current, before = after[0], width
        width = _size(current.layer, "out_features")
        if width is not None and 1 < width < before and _next_layers(wires, current):
            return True
    return False


def _is_block_of_residual(wires: Wiring, data: Data, following: list[Data]) -> bool:
    """Whether a single unit is all there is between two layers whose result is only added to what went around them."""
    if _size(data.layer, "out_features") != 1 or not _is_hidden(wires, data):
        return False
    joined = [each for layer in following for each in wires.after(layer, lambda other: other.operation in HIDES)]
    return bool(joined) and all(each.operation == "add" for each in joined)


def _behind(end: Data, without: Data | None) -> dict[int, Data]:
    """All data behind one that the numbers come from, not through `without`; sizes are no such data."""
    found: dict[int, Data] = {}
    pending = list(inputs_of(end))
    while pending:
        current = pending.pop()
        if id(current) not in found and current is not without and current.name not in SIZES:
            found[id(current)] = current
            pending.extend(inputs_of(current))
    return found


def _is_decoded(output: Data, data: Data, behind: dict[int, Data]) -> bool:
    """Whether the network is an autoencoder around the layer: it upsamples behind it, or ends as wide as it began."""
    ahead = _behind(output, data).values()
    if any(each.operation in DECODES for each in ahead):
        return True
    began = {each.layer.number("in_features") for each in behind.values() if each.operation == "linear" and each.layer}
    if not began and data.layer is not None:
        began = {data.layer.number("in_features")}
    return any(each.width is not None and each.width > RATIO and each.width in began for each in inputs_of(output))


def _widened(wires: Wiring, data: Data, following: list[Data]) -> Fix | None:
    """The change for a verifying run: a width like that of the neighbours, in this layer and in those that take its units."""
    sizes = [
        _written_size(data.layer, "out_features"),
        *(_written_size(each.layer, "in_features") for each in following),
    ]
    pending = list(wires.used_by(data))
    while pending:
        each = pending.pop()
        if each.operation in PASSED:
            pending.extend(wires.used_by(each))
            names = [name for name in NORMALIZED_SIZES if each.layer is not None and name in each.layer.arguments]
            sizes += [_written_size(each.layer, name) for name in names]
    changes = [edits.replace(site, str(WIDER)) if site is not None else None for site in _distinct(sizes)]
    return edits.fix(Applicability.UNSAFE, f"a width of {WIDER}", *changes)


def _written_size(layer: Layer | None, name: str) -> CodeSite | None:
    """Where a size is written as a number."""
    given = layer.arguments.get(name) if layer is not None else None
    site = given.at if isinstance(given, Constant) else None
    return site if isinstance(site, CodeSite) and isinstance(site.node, ast.Constant) else None


def _distinct(sites: list[CodeSite | None]) -> list[CodeSite | None]:
    return list({id(site.node) if site is not None else 0: site for site in sites}.values())


def _problem(data: Data, width: int, following: Data, widened: Fix | None) -> Iterator[Problem]:
    place, behind = place_of(data), place_of(following)
    if place is None:
        return
    numbers = "a single number" if width == 1 else f"{width} numbers"
    yield Problem(
        place,
        f"everything behind this layer sees {numbers} of each sample, so the network can hardly tell samples apart",
        label=f"a hidden layer of width {width}",
        related=(
            *([(behind, "the next layer gets no more than that")] if behind is not None else []),
            *related_call(data, "called here"),
        ),
        help="give the hidden layer a width like that of its neighbours",
        control=widened,
    )


def witness(case: Case) -> Verdict:
    """Whether what the layer gives has no more than a few dimensions over a batch."""
    outputs = {event.numbers["network"]: event for event in case.layers()}
    layers = [
        each for each in case.made_at(LayerApplied) if "output_rank" in each.numbers and each not in outputs.values()
    ]
    if not layers:
        return not_reached(case)
    narrowest = min(layers, key=lambda event: event.numbers["output_rank"]).numbers
    rank, rows = narrowest["output_rank"], narrowest["output_rows"]
    if rank < FEW:
        return confirmed(f"over {rows:.0f} samples its output has rank {rank:.0f}", rank=rank, samples=rows)
    return refuted(f"over {rows:.0f} samples its output has rank {rank:.0f}", rank=rank, samples=rows)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN302",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS,),
    needs=needs(("linear", "recurrent")),
)
