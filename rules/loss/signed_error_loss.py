"""The loss is the mean or sum of a signed error.

## What it does
Reports the mean or sum of a difference between prediction and target with nothing around it that takes its size (`abs`, a square,
a norm), where it is differentiated, or where it is kept or returned as the loss, and a mean that is only squared itself, or of
which a root is taken: `mean(a - b) ** 2`, `sqrt(mean(a - b))`. torch and numpy alike. Differences of two outputs (a Wasserstein
critic), margins inside a relu, closed-form KL terms and a bias that is only displayed are left alone. What a script computes
once, outside of all loops and functions, and does not differentiate is advice.

## Why it matters
Errors of opposite sign cancel: a network that is 100 too high on one half and 100 too low on the other has a loss of 0.
Differentiated, such a loss has no minimum at all: it falls for ever while every prediction is shifted the same way. Only logged,
it passes through zero while the fit is still bad, and early stopping and the choice of the best epoch follow it.
Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 5.1.4, on the mean squared error as performance measure
(https://www.deeplearningbook.org/contents/ml.html).

## Example
```python
loss = (prediction - target).mean()
```

Use instead:
```python
loss = (prediction - target).abs().mean()
```

## Fix safety
Unsafe: the absolute error is one of several losses that could be meant; the squared error is another.

## Witness
The loss goes below zero during the run, or is smaller in size than the mean absolute error by a factor of two.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Accumulated, Backward, Run
from nnlint.facts.signed_errors import SignedError, signed_error, signed_terms, taken_too_late
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import content
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, External
from nnlint.values import Data, Site, Value
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers
from nnlint.words import ARRAYS, BACKWARD, TRAINING

LOSS_NAME = regex(r"(?i)(?:^|_)(?:\w*loss(?:es)?|costs?|mae|mse|rmse|objective)(?:_|$)|(?:Loss|Cost|MAE|MSE)")
OTHER_LOSS = regex(r"(?i)kl|critic|adv|gan|wasser|policy|actor|pg|entropy|bias|_d$|_g$|^d_|^g_")
CANCELLED = 0.95
"""A mean below this part of the mean size is one in which errors of both signs cancel."""

ENDLESS = "errors of opposite sign cancel in this loss, and it has no minimum"
TAKEN_TOO_LATE = {
    "square": "errors of opposite sign cancel in this loss before it is squared",
    "root": "errors of opposite sign cancel in this loss, and where they add up to less than zero its root is no number",
}

UNTELLING = "errors of opposite sign cancel in this loss: near zero, it says nothing about the fit"

VIEWS = ("item", "detach", "cpu", "numpy", "tolist", "squeeze")
SIZES = ("abs", "square", "power", "sqrt", "norm", "relu", "clamp", "maximum")


def check(run: Run) -> Iterator[Problem]:
    """One problem for each signed error that is differentiated, or kept as the loss."""
    found: dict[int, SignedError] = {}
    for event in run.events(Backward):
        for error in signed_terms(event.loss):
            if id(error.reduced) in found:
                continue
            found[id(error.reduced)] = error
            if _trains(run, event):
                yield _problem(error, TAKEN_TOO_LATE.get(error.taken, ENDLESS), event.at)
    for error in _taken_too_late(run):
        if id(error.reduced) not in found:
            found[id(error.reduced)] = error
            yield _problem(error, TAKEN_TOO_LATE[error.taken])
    sized = _sized(run)
    for error in (*_named(run), *_kept(run)):
        if id(error.reduced) not in found and id(error.reduced) not in sized:
            found[id(error.reduced)] = error
            yield _problem(error, UNTELLING)


def _trains(run: Run, backward: Backward) -> bool:
    """Whether the gradient trains anything: a lone `backward()` in a script, outside of any loop, shows how it works."""
    return run.symbolic or bool(backward.iterations or backward.calls)


def _named(run: Run) -> Iterator[SignedError]:
    """Means and sums that are called a loss: where they are assigned, kept in a list, or returned."""
    for operation in ("mean", "sum", "subtract"):
        for data in run.operations.get(operation, ()):
            error = signed_error(data) if isinstance(data, Data) and _is_called_loss(data) else None
            if error is not None:
                yield error


def _taken_too_late(run: Run) -> Iterator[SignedError]:
    """Means that are squared where their errors should be, or of which a root is taken, and that are called a loss."""
    for operation in ("power", "square", "sqrt"):
        for data in run.operations.get(operation, ()):
            error = taken_too_late(data) if isinstance(data, Data) and _is_called_loss(data) else None
            if error is not None:
                yield error


def _is_called_loss(data: Data) -> bool:
    if not isinstance(data.at, CodeSite) or data.at.statement is None:
        return False
    name, whole = _called(data.at.statement, data.at.function)
    is_number = data.operation != "subtract" or isinstance(data.at.statement, ast.AugAssign)
    return is_number and whole is not None and _means_loss(name) and _keeps_sign(whole, data.at.node)


def _called(statement: ast.stmt, function: ast.AST | None) -> tuple[str, ast.expr | None]:
    """What a statement calls a value, and the value's expression."""
    if isinstance(statement, ast.Return) and isinstance(function, ast.FunctionDef):
        return function.name, statement.value
    if isinstance(statement, ast.Assign):
        return _name_of(statement.targets[0]), statement.value
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return _name_of(statement.target), statement.value
    call = statement.value if isinstance(statement, ast.Expr) else None
    return _total_of(statement), call.args[0] if isinstance(call, ast.Call) and call.args else None


def _keeps_sign(whole: ast.expr, part: ast.AST) -> bool:
    """Whether an expression is one of its parts up to sign and scale: `-x`, `x / n`, `0.5 * x`, `float(x)`, `x.item()`."""
    if whole is part:
        return True
    if isinstance(whole, ast.UnaryOp):
        return _keeps_sign(whole.operand, part)
    if isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Div):
        return _keeps_sign(whole.left, part)
    if isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Mult):
        sides = (whole.left, whole.right)
        return any(isinstance(side, ast.Constant) for side in sides) and any(_keeps_sign(side, part) for side in sides)
    if not isinstance(whole, ast.Call):
        return False
    if isinstance(whole.func, ast.Name) and whole.func.id in ("float", "round") and whole.args:
        return _keeps_sign(whole.args[0], part)
    return isinstance(whole.func, ast.Attribute) and whole.func.attr in VIEWS and _keeps_sign(whole.func.value, part)


def _kept(run: Run) -> Iterator[SignedError]:
    """Errors of another name that join a list that is called a loss."""
    for event in run.events(Accumulated):
        statement = event.at.statement if isinstance(event.at, CodeSite) else None
        error = signed_error(event.value) if _means_loss(_total_of(statement)) else None
        if error is not None:
            yield error


def _total_of(statement: ast.stmt | None) -> str:
    """The name of the list to which a statement appends; nothing of other statements."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    is_append = isinstance(function, ast.Attribute) and function.attr == "append"
    return _name_of(function.value) if is_append and isinstance(function, ast.Attribute) else ""


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else _name_of(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _means_loss(name: str) -> bool:
    return LOSS_NAME.search(name) is not None and OTHER_LOSS.search(name) is None


def _sized(run: Run) -> set[int]:
    """The identities of all data whose size is taken anywhere."""
    taken: list[Value] = [data for operation in SIZES for data in run.operations.get(operation, ())]
    return {
        id(source) for data in taken if isinstance(data, Data) for value in data.inputs[:1] for source in content(value)
    }


def _problem(error: SignedError, message: str, differentiated: Site | None = None) -> Problem:
    at = error.reduced.at
    assert at is not None, "arithmetic stands somewhere"
    return Problem(
        at,
        message,
        label="a signed error",
        related=((differentiated, "differentiated here"),) if differentiated is not None else (),
        help="take the absolute or the squared error of each sample",
        fix=None if error.taken else _fix(error),
        severity=Severity.ADVICE if differentiated is None and _is_computed_once(at) else None,
    )


def _is_computed_once(site: Site) -> bool:
    """Whether it stands at the top level of a script, outside of all loops: a training stands in one."""
    if not isinstance(site, CodeSite) or site.function is not None:
        return False
    return not any(isinstance(each, (ast.For, ast.While)) for each in edits.blocks_around(site))


def _fix(error: SignedError) -> Fix | None:
    """Put `abs` around what is reduced, in the spelling of its library."""
    site = error.reduced.at
    node = site.node if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(node, ast.Call):
        return None
    function = node.func
    library = _library(function, site)
    if isinstance(function, ast.Attribute) and not library:
        size = edits.insert_before_attribute(site, function, ".abs()") if _uses_torch(site) else None
        return edits.fix(Applicability.UNSAFE, "take the absolute error", size)
    if not node.args or isinstance(node.args[0], ast.Starred):
        return None
    text = edits.node_code(site, node.args[0])
    size = edits.replace(CodeSite(site.module, node.args[0]), f"{library}abs({text})")
    return edits.fix(Applicability.UNSAFE, "take the absolute error", size)


def _uses_torch(site: CodeSite) -> bool:
    """Whether the module imports torch: numpy's arrays have no method `abs`."""
    return any(isinstance(each, External) and each.name.startswith("torch") for each in site.module.names.values())


def _library(function: ast.expr, site: CodeSite) -> str:
    """`np.` of `np.sum`, as the code spells it; nothing of a method or a builtin."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        bound = site.module.names.get(function.value.id)
        return f"{function.value.id}." if isinstance(bound, External) else ""
    return ""


def witness(case: Case) -> Verdict:
    """Whether the value goes below zero, or is far smaller than the errors it is made of."""
    seen = case.values()
    if not seen:
        return not_reached(case)
    lowest = min(numbers(seen, "min"), default=0.0)
    if lowest < 0:
        return confirmed(f"it goes down to {lowest:.3g}, below any error", lowest=lowest)
    for part in ("argument", "receiver"):
        for mean, size in zip(numbers(seen, f"{part}_mean"), numbers(seen, f"{part}_mean_size"), strict=False):
            if abs(mean) < CANCELLED * size:
                return confirmed(
                    f"the errors cancel: their mean is {mean:.3g}, their mean size {size:.3g}", mean=mean, size=size
                )
    return harmless_here(f"in {len(seen)} measurements all errors had the same sign")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN210",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(BACKWARD | frozenset("*loss* *cost* *mae* *mse* *objective*".split()), ARRAYS | TRAINING),
    needs=needs(("mean", "sum", "subtract", "power", "square", Backward, Accumulated)),
)
