"""The loss is computed from the network's choices, through which no gradient goes.

## What it does
Walks from every `backward` through the operations behind its loss, through helpers and networks in other files too. Where no
weight can be reached, because `argmax`, the positions of a `max` or `topk`, a comparison, `round`, `sign` or a cast to whole
numbers stands between them, that operation is reported. Each term of a sum is looked at for itself: one that reaches no weight
is a warning. Metrics, targets, masks and straight-through estimators are left alone.

## Why it matters
Such an operation is a staircase: flat almost everywhere, so its gradient is zero or does not exist. `backward` raises, or, with
another term in the sum or `requires_grad` forced on, runs and trains nothing of what was meant.
Source: torch.argmax has no derivative; PyTorch, "Autograd mechanics: Gradients for non-differentiable functions"
(https://docs.pytorch.org/docs/stable/notes/autograd.html).

## Example
```python
predictions = model(inputs).argmax(dim=1)
loss = (predictions != labels).float().mean()
```

Use instead:
```python
loss = F.cross_entropy(model(inputs), labels)
```

## Witness
The backward pass raises for want of a graph, or every step finds gradients of zero or none. For a term: what went into the
operation had a graph, and what came out has none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nnlint.events import Backward, OptimizerStepped, Run
from nnlint.facts.live_graphs import differentiated_losses, graph_behind, terms
from nnlint.finding import Severity, Verdict
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Value, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD

STAIRCASES = frozenset({"argmax", "index", "attribute", "compare", "round", "sign", "to"})
WORDS = {
    "argmax": "picks a class",
    "index": "picks positions",
    "attribute": "picks positions",
    "compare": "gives yes or no",
    "round": "rounds",
    "sign": "keeps the sign alone",
    "to": "makes whole numbers",
}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each operation without a gradient that stands between a network and what is differentiated."""
    reported: set[ast.AST] = set()
    losses = list(differentiated_losses(run))
    live = {(node_at(each.at), each.iterations) for each in losses if graph_behind(run, each.loss).is_live}
    for backward in losses:
        is_live = graph_behind(run, backward.loss).is_live
        if not is_live and (node_at(backward.at), backward.iterations) in live:
            continue  # one of several values that the loss may be: an answer, where nothing is trained
        for block in _blocks(run, backward, is_live):
            node = block.at.node if isinstance(block.at, CodeSite) else None
            if node is not None and node not in reported:
                reported.add(node)
                yield _problem(block, backward, is_term=is_live)


def _blocks(run: Run, backward: Backward, is_live: bool) -> Iterator[Data]:
    """The operations that no gradient passes, of the whole loss where it reaches nothing, else of terms that do not."""
    parts = _terms(run, backward.loss) if is_live else [backward.loss]
    for part in parts:
        graph = graph_behind(run, part)
        if not graph.is_live and not graph.cuts and not graph.unrecorded:
            yield from graph.blocks


def _terms(run: Run, loss: Value) -> list[Value]:
    """The terms of a loss; of several values that it may be, of those that a gradient goes through: the others are answers that
    the same function gives where nothing is trained."""

    def live(value: Value) -> Sequence[Value]:
        choices = alternatives(value)
        return [each for each in choices if graph_behind(run, each).is_live] or choices

    return terms(loss, live)


def _problem(block: Data, backward: Backward, is_term: bool) -> Problem:
    at = block.at
    assert at is not None, "such operations stand somewhere"
    return Problem(
        at,
        "this term of the loss trains nothing, because no gradient goes through this operation"
        if is_term
        else "nothing is trained, because no gradient goes through this operation between the network and the loss",
        label=WORDS.get(block.operation, "has no gradient"),
        related=(
            (backward.at, "differentiates the other terms alone" if is_term else "finds no weights behind the loss"),
        ),
        help="compute the loss from the scores or probabilities themselves; choices are for metrics",
        severity=Severity.WARNING if is_term else None,
        probes=(at,),
    )


def witness(case: Case) -> Verdict:
    """Whether the backward pass raised, no step found gradients, or a graph ended at the operation."""
    passes = case.related(Backward)
    if case.raised_at(*(related.place for related in case.finding.related)) is not None:
        return confirmed("the backward pass raised, for there is no graph behind the loss")
    seen = case.values()
    if not passes:
        return not_reached(case)
    if case.finding.severity is not Severity.WARNING:
        norms = numbers(list(case.run.events(OptimizerStepped)), "gradient_norm")
        if norms and not any(norms):
            return confirmed(f"the gradient is zero at all {len(norms)} steps that were measured", steps=len(norms))
        return (
            refuted(f"the gradient is not zero at a step ({max(norms):.2g})")
            if norms
            else unverified("nothing was stepped")
        )
    had = [
        each for part in ("left", "right", "receiver", "argument") for each in numbers(seen, f"{part}_requires_grad")
    ]
    kept = numbers(seen, "requires_grad")
    if any(had) and kept and not any(kept):
        return confirmed(f"in {len(kept)} steps what went in had a graph, and what came out had none", steps=len(kept))
    return unverified("what the operation does to the graph could not be looked at")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN209",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(BACKWARD,),
    needs=needs(Backward, STAIRCASES),
)
