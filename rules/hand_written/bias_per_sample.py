"""The bias of a hand-written layer has one row for each training sample.

## What it does
In networks written by hand in numpy or with raw tensors, reports a bias that is added to a product of inputs and weights and is
allocated with as many rows as there are samples, and an update of a bias that is not summed over the samples, so that the bias
takes the shape of the batch. It knows the shapes that constructors, products, sums and broadcasting give.

## Why it matters
Such a bias is no offset of the units but one of the samples: each sample gets an answer of its own, the bias becomes an echo
of the training targets, and the weights have nothing left to learn and go to zero. A prediction then depends on the row in
which a sample stands, and a batch of another size cannot be predicted at all.
Source: CS231n, "Putting it together: minimal neural network case study", where the gradient of the bias is summed over the
samples (https://cs231n.github.io/neural-networks-case-study/#grad).

## Example
```python
self.b = np.zeros((X.shape[0], width))
...
self.b = self.b - rate * delta
```

Use instead:
```python
self.b = np.zeros((1, width))
...
self.b = self.b - rate * delta.sum(axis=0, keepdims=True)
```

## Witness
Predictions for one input depend on its row in the batch, and a batch of another size raises an error.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nnlint.events import Run, Scored, ValueSeen
from nnlint.facts.identity import label_of
from nnlint.facts.products import constructed, is_weight, name_of, product_in, weights_come_first
from nnlint.facts.shapes import Shape, broadcast, dimension_of, rows_of, shape_of
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site, Value
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers, refuted
from nnlint.words import ARRAYS, MATRICES

BIAS = regex(r"bias|^_*b[a-z]?_?\d*$|^_*b_|_b\d*$", re.IGNORECASE)
SIZES = {"row": "rows", "column": "width"}
"""What a run measures of how many there are."""

SAMPLES = regex(r"samples|examples|n_train|num_train|batch|n_data|n_points|n_obs", re.IGNORECASE)


def check(run: Run) -> Iterator[Problem]:
    """One problem for each bias, where it is allocated or where an update gives it rows."""
    allocated: set[str] = set()
    for site, added in _allocations(run):
        allocated.update(_targets(site))
        yield _allocated(site, added)
    for name in ("subtract", "add"):
        for data in run.operations.get(name, ()):
            if isinstance(data, Data) and isinstance(data.at, CodeSite) and _broadcasts_bias(data, data.at, allocated):
                yield _updated(data, data.at)


def _allocations(run: Run) -> Iterator[tuple[CodeSite, list[_Added]]]:
    """Where biases with a row per sample are allocated, each with the places where it is added."""
    found: dict[int, tuple[CodeSite, list[_Added]]] = {}
    for data in run.operations.get("add", ()):
        if isinstance(data, Data) and len(data.inputs) == 2:
            for place, product in enumerate(data.inputs):
                made = _allocation(product, data.inputs[1 - place])
                if made is not None and isinstance(made.at, CodeSite):
                    axis = 1 if weights_come_first(product) else 0
                    _, added = found.setdefault(id(made.at.node), (made.at, []))
                    added.append(_Added(data.at, 1 - place, axis))
    yield from found.values()


class _Added(NamedTuple):
    """A sum that a bias is a part of: its place, which of the two parts, and the axis along which the samples lie."""

    at: Site | None
    part: int
    axis: int


def _allocation(product: Value, bias: Value) -> Data | None:
    """The constructor of a bias with a row per sample, if this is the sum of such a one and a product with weights."""
    made, weighted = constructed(bias), product_in(product)
    if made is None or weighted is None or not isinstance(made.at, CodeSite):
        return None
    targets = _targets(made.at)
    names = {label_of(bias), label_of(made), *(targets if len(targets) == 1 else ())}
    shape = shape_of(made)
    if shape is None or len(shape) != 2 or not any(BIAS.search(name) for name in names):
        return None
    return made if _is_per_sample(shape, made, weighted) else None


def _is_per_sample(shape: Shape, made: Data, product: Data) -> bool:
    left, right = product.inputs
    if is_weight(product, 0):
        return not is_weight(product, 1) and shape[1] not in (None, 1) and shape[1] == dimension_of(right, 1)
    if shape[0] in (None, 1):
        return False
    return shape[0] == rows_of(left) or _counts_samples(made)


def _counts_samples(made: Data) -> bool:
    """Whether the number of rows is called a number of samples."""
    node = made.at.node if isinstance(made.at, CodeSite) else None
    if not isinstance(node, ast.Call) or not node.args:
        return False
    first = node.args[0]
    while isinstance(first, (ast.Tuple, ast.List)) and first.elts:
        first = first.elts[0]
    return SAMPLES.search(name_of(first)) is not None


def _targets(site: CodeSite) -> set[str]:
    """The names that the statement of a site assigns."""
    statement = site.statement
    if isinstance(statement, ast.Assign):
        return {name_of(each) for target in statement.targets for each in _flat(target)}
    return {name_of(statement.target)} if isinstance(statement, (ast.AugAssign, ast.AnnAssign)) else set()


def _flat(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else [target]


def _broadcasts_bias(data: Data, site: CodeSite, allocated: set[str]) -> bool:
    """Whether an update of a bias gives it another shape: that of the samples."""
    names = _targets(site) | {label_of(each) for each in data.inputs[:1]}
    if len(data.inputs) != 2 or names & allocated or not any(BIAS.search(name) for name in names) or not _updates(site):
        return False
    before, change = shape_of(data.inputs[0]), shape_of(data.inputs[1])
    if before is None or change is None or not before:
        return False
    after = broadcast(before, change)
    if after is None or None in after or None in before or after == before:
        return False
    added = after[: len(after) - len(before)]
    return after[len(added) :] != before or any(size != 1 for size in added)


def _updates(site: CodeSite) -> bool:
    """Whether the statement is `b = b - ...`, and the site its outermost operation: `b -= ...` changes no shape."""
    statement = site.statement
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or statement.value is not site.node:
        return False
    return isinstance(site.node, ast.BinOp) and ast.unparse(site.node.left) == ast.unparse(statement.targets[0])


def _allocated(site: CodeSite, added: list[_Added]) -> Problem:
    return Problem(
        _assignment(site),
        "this bias has one row for each sample, so it learns the training targets by heart and the weights learn nothing",
        label="one row per sample",
        help="give the bias the width of the layer, such as (1, units), and sum its gradient over the samples",
        probes=tuple(each.at for each in added[:1] if each.at is not None),
        control=_one_for_all(added),
    )


def _one_for_all(added: list[_Added]) -> Fix | None:
    """What the network is with one bias for all samples: the mean of its rows, wherever it is added.

    The mean follows the mean of the gradients of the rows, so this is the training with a bias of one row.
    """
    made = {id(site): edit for each in added for site, edit in _averaged_part(each)}
    return edits.fix(Applicability.UNSAFE, "one bias for all samples", *made.values())


def _averaged_part(added: _Added) -> Iterator[tuple[ast.AST, Edit | None]]:
    node = added.at.node if isinstance(added.at, CodeSite) else None
    part: ast.expr | None = None
    if isinstance(node, ast.BinOp):
        part = (node.left, node.right)[added.part]
    elif isinstance(node, ast.AugAssign) and added.part == 1:
        part = node.value
    elif isinstance(node, ast.Call) and len(node.args) == 2:
        part = node.args[added.part]
    if isinstance(added.at, CodeSite) and node is not None:
        yield part or node, None if part is None else _averaged(CodeSite(added.at.module, part), added.axis)


def _averaged(site: CodeSite, axis: int) -> Edit | None:
    return edits.replace(site, f"({edits.code_of(site)}).mean(axis={axis}, keepdims=True)")


def _updated(data: Data, site: CodeSite) -> Problem:
    return Problem(
        _assignment(site),
        "this update is not summed over the samples, so the bias takes one row for each of them",
        label="takes the shape of the batch",
        help="sum or average the gradient over the samples, such as `gradient.sum(axis=0)`",
        control=_averaged_update(data, site),
    )


def _averaged_update(data: Data, site: CodeSite) -> Fix | None:
    """The update averaged over the rows or columns that it adds to the bias; of a statement for all weights nothing is."""
    if _is_for_any(site):
        return None
    before, change = shape_of(data.inputs[0]), shape_of(data.inputs[1])
    after = broadcast(before, change) if before is not None and change is not None else None
    if not isinstance(site.node, ast.BinOp) or before is None or after is None:
        return None
    padded = (1,) * (len(after) - len(before)) + tuple(before)
    grown = [axis for axis, size in enumerate(padded) if after[axis] != size]
    return (
        edits.fix(Applicability.UNSAFE, "an update of one row", _averaged(site, grown[0])) if len(grown) == 1 else None
    )


def _is_for_any(site: CodeSite) -> bool:
    """Whether the statement updates one thing after the other: `weights[name] = weights[name] - ...`."""
    statement = site.statement
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant) for target in statement.targets
    )


def _assignment(site: CodeSite) -> CodeSite:
    """The assignment of a site, if it begins on the same line."""
    statement = site.statement
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and statement.lineno == getattr(
        site.node, "lineno", 0
    ):
        return CodeSite(site.module, statement, statement, site.function)
    return site


def witness(case: Case) -> Verdict:
    """Whether the bias has come to differ from row to row, so that an input is answered by its place in the batch."""
    grown = _grown(case.values())
    return _of_allocated(case) if grown is None else _of_grown(case, *grown)


def _grown(seen: Sequence[ValueSeen]) -> tuple[str, Mapping[str, float]] | None:
    """Whether an update gave what it updates more rows or columns; and the last value of the shape that came of it."""
    for number, first in enumerate(seen):
        part = next((part for part in SIZES if _has_more(part, first.numbers)), None)
        if part is not None:
            alike = [each.numbers for each in seen[number:] if _sizes(each.numbers) == _sizes(first.numbers)]
            return part, alike[-1]
    return None


def _has_more(part: str, numbers: Mapping[str, float]) -> bool:
    """Whether a sum has more rows or columns than its left side; a vector added to is one row."""
    before = numbers.get(f"left_{SIZES[part]}", math.inf)
    if numbers.get("left_dimensions", math.inf) < numbers.get("dimensions", 0):
        before = 1 if part == "row" else math.inf
    return numbers.get(SIZES[part], 0) > before


def _sizes(numbers: Mapping[str, float]) -> tuple[float | None, ...]:
    return tuple(numbers.get(size) for size in ("dimensions", *SIZES.values()))


def _of_grown(case: Case, part: str, last: Mapping[str, float]) -> Verdict:
    count, deviation = last[SIZES[part]], last.get(f"{part}_deviation", last["deviation"])
    if deviation == 0:
        return harmless_here(f"the bias has {count:.0f} {part}s, all alike in this run", rows=count)
    told, scores = _moved(case)
    return confirmed(
        f"the bias has come to have {count:.0f} {part}s, which differ by {deviation:.2g}: one input is answered by its "
        f"{part} in the batch{told}",
        rows=count,
        deviation=deviation,
        **scores,
    )


def _of_allocated(case: Case) -> Verdict:
    probed = case.finding.plan.probes if case.finding.plan else ()
    seen = [*case.values(), *(case.values(*probed) if probed else [])]
    if not seen:
        return not_reached(case)
    differences = [value for part in ("", "left_", "right_") for value in numbers(seen, f"{part}row_deviation")]
    rows = max(numbers(seen, "rows"), default=1.0)
    if rows < 2:
        return refuted("the bias has a single row")
    biases = numbers(seen, "right_row_deviation" if probed else "row_deviation") or differences
    if biases and biases[-1] > 0:
        told, scores = _moved(case)
        return confirmed(
            f"the bias has {rows:.0f} rows, which differ by {biases[-1]:.2g}: one input is answered by its row in the "
            f"batch{told}",
            rows=rows,
            deviation=biases[-1],
            **scores,
        )
    return harmless_here(f"the bias has {rows:.0f} rows, all alike in this run", rows=rows)


def _moved(case: Case) -> tuple[str, dict[str, float]]:
    """What the fit to the training samples is worth when they stand in the rows of each other, where that was measured."""
    scored = list(case.run.events(Scored))
    in_place, moved = numbers(scored, "r2_in_place"), numbers(scored, "r2_in_other_rows")
    if not in_place or not moved:
        return "", {}
    words = f"; R² of its training samples is {in_place[-1]:.2f}, and {moved[-1]:.2f} with each in the rows of others"
    return words, {"r2_in_place": in_place[-1], "r2_in_other_rows": moved[-1]}


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN701",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    shows_in_other_rows=True,
    words=(MATRICES, ARRAYS),
    needs=needs("matmul", ("add", "subtract")),
)
