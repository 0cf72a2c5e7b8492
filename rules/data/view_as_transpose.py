"""A `view` or `reshape` is used as if it were a transposition.

## What it does
Reports a `view` or `reshape` whose sizes are the tensor's own dimensions in another order, read from its `shape`, `size()` or
`len`. One size may be another one, such as -1. What is flattened, split or merged is left alone, and so are dimensions that
may be 1, sizes that are the same, and a view that a second one takes back.

## Why it matters
A view reads the same elements in the same order and only cuts them up elsewhere. The shape is that of the transposed tensor and
fits everything behind it, but each row holds pieces of several samples (or time steps, or channels), so a network gets
scrambled inputs. Nothing raises; it just learns little.
Source: torch.Tensor.view, "the returned tensor shares the same data" (https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html),
and torch.permute (https://docs.pytorch.org/docs/stable/generated/torch.permute.html).

## Example
```python
batch, steps, features = x.shape
x = x.view(steps, batch, features)
```

Use instead:
```python
x = x.transpose(0, 1)
```

## Fix safety
Unsafe: the network computes something else then, and a saved one was trained with the scrambled elements.

## Witness
Elements of the result stand elsewhere than where the transposition puts them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.identity import label_of, words_of
from nnlint.facts.layers import made_by, wiring
from nnlint.facts.ranks import is_reshaped, rank_of, sizes_of
from nnlint.facts.shapes import measured_by, shape_of
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS, NORMALIZATIONS
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Value, number
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers
from nnlint.words import ARRAYS, names_of

SAME_SHAPE = (
    (ACTIVATIONS - {"glu"})
    | NORMALIZATIONS
    | frozenset("to clone contiguous detach identity dropout alpha_dropout softmax log_softmax".split())
)
"""Operations whose result has the shape of their first input, dimension by dimension."""

MAY_HAVE_ONES = frozenset("unsqueeze pool mean sum max min norm expand matmul".split()) | {"state of"}
"""Operations whose result often has a dimension of 1, which a view may move."""

RESHAPING = frozenset("view reshape flatten unflatten unfold".split())
PASSED = SAME_SHAPE | {"index", "add", "subtract", "multiply", "divide", "slice"}
STATES = frozenset({"hidden", "state", "states", "cell", "h", "hn", "cn"})
"""Names of what has a first dimension of 1 where a recurrent layer has one direction and one level."""

COSTS = frozenset("cost costs flop flops macs".split())
DEEPEST = 20


@dataclass(frozen=True)
class Reordered:
    """A view whose sizes are the dimensions `order` of its input, which stems from `root` and has as many."""

    data: Data
    root: Data
    order: tuple[int, ...]
    is_of_torch: bool


def check(run: Run) -> Iterator[Problem]:
    """One problem for each view that gives the dimensions of its input another order."""
    reported: set[int] = set()
    for operation in ("view", "reshape"):
        for data in made_by(run, operation):
            site = data.at
            if not isinstance(site, CodeSite) or id(site.node) in reported or _is_for_cost(site):
                continue
            reordered = _reordered(run, data)
            if reordered is not None and not _is_taken_back(run, reordered):
                reported.add(id(site.node))
                yield _problem(site, reordered)


def _is_for_cost(site: CodeSite) -> bool:
    """Whether the statement works out what an operation costs: it asks for the shape alone."""
    targets = site.statement.targets if isinstance(site.statement, ast.Assign) else []
    return any(not COSTS.isdisjoint(words_of(each.id)) for each in targets if isinstance(each, ast.Name))


def _reordered(run: Run, data: Data) -> Reordered | None:
    sizes = sizes_of(data)
    if sizes is None or not data.inputs or len(sizes) < 2 or "order" in data.options:
        return None
    root, last = _root(data.inputs[0]), len(sizes)
    places, order = _places(root, sizes, last), None
    while root is not None and (order := _order(places)) is None and (given := _input_but_width(root)) is not None:
        root, last = _root(given), len(sizes) - 1
        places = _places(root, sizes, last)
    if root is None or order is None or rank_of(data.inputs[0]) not in (None, len(order)):
        return None
    if order[last:] != tuple(range(last, len(order))):
        return None  # a layer's width may be 1
    if None in places and not _is_certain(run, root, order, places.index(None)):
        return None
    if not _moves_elements(data.inputs[0], order) or _may_have_ones(root) or root.operation == "pad":
        return None  # rows that were made longer and are cut up again are shifted by one, as relative positions need it
    by_method = any(isinstance(size, Data) and size.operation == "method" for size in sizes)
    return Reordered(data, root, order, by_method or data.operation == "view" or root.layer is not None)


def _root(value: Value) -> Data | None:
    """The data of whose shape a value is, dimension by dimension; None where a shape was changed in place."""
    for _ in range(DEEPEST):
        if not isinstance(value, Data) or is_reshaped(value):
            return None
        if value.operation not in SAME_SHAPE or not value.inputs:
            return value
        value = value.inputs[0]
    return None


def _input_but_width(root: Data) -> Value | None:
    """What a linear or recurrent layer was given: its output has the same dimensions but the last."""
    return root.inputs[0] if root.operation in ("linear", "recurrent") and root.inputs else None


def _places(root: Data | None, sizes: list[Value], last: int) -> list[int | None]:
    """Which dimension in front of the last one each size is; None for other sizes."""
    if root is None:
        return []
    found = [_dimension_of(root, size, len(sizes)) for size in sizes]
    return [place if place is not None and place < last else None for place in found]


def _dimension_of(root: Data, size: Value, rank: int) -> int | None:
    """Which dimension of an array of that rank a size is."""
    measured = measured_by(size)
    if measured is None or _root(measured[0]) is not root:
        return None
    position = measured[1]
    return position + rank if position < 0 else position


def _order(places: list[int | None]) -> tuple[int, ...] | None:
    """The order in which a view names all dimensions, if it is another than theirs; one size may have to be concluded."""
    missing = [each for each in range(len(places)) if each not in places]
    if len(missing) != places.count(None) or len(missing) > 1:
        return None
    order = tuple(missing[0] if place is None else place for place in places)
    return None if order == tuple(range(len(places))) else order


def _is_certain(run: Run, root: Data, order: tuple[int, ...], concluded: int) -> bool:
    """Whether the one size that is not read from the shape is what is left of it, and moved only if the code has a name for it.

    `x.view(x.size(1), x.size(0), -1)` swaps dimensions, however many there are.
    """
    if order[concluded] == concluded:
        return True
    names = {
        position: data.bound
        for operation in ("index", "method", "length")
        for data in made_by(run, operation)
        if (position := _dimension_of(root, data, len(order))) is not None
    }
    is_whole = max(names, default=0) == len(order) - 1
    return is_whole and names.get(order[concluded], "").strip("_") != ""


def _moves_elements(given: Value, order: tuple[int, ...]) -> bool:
    """Whether the order changes anything, as far as the sizes are known: dimensions of 1 and equal ones may be swapped."""
    shape = shape_of(given)
    if shape is None or len(shape) != len(order):
        return len(order) > 2
    kept = [each for each in order if shape[each] != 1]
    are_known = all(isinstance(each, int) for each in shape)
    if are_known and [shape[each] for each in kept] == [shape[each] for each in sorted(kept)]:
        return False
    return kept != sorted(kept) and (are_known or len(order) > 2)


def _may_have_ones(root: Data) -> bool:
    """Whether a dimension may well be 1, so that a view can move it: of a mean that keeps it, one channel, a recurrent state."""
    if root.operation in MAY_HAVE_ONES or not STATES.isdisjoint(words_of(label_of(root))):
        return True
    if root.operation in ("view", "reshape"):
        return not _is_cut_to_constants(root) and not _splits_last(root)
    if root.width == 1 or (root.layer is not None and root.layer.number("out_channels") == 1):
        return True
    if root.operation != "index":
        return False
    key = root.inputs[1] if len(root.inputs) > 1 else None
    is_state = isinstance(root.inputs[0], Data) and root.inputs[0].operation == "state of"
    return is_state or not (isinstance(key, Constant) and isinstance(key.value, (int, str)))


def _is_cut_to_constants(view: Data) -> bool:
    """Whether a view in front cuts to sizes that are not 1, not dimensions of its own input, which a second may put right."""
    sizes = sizes_of(view)
    return sizes is not None and all(number(size) != 1 and measured_by(size) is None for size in sizes)


def _splits_last(view: Data) -> bool:
    """Whether a view in front does nothing but cut the last dimension in two, as for the heads of attention."""
    sizes = sizes_of(view)
    given = _root(view.inputs[0]) if sizes is not None and view.inputs and len(sizes) > 2 else None
    while given is not None and sizes is not None:
        kept = [_dimension_of(given, size, len(sizes) - 1) for size in sizes[:-2]]
        if kept == list(range(len(kept))):
            return number(sizes[-2]) != 1
        before = _input_but_width(given)
        given = None if before is None else _root(before)
    return False


def _is_taken_back(run: Run, reordered: Reordered) -> bool:
    """Whether a second view, or a flattening, cuts the elements anew: `x.view(t, b, c)[1:].view(b, t - 1, c)` shifts them."""
    return any(
        each.operation in RESHAPING and not _keeps_cut(each, reordered)
        for each in wiring(run).after(reordered.data, through=lambda each: each.operation in PASSED)
    )


def _keeps_cut(later: Data, reordered: Reordered) -> bool:
    """Whether a later view has the same first dimensions, up to one that was moved, so that it takes nothing back."""
    sizes = sizes_of(later)
    order = reordered.order
    moved = next(place for place, each in enumerate(order) if place != each)
    if sizes is None or len(sizes) <= moved or later.inputs[0] is not reordered.data:
        return False
    return [_dimension_of(reordered.root, size, len(order)) for size in sizes[: moved + 1]] == list(order[: moved + 1])


def _problem(site: CodeSite, reordered: Reordered) -> Problem:
    what = "samples" if reordered.order[0] != 0 else "positions"
    return Problem(
        site,
        f"this {reordered.data.operation} moves no dimension: it cuts the same elements up elsewhere, so those of different "
        f"{what} mix",
        label=f"names the dimensions in the order {', '.join(map(str, reordered.order))}",
        help=f"move the dimensions by `{_moved(reordered.order)}`",
        fix=_fix(site, reordered),
    )


def _moved(order: tuple[int, ...]) -> str:
    """The call that moves the dimensions."""
    swapped = [str(place) for place, each in enumerate(order) if place != each]
    if len(swapped) == 2:
        return f".transpose({', '.join(swapped)})"
    return f".permute({', '.join(map(str, order))})"


def _fix(site: CodeSite, reordered: Reordered) -> Fix | None:
    """Of arrays, which numpy transposes by another method, there is none."""
    node = site.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not _is_tensor(site, reordered):
        return None
    is_method = len(node.args) < len(reordered.data.inputs)
    receiver = node.func.value if is_method else node.args[0] if node.args else None
    if receiver is None or not isinstance(receiver, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        return None
    code = edits.node_code(site, receiver) + _moved(reordered.order)
    return edits.fix(Applicability.UNSAFE, f"use `{_moved(reordered.order)}`", edits.replace(site, code))


def _is_tensor(site: CodeSite, reordered: Reordered) -> bool:
    function = site.function
    return reordered.is_of_torch or (isinstance(function, ast.FunctionDef) and function.name == "forward")


def witness(case: Case) -> Verdict:
    """How many elements stand elsewhere than where a transposition to that shape puts them."""
    seen = numbers(case.values(), "displaced")
    if not seen:
        return not_reached(case)
    if max(seen) == 0:
        return harmless("the elements stand where the transposition puts them")
    return confirmed(
        f"{max(seen):.0%} of the elements stand elsewhere than where the transposition puts them", share=max(seen)
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN413",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(names_of("view", "reshape"), ARRAYS),
    needs=needs(("view", "reshape")),
)
