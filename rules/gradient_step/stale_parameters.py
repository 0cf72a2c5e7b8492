"""The optimizer holds other parameters than those that are trained.

## What it does
Compares what each optimizer was given with what the backward passes before its steps reach, and reports the constructor call
where they do not meet: it was given the parameters of another network, or of one that was rebuilt or copied afterwards; a
layer was put into the network after the optimizer was made, and no optimizer holds it; or it holds one of two networks that are
trained together, and nothing holds the other, which is switched to training mode by itself or which a second optimizer over
the first network was meant for; or a network, or a part of one, that the loss trains is left as it was drawn, while the optimizer
has those beside it. A generator of parameters that was used up before, in a loop or by another optimizer, is reported too.
Everything must be at hand: where parameter groups are added later, gradients are assigned, or other code gets the optimizer,
nothing is said.

## Why it matters
The optimizer steps on parameters that get no gradients, and those that get some are in no parameter group: the network, or
its new head, stays as it was drawn. Nothing raises.
Source: torch.optim, "Constructing it" (https://docs.pytorch.org/docs/stable/optim.html#constructing-it).
It is rare: of twelve findings that were read in public code eleven were true, five of them looked up. The twelfth was a layer
that is made where `hasattr` asks for it; what has its shape is left alone by now.

## Example
```python
model = resnet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
model.fc = nn.Linear(512, 10)
```

Use instead:
```python
model = resnet()
model.fc = nn.Linear(512, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
```

## Witness
No step of this optimizer finds a gradient, or a group of it is empty. For a new layer: it was made after the optimizer, and is
not among its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nnlint.events import Backward, ModelBuilt, OptimizerMade, OptimizerStepped, Run
from nnlint.facts.group_membership import Stale, stale_optimizers
from nnlint.facts.used_up import used_twice, used_up
from nnlint.finding import Severity, Verdict
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import node_at
from nnlint.values import Instance, Layer, Site
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import MADE, TRAINING

AGAIN = "call `parameters()` again, or keep them in a list"


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constructor call whose optimizer misses what is trained."""
    reported: set[object] = set()
    problems = [*map(_problem_of(run), stale_optimizers(run)), *_used_up_problems(run)]
    for problem in problems:
        node = node_at(problem.at)
        if node not in reported:
            reported.add(node)
            yield problem


def _used_up_problems(run: Run) -> Iterator[Problem]:
    for made in run.events(OptimizerMade):
        use = used_up(made)
        if use is not None:
            yield Problem(
                made.at,
                "the optimizer gets no parameters, because this generator was used up before",
                label="finds nothing left in it",
                related=((use, "draws all that it has"),),
                help=AGAIN,
            )
    for twice in used_twice(run):
        passes = [event.at for event in run.events(Backward) if event.order > twice.first.order]
        group = "the optimizer gets" if twice.is_all else "a group of this optimizer gets"
        yield Problem(
            twice.later.at,
            f"{group} no parameters, because their generator was used up before",
            label="finds nothing left in it",
            related=(
                (twice.first.at, "draws all that it has"),
                *((at, "gives them gradients that nobody uses") for at in passes[:1]),
            ),
            help=AGAIN,
        )


def _problem_of(run: Run) -> Callable[[Stale], Problem]:
    def problem(stale: Stale) -> Problem:
        return _of_network(run, stale) if stale.call is not None else _of_layer(stale)

    return problem


def _of_network(run: Run, stale: Stale) -> Problem:
    called = stale.call.at if stale.call is not None else stale.step.at
    built = [event.at for event in run.events(ModelBuilt) if event.model is stale.missing]
    related: list[tuple[Site, str]] = [(built[0], "the network that is trained")] if built else []
    if stale.is_partly:
        return Problem(
            stale.made.at,
            "a network that is trained never changes, because no optimizer holds its parameters",
            label="holds the parameters of another one",
            related=(
                *related,
                (called, "this is trained, too"),
                (stale.backward.at, "gives it gradients that nobody uses"),
            ),
            help="give its parameters to the optimizer that is meant for it",
        )
    return Problem(
        stale.made.at,
        "the network that is trained never changes, because this optimizer holds the parameters of another one",
        label="holds nothing that gets gradients",
        related=(*related, (called, "this is trained"), (stale.step.at, "steps on other parameters")),
        help="construct the optimizer from the network that is trained, after it is complete",
    )


def _of_layer(stale: Stale) -> Problem:
    layer = stale.missing
    at = layer.at if isinstance(layer, (Layer, Instance)) else None
    related: list[tuple[Site, str]] = [(at, "put in later, and never trained")] if at is not None else []
    return Problem(
        stale.made.at,
        "a layer never changes, because it is put into the network after this optimizer took the parameters",
        label="takes the parameters that are there now",
        related=(
            *related,
            (stale.backward.at, "gives it gradients that nobody uses"),
            (stale.step.at, "passes over it"),
        ),
        help="complete the network before the optimizer is constructed",
    )


def witness(case: Case) -> Verdict:
    """Whether no step of this optimizer finds gradients, or a loss trains tensors that no optimizer holds."""
    if case.raised_at() is not None:
        return confirmed("the constructor raised, for there are no parameters")
    if any(numbers(case.at(OptimizerMade), "empty_groups")):
        return confirmed("a group of this optimizer holds no parameters")
    steps = case.made_at(OptimizerStepped)
    norms = numbers(steps, "gradient_norm")
    if not norms:
        return not_reached(case)
    if not any(norms):
        return confirmed(
            f"this optimizer found no gradient at all {len(norms)} steps that were measured", steps=len(norms)
        )
    unheld = numbers(case.related(Backward), "unheld")
    if any(unheld):
        return confirmed(f"the loss trains {max(unheld):.0f} tensors that no optimizer holds", tensors=max(unheld))
    return refuted(f"the gradient is not zero at its steps ({max(norms):.2g})", gradient_norm=max(norms))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN109",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(MADE, TRAINING),
    needs=needs((OptimizerMade, OptimizerStepped)),
)
