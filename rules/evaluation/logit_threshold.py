"""A logit is compared with a probability.

## What it does
Reports a threshold between 0 and 1, or a rounding to 0 and 1, on the raw output of a network that is trained with a binary
cross-entropy over logits, where no sigmoid lies on the way. A threshold at 0, a sigmoid before the comparison or at the end of
the network (also in evaluation alone) are left alone.

## Why it matters
The logit 0 is the probability 0.5; the logit 0.5 is the probability 0.62. All cases between are called negative, so recall is too
low and precision too high, and figures and choices of a best epoch follow a decision that nobody meant.
Source: torch.nn.BCEWithLogitsLoss (https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html).

## Example
```python
loss = nn.BCEWithLogitsLoss()(model(x), y)
predicted = model(x) > 0.5
```

Use instead:
```python
loss = nn.BCEWithLogitsLoss()(model(x), y)
predicted = torch.sigmoid(model(x)) > 0.5
```

## Fix safety
Unsafe: the threshold 0.5 becomes 0, which decides otherwise than before. Where the code uses the same output for something else,
a sigmoid may be the better remedy.

## Witness
The values that are compared leave the range from 0 to 1, and the decisions at 0.5 and at the logit 0 differ.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.predictions import is_logit_of, networks_that_give_logits, outputs_in
from nnlint.facts.scales import is_of_training
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Value, number
from nnlint.witness import Case, confirmed, harmless_here, not_reached, refuted
from nnlint.words import NETWORKS

LOSS = "binary_cross_entropy_with_logits"
ORDERINGS = frozenset({"Gt", "GtE", "Lt", "LtE"})
METHODS = frozenset({"gt", "ge", "lt", "le", "greater", "less"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place where a logit is compared with a probability, or rounded to 0 and 1."""
    losses = [event for event in run.events(LossComputed) if event.kind == LOSS]
    if not losses:
        return
    networks = networks_that_give_logits(losses) - _trained_otherwise(run, losses)
    reported: set[int] = set()
    for data, subject in (*_thresholds(run), *_roundings(run)) if networks else ():
        if isinstance(data.at, CodeSite) and id(data.at.node) not in reported and is_logit_of(subject, networks):
            reported.add(id(data.at.node))
            yield _problem(data, losses[0])


def _trained_otherwise(run: Run, losses: list[LossComputed]) -> set[int]:
    """The networks that learn by another loss, and of which this one is only asked: a squared error gives no logits."""
    learning = [event for event in losses if is_of_training(event)]
    others = [event for event in run.events(LossComputed) if event.kind != LOSS and is_of_training(event)]
    return {_network(each) for event in others for each in outputs_in(event.prediction)} - {
        _network(each) for event in learning for each in outputs_in(event.prediction)
    }


def _network(output: Data) -> int:
    return id(output.inputs[1])


def _thresholds(run: Run) -> Iterator[tuple[Data, Value]]:
    """Comparisons by size with a constant between 0 and 1, and what is compared."""
    for data in run.operations.get("compare", ()):
        if isinstance(data, Data) and len(data.inputs) == 2 and _orders(data):
            for subject, bound in (data.inputs, data.inputs[::-1]):
                threshold = number(bound)
                if threshold is not None and 0 < threshold < 1:
                    yield data, subject


def _orders(data: Data) -> bool:
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return data.name in ORDERINGS or getattr(function, "attr", "") in METHODS


def _roundings(run: Run) -> Iterator[tuple[Data, Value]]:
    """What is rounded and then compared with labels."""
    rounded = [data for data in run.operations.get("round", ()) if isinstance(data, Data) and _rounds(data)]
    if not rounded:
        return
    compared = {id(data) for test in run.operations.get("compare", ()) for data in ancestors(test)}
    yield from ((data, data.inputs[0]) for data in rounded if id(data) in compared)


def _rounds(data: Data) -> bool:
    node = data.at.node if isinstance(data.at, CodeSite) else None
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr == "round" and bool(data.inputs)


def _problem(data: Data, loss: LossComputed) -> Problem:
    is_rounded = data.operation == "round"
    what = "rounded as if it were a probability" if is_rounded else "compared with a probability"
    return Problem(
        data.at or loss.at,
        f"a logit is {what}: the probability 0.5 is the logit 0",
        label="a logit, with no sigmoid on the way",
        related=((loss.at, "trained on logits here"),),
        help="compare with 0, or apply `torch.sigmoid` before",
        fix=None if is_rounded else _fix(data),
    )


def _fix(data: Data) -> Fix | None:
    """Put 0 in the place of a written 0.5."""
    site = data.at
    if not isinstance(site, CodeSite):
        return None
    written = [
        node
        for node in ast.iter_child_nodes(site.node)
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value == 0.5
    ]
    if len(written) != 1:
        return None
    edit = edits.replace(CodeSite(site.module, written[0]), "0")
    return edits.fix(Applicability.UNSAFE, "compare the logit with 0", edit)


def witness(case: Case) -> Verdict:
    """Whether the values are no probabilities, and are decided otherwise than at the logit 0."""
    seen = [dict(each.numbers) for each in case.values()]
    operands = [
        (numbers, role) for numbers in seen for role in ("left", "receiver", "argument") if f"{role}_min" in numbers
    ]
    if not operands:
        return not_reached(case)
    if all(numbers[f"{role}_min"] >= 0 and numbers[f"{role}_max"] <= 1 for numbers, role in operands):
        return refuted("all values that are compared here lie between 0 and 1")
    for numbers, role in operands:
        positive, called = numbers[f"{role}_positive"], numbers.get("positive", numbers.get("mean", 0.0))
        if abs(positive - called) > 0:
            return confirmed(
                f"{positive:.1%} of the logits are over 0, {called:.1%} are called positive",
                over_zero=positive,
                called=called,
            )
    return harmless_here("no logit of this run lies between 0 and the threshold")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN506",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    trains=False,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSS),
)
