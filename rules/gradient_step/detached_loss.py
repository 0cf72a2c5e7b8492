"""The loss that is differentiated was cut off from the network.

## What it does
Walks from every `backward` through the operations behind its loss, through helpers and networks in other files too. Where no
weight can be reached, and the way to a network was cut by `item()`, `detach()`, `.data`, `numpy()`, `float(...)`,
`torch.tensor(loss)` or `Variable(loss)`, the cut is reported: whether the backward pass then raises, or gradients were forced
on again with `requires_grad=True` and it silently does nothing. A loss that lost its graph and is then added to another one
is a warning. A part of the network whose output goes on without its graph is reported where the optimizer was given that
part, too, and no loss comes to it by another way. Teachers, targets, baselines and hidden states may be detached: something
else behind the loss still learns.

## Why it matters
A tensor made from another's numbers has no history. With `requires_grad=True` it is a new leaf: `backward` fills the gradient
of the loss itself, no parameter gets any, the optimizer steps on nothing and the loss stays where it was.
Source: PyTorch, "Autograd mechanics: How autograd encodes the history"
(https://docs.pytorch.org/docs/stable/notes/autograd.html).

## Example
```python
loss = criterion(model(inputs), targets)
loss = torch.tensor(loss.item(), requires_grad=True)
loss.backward()
```

Use instead:
```python
loss = criterion(model(inputs), targets)
loss.backward()
```

## Witness
The backward pass raises for want of a graph, or every step finds gradients of zero or none. For a term: what went into the
cut had a graph. Of a part: its weights get no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Backward, LossComputed, OptimizerStepped, Raised, Run
from nnlint.facts.live_graphs import dead_terms, differentiated_losses, graph_behind
from nnlint.facts.never_reached import NEVER_CHANGES, NeverReached, layer_sites, never_reached, witness_of_part
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors_of_all
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Data, Site
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD

WORDS = {
    "item": "a number, without its graph",
    "detach": "cut off here",
    "numpy": "an array, without its graph",
    "tensor": "a new tensor, without the graph of the old one",
}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place where a loss that is differentiated loses its graph."""
    reported: set[object] = set()
    for backward in differentiated_losses(run):
        graph = graph_behind(run, backward.loss)
        cuts = tuple(dead_terms(run, backward.loss)) if graph.is_live else _of_predictions(run, backward, graph.cuts)
        for cut in cuts:
            node = cut.at.node if isinstance(cut.at, CodeSite) else None
            if cut.at is not None and node is not None and node not in reported:
                reported.add(node)
                yield _problem(cut, cut.at, backward, is_term=graph.is_live)
    for each in never_reached(run):
        cut_off = each.cut
        if cut_off is not None and cut_off.at is not None and node_at(cut_off.at) not in reported:
            reported.add(node_at(cut_off.at))
            yield _of_part(cut_off, cut_off.at, each)


def _of_predictions(run: Run, backward: Backward, cuts: tuple[Data, ...]) -> tuple[Data, ...]:
    """The cuts of what the loss judges, where there are any: what it is compared with may well be cut off."""
    if len(cuts) < 2:
        return cuts
    judged = [event.prediction for event in run.events(LossComputed) if event.value is backward.loss]
    behind = {id(each) for each in ancestors_of_all(judged)}
    return tuple(each for each in cuts if id(each) in behind) or cuts


def _of_part(cut: Data, at: Site, each: NeverReached) -> Problem:
    """The optimizer was given layers that only this cut keeps from learning."""
    return Problem(
        at,
        "a part of what the optimizer was given is never trained, because what it puts out is cut off from the loss",
        label=WORDS[cut.operation],
        related=(
            *((at, NEVER_CHANGES) for at in layer_sites(each)),
            (each.made.at, "was given its parameters"),
            (each.backward.at, "does not come to it"),
        ),
        help="go on with the output itself; where that part is to stay as it is, give the optimizer the others alone",
        probes=(at,),
    )


def _problem(cut: Data, at: Site, backward: Backward, is_term: bool) -> Problem:
    if is_term:
        return Problem(
            at,
            "this term of the loss trains nothing, because only its number is added",
            label=WORDS[cut.operation],
            related=((backward.at, "differentiates the other terms alone"),),
            help="add the loss itself; leave it out where it is only to be logged",
            severity=Severity.WARNING,
            probes=(at,),
        )
    return Problem(
        at,
        "nothing is trained, because the loss is cut off from the network before it is differentiated",
        label=WORDS[cut.operation],
        related=((backward.at, "finds no weights behind the loss"),),
        help="differentiate what the network and the loss function gave; take numbers out of it for logging alone",
        probes=(at,),
    )


def witness(case: Case) -> Verdict:
    """Whether the backward pass raised, no step found gradients, or a term went in with a graph and came out without."""
    passes = case.related(Backward)
    if case.raised_at(*(related.place for related in case.finding.related)) is not None:
        return confirmed("the backward pass raised, for there is no graph behind the loss")
    if not passes:
        return _of_returned(case)
    of_part = witness_of_part(case)
    if of_part is not None:
        return of_part
    norms = numbers(list(case.run.events(OptimizerStepped)), "gradient_norm")
    if norms and not any(norms):
        return confirmed(f"the gradient is zero at all {len(norms)} steps that were measured", steps=len(norms))
    if case.finding.severity is Severity.WARNING:
        return _of_term(case)
    return (
        refuted(f"the gradient is not zero at a step ({max(norms):.2g})")
        if norms
        else unverified("nothing was stepped")
    )


REFUSED = ("does not require grad", "must return a tensor")
"""What is said of a loss that cannot be differentiated, by PyTorch and by a trainer that differentiates what a step returns."""


def _of_returned(case: Case) -> Verdict:
    """Whether a loss that a library differentiates lost its graph here, and the library refused it."""
    seen = case.values()
    had = numbers(seen, "receiver_requires_grad") + numbers(seen, "argument_requires_grad")
    is_refused = any(words in raised.message for raised in case.run.events(Raised) for words in REFUSED)
    if is_refused and had and all(had) and not any(numbers(seen, "requires_grad")):
        return confirmed("the loss had a graph and lost it here, and the backward pass raised")
    return not_reached(case)


def _of_term(case: Case) -> Verdict:
    seen = case.values()
    had = numbers(seen, "receiver_requires_grad") + numbers(seen, "argument_requires_grad")
    kept = numbers(seen, "requires_grad")
    if had and all(had) and not any(kept):
        return confirmed(f"in {len(had)} steps the term had a graph, and lost it here", steps=len(had))
    return unverified("what was cut off could not be looked at")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN107",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(BACKWARD,),
    needs=needs(Backward),
)
