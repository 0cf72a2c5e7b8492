"""A hand-written update sums the gradient over the samples and applies it at a fixed rate.

## What it does
In networks written by hand in numpy or with raw tensors, reports an update of weights by a product of the transposed inputs with
the errors, `X.T @ delta`, which is a sum over all samples, if nothing on the way divides by their number. Opt-in: with a small
rate, and always as many samples, it is only another way to write the rate.

## Why it matters
The step grows with the number of samples: a rate that suits 100 of them diverges with 10,000, and a last, smaller batch counts
less than the others. Divided by the number of samples, the same rate suits every batch.
Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017, on the mean over the batch and the rate that goes with it
(https://arxiv.org/abs/1706.02677).

## Example
```python
W -= rate * (X.T @ (output - y))
```

Use instead:
```python
W -= rate * (X.T @ (output - y)) / len(X)
```

## Fix safety
Unsafe: the steps become smaller by the number of samples, and the rate may have to grow.

## Witness
The step is the rate times the sum over all samples, of which there are several.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator

from nnlint.events import OptimizerMade, Run
from nnlint.facts.identity import COPIES, uncopied
from nnlint.facts.layers import made_by
from nnlint.facts.roles import is_computed_by_weights
from nnlint.facts.shapes import shape_of
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Value, number
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import ARRAYS, MATRICES

AVERAGES = frozenset({"mean", "divide", "std", "var", "floor_divide"})
SUMMANDS = frozenset("multiply negative add subtract".split()) | COPIES
"""Operations between a sum over the samples and the step that it is applied by."""

SCALARS = frozenset("length attribute argument name item counter".split())


@dataclass(frozen=True)
class Update:
    """`weights -= rate * product`: `change` is what is subtracted, `rate` the constant in it, where it is known."""

    data: Data
    site: CodeSite
    change: Value
    product: Data
    rate: float | None


def check(run: Run) -> Iterator[Problem]:
    """One problem for each update by a sum over the samples."""
    if not run.operations.get("matmul") or any(run.events(OptimizerMade)):
        return
    changed = [data for name in ("subtract", "add") for data in made_by(run, name) if _changes(data)]
    weights = frozenset(id(uncopied(data.inputs[0])) for data in changed)
    for data in changed:
        update = _update(data, weights)
        if update is not None:
            yield _problem(update)


def _changes(data: Data) -> bool:
    return isinstance(data.at, CodeSite) and len(data.inputs) == 2 and _is_update(data.at)


def _update(data: Data, weights: Container[int]) -> Update | None:
    site = data.at
    rank = shape_of(data.inputs[0])
    if not isinstance(site, CodeSite) or rank is None or len(rank) != 2:
        return None
    product = _product(data.inputs[1], weights)
    if product is None or _is_averaged(data.inputs[1]):
        return None
    return Update(data, site, data.inputs[1], product, _rate(data.inputs[1]))


def _is_update(site: CodeSite) -> bool:
    """Whether the statement is `w -= ...` or `w = w - ...`."""
    statement, node = site.statement, site.node
    if isinstance(statement, ast.AugAssign):
        return node is statement
    if not isinstance(statement, ast.Assign) or not isinstance(node, ast.BinOp) or statement.value is not node:
        return False
    return ast.unparse(node.left) == ast.unparse(statement.targets[0])


def _product(change: Value, weights: Container[int]) -> Data | None:
    """The product of transposed inputs and errors that a change is a multiple of; it has to be the only one."""
    found = [
        each
        for each in ancestors(change, stop=lambda each: each.operation not in SUMMANDS)
        if each.operation == "matmul"
    ]
    return found[0] if len(found) == 1 and _is_sum_over_samples(found[0], weights) else None


def _is_sum_over_samples(product: Data, weights: Container[int]) -> bool:
    """Whether one factor is transposed, has several samples in the dimension that is summed over, and the other is an error.

    An error that is handed in, as to the `backward` of a layer, may be averaged by whoever made it. A product with transposed
    `weights` brings the error back to what they were given: it is no sum over the samples.
    """
    if len(product.inputs) != 2:
        return False
    for position in (0, 1):
        side = product.inputs[position]
        if isinstance(side, Data) and side.operation == "transpose" and len(side.inputs) == 1:
            shape = None if id(uncopied(side.inputs[0])) in weights else shape_of(side.inputs[0])
            if shape is not None and len(shape) == 2 and shape[position] not in (None, 1):
                is_several = isinstance(shape[position], int) or _is_data(side.inputs[0])
                return is_several and _is_error(product.inputs[1 - position])
    return False


def _is_error(value: Value) -> bool:
    """Whether a difference between what weights put out and anything else is behind the value."""
    return any(
        data.operation == "subtract" and any(is_computed_by_weights(side) for side in data.inputs)
        for data in ancestors(value)
    )


def _is_data(value: Value) -> bool:
    return isinstance(uncopied(value), Data)


def _is_averaged(change: Value) -> bool:
    """Whether anything behind the change may divide by the number of samples: by a number, a length, a name; or is a mean."""
    for data in ancestors(change):
        if data.operation == "mean":
            return True
        if data.operation in AVERAGES and len(data.inputs) == 2 and _may_be_count(data.inputs[1]):
            return True
        if data.operation == "multiply" and any(_may_be_share(each) for each in data.inputs):
            return True
    return False


def _may_be_count(value: Value) -> bool:
    """Whether a divisor may be a number of samples: a single number that is no 1 or 2."""
    known = number(value)
    if known is not None:
        return known > 2
    return isinstance(value, Data) and (
        value.operation in SCALARS or shape_of(value) == () or value.operation == "index"
    )


def _may_be_share(value: Value) -> bool:
    """Whether a factor is `1 / n`."""
    return isinstance(value, Data) and value.operation == "divide" and isinstance(value.inputs[0], Constant)


def _rate(change: Value) -> float | None:
    """The constant factor of a change."""
    current = change
    found = 1.0
    while isinstance(current, Data) and current.operation in ("multiply", "negative") and current.inputs:
        known = [each for each in map(number, current.inputs) if each is not None]
        rest = [each for each in current.inputs if number(each) is None]
        if len(rest) != 1:
            return None
        for each in known:
            found *= abs(each)
        current = rest[0]
    return found if isinstance(current, Data) and uncopied(current) is not None else None


def _problem(update: Update) -> Problem:
    statement = update.site.statement
    at = (
        CodeSite(update.site.module, statement, statement, update.site.function)
        if statement is not None
        else update.site
    )
    product = update.product.at
    return Problem(
        at,
        "this update is summed over the samples, so the step grows with their number",
        label="applies the sum" if update.rate is None else f"applies the sum at the rate {update.rate:g}",
        related=((product, "sums over the samples"),) if product is not None else (),
        help="divide by the number of samples",
        fix=_fix(update),
        probes=(product,) if product is not None else (),
    )


def _fix(update: Update) -> Fix | None:
    """Divide the change by the number of samples, where the product's own array is at hand."""
    product, site = update.product.at, update.site
    if not isinstance(product, CodeSite) or product.function is not site.function:
        return None
    count = _count(product)
    statement = site.statement
    change = statement.value if isinstance(statement, ast.AugAssign) else getattr(site.node, "right", None)
    if not count or not isinstance(change, ast.expr):
        return None
    text = edits.node_code(site, change)
    is_product = isinstance(change, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)) or (
        isinstance(change, ast.BinOp) and isinstance(change.op, ast.Mult)
    )
    changed = f"{text} / {count}" if is_product else f"({text}) / {count}"
    edit = edits.replace(CodeSite(site.module, change), changed)
    return edits.fix(Applicability.UNSAFE, "average over the samples", edit)


def _count(product: CodeSite) -> str:
    """How the number of samples is written: `len(X)` of `X.T @ delta`, `X.shape[1]` of `delta @ X.T`."""
    node = product.node
    if isinstance(node, ast.BinOp):
        sides = [node.left, node.right]
    elif isinstance(node, ast.Call):
        own = [node.func.value] if isinstance(node.func, ast.Attribute) and len(node.args) == 1 else []
        sides = [*own, *node.args]
    else:
        return ""
    for position, side in enumerate(sides[:2]):
        if isinstance(side, ast.Attribute) and side.attr == "T" and isinstance(side.value, (ast.Name, ast.Attribute)):
            name = edits.node_code(product, side.value)
            return f"{name}.shape[1]" if position else f"len({name})"
    return ""


def witness(case: Case) -> Verdict:
    """Whether the step is the rate times the sum."""
    probed = case.finding.plan.probes if case.finding.plan else ()
    sums = [each for each in (case.values(*probed) if probed else []) if "mean_size" in each.numbers]
    steps = [each for each in case.values() if "right_mean_size" in each.numbers]
    if not sums or not steps:
        return not_reached(case)
    counts = [numbers(sums, f"{part}_width") for part in ("left", "receiver", "argument")]
    samples = next((found[0] for found in counts if found), 1.0)
    _, _, rate = case.finding.label.partition("at the rate ")
    size = sums[0].numbers["mean_size"]
    if not rate or not size:
        return unverified("the rate is not known, so a sum cannot be told from a mean")
    share = steps[0].numbers["right_mean_size"] / size / float(rate)
    if samples < 2 or share < 0.75:
        return refuted(f"the step is {share:.3g} times the rate times the sum")
    return confirmed(f"the step is the rate times the sum over {samples:.0f} samples", samples=samples)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN703",
    severity=Severity.WARNING,
    since="0.1",
    default=False,
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(MATRICES, ARRAYS),
    needs=needs("matmul", ("add", "subtract")),
)
