"""A running total keeps the graph of every step.

## What it does
Reports a loss that is differentiated by itself and joins a running total, a list or a meter as a live tensor. A total that is
itself differentiated later (several heads, time steps, a group of batches) must keep its graph and is left alone, and so are
`item()`, `detach()`, `float()` and sums under `no_grad`. A meter whose source is at hand is followed, and the call that feeds it
is reported. Where the same loop sets the total back every so many steps, what it keeps is bounded, and that is advice.

## Why it matters
The total holds on to the graph of each step it ever took in, so memory grows until the epoch ends, or the process does. The
number is right, which is why the fault is blamed on the batch size.
Source: PyTorch, "Frequently Asked Questions: My model reports out of memory"
(https://docs.pytorch.org/docs/stable/notes/faq.html).

## Example
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    total_loss += loss
```

Use instead:
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    total_loss += loss.item()
```

## Fix safety
Safe: the number is taken out with `item()`, or the tensor is detached where later code may treat the total as a tensor.

## Witness
The total has a grad_fn, and the number of live graph nodes grows with the steps.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Accumulated, Backward, Run
from nnlint.facts.running_totals import LiveTotal, live_totals
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.garbage import remembered
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Items, Site
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import BACKWARD

NUMERIC_USES = frozenset("print format float round append add_scalar info debug set_postfix set_description".split())
"""Calls that take a number as well as a tensor."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place where a live loss joins a total."""
    reported: set[object] = set()
    for found in live_totals(run):
        at = _place(found)
        node = at.node if isinstance(at, CodeSite) else at
        if node not in reported:
            reported.add(node)
            yield _problem(found, at)


def _place(found: LiveTotal) -> Site:
    """Where the loss is added; for a meter, where it is fed from the code that has the loss."""
    outer, inner = found.loss.calls, found.total.calls
    depth = 0
    while depth < min(len(outer), len(inner)) and outer[depth] is inner[depth]:
        depth += 1
    return inner[depth] if depth < len(inner) else found.total.at


def _problem(found: LiveTotal, at: Site) -> Problem:
    related = [(found.loss.at, "differentiated by itself here")]
    if at is not found.total.at:
        related.append((found.total.at, "kept here, graph and all"))
    is_begun_anew = _is_begun_anew(at)
    growth = "until the total is begun anew" if is_begun_anew else "with every step"
    return Problem(
        at,
        f"memory grows {growth}, because the total keeps the graph of each loss that joins it",
        label="keeps the graph of this step",
        related=tuple(related),
        help=_help(found, at),
        fix=_fix(found, at),
        severity=Severity.ADVICE if is_begun_anew else None,
    )


def _is_begun_anew(at: Site) -> bool:
    """Whether the loop that adds to the total also sets it back, every so many steps: what it keeps is bounded."""
    node = at.node if isinstance(at, CodeSite) else None
    total = (
        node.target if isinstance(node, ast.AugAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    loops = edits.loops_around(at)
    if total is None or not loops:
        return False
    name = ast.unparse(total)
    return any(
        isinstance(each, ast.Assign) and each is not node and name in _set_back(each) for each in ast.walk(loops[-1])
    )


def _set_back(statement: ast.Assign) -> list[str]:
    """What an assignment binds to a number or to an empty list."""
    found: list[str] = []
    for target in statement.targets:
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        value = statement.value
        values = (
            value.elts if isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple) else [value] * len(targets)
        )
        pairs = zip(targets, values, strict=False)
        found += [ast.unparse(each) for each, given in pairs if isinstance(given, ast.Constant) or _is_empty(given)]
    return found


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.List) and not node.elts


# The help and the fix


def _help(found: LiveTotal, at: Site) -> str:
    live = _live_expression(found, at)
    text = edits.node_code(at, live) if isinstance(live, (ast.Name, ast.Attribute, ast.Subscript)) else ""
    dotted = f"{text}." if text and "\n" not in text else ""
    return f"add the number: `{dotted}item()`, or `{dotted}detach()` for a tensor"


def _fix(found: LiveTotal, at: Site) -> Fix | None:
    live = _live_expression(found, at)
    if live is None or not isinstance(at, CodeSite):
        return None
    method = "detach" if _stays_tensor(found, at) else "item"
    text = edits.node_code(at, live)
    closed = isinstance(live, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
    edit = edits.replace(CodeSite(at.module, live), f"{text}.{method}()" if closed else f"({text}).{method}()")
    return edits.fix(Applicability.SAFE, f"take the {_NOUNS[method]} with `{method}()`", edit)


def _live_expression(found: LiveTotal, at: Site) -> ast.expr | None:
    """The expression that brings the graph along: the loss by its name, else all that is added."""
    node = _added_expression(at)
    return None if node is None else _loss_inside(node, found.loss) or node


_NOUNS = {"detach": "tensor without its graph", "item": "number"}


def _added_expression(at: Site) -> ast.expr | None:
    """The expression that is added: the right-hand side, or the argument of the call."""
    node = at.node if isinstance(at, CodeSite) else None
    if isinstance(node, ast.AugAssign):
        return node.value
    if isinstance(node, ast.Call) and node.args:
        return node.args[0]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
        target = ast.unparse(node.targets[0])
        sides = [side for side in (node.value.left, node.value.right) if target not in ast.unparse(side)]
        return sides[0] if len(sides) == 1 else None
    return None


def _loss_inside(node: ast.expr, loss: Backward) -> ast.expr | None:
    """The one place in an expression where the differentiated loss stands by its name."""
    call = loss.at.node if isinstance(loss.at, CodeSite) else None
    receiver = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
    if not isinstance(receiver, (ast.Name, ast.Attribute)):
        return None
    name = ast.unparse(receiver)
    places = [part for part in ast.walk(node) if isinstance(part, type(receiver)) and ast.unparse(part) == name]
    return places[0] if len(places) == 1 else None


def _stays_tensor(found: LiveTotal, at: CodeSite) -> bool:
    """Whether later code may use what is kept as a tensor: then it is only detached."""
    if isinstance(found.total.total, Items):
        return True
    node = at.node
    target = (
        node.target if isinstance(node, ast.AugAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("append", "appendleft"):
            return True
        name = re.escape(ast.unparse(node.func.value))
        return re.search(rf"{name}\.\w+\.\w+\(", "\n".join(at.module.lines)) is not None
    if not isinstance(target, ast.Name):
        return True
    return target.id in _used_as_tensors(at.function if at.function is not None else at.module.tree)


@remembered(8)
def _used_as_tensors(top: ast.AST) -> frozenset[str]:
    """The names of which an attribute is taken, that are returned, or given to a call that may want a tensor."""
    parts = [part for node in ast.walk(top) for value in _wanted_as_tensors(node) for part in ast.walk(value)]
    return frozenset(part.id for part in parts if isinstance(part, ast.Name))


def _wanted_as_tensors(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Attribute):
        return [node.value] if isinstance(node.value, ast.Name) else []
    if isinstance(node, ast.Return) and node.value is not None:
        return [node.value]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return given if called not in NUMERIC_USES else []
    return []


def witness(case: Case) -> Verdict:
    """Whether what is added still has its graph, and the total's graph grows."""
    seen = case.values()
    if not seen:
        return not_reached(case)
    sizes = numbers(seen, "graph")
    if len(sizes) > 1 and sizes[-1] > sizes[0] > 0:
        return confirmed(
            f"the graph behind the total grew from {sizes[0]:.0f} to {sizes[-1]:.0f} nodes",
            first_nodes=sizes[0],
            last_nodes=sizes[-1],
        )
    live = [sum(numbers([each], "argument_requires_grad") + numbers([each], "right_requires_grad")) for each in seen]
    if any(live):
        return confirmed(f"{sum(map(bool, live))} of {len(seen)} values that joined the total kept their graph")
    if not numbers(seen, "argument_requires_grad") and not numbers(seen, "right_requires_grad"):
        return unverified("what joined the total is no tensor that could be looked at")
    return refuted(f"none of the {len(seen)} values that joined the total had a graph")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN115",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    trains=False,
    words=(BACKWARD,),
    needs=needs(Accumulated, Backward),
)
