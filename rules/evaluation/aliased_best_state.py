"""The best weights are kept by reference.

## What it does
Reports weights that a training loop keeps for later, as a `state_dict()` or as the model under another name (one that says so, or
given where a score becomes the one to beat), and that later steps of the same model change before they are restored, saved or
returned. Copies, states that are saved at once, and states kept
right before the loop ends are left alone, and those that are kept for the number of their epoch: they are meant as the last
ones. A name that each arm of an `if` gives to another network says which one is used, and keeps nothing. A shallow
`state_dict().copy()` is no copy: its tensors are the live ones.

## Why it matters
`state_dict()` holds references to the parameters that the optimizer updates in place. What is restored as the best model is the
last one, and early stopping returns the weights that it was to protect from. The logged best score belongs to other weights.
Source: PyTorch, "Saving and Loading Models", note on `best_model_state`
(https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html).

## Example
```python
if accuracy > best_accuracy:
    best_accuracy = accuracy
    best_weights = model.state_dict()
```

Use instead:
```python
if accuracy > best_accuracy:
    best_accuracy = accuracy
    best_weights = copy.deepcopy(model.state_dict())
```

## Fix safety
Safe: the state is copied where it is kept, and `copy` is imported where it is missing. It costs the memory of one more model.

## Witness
The kept tensors change with the next step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import OptimizerStepped, Run, StateKept, ValueSeen
from nnlint.facts.kept_states import Stale, is_choice, is_kept_last, stale_states, written_for
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted
from nnlint.words import TRAINING


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place that keeps live weights."""
    for stale in stale_states(run):
        if not is_kept_last(stale.kept) and not is_choice(stale.kept):
            yield _problem(stale)


def _problem(stale: Stale) -> Problem:
    related = [(stale.changed.at, "changes them")]
    if stale.used is not None:
        related.append((stale.used.at, "used here, as they are by then"))
    return Problem(
        stale.kept.at,
        "the best weights are lost, because what is kept are the live weights, which go on training",
        label="a reference, not a copy",
        related=tuple(related),
        help="keep a copy: `copy.deepcopy(...)`, or save it to a file at once",
        fix=_fix(stale.kept),
    )


def _fix(kept: StateKept) -> Fix | None:
    if not isinstance(kept.at, CodeSite):
        return None
    copied = _kept_expression(kept)
    copy = spelled(kept.at, "copy", "deepcopy")
    if copied is None or copy is None:
        return None
    name, imported = copy
    edit: Edit | None = edits.replace(
        CodeSite(kept.at.module, copied[0]), f"{name}({edits.node_code(kept.at, copied[1])})"
    )
    wanted = (edit,) if imported is None else (edit, imported)
    return edits.fix(Applicability.SAFE, "keep a copy", *wanted)


def _kept_expression(kept: StateKept) -> tuple[ast.expr, ast.expr] | None:
    """The one expression that is kept by reference, and what is to be copied: of a shallow copy, what it copies."""
    value = written_for(kept)
    if value is None:
        return None
    if isinstance(value, (ast.Name, ast.Attribute)):
        return value, value
    calls = [node for node in ast.walk(value) if _is_call_of(node, "state_dict")]
    if len(calls) != 1 or not isinstance(calls[0], ast.Call):
        return None
    for node in ast.walk(value):
        if _is_call_of(node, "copy") and isinstance(node, ast.Call):
            copied = getattr(node.func, "value", None)
            if copied is calls[0]:
                return node, calls[0]
    return calls[0], calls[0]


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name


def witness(case: Case) -> Verdict:
    """Whether the kept tensors move when training goes on."""
    kept = [seen for seen in case.at(ValueSeen) if seen.what == "kept"]
    if not kept:
        return not_reached(case)
    change = max(numbers(kept, "change"))
    if change > 0:
        return confirmed(f"the kept weights have moved by {change:.2g} since they were kept", change=change)
    taken = max(seen.order for seen in case.values())
    if any(step.order > taken for step in case.run.events(OptimizerStepped)):
        return refuted("the kept weights have not moved in the steps that followed")
    return harmless("no step followed: what is kept is what was meant")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN504",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    trains=False,
    words=(TRAINING,),
    needs=needs(StateKept),
)
