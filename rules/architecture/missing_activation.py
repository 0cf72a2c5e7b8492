"""Two linear layers follow each other with nothing non-linear between them.

## What it does
Reports a linear layer or a convolution that takes the output of another one of its kind, or the flattened output of a
convolution, with no more than a reshape, a dropout or a BatchNorm between: in a `Sequential`, or along `forward`. A pair
whose middle is narrow enough to save weights (a low-rank factorisation, a bottleneck), depthwise and 1x1 convolutions,
queries, keys and values, features that are used elsewhere too, and two modules that are made apart are left alone; and so are
layers that a file only tries out, or whose weights it sets, the smoothing of a feature pyramid, terms of the scores of an
attention, scaling up by steps of unknown width or in a loop that keeps the channels, and pairs between which an activation was
commented out.

## Why it matters
The composition of two affine maps is one affine map: the second layer adds weights and nothing that the first could not do. A
network whose hidden layers all lack their activation is linear regression, however deep it is, and cannot tell the two halves
of an XOR apart; one missing activation takes a layer of depth away.
Source: Goodfellow, Bengio and Courville, "Deep Learning", section 6.1 (https://www.deeplearningbook.org/contents/mlp.html).

## Example
```python
nn.Sequential(nn.Linear(784, 256), nn.Linear(256, 10))
```

Use instead:
```python
nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
```

## Fix safety
Unsafe: a ReLU is put in front of the second layer, which changes what saved weights compute; in a `Sequential` the layers
behind it get other numbers.

## Witness
The second layer receives exactly the numbers that the first one, or a BatchNorm behind it, puts out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import LayerApplied, Run
from nnlint.facts.layers import REARRANGING, before, made_by, place_of, wiring
from nnlint.facts.tried_out import is_of_trial, is_tried_out, only_shows_gradients
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Constant, Data, Layer, Value
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

PAIRS = frozenset(
    {
        ("linear", "linear"),
        ("convolution", "convolution"),
        ("transposed_convolution", "transposed_convolution"),
        ("convolution", "linear"),
    }
)
BETWEEN = (REARRANGING - {"detach", "numpy", "tensor", "array", "values", "index", "split", "gather"}) | {
    "dropout",
    "batch_norm",
    "identity",
}
"""What may stand between and leaves the whole affine, in evaluation mode at the latest."""

TURNING = frozenset({"transpose", "permute"})
"""What gives the last dimension, which a linear layer mixes, to another axis."""

FACTORED = regex(
    r"lora|low_?rank|factor|proj|embed|(?:^|_)emb|query|^[qkv]$|^w_?[qkv]|_[qkv]$|qkv|pca|fpn|lateral|separable|depthwise|"
    r"pointwise|reduc|merge|adapter|neck|linear_?(?:model|net|regression|probe)|latent|(?<!en)(?<!de)code",
    re.IGNORECASE,
)
"""Names of layers that are linear on purpose."""

CODES = regex(r"(?:en|de)cod", re.IGNORECASE)
"""Names of the two halves between which a code is linear on purpose."""

COMMENTED = regex(r"\s*#.*(?:relu|elu|tanh|sigmoid|silu|activation)\w*\(", re.IGNORECASE)

ATTENDED = frozenset({"matmul", "attention", "bilinear"})
SIZES = {
    "linear": ("in_features", "out_features"),
    "convolution": ("in_channels", "out_channels"),
    "transposed_convolution": ("in_channels", "out_channels"),
}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each layer that only another affine layer feeds."""
    if only_shows_gradients(run):
        return
    for operation in SIZES:
        for second in made_by(run, operation):
            if second.layer is not None:
                yield from _problem(run, second)


def _problem(run: Run, second: Data) -> Iterator[Problem]:
    feeding = before(second, _keeps_affine)
    firsts = [each for each in feeding if isinstance(each, Data) and (each.operation, second.operation) in PAIRS]
    if not firsts or len(firsts) < len(feeding):
        return
    if any(first.layer is None or not _is_redundant(run, first, second) for first in firsts):
        return
    place, behind = place_of(second), place_of(firsts[0])
    if place is None or behind is None or is_tried_out(run, second, place) or is_of_trial(place):
        return
    yield Problem(
        place,
        "this layer adds nothing to the one before it, because no activation stands between: two linear maps make one",
        label="takes the bare output of the layer before it",
        related=((behind, "its output passes through nothing that is not linear"),) if behind is not place else (),
        help="put an activation between them, or leave one of them out",
        fix=_activated(second),
    )


def _keeps_affine(data: Data) -> bool:
    return data.operation in BETWEEN


def _mixes_another_axis(first: Data, second: Data) -> bool:
    """Whether one linear layer mixes features and the other, behind a transposition, time steps: neither can do both."""
    if first.operation != "linear" or second.operation != "linear":
        return False
    straight = before(second, lambda data: data.operation in BETWEEN - TURNING)
    return not any(each is first for each in straight)


def _is_redundant(run: Run, first: Data, second: Data) -> bool:
    return (
        first.layer is not second.layer
        and not _mixes_another_axis(first, second)
        and _are_made_together(first, second)
        and not _are_alternatives(first, second)
        and not _is_commented_out(first, second)
        and not _is_set_by_hand(first)
        and not _is_set_by_hand(second)
        and not _smooths_a_pyramid(first)
        and not _is_factored(first, second)
        and _is_used_alone(run, first, second)
        and _node(second) not in run.remember("activated layers", run, _activated_elsewhere)
        and not any(FACTORED.search(name) for each in (first, second) for name in _names_of(each))
        and not _are_of_two_halves(first, second)
    )


def _are_of_two_halves(first: Data, second: Data) -> bool:
    """Whether a code lies between: one is of an encoder, or of a decoder, and the other of something else."""
    one, other = ({name for name in _names_of(each) if CODES.search(name)} for each in (first, second))
    return one != other


def _activated_elsewhere(run: Run) -> frozenset[object]:
    """The constructors of layers that take the output of an activation in some network: which one stands there is a setting."""
    made = (each for operation in SIZES for each in made_by(run, operation) if each.layer is not None)
    return frozenset(
        _node(each)
        for each in made
        if any(isinstance(one, Data) and one.operation in ACTIVATIONS for one in before(each, _keeps_affine))
    )


def _node(data: Data) -> object:
    site = place_of(data)
    return site.node if isinstance(site, CodeSite) else site


def _are_made_together(first: Data, second: Data) -> bool:
    """Whether both stand in the same pass through one function, or are the same layer of two blocks that follow each other."""
    one, other = first.layer and first.layer.at, second.layer and second.layer.at
    if isinstance(one, CodeSite) and isinstance(other, CodeSite) and one.node is other.node:
        return True
    return len(first.calls) == len(second.calls) and (not first.calls or first.calls[-1] is second.calls[-1])


def _are_alternatives(first: Data, second: Data) -> bool:
    """Whether one stands in each arm of an `if`: in a loop that makes layers, which of them follow each other is not known."""
    one, other = place_of(first), place_of(second)
    if not isinstance(one, CodeSite) or not isinstance(other, CodeSite) or one.module is not other.module:
        return False
    shared = {id(block): block for block in edits.blocks_around(one) if isinstance(block, ast.If)}
    return any(
        id(block) in shared and _arm(block, one) != _arm(block, other)
        for block in edits.blocks_around(other)
        if isinstance(block, ast.If)
    )


def _arm(block: ast.If, site: CodeSite) -> bool:
    """Whether a site stands where the test does not hold."""
    return bool(block.orelse) and getattr(site.node, "lineno", 0) >= block.orelse[0].lineno


def _is_set_by_hand(data: Data) -> bool:
    """Whether the weights of the layer were chosen, and assigned: they are no part of a learned map."""
    return data.layer is not None and "weight" in data.layer.attributes


def _smooths_a_pyramid(data: Data) -> bool:
    """Whether it takes the sum of a map and a coarser one that was scaled up, to smooth it: linear by design."""
    merged = data.inputs[0] if data.inputs else None
    return (
        isinstance(merged, Data)
        and merged.operation == "add"
        and any(isinstance(each, Data) and each.operation == "upsample" for each in merged.inputs)
    )


def _is_commented_out(first: Data, second: Data) -> bool:
    """Whether an activation stands between the two as a comment: it was taken out on purpose."""
    one, other = place_of(first), place_of(second)
    if not isinstance(one, CodeSite) or not isinstance(other, CodeSite) or one.module is not other.module:
        return False
    start, end = getattr(one.node, "end_lineno", 0) or 0, getattr(other.node, "lineno", 0)
    return any(COMMENTED.match(line) for line in one.module.lines[start : max(start, end - 1)])


def _is_factored(first: Data, second: Data) -> bool:
    """Whether the middle is so narrow, or the layers so sparse, that the pair has fewer weights than what it amounts to."""
    a, b = first.layer, second.layer
    if a is None or b is None or _is_sparse(a) or _is_sparse(b):
        return True
    if second.operation == "transposed_convolution" and (_has_unknown_stride(b) or _only_scales_up(a, b)):
        return True
    if second.operation != "linear" and (_is_pointwise(a) or _is_pointwise(b)):
        return True
    at_each_place = first.operation == "convolution" and _is_applied_at_each_place(a, b)
    if first.operation == "convolution" and second.operation == "linear":
        if _is_patching(a) or _is_pointwise(a) or _size(a.arguments.get("out_channels")) == 1:
            return True  # a single map, which the linear layer mixes along another axis
        if not at_each_place:
            return False
    before_, middle = (a.arguments.get(name) for name in SIZES[first.operation])
    after = b.arguments.get(SIZES[second.operation][1])
    if at_each_place:
        before_ = _window(a)
    if _is_at_least(middle, before_) or _is_at_least(middle, after):
        return False
    sizes = [_size(each) for each in (before_, middle, after)]
    if None in sizes:
        return True
    ins, mid, outs = (size or 1.0 for size in sizes)
    return mid < ins * outs / (ins + outs)


def _has_unknown_stride(layer: Layer) -> bool:
    """Whether it may take such wide steps that one filter in place of two would have more weights than both."""
    stride = layer.arguments.get("stride")
    return stride is not None and not isinstance(stride, Constant) and _size(stride) is None


def _only_scales_up(first: Layer, second: Layer) -> bool:
    """Whether a loop makes both, with as many channels out as in, and steps wider than one: a signal is brought to a length."""
    is_of_loop = node_at(first.at) is node_at(second.at) is not None
    stride = _size(second.arguments.get("stride"))
    return is_of_loop and stride is not None and stride > 1 and _keeps_channels(first) and _keeps_channels(second)


def _keeps_channels(layer: Layer) -> bool:
    one, other = (layer.arguments.get(name) for name in SIZES[layer.operation])
    return _is_at_least(one, other) and _is_at_least(other, one)


def _is_applied_at_each_place(first: Layer, second: Layer) -> bool:
    """Whether a linear layer takes the filters of a convolution at one place after the other: nothing was flattened."""
    filters, taken = first.number("out_channels"), second.number("in_features")
    return second.operation == "linear" and filters is not None and filters == taken


def _window(convolution: Layer) -> Value | None:
    """How many numbers a convolution looks at for one that it puts out."""
    channels, width = convolution.number("in_channels"), convolution.number("kernel_size")
    dimensions = int(convolution.kind[-2]) if convolution.kind[-2:-1].isdigit() else None
    return None if channels is None or width is None or dimensions is None else Constant(channels * width**dimensions)


def _is_at_least(size: Value | None, other: Value | None) -> bool:
    if size is None or other is None:
        return False
    if size is other:
        return True
    one, two = _size(size), _size(other)
    return one is not None and two is not None and one >= two


def _size(value: Value | None) -> float | None:
    return float(value.value) if isinstance(value, Constant) and isinstance(value.value, (int, float)) else None


def _is_sparse(layer: Layer) -> bool:
    groups = layer.arguments.get("groups")
    return groups is not None and _size(groups) != 1


def _is_pointwise(layer: Layer) -> bool:
    """Whether the kernel is, or may be, of one pixel in some direction."""
    kernel = layer.arguments.get("kernel_size")
    return layer.operation != "linear" and not (
        isinstance(kernel, Constant) and isinstance(kernel.value, int) and kernel.value > 1
    )


def _is_patching(layer: Layer) -> bool:
    """Whether the convolution cuts its input into patches."""
    kernel, stride = (_size(layer.arguments.get(name)) for name in ("kernel_size", "stride"))
    return kernel is None or (stride is not None and stride >= kernel)


def _is_used_alone(run: Run, first: Data, second: Data) -> bool:
    """Whether nothing but such layers takes the first one's output, and attention has no part in it."""
    wires = wiring(run)
    users = wires.after(first, lambda each: each.operation in BETWEEN)
    if not all(user.operation == second.operation for user in users):
        return False
    behind = wires.after(second, lambda each: each.operation in REARRANGING | {"multiply", "divide"})
    if _is_gated({each.operation for each in wires.after(second, lambda each: each.operation in REARRANGING)}):
        return False
    return (
        len({id(user.layer) for user in users}) < 3
        and not any(each.operation in ATTENDED for each in behind)
        and not _is_term_of_scores(run, second)
    )


def _is_term_of_scores(run: Run, second: Data) -> bool:
    """Whether its output is one of several terms of which an attention makes its scores: `w(tanh(V(keys) + U(places)))`."""
    wires = wiring(run)
    sums = wires.after(second, lambda each: each.operation in REARRANGING)
    if second.operation != "linear" or not any(each.operation == "add" for each in sums):
        return False
    bent = wires.after(second, lambda each: each.operation in REARRANGING | {"add"})
    scores = [each for tanh in bent if tanh.operation == "tanh" for each in wires.after(tanh)]
    weights = [each for score in scores for each in wires.after(score, lambda each: each.operation in REARRANGING)]
    return any(each.operation == "softmax" for each in weights)


def _is_gated(operations: set[str]) -> bool:
    """Whether one half of a layer's output weighs the other: the layer before them is a projection that both halves share."""
    return "glu" in operations or operations >= {"sigmoid", "multiply"}


def _names_of(data: Data) -> Iterator[str]:
    """What a layer is assigned to, and the class that makes it."""
    site = place_of(data)
    if not isinstance(site, CodeSite):
        return
    statement = site.statement
    for target in statement.targets if isinstance(statement, ast.Assign) else []:
        yield target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def _activated(second: Data) -> Fix | None:
    """A ReLU in front of the second layer: in its `Sequential`, or around the argument of its call."""
    made, called = second.layer and second.layer.at, second.at
    if not isinstance(made, CodeSite) or not isinstance(called, CodeSite):
        return None
    element = _element(made)
    if element is not None:
        return _inserted(made)
    node = called.node
    if not isinstance(node, ast.Call) or len(node.args) != 1 or isinstance(node.args[0], ast.Starred):
        return None
    if not isinstance(node.func, ast.Attribute) or not isinstance(node.func.value, ast.Name):
        return None
    if not _is_call_of(called, made):
        return None
    found = spelled(called, "torch.nn.functional", "relu")
    if found is None:
        return None
    name, importing = found
    argument = CodeSite(called.module, node.args[0])
    edit = edits.replace(argument, f"{name}({edits.code_of(argument)})")
    return edits.fix(
        Applicability.UNSAFE, "put a ReLU in front of it", edit, *((importing,) if importing is not None else ())
    )


def _is_call_of(called: CodeSite, made: CodeSite) -> bool:
    """Whether the call is of the attribute that the layer was assigned to."""
    statement = made.statement
    targets = statement.targets if isinstance(statement, ast.Assign) and statement.value is made.node else []
    function = called.node.func if isinstance(called.node, ast.Call) else None
    return any(
        isinstance(each, ast.Attribute) and isinstance(function, ast.Attribute) and each.attr == function.attr
        for each in targets
    )


def _element(made: CodeSite) -> ast.Call | None:
    """The `Sequential(...)` that the layer's constructor stands in, if it is one of its arguments."""
    for node in ast.walk(made.statement) if made.statement is not None else ():
        if isinstance(node, ast.Call) and any(each is made.node for each in node.args):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            return node if name == "Sequential" else None
    return None


def _inserted(made: CodeSite) -> Fix | None:
    found = spelled(made, "torch.nn", "ReLU")
    if found is None:
        return None
    name, importing = found
    place, text = made.place, edits.code_of(made)
    lines = made.module.lines[getattr(made.node, "lineno", 1) - 1]
    indent = lines[: len(lines) - len(lines.lstrip())]
    starts_line = len(indent) + 1 == place.column
    separator = f",\n{indent}" if starts_line else ", "
    edit = edits.replace(made, f"{name}(){separator}{text}")
    return edits.fix(
        Applicability.UNSAFE, "put a ReLU in front of it", edit, *((importing,) if importing is not None else ())
    )


def witness(case: Case) -> Verdict:
    """Whether the layer receives what an affine layer has put out."""
    layers = [event for event in case.made_at(LayerApplied) if "after_affine" in event.numbers]
    if not layers:
        return not_reached(case)
    if any(event.numbers["after_affine"] for event in layers):
        return confirmed("it receives the very numbers that a linear layer puts out", layers=len(layers))
    return refuted("what it receives is not what a linear layer puts out", layers=len(layers))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN304",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(SIZES),
)
