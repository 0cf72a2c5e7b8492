"""Two layers that follow each other do not fit.

## What it does
Reports a layer that takes another number of features or channels than the layer in front of it gives: linear layers,
convolutions, embeddings, recurrent layers (twice as wide where they are bidirectional), and the normalisations between; a
linear layer behind a `flatten` whose inputs are no multiple of the channels, and one behind a `view` of another width. Sizes
must be written or follow from what is; layers made in loops or by helpers, and a size that only a parameter's default tells,
are left alone.

## Why it matters
The first forward pass raises "mat1 and mat2 shapes cannot be multiplied", or "expected input to have 32 channels". That is
often an hour into preparing data, on a machine that had to be waited for.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html (Shape).

## Example
```python
nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(128, 10))
```

Use instead:
```python
nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
```

## Witness
The run raises at the layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Run, WeightsSeen
from nnlint.facts.layers import before, made_by, place_of, related_call
from nnlint.facts.networks import is_module, networks
from nnlint.facts.optional_sizes import hangs_on_an_option
from nnlint.facts.tried_out import is_tried_out
from nnlint.finding import Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS, CONTAINERS, NORMALIZATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import FALSE, Constant, Data, Items, Layer, Value, truth
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

ELEMENTWISE = (
    (ACTIVATIONS - {"glu"})
    | NORMALIZATIONS
    | {"dropout", "alpha_dropout", "softmax", "log_softmax", "to", "contiguous"}
)
"""Operations behind which there are as many features as before."""

OVER_PIXELS = ELEMENTWISE | {"pool", "pad"}
"""Operations behind which there are as many channels as before."""

TAKES = {
    "linear": "in_features",
    "convolution": "in_channels",
    "transposed_convolution": "in_channels",
    "batch_norm": "num_features",
    "layer_norm": "normalized_shape",
    "recurrent": "input_size",
}
GIVES = {
    "linear": "out_features",
    "convolution": "out_channels",
    "transposed_convolution": "out_channels",
    "embedding": "embedding_dim",
    "recurrent": "hidden_size",
}
FEATURES = frozenset({"linear", "embedding", "recurrent"})
CHANNELS = frozenset({"convolution", "transposed_convolution"})
MAKES_STEPS = frozenset({"recurrent", "embedding", "attention", "transformer"})
KEEPS_STEPS = ELEMENTWISE | {"linear", "add", "multiply", "transpose", "permute"}
MOST_STEPS_BACK = 20
"""Operations that give a row of steps for each sample, and those behind which it is one still."""

LOOPS = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Lambda)
LAST_STEPS = frozenset({"-1", "0", ":, -1", ":, 0", ":, -1, :", ":, 0, :", "-1, :, :"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each layer that cannot take what comes."""
    for operation in TAKES:
        for second in made_by(run, operation):
            if second.layer is not None and (wanted := _size(run, second.layer, TAKES[operation])) is not None:
                yield from _problem(run, second, wanted)


def _problem(run: Run, second: Data, wanted: int) -> Iterator[Problem]:
    feeding = before(second, lambda each: each.operation in _passed(second))
    found = [_given(run, each, second, wanted) for each in feeding]
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return
    place = place_of(second)
    first = feeding[0]
    if place is None or not isinstance(first, Data) or not all(_is_sure(each, second) for each in feeding):
        return
    if (
        _holds_unknown(run, second)
        or is_tried_out(run, second, place)
        or hangs_on_an_option(run, _last_step(first), second)
    ):
        return
    behind = place_of(first) if first.layer is not None else first.at
    yield Problem(
        place,
        f"this layer takes {wanted} {_unit(second)}, and gets {known[0]}: the forward pass raises",
        label=f"takes {wanted}",
        related=(
            *(((behind, f"gives {known[0]}"),) if behind is not None and behind is not place else ()),
            *related_call(second, "called here"),
        ),
        help="let the sizes of the two layers agree",
    )


def _is_sure(first: Value, second: Data) -> bool:
    """Whether both stand in the same pass through one function, and no loop that is followed only in part made one of them."""
    if not isinstance(first, Data):
        return False
    first = _last_step(first) if first.operation == "index" else first
    is_same_pass = len(first.calls) == len(second.calls) and (not first.calls or first.calls[-1] is second.calls[-1])
    layers = [each for each in (first, second) if each is second or each.layer is not None]
    return is_same_pass and all(_is_made_once(each) and not _is_picked(each) for each in layers)


def _is_picked(data: Data) -> bool:
    """Whether the layer is one of several, by a number that is not known: `self.layers[i](x)`."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Subscript) and not isinstance(function.slice, ast.Constant)


def _holds_unknown(run: Run, second: Data) -> bool:
    """Whether the network has a container that seems empty: it may be filled in a loop whose length is not known."""
    function = second.at.function if isinstance(second.at, CodeSite) else None
    owners = [each for each in networks(run) if any(function in cls.node.body for cls in each.cls.lineage())]
    held = [part for owner in owners for part in owner.attributes.values() if isinstance(part, Layer)]
    return any(
        part.kind in CONTAINERS and not any(is_module(each) for each in part.attributes.values()) for part in held
    )


def _is_made_once(data: Data) -> bool:
    """Whether the layer is made in a constructor, or at the top level, outside of loops and comprehensions."""
    site = data.layer.at if data.layer is not None else None
    if (
        not isinstance(site, CodeSite)
        or getattr(site.function, "name", "__init__") != "__init__"
        or edits.loops_around(site)
    ):
        return False
    loops = [node for node in ast.walk(site.statement) if isinstance(node, LOOPS)] if site.statement is not None else []
    return not any(each is site.node for loop in loops for each in ast.walk(loop))


def _unit(layer: Data) -> str:
    return "channels" if layer.operation in CHANNELS else "features"


def _passed(second: Data) -> frozenset[str]:
    if second.operation in CHANNELS or (
        second.layer is not None and second.layer.kind in ("BatchNorm2d", "BatchNorm3d")
    ):
        return OVER_PIXELS
    return ELEMENTWISE - NORMALIZATIONS if second.operation in NORMALIZATIONS else ELEMENTWISE


def _given(run: Run, value: Value, second: Data, wanted: int) -> str | None:
    """What comes to the layer, in words, if it cannot take that; None where it can, or where it is not known."""
    if not isinstance(value, Data):
        return None
    if second.operation == "linear" and value.operation == "flatten":
        return _of_flattened(run, value, wanted)
    if second.operation == "linear" and value.operation in ("view", "reshape"):
        return str(value.width) if value.width not in (None, wanted) and _is_written(value) else None
    source = _last_step(value) if second.operation == "linear" else value
    if source.layer is None or not _fit_together(source, second):
        return None
    size = _size(run, source.layer, GIVES[source.operation])
    if size is not None and source.operation == "recurrent":
        size = _of_recurrent(source.layer, size)
    return None if size is None or size == wanted else str(size)


def _last_step(value: Data) -> Data:
    """The recurrent layer of whose output one step is taken, or the value itself."""
    if value.operation != "index" or not value.inputs or not isinstance(value.at, CodeSite):
        return value
    node, source = value.at.node, value.inputs[0]
    is_step = isinstance(node, ast.Subscript) and ast.unparse(node.slice).strip("()") in LAST_STEPS
    return source if is_step and isinstance(source, Data) and source.operation == "recurrent" else value


def _fit_together(first: Data, second: Data) -> bool:
    """Whether one layer's features, or channels, are those of the other."""
    if first.operation in CHANNELS:
        kind = second.layer.kind if second.layer is not None else ""
        return second.operation in CHANNELS or (second.operation == "batch_norm" and kind != "LazyBatchNorm2d")
    if second.operation == "batch_norm":
        is_of_features = first.operation == "linear" and second.layer is not None and second.layer.kind == "BatchNorm1d"
        return is_of_features and not _comes_in_steps(first)
    return first.operation in FEATURES and second.operation not in CHANNELS


def _comes_in_steps(linear: Data) -> bool:
    """Whether a linear layer is given sequences, whose second dimension is that of the steps: a BatchNorm1d counts these."""
    current: Value = linear
    for _ in range(MOST_STEPS_BACK):
        if not isinstance(current, Data) or not current.inputs:
            return False
        if current.operation in MAKES_STEPS:
            return True
        if current.operation not in KEEPS_STEPS and not _is_slice_of_features(current):
            return False
        current = current.inputs[0]
    return False


def _is_slice_of_features(data: Data) -> bool:
    """Whether a slice is taken of the last dimension: `halves[..., :size]`."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    keys = node.slice.elts if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) else []
    is_of_last = len(keys) == 2 and isinstance(keys[0], ast.Constant) and keys[0].value is ...
    return data.operation == "index" and is_of_last and isinstance(keys[1], ast.Slice)


def _of_recurrent(layer: Layer, size: int) -> int | None:
    if layer.kind.endswith("Cell"):
        return size
    if layer.arguments.get("proj_size") is not None:
        return None
    is_double = truth(layer.arguments.get("bidirectional", FALSE))
    return None if is_double is None else size * (1 + is_double)


def _of_flattened(run: Run, flattened: Data, wanted: int) -> str | None:
    """What a flattened stack of maps gives: a multiple of its channels; exactly that, where the maps have a known size."""
    if any(value is not None for value in flattened.options.values()) or len(flattened.inputs) > 2:
        return None
    found = before(flattened, lambda each: each.operation in OVER_PIXELS)
    if (
        len(found) != 1
        or not isinstance(found[0], Data)
        or found[0].operation != "convolution"
        or found[0].layer is None
        or not _is_made_once(found[0])
    ):
        return None
    channels = _size(run, found[0].layer, "out_channels")
    if channels is None:
        return None
    pixels = _pixels(flattened, found[0])
    if pixels is not None:
        return str(channels * pixels) if channels * pixels != wanted else None
    return f"a multiple of {channels}" if wanted % channels else None


def _pixels(flattened: Data, convolution: Data) -> int | None:
    """How many pixels each map has, where an adaptive pooling fixes that."""
    current: Value = flattened.inputs[0]
    while isinstance(current, Data) and current is not convolution and current.inputs:
        layer = current.layer
        if layer is not None and layer.kind.startswith("Adaptive"):
            side = layer.arguments.get("kernel_size")
            dimensions = int(layer.kind[-2])
            if isinstance(side, Constant) and isinstance(side.value, int):
                return int(side.value**dimensions)
            return _product(side) if isinstance(side, Items) else None
        if current.operation in ("pool", "pad"):
            return None
        current = current.inputs[0]
    return None


def _product(sides: Items) -> int | None:
    result = 1
    for each in sides.items:
        if not isinstance(each, Constant) or not isinstance(each.value, int):
            return None
        result *= each.value
    return result


def _size(run: Run, layer: Layer, name: str) -> int | None:
    """A size that the code fixes; None where only a parameter's default tells it, and callers may be elsewhere."""
    given = layer.arguments.get(name)
    if (
        not isinstance(given, Constant)
        or not isinstance(given.value, int)
        or isinstance(given.value, bool)
        or given.overridable
    ):
        return None
    statement = given.at.statement if isinstance(given.at, CodeSite) else None
    is_default = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    return None if is_default and run.symbolic else given.value


def _is_written(shaped: Data) -> bool:
    """Whether the last size is a number that stands there."""
    node = shaped.at.node if isinstance(shaped.at, CodeSite) else None
    last = node.args[-1] if isinstance(node, ast.Call) and node.args else None
    if isinstance(last, (ast.Tuple, ast.List)) and last.elts:
        last = last.elts[-1]
    return last is not None and all(
        isinstance(each, (ast.Constant, ast.BinOp, ast.Mult, ast.Add, ast.Sub, ast.FloorDiv)) for each in ast.walk(last)
    )


def witness(case: Case) -> Verdict:
    """Whether the run raised at the layer."""
    places = [case.finding.place, *(related.place for related in case.finding.related)]
    raised = case.raised_at(*places)
    if raised is not None:
        return confirmed(f"the run raised {raised.error} there: {raised.message[:120]}")
    calls = sum(event.numbers.get("calls", 0.0) for event in case.at(WeightsSeen))
    return refuted(f"the layer was called {calls:.0f} times", calls=calls) if calls > 1 else not_reached(case)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN309",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS,),
    needs=needs(TAKES),
)
