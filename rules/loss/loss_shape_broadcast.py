"""A column of predictions is compared with a flat vector of targets, every prediction with every target.

## What it does
Reports a regression loss (MSE, L1, smooth L1, Huber), and a difference written by hand on the way to one, of which one side has
the shape (N, 1) and the other (N,); also where the two meet in a sum that makes the targets, such as rewards and the values of
the next states. Shapes follow from layers, views, squeezes, data sets and loaders; what is not known of them is left alone.

## Why it matters
Broadcasting makes an N x N matrix of both: the mean over it is smallest where every prediction is the mean of all targets, so the
network learns a constant. PyTorch says so in a warning of MSE and L1, and not at all where the difference is written by hand.
Source: torch.nn.functional.mse_loss warns "Using a target size that is different to the input size. This will likely lead to
incorrect results due to broadcasting" (https://docs.pytorch.org/docs/stable/notes/broadcasting.html).

## Example
```python
loss = F.mse_loss(nn.Linear(8, 1)(x), prices)  # (N, 1) and (N,)
```

Use instead:
```python
loss = F.mse_loss(nn.Linear(8, 1)(x).squeeze(-1), prices)
```

## Fix safety
Unsafe: the column is squeezed in this place; where the same shapes meet elsewhere, they have to be mended there.

## Witness
The two shapes differ, and the result is larger than both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Backward, LossComputed, Run, ValueSeen
from nnlint.facts.broadcast_targets import combined_in_targets
from nnlint.facts.columns import has_rows
from nnlint.facts.differentiated import asks_for_gradient, differentiated
from nnlint.facts.layers import made_by
from nnlint.facts.ranks import dimension_given, ends_in_one, rank_of
from nnlint.facts.scales import is_of_training
from nnlint.facts.shapes import shape_of
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors, cuts_graph
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import REGRESSION_LOSSES
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Either, Items, Site, Value, alternatives, number
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted
from nnlint.words import BACKWARD

FLAT = frozenset({"squeeze", "index", "flatten"})
KEEPS_FORM = frozenset(
    "output to detach clone contiguous identity sigmoid relu tanh softplus exp multiply divide".split()
)
OTHER = {"column": "vector", "vector": "column"}
SIMPLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


@dataclass(frozen=True)
class Meeting:
    """Two values that an operation combines element by element: `parts` are their expressions, where they stand."""

    at: Site
    values: tuple[Value, Value]
    parts: tuple[ast.expr, ast.expr] | None
    trains: bool


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loss or difference between a column and a vector."""
    for meeting in (*_losses(run), *_differences(run), *_targets(run)):
        first = _form(meeting.values[0])
        wanted = OTHER.get(first)
        if wanted and _form(meeting.values[1]) == wanted and not any(map(_has_one_row, meeting.values)):
            yield _problem(meeting, column=0 if first == "column" else 1)


def _losses(run: Run) -> Iterator[Meeting]:
    for event in run.events(LossComputed):
        if event.kind in REGRESSION_LOSSES and event.target is not None:
            yield Meeting(event.at, (event.prediction, event.target), _arguments(event.at), is_of_training(event))


def _arguments(site: Site) -> tuple[ast.expr, ast.expr] | None:
    node = site.node if isinstance(site, CodeSite) else None
    if not isinstance(node, ast.Call):
        return None
    given = [each for each in node.args if not isinstance(each, ast.Starred)]
    given += [each.value for each in node.keywords if each.arg in ("input", "target")]
    return (given[0], given[1]) if len(given) > 1 else None


def _differences(run: Run) -> Iterator[Meeting]:
    """The differences of an output with something else that a backward pass goes through."""
    if not any(run.events(Backward)):
        return
    learned = differentiated(run)
    for data in made_by(run, "subtract"):
        if id(data) not in learned or len(data.inputs) != 2 or data.at is None:
            continue
        predicted = [_is_predicted(each) for each in data.inputs]
        if sum(predicted) == 1 and not any(map(_is_weight, ancestors(data.inputs[predicted.index(False)]))):
            node = data.at.node if isinstance(data.at, CodeSite) else None
            parts = (node.left, node.right) if isinstance(node, ast.BinOp) else None
            yield Meeting(data.at, (data.inputs[0], data.inputs[1]), parts, True)


def _targets(run: Run) -> Iterator[Meeting]:
    """Sums inside of targets: rewards of shape (N,) and values of shape (N, 1). Which of both to mend the prediction tells."""
    for data in combined_in_targets(run) if any(run.events(Backward)) else ():
        if data.at is not None:
            yield Meeting(data.at, (data.inputs[0], data.inputs[1]), None, True)


def _is_predicted(value: Value) -> bool:
    """Whether it is what a network puts out, or a product with weights of one that is written by hand."""
    return any(each.operation == "output" or _is_product(each) for each in ancestors(value, stop=cuts_graph))


def _is_product(data: Data) -> bool:
    return data.operation == "matmul" and any(_is_weight(factor) for factor in data.inputs)


def _is_weight(value: Value) -> bool:
    """Whether it is a tensor that was made to learn: `torch.randn(n, 1, requires_grad=True)`, `x.requires_grad_()`."""
    return isinstance(value, Data) and (value.operation == "parameter" or asks_for_gradient(value))


def _form(value: Value) -> str:
    """ "column" for the shape (N, 1), "vector" for (N,), "" where it is neither, or not known."""
    forms = {_form_of_one(each) for each in alternatives(value) if each is not NONE}
    return forms.pop() if len(forms) == 1 else ""


def _form_of_one(value: Value) -> str:
    rank = rank_of(value)
    if rank == 1 or (rank is None and _is_squeezed(value) and _is_of_batch(value)):
        return "vector"
    may_be_matrix = rank in (2, None) and ends_in_one(value)
    return "column" if may_be_matrix and (rank == 2 or _is_of_batch(value) or has_rows(value)) else ""


def _is_squeezed(value: Value) -> bool:
    """Whether the last dimension of a column was taken away: `squeeze()`, `squeeze(-1)`, `[:, 0]`."""
    if not isinstance(value, Data) or not value.inputs:
        return False
    if value.operation in KEEPS_FORM:
        return _is_squeezed(value.inputs[0]) and all(isinstance(each, Constant) for each in _factors(value))
    if not ends_in_one(value.inputs[0]):
        return False
    if value.operation == "squeeze":
        given = dimension_given(value)
        return given is None or number(given) in (-1, 1)
    key = value.inputs[1] if value.operation == "index" and len(value.inputs) > 1 else None
    return isinstance(key, Items) and len(key.items) == 2 and number(key.items[1]) in (0, -1)


def _factors(data: Data) -> tuple[Value, ...]:
    return data.inputs[1:] if data.operation in ("multiply", "divide") else ()


def _is_of_batch(value: Value) -> bool:
    """Whether what the value was computed from is drawn from a loader, so that there are several rows."""
    return any(each.operation in ("batch", "batch part") for each in ancestors(value))


def _has_one_row(value: Value) -> bool:
    """Whether the array has one element for sure, which broadcasts to the right result."""
    for each in alternatives(value):
        shape = shape_of(each)
        if shape is not None and shape[:1] == (1,):
            return True
        made = each
        while isinstance(made, Data) and made.operation in ("tensor", "array", "to", "detach", "clone") and made.inputs:
            made = made.inputs[0]
        if isinstance(made, Items) and len(made.items) == 1 and not made.open:
            return True
    return isinstance(value, Either) and len(value.alternatives) > 3


def _problem(meeting: Meeting, column: int) -> Problem:
    return Problem(
        meeting.at,
        "shapes (N, 1) and (N,) are broadcast to (N, N), so every prediction is compared with every target",
        label="the first has the shape (N, 1)" if column == 0 else "the second has the shape (N, 1)",
        help="bring both to one shape, with `squeeze(-1)` or `unsqueeze(1)`",
        fix=_fix(meeting, column),
        severity=None if meeting.trains else Severity.WARNING,
        probes=(meeting.at,),
    )


def _fix(meeting: Meeting, column: int) -> Fix | None:
    if meeting.parts is None or not isinstance(meeting.at, CodeSite):
        return None
    part = meeting.parts[column]
    text = edits.node_code(meeting.at, part)
    squeezed = f"{text}.squeeze(-1)" if isinstance(part, SIMPLE) else f"({text}).squeeze(-1)"
    edit = edits.replace(CodeSite(meeting.at.module, part), squeezed)
    return edits.fix(Applicability.UNSAFE, "squeeze the column", edit)


def witness(case: Case) -> Verdict:
    """Whether the two shapes differ and neither has a single row."""
    losses = [
        each for each in case.at(LossComputed) if each.kind in REGRESSION_LOSSES and "target_size" in each.numbers
    ]
    values = [each for each in case.at(ValueSeen) if "left_size" in each.numbers and "right_size" in each.numbers]
    if losses:
        pairs = [
            *zip(
                *(numbers(losses, f"{side}_{what}") for side in ("prediction", "target") for what in MEASURES),
                strict=False,
            )
        ]
    elif values:
        pairs = [
            *zip(*(numbers(values, f"{side}_{what}") for side in ("left", "right") for what in MEASURES), strict=False)
        ]
    else:
        return not_reached(case)
    wrong = [pair for pair in pairs if pair[1] != pair[3]]
    if not wrong:
        return refuted("both sides have the same number of dimensions")
    size = max(max(pair[0], pair[2]) for pair in wrong)
    if size < 2:
        return harmless("every batch had a single row")
    return confirmed(f"{size:.0f} predictions are compared with {size:.0f} targets each, in a matrix", rows=size)


MEASURES = ("size", "dimensions")

rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN206",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(BACKWARD,),
    needs=needs((LossComputed, Backward)),
)
