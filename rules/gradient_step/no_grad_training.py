"""The forward pass of the training runs without recording gradients.

## What it does
Walks from every `backward` through the operations behind its loss. Where no weight can be reached because the network was
called under `no_grad`, `inference_mode` or `set_grad_enabled(False)` (as a context, a decorator, or a call in force), that
switch is reported, wherever it stands: around the loop, on the training function, on a method of another file. So is one
around a part alone, where the optimizer was given that part, too, and no other loss comes to it. Evaluation is left alone, and so
is a frozen, loaded or pretrained backbone under `no_grad` whose head learns outside of it.

## Why it matters
Without a record of the forward pass there is nothing to differentiate. `backward` raises, or, where gradients were forced on
again with `requires_grad=True` to silence it, fills no parameter's gradient, and the network stays as it was drawn.
Source: PyTorch, "Autograd mechanics: Locally disabling gradient computation"
(https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation).

## Example
```python
for inputs, targets in loader:
    optimizer.zero_grad()
    with torch.no_grad():
        outputs = model(inputs)
    loss = criterion(outputs, targets)
    loss.backward()
    optimizer.step()
```

Use instead:
```python
for inputs, targets in loader:
    optimizer.zero_grad()
    outputs = model(inputs)
    loss = criterion(outputs, targets)
    loss.backward()
    optimizer.step()
```

## Witness
The backward pass raises for want of a graph, or every step finds gradients of zero or none. Of a part: its weights get none.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Backward, OptimizerStepped, Run
from nnlint.facts.live_graphs import differentiated_losses, graph_behind
from nnlint.facts.never_reached import NEVER_CHANGES, NeverReached, layer_sites, never_reached, witness_of_part
from nnlint.facts.tried_out import only_shows_gradients
from nnlint.facts.unrecorded import switch_for
from nnlint.finding import Severity, Verdict
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD


def check(run: Run) -> Iterator[Problem]:
    """One problem for each switch under which a loss that is differentiated was computed."""
    if only_shows_gradients(run):
        return
    reported: set[object] = set()
    for backward in differentiated_losses(run):
        graph = graph_behind(run, backward.loss)
        if graph.is_live or graph.cuts or not graph.unrecorded:
            continue
        problem = _problem(backward, graph.unrecorded)
        node = problem.at.node if problem is not None and isinstance(problem.at, CodeSite) else None
        if problem is not None and node not in reported:
            reported.add(node)
            yield problem
    for each in never_reached(run):
        problem = _of_part(each) if each.cut is None else None
        node = problem.at.node if problem is not None and isinstance(problem.at, CodeSite) else None
        if problem is not None and node not in reported:
            reported.add(node)
            yield problem


def _of_part(each: NeverReached) -> Problem | None:
    """The optimizer was given layers that only this switch keeps from learning."""
    switch = switch_for(each.applied)
    if switch is None or each.applied.at is None:
        return None
    return Problem(
        switch,
        "a part of what the optimizer was given is never trained, because its forward pass does not record gradients",
        label="no gradients are recorded under this",
        related=(
            (each.applied.at, "leaves no graph behind"),
            *((at, NEVER_CHANGES) for at in layer_sites(each)),
            (each.made.at, "was given its parameters"),
            (each.backward.at, "does not come to it"),
        ),
        help="call it outside of the context; where it is to stay as it is, give the optimizer the other parameters alone",
    )


def _problem(backward: Backward, unrecorded: tuple[Data, ...]) -> Problem | None:
    """None where nothing is known of the loss but that it was not recorded, and the switch is not at hand."""
    outputs = [data for data in unrecorded if data.operation == "output" and data.at is not None]
    call = next(iter(outputs or [data for data in unrecorded if data.at is not None]), None)
    called = backward.at if call is None or call.at is None else call.at
    found = switch_for(call) if call is not None else None
    if found is None and not outputs:
        return None
    switch = found or called
    related = [(backward.at, "finds no graph behind the loss")]
    if called is not switch:
        related.insert(0, (called, "leaves no graph behind"))
    return Problem(
        switch,
        "nothing is trained, because the forward pass of this loss does not record gradients",
        label="no gradients are recorded under this",
        related=tuple(related),
        help="call the network outside of it for training; it is meant for evaluation",
    )


def witness(case: Case) -> Verdict:
    """Whether the backward pass raised, or no step found gradients."""
    if case.raised_at(*(related.place for related in case.finding.related)) is not None:
        return confirmed("the backward pass raised, for there is no graph behind the loss")
    if not case.related(Backward):
        return not_reached(case)
    of_part = witness_of_part(case)
    if of_part is not None:
        return of_part
    norms = numbers(list(case.run.events(OptimizerStepped)), "gradient_norm")
    if not norms:
        return unverified("nothing was stepped")
    if not any(norms):
        return confirmed(f"the gradient is zero at all {len(norms)} steps that were measured", steps=len(norms))
    return refuted(f"the gradient is not zero at a step ({max(norms):.2g})", gradient_norm=max(norms))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN108",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(BACKWARD,),
    needs=needs(Backward),
)
