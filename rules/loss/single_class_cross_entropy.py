"""A cross-entropy or a softmax runs over a single class.

## What it does
Reports a cross-entropy, or a negative log-likelihood of `log_softmax`, whose prediction comes out of a layer of width 1, and
a softmax over such a layer. Scores of several candidates that are brought into one row before the loss (`view`, `squeeze`),
weights of attention over time steps, and a width that an option may change are left alone.

## Why it matters
The softmax of one number is 1, whatever the number: the loss is exactly 0 for every sample from the first step on, all
gradients are 0, and the network stays as it was drawn. A binary answer needs one output with
`binary_cross_entropy_with_logits`, or two with `cross_entropy`.
Source: torch.nn.CrossEntropyLoss, "a classification problem with C classes"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html).

## Example
```python
head = nn.Linear(64, 1)
loss = F.cross_entropy(head(features), labels)
```

Use instead:
```python
head = nn.Linear(64, 1)
loss = F.binary_cross_entropy_with_logits(head(features).squeeze(1), labels.float())
```

## Witness
The loss is 0 and so is every gradient, or all that the softmax gives is 1; or the loss raises for a label other than 0.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import LossComputed, OptimizerStepped, Run, ValueSeen
from nnlint.facts.layers import made_by, place_of, related_call, wiring
from nnlint.facts.ranks import dimension_given, rank_of
from nnlint.facts.scales import endings, is_of_training
from nnlint.finding import Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import LOSS_OPERATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Layer, Site, alternatives, number
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import NETWORKS, names_of

LOSSES = frozenset({"cross_entropy", "nll_loss"})
SOFTMAXES = frozenset({"softmax", "log_softmax"})
IN_PLACE = frozenset("output identity to detach clone contiguous dropout batch_norm layer_norm".split())
"""Operations after which the classes are where the layer has put them."""

TASKS = regex(r"class|binary|multi|task|unique|label|shape|size|dim|loss|criterion", re.IGNORECASE)
"""What a condition is about that tells one class from several."""

WIDTHS = {"linear": "out_features", "convolution": "out_channels", "transposed_convolution": "out_channels"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loss over one class, and one for each softmax over it that feeds no such loss."""
    reported: set[int] = set()
    for event in run.events(LossComputed):
        if event.kind not in LOSSES:
            continue
        seen: set[int] = set()
        layers = [_single(each.data, seen) for each in endings(event.prediction) if each.passed <= IN_PLACE]
        is_single = bool(layers) and all(layers) and len(layers) == len(endings(event.prediction))
        if not (is_single or seen) or _is_chosen(event.at):
            continue
        reported |= seen
        if is_single:
            yield _problem_of_loss(event, layers[0])
    for operation in SOFTMAXES:
        for data in made_by(run, operation):
            if id(data) not in reported and _is_over_one(run, data) and not _is_chosen(data.at):
                yield _problem_of_softmax(data)


def _is_chosen(site: Site | None) -> bool:
    """Whether the code around tells tasks apart, and so may come here with several classes only."""
    around = edits.blocks_around(site) if site is not None else []
    choices = [each.test for each in around if isinstance(each, ast.If)]
    statement = site.statement if isinstance(site, CodeSite) else None
    choices += (
        [each.test for each in ast.walk(statement) if isinstance(each, ast.IfExp)] if statement is not None else []
    )
    return any(TASKS.search(ast.unparse(test)) for test in choices)


def _single(data: Data, seen: set[int]) -> Data | None:
    """The layer of width 1 from which the data come, behind the softmax of a likelihood; notes that softmax in `seen`."""
    if data.operation in SOFTMAXES:
        seen.add(id(data))
        inner = _layers(data)
        return inner[0] if len(inner) == 1 and _has_width_one(inner[0]) and _takes_last(data, sure=False) else None
    return data if _has_width_one(data) else None


def _layers(data: Data) -> list[Data]:
    """The layers whose outputs an operation is given as they are; none where there may be others."""
    found = endings(data.inputs[0]) if data.inputs else []
    return [each.data for each in found] if all(each.passed <= IN_PLACE for each in found) else []


def _has_width_one(data: Data) -> bool:
    """Whether the layer has one output, and no option can change that."""
    name = WIDTHS.get(data.operation)
    width = data.layer.arguments.get(name) if data.layer is not None and name is not None else None
    known = alternatives(width)
    return bool(known) and all(
        isinstance(each, Constant) and each.value == 1 and not each.overridable for each in known
    )


def _takes_last(data: Data, sure: bool) -> bool:
    """Whether a softmax runs over the features of a linear layer, or the channels of a convolution."""
    dimension = dimension_given(data)
    position = None if dimension is None else number(dimension)
    rank = rank_of(data.inputs[0])
    if any("convolution" in each.operation for each in _layers(data)):
        return position == 1
    if position == -1 or (rank is not None and position == rank - 1):
        return True
    return position in (1, None) and (rank == 2 or (rank is None and not sure))


def _is_over_one(run: Run, data: Data) -> bool:
    layers = _layers(data)
    if not layers or not all(map(_has_width_one, layers)):
        return False
    return _takes_last(data, sure=not _reaches_loss_directly(run, data))


def _reaches_loss_directly(run: Run, data: Data) -> bool:
    """Whether the softmax is what a loss is given, with one number for each sample."""
    after = wiring(run).after(data, through=lambda each: each.operation in IN_PLACE)
    return any(each.operation in LOSS_OPERATIONS for each in after)


def _problem_of_loss(event: LossComputed, layer: Data | None) -> Problem:
    made = layer.layer if layer is not None else None
    return Problem(
        event.at,
        "cross-entropy over a single class is always 0, so nothing is trained",
        label="a softmax over one number",
        related=_made_at(made),
        help="use `binary_cross_entropy_with_logits`, or as many outputs as there are classes",
        severity=None if is_of_training(event) else Severity.WARNING,
    )


def _made_at(layer: Layer | None) -> tuple[tuple[Site, str], ...]:
    return ((layer.at, "has a single output"),) if layer is not None and layer.at is not None else ()


def _problem_of_softmax(data: Data) -> Problem:
    at = place_of(data)
    assert at is not None, "a softmax stands somewhere"
    return Problem(
        at,
        "the softmax of a single number is always 1, so nothing of what was computed before it gets through",
        label="over one number",
        related=(*related_call(data, "applied here"), *_made_at(_layers(data)[0].layer)),
        help="use a sigmoid, or as many outputs as there are classes",
        probes=(data.at,) if data.at is not None else (),
    )


def witness(case: Case) -> Verdict:
    """Whether the loss and all gradients are 0, or the softmax gives nothing but ones."""
    raised = case.raised_at()
    if raised is not None and "out of bounds" in raised.message:
        return confirmed(f"the loss raises {raised.error}: {raised.message}")
    places = [case.finding.place, *(each.place for each in case.finding.related)]
    seen = [each for each in case.at(LossComputed, *places) if each.kind in LOSSES and "classes" in each.numbers]
    if seen:
        return _by_loss(case, seen)
    values = [each for each in case.at(ValueSeen, *places) if "min" in each.numbers and "max" in each.numbers]
    if not values:
        return not_reached(case)
    low, high = min(numbers(values, "min")), max(numbers(values, "max"))
    if low == high == 1 or low == high == 0:
        return confirmed(f"all that the softmax gave in {len(values)} calls is {low:.0f}", calls=len(values))
    return refuted(f"the softmax gives numbers from {low:.3g} to {high:.3g}")


def _by_loss(case: Case, seen: list[LossComputed]) -> Verdict:
    if max(numbers(seen, "classes")) > 1:
        return refuted(f"the loss has {max(numbers(seen, 'classes')):.0f} classes")
    norms = numbers(list(case.run.events(OptimizerStepped)), "gradient_norm")
    if norms and not any(norms):
        return confirmed(
            f"the loss is 0, and so is the gradient at all {len(norms)} steps that were measured", steps=len(norms)
        )
    return confirmed("the loss has a single class, and is 0 on every batch")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN207",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS | names_of(*SOFTMAXES),),
    needs=needs((LossComputed, *SOFTMAXES)),
)
