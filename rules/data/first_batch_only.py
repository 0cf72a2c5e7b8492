"""Each training step starts the loader anew and takes its first batch.

## What it does
Reports `next(iter(loader))` inside a training loop, where what is drawn is trained on: written in one expression, by an iterator
that is made in the same pass, or in a helper that the loop calls. So is a loop of an evaluation whose every pass measures the
loss of the first batch of a loader that keeps its order. A batch that is drawn once before the loop (the network is to
learn one batch by heart), previews, and iterators that are made anew when they are exhausted are left alone.

## Why it matters
A loader without shuffling gives the same batch every time, and the network never sees any other. One with shuffling gives one
random batch and throws the rest of the pass away: in a loop over epochs the network learns from one batch an epoch, and in any
loop the workers are started, and fill their queues, for every single step.
Source: torch.utils.data, "Dataset Types" and "Multi-process data loading" (https://docs.pytorch.org/docs/stable/data.html).

## Example
```python
for epoch in range(epochs):
    inputs, targets = next(iter(train_loader))
    train_step(inputs, targets)
```

Use instead:
```python
for epoch in range(epochs):
    for inputs, targets in train_loader:
        train_step(inputs, targets)
```

## Witness
Every batch that is drawn there is the first one of its pass.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from nnlint.events import BatchDrawn, Iteration, LoaderMade, LossComputed, ModelCalled, Run
from nnlint.facts.data_sets import is_one_batch, keeps_order
from nnlint.facts.differentiated import differentiated, training_calls
from nnlint.facts.layers import made_by
from nnlint.facts.loops import counts_epochs
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Instance, Loader, elements
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS


class Draw(NamedTuple):
    """A batch that a network is trained on, drawn from an iterator made for it alone."""

    at: CodeSite
    batch: Data
    loader: Loader
    call: ModelCalled


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place that draws a first batch again and again."""
    first = {id(data) for data in made_by(run, "batch") if _is_first(data)} if any(run.events(LoaderMade)) else ()
    if not first:
        return
    training = training_calls(run)
    for again in _drawn_again(training, first):
        yield _problem(again)
    trained_in = {id(call.iterations[-1].loop) for call in training if call.iterations}
    measured = _measured(run)
    asked = [call for call in run.events(ModelCalled) if not measured.isdisjoint(map(id, elements(call.output)))]
    for again in _drawn_again(asked, first):
        loop = _innermost(again).loop
        if id(loop) not in trained_in and not counts_epochs(loop) and keeps_order(again.loader):
            yield _problem_of_evaluation(again)


def _drawn_again(calls: Iterable[ModelCalled], first: Container[int]) -> Iterator[Draw]:
    """One draw for each place whose first batches the calls get in one pass of a loop after the other."""
    passes: dict[int, list[Draw]] = {}
    for call in calls:
        for draw in _first_batches(call, first) if call.iterations else ():
            passes.setdefault(id(draw.at.node), []).append(draw)
    for draws in passes.values():
        again = next((other for one, other in combinations(draws, 2) if _is_another_pass(one, other)), None)
        if again is not None and not is_one_batch(again.loader):
            yield again


def _measured(run: Run) -> frozenset[int]:
    """The identities of all data of which a loss is computed that nothing differentiates."""
    learned = differentiated(run)
    return frozenset(
        id(data)
        for event in run.events(LossComputed)
        if not any(id(each) in learned for each in elements(event.value))
        for data in ancestors(event.prediction)
    )


def _is_first(batch: Data) -> bool:
    """Whether the batch is drawn from an iterator that is made for it alone."""
    iterator = batch.options.get("iterator")
    if not isinstance(iterator, Data) or not isinstance(batch.at, CodeSite):
        return False
    loader = batch.inputs[0]
    return isinstance(loader, Loader) and not _is_endless(loader) and _is_made_for_it(iterator, batch.at)


def _first_batches(call: ModelCalled, first: Container[int]) -> Iterator[Draw]:
    for value in call.inputs:
        for data in ancestors(value):
            loader = data.inputs[0] if id(data) in first else None
            if isinstance(loader, Loader) and isinstance(data.at, CodeSite):
                yield Draw(data.at, data, loader, call)


def _is_endless(loader: Loader) -> bool:
    """Whether the data set makes up what it yields: a stream has no first batch to begin with again."""
    data_set = loader.dataset
    return isinstance(data_set, Instance) and any("Iterable" in base for base in data_set.cls.external_bases())


def _is_made_for_it(iterator: Data, draw: CodeSite) -> bool:
    """Whether the iterator is made in the expression that draws from it, or in the same pass of its loop."""
    made = iterator.at
    if not isinstance(made, CodeSite):
        return False
    if any(node is made.node for node in ast.walk(draw.node)):
        return True
    loops = edits.loops_around(draw)
    return made.function is draw.function and bool(loops) and edits.holder_of(made) is loops[-1] is _loop_of(made)


def _loop_of(site: CodeSite) -> ast.AST | None:
    loops = edits.loops_around(site)
    return loops[-1] if loops else None


def _is_another_pass(first: Draw, other: Draw) -> bool:
    """Whether the two batches were drawn for two passes of one loop, the innermost around the training."""
    one, two = _innermost(first), _innermost(other)
    return first.batch is not other.batch and one.loop is two.loop and one is not two


def _innermost(draw: Draw) -> Iteration:
    return draw.call.iterations[-1]


def _problem(draw: Draw) -> Problem:
    repeats = keeps_order(draw.loader)
    what = "the same first batch" if repeats else "one batch, and throws the rest of the pass away"
    return Problem(
        draw.at,
        f"each pass of this loop starts the loader anew and takes {what}",
        label="always the first batch",
        related=((draw.call.at, "trained on it here"),),
        help="loop over the loader, or make the iterator once before the loop and again when it is exhausted",
        severity=_severity(draw, repeats),
    )


def _problem_of_evaluation(draw: Draw) -> Problem:
    return Problem(
        draw.at,
        "this evaluation measures the same first batch in every pass of its loop",
        label="always the first batch",
        related=((draw.call.at, "asked about it here"),),
        help="loop over the loader",
        severity=Severity.WARNING,
    )


def _severity(draw: Draw, repeats: bool | None) -> Severity:
    """An epoch of one batch is wrong; a random batch for each step only wastes what is loaded for the others."""
    if repeats:
        return Severity.ERROR
    return Severity.WARNING if counts_epochs(_innermost(draw).loop) else Severity.ADVICE


def witness(case: Case) -> Verdict:
    """Whether the batches drawn at this place are all the first of their pass."""
    drawn = case.at(BatchDrawn)
    places = numbers(drawn, "number")
    if not places:
        return not_reached(case)
    if any(places):
        return refuted("later batches of a pass are drawn here, too")
    if len(places) < 2:
        return unverified("the run came to this line once")
    kinds = len(set(numbers(drawn, "sum")))
    batches = max(numbers(drawn, "batches"))
    return confirmed(
        f"{len(places)} draws gave the first of {batches:.0f} batches each time, {kinds} different ones in all",
        draws=len(places),
        batches=batches,
        different=kinds,
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN414",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LoaderMade, "batch"),
)
