"""A step of the training is named, but not called.

## What it does
Reports `optimizer.step`, `optimizer.zero_grad`, `loss.backward`, `model.train`, `model.eval`, `scheduler.step` or
`scaler.update` as a statement of its own, without the brackets. The method as a value, assigned, passed on or tested, is left
alone, and so are properties. What follows from the slip (gradients that pile up, weights that never change) is not reported
again.

## Why it matters
The line looks up the method and throws it away. Without `step` nothing is learned, without `zero_grad` gradients pile up,
without `eval` the validation drops units at random; the script runs on in each case.
Source: Python, "Expression statements" (https://docs.python.org/3/reference/simple_stmts.html#expression-statements).

## Example
```python
optimizer.zero_grad
loss.backward()
optimizer.step()
```

Use instead:
```python
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

## Fix safety
Safe: the brackets are added. All of these methods can be called without arguments.

## Witness
The line was run, and what the method does did not happen there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Backward, Event, GradientsCleared, MethodNamed, ModeSwitched, OptimizerStepped, Run, ValueSeen
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import node_at
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import MEANT, TRAINING

MISSED = {
    "step": "nothing is stepped",
    "zero_grad": "the gradients are not cleared",
    "backward": "no gradients are computed",
    "train": "the mode is not switched",
    "eval": "the mode is not switched",
    "update": "the scale is not updated",
    "unscale_": "the gradients stay scaled",
}
DOES: tuple[type[Event], ...] = (GradientsCleared, Backward, OptimizerStepped, ModeSwitched)


def check(run: Run) -> Iterator[Problem]:
    """One problem for each such statement."""
    reported: set[object] = set()
    for event in run.events(MethodNamed):
        node = node_at(event.at)
        if node not in reported and not _is_probed(event):
            reported.add(node)
            yield _problem(event)


def _is_probed(event: MethodNamed) -> bool:
    """Whether the statement only asks if there is such a method: `try: model.eval` with an `except AttributeError`."""
    return isinstance(edits.holder_of(event.at), ast.Try) and len(edits.block_of(event.at)) == 1


def _problem(event: MethodNamed) -> Problem:
    brackets = edits.insert_after_node(event.at, "()")
    return Problem(
        event.at,
        f"{MISSED[event.name]}, because this only names the method",
        label="not called",
        help=f"call it: `{edits.code_of(event.at)}()`",
        fix=edits.fix(Applicability.SAFE, "add the brackets of the call", brackets),
        probes=(event.at,),
    )


def witness(case: Case) -> Verdict:
    """Whether the line was run, and nothing happened there."""
    if not case.at(ValueSeen):
        return not_reached(case)
    if any(case.at(kind) for kind in DOES):
        return refuted("the method was entered at this line")
    times = sum(seen.what == "value" for seen in case.at(ValueSeen))
    return confirmed(f"the line was run {times} times, and the method was never entered", times=times)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN106",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(MEANT, TRAINING),
    needs=needs(MethodNamed),
)
