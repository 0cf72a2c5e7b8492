"""The optimizer is constructed inside the loop that steps it.

## What it does
Reports an optimizer that is made anew in every pass of a training loop while the model it trains lives on: per batch, per epoch,
or in a function that the epoch loop calls, often to set a new rate, also where that loop is in another project and only
the function's parameter `epoch` tells of it. One per fold, trial, phase, task or layer is right and left
alone, and so is one over parameters that the same pass has made. A restart every so many epochs is reported as advice.

## Why it matters
Momentum, Adam's moment estimates and its step count start from zero each time. Adam then takes steps of nearly the full learning
rate in the direction of the sign of each gradient, momentum never builds up, and a schedule that holds the old optimizer
changes nothing. Plain SGD has no state: there the loss is only the time to construct it.
Source: Kingma and Ba, "Adam" (https://arxiv.org/abs/1412.6980), section 3, on the bias of moments that start at zero.

## Example
```python
for epoch in range(epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for inputs, targets in loader:
        train_step(model, optimizer, inputs, targets)
```

Use instead:
```python
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(epochs):
    for inputs, targets in loader:
        train_step(model, optimizer, inputs, targets)
```

## Fix safety
Safe: the construction moves before the outermost loop in which nothing that it uses is assigned. Where its arguments depend on
the loop (a rate computed from the epoch), or the loop stands in another function, there is no fix.

## Witness
More than one construction at that line while the same parameters train, and state (momentum, moments, step count) lost between
steps. An optimizer without state gives `harmless`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from nnlint.events import OptimizerMade, OptimizerStepped, Run
from nnlint.facts.loops import counts_epochs, header_of
from nnlint.facts.remaking import Remade, holds_own_training, is_periodic, remade
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending.hoisting import hoisted
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, FunctionNode, node_at
from nnlint.values import Constant, Data, Optimizer, Value, alternatives
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted, unverified
from nnlint.words import MADE, STEPPED, TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constructor call that a training loop repeats."""
    made = [event for event in run.events(OptimizerMade) if event.iterations]
    by_optimizer = {id(event.optimizer): event for event in run.events(OptimizerMade)}
    reported: set[object] = set()
    for steps in _at_one_time(run) if made else ():
        step = steps[0]
        candidates = [by_optimizer.get(id(each)) for every in steps for each in alternatives(every.optimizer)]
        for found in remade(run, made, step, candidates, _owners):
            node = node_at(found.made.at)
            if node not in reported and not holds_own_training(found) and not _is_varied(found, made):
                reported.add(node)
                yield from _problem(found)
    yield from _made_in_epoch(run) if run.symbolic else ()


EPOCH = regex(r"^(?:the_|cur(?:rent)?_)?epoch(?:_?(?:i|idx|index|id|num|number|no))?$", re.IGNORECASE)
"""Parameters that say which epoch it is: the function is one pass of a loop that its callers have."""


def _made_in_epoch(run: Run) -> Iterator[Problem]:
    """Optimizers made in a function that nothing calls here, and that trains one epoch: its caller, elsewhere, repeats it."""
    for made in run.events(OptimizerMade):
        function = made.at.function if isinstance(made.at, CodeSite) else None
        if made.iterations or made.conditional or len(made.calls) != 1 or not _is_one_epoch(function):
            continue
        step = next((each for each in run.events(OptimizerStepped) if each.optimizer is made.optimizer), None)
        if (
            step is not None
            and step.iterations
            and _owners(made)
            and not any(map(_is_made_in(function), _owners(made)))
        ):
            yield Problem(
                made.at,
                "the optimizer forgets its state, because every epoch makes a new one",
                label="made anew in every epoch",
                related=((step.at, "steps with it"),),
                help="construct it once, where the network is made; a new rate goes into its `param_groups` or a scheduler",
            )


def _is_one_epoch(function: FunctionNode | None) -> bool:
    """Whether a parameter of the function counts epochs, and the function does not loop over it."""
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    if not any(EPOCH.match(each.arg) for each in (*function.args.args, *function.args.kwonlyargs)):
        return False
    loops = (node for node in ast.walk(function) if isinstance(node, (ast.For, ast.AsyncFor, ast.While)))
    headers = (node.test if isinstance(node, ast.While) else ast.Tuple([node.target, node.iter]) for node in loops)
    used = {part.id for header in headers for part in ast.walk(header) if isinstance(part, ast.Name)}
    return not any("epoch" in name.lower() for name in used)


def _is_made_in(function: FunctionNode | None) -> Callable[[Value], bool]:
    """Whether a network is made in a function, so that it begins anew there too."""
    return lambda value: (
        getattr(getattr(value, "at", None), "function", None) is function
        and not (isinstance(value, Data) and value.operation in ("argument", "name", "attribute"))
    )


def _at_one_time(run: Run) -> Iterable[list[OptimizerStepped]]:
    """The steps of the run; those that stand for one step of several possible optimizers, together."""
    groups: dict[object, list[OptimizerStepped]] = {}
    for step in run.events(OptimizerStepped):
        node = node_at(step.at)
        groups.setdefault((node, step.iterations[-1:], step.calls), []).append(step)
    return groups.values()


def _owners(event: OptimizerMade) -> Sequence[Value]:
    return event.optimizer.owners if isinstance(event.optimizer, Optimizer) else ()


def _is_varied(found: Remade[OptimizerMade], made: Sequence[OptimizerMade]) -> bool:
    """Whether the loop tries optimizers, or rates out of a list: its passes make different ones on purpose."""
    if counts_epochs(found.iteration.loop):
        return False
    later = found.made.optimizer
    for earlier in (event.optimizer for event in made if _same_call(event, found.made)):
        if isinstance(earlier, Optimizer) and isinstance(later, Optimizer) and _differ(earlier, later):
            return True
    return False


def _same_call(first: OptimizerMade, second: OptimizerMade) -> bool:
    return isinstance(first.at, CodeSite) and isinstance(second.at, CodeSite) and first.at.node is second.at.node


def _differ(first: Optimizer, second: Optimizer) -> bool:
    if first.kind != second.kind:
        return True
    for name, value in first.arguments.items():
        other = second.arguments.get(name)
        if isinstance(value, Constant) and isinstance(other, Constant) and value.value != other.value:
            return True
    return False


def _problem(found: Remade[OptimizerMade]) -> Iterator[Problem]:
    if not found.guarded:
        yield Problem(
            found.made.at,
            "the optimizer forgets its state, because every pass of this loop makes a new one",
            label="made anew in every pass",
            related=((header_of(found.iteration.loop), "this loop repeats it"), (found.used.at, "steps with it")),
            help="construct it once, before the loop; a new rate goes into its `param_groups` or a scheduler",
            fix=hoisted(found.made.at, "construct the optimizer before the loop"),
        )
    elif is_periodic(found):
        yield Problem(
            found.made.at,
            "the optimizer starts again without its state whenever this condition holds",
            label="a new one, without the state of the old",
            related=((found.used.at, "steps with it"),),
            help="to change the rate alone, set it in its `param_groups` or use a scheduler",
            severity=Severity.ADVICE,
        )


def witness(case: Case) -> Verdict:
    """Whether optimizers made here one after the other step the same parameters, and what the old one remembered is lost."""
    made = case.made_at(OptimizerStepped)
    optimizers = list(dict.fromkeys(event.optimizer for event in made))
    constructed = len(case.at(OptimizerMade))
    if not constructed:
        return not_reached(case)
    if constructed < 2 or len(optimizers) < 2:
        if case.run.ended == "finished":
            return refuted("the optimizer was made and used once in the whole run")
        return unverified("the run ended before a second optimizer was made here")
    parameters = set(numbers(case.at(OptimizerMade), "first_parameter"))
    if len(parameters) == constructed:
        return refuted(f"each of the {constructed} optimizers made here has parameters of its own")
    steps = len(list(case.run.events(OptimizerStepped)))
    if not any(numbers(list(case.run.events(OptimizerStepped)), "remembers")):
        return harmless(
            f"made {constructed} times in {steps} steps, but this optimizer keeps no state that could be lost",
            constructions=constructed,
            steps=steps,
        )
    return confirmed(
        f"made {constructed} times in {steps} steps, each time without the state of the one before",
        constructions=constructed,
        steps=steps,
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN101",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(MADE, STEPPED, TRAINING),
    needs=needs(OptimizerMade, OptimizerStepped),
)
