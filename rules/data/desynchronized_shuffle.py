"""Inputs and targets are shuffled by two independent draws.

## What it does
Reports a second random order where inputs and targets that belong together (in a `TensorDataset`, as the input of a network
and the target of its loss) are each shuffled by an order of their own: two permutations, or two shuffles in place; and a
shuffle in place of inputs alone, whose targets were read beside them and keep their order. One permutation for both, shuffled
pairs, and draws between which the generator's state is set back are left alone.

## Why it matters
Every input gets the target of another one. Nothing is left to learn but the distribution of the targets: the loss goes down to
that of a constant and stays there, and no error tells of it.
Source: numpy.random.Generator.shuffle (https://numpy.org/doc/stable/reference/random/generated/numpy.random.Generator.shuffle.html).

## Example
```python
inputs = inputs[torch.randperm(len(inputs))]
targets = targets[torch.randperm(len(targets))]
```

Use instead:
```python
order = torch.randperm(len(inputs))
inputs, targets = inputs[order], targets[order]
```

## Witness
The two orders differ: of shuffles in place, the states of the generator that they are drawn from. Of what is shuffled alone, rows
move.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run, ValueSeen
from nnlint.facts.shuffles import shuffled_alone, shuffled_apart
from nnlint.finding import Severity, Verdict
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import ARRAYS, names_of


def check(run: Run) -> Iterator[Problem]:
    """One problem for each second draw."""
    reported: set[int] = set()
    for apart in shuffled_apart(run):
        first, second = apart.first.at, apart.second.at
        if not isinstance(first, CodeSite) or not isinstance(second, CodeSite):
            continue
        if (second.place.line, second.place.column) < (first.place.line, first.place.column):
            first, second = second, first
        if id(second.node) not in reported:
            reported.add(id(second.node))
            yield Problem(
                second,
                "inputs and targets are shuffled by two independent draws, so each input gets the target of another",
                label="another random order",
                related=((first, "the first random order"),),
                help="draw one permutation and index both by it",
            )

    for data in shuffled_alone(run):
        if isinstance(data.at, CodeSite) and id(data.at.node) not in reported:
            reported.add(id(data.at.node))
            yield Problem(
                data.at,
                "inputs are given the targets of others, because one of the two is shuffled and the other is not",
                label="its partner keeps the old order",
                help="index both by the same permutation",
            )


def witness(case: Case) -> Verdict:
    """Whether the two orders differ."""
    places = [related.place for related in case.finding.related]
    here, there = numbers(case.values(), "order"), numbers(case.values(*places), "order")
    if here and there:
        if here[0] != there[0]:
            return confirmed("the two orders differ", first=there[0], second=here[0])
        return refuted("the two orders are the same")
    seen = case.values()
    if not seen:
        return not_reached(case)
    moved = max(numbers(seen, "moved"), default=0.0)
    if not places:
        if moved:
            return confirmed(f"{moved:.0%} of the rows are at other places behind it", moved=moved)
        return unverified("no row was seen to move")
    return _in_place(seen, case.values(*places))


def _in_place(here: list[ValueSeen], there: list[ValueSeen]) -> Verdict:
    """Whether two shuffles in place began from the same state of the generator, with as many rows."""
    states, others = (numbers(each, "argument_generator") for each in (here, there))
    lengths, other_lengths = (numbers(each, "argument_rows") for each in (here, there))
    moves = [*numbers(here, "moved")[:1], *numbers(there, "moved")[:1]]
    if not (states and others and lengths and other_lengths and len(moves) == 2 and all(moves)):
        return unverified("the data are shuffled in place")
    if states[0] != others[0]:
        return confirmed(
            "the generator of the second order was in another state than that of the first", moved=moves[0]
        )
    if lengths[0] == other_lengths[0]:
        return refuted("both orders were drawn from the same state of the generator")
    return unverified("as many rows are not shuffled here as there")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN408",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(names_of("randperm") | {"shuffle", "train_test_split"}, ARRAYS),
)
