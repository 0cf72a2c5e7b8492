"""The weights of a hand-written hidden layer all begin with the same number.

## What it does
In networks written by hand in numpy or with raw tensors, reports a weight matrix of zeros, ones or one other constant in front
of a hidden layer. It is an error if the weights behind that layer are constant, too, or if zeros in front of a ReLU switch all
its units off, and else advice. A single layer (a linear or logistic regression) may begin at zero, and so may biases, and the
last layer of a network alone.

## Why it matters
Units with the same weights in and out compute the same, get the same gradient, and stay the same: the layer has one unit, however
many it was given. With zeros on both sides there is no gradient at all, and nothing but the last bias is learned.
Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.4, "the initial parameters need to break symmetry
between different units" (https://www.deeplearningbook.org/contents/optimization.html).

## Example
```python
W1 = np.zeros((inputs, hidden))
W2 = np.zeros((hidden, outputs))
```

Use instead:
```python
W1 = np.random.standard_normal((inputs, hidden)) * 0.01
W2 = np.random.standard_normal((hidden, outputs)) * 0.01
```

## Fix safety
Safe: no network that learns anything depends on such weights. The scale of 0.01 is one of several that could be meant.

## Witness
The units of the layer put out the same numbers until the end of the run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import OptimizerMade, Run
from nnlint.facts.identity import filling_of, uncopied
from nnlint.facts.layers import made_by
from nnlint.facts.ranks import spelled
from nnlint.facts.shapes import shape_of
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, External
from nnlint.values import Constant, Data, Optimizer, Site, Value, alternatives, number
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers, refuted, unverified
from nnlint.words import ARRAYS, MATRICES, names_of

CONSTANT = frozenset({"zeros", "ones", "full"})
OF_SIZES = frozenset("sqrt divide multiply add index element argument attribute length".split())
"""What is done with sizes, to scale weights by them."""

ONLY_LOOKS = frozenset(
    "print len format info debug write save savez savetxt dump append deepcopy allclose requires_grad_ imshow plot".split()
)
"""Functions that are not at hand and leave a matrix as it is."""

ASKED = regex(r"zero|ones|constant|symmetr|same|identical", re.IGNORECASE)
"""Names of code that is asked for a constant by name, as a lesson on initialization does."""

SMALL = "0.01"
ALIKE = 1e-6
"""Units whose numbers differ by less than this part of their size are the same."""


@dataclass(frozen=True)
class Layer:
    """A product of inputs and weights; `made` is the constant of which the weights are made, if it is one."""

    product: Data
    weights: Value
    made: Data | None


def check(run: Run) -> Iterator[Problem]:
    """One problem for each constant matrix in front of a hidden layer whose units cannot come to differ."""
    if not run.operations.get("matmul") or not any(run.operations.get(each) for each in CONSTANT):
        return
    trained = _trained(run)
    handed = _handed_on(run)
    reported: set[int] = set()
    for product in made_by(run, "matmul"):
        for hidden, outer in _hidden_layers(product, trained):
            made = hidden.made
            if made is None or id(made) in reported or id(made) in handed or not _has_several_units(hidden):
                continue
            if _is_asked_for(made):
                continue
            reported.add(id(made))
            yield _problem(made, hidden, outer)


def _is_asked_for(made: Data) -> bool:
    """Whether the function or class that makes it says in its name that it gives a constant: `ZeroInitializer`."""
    site = made.at
    if not isinstance(site, CodeSite) or site.function is None:
        return False
    owners = [node for node in site.module.tree.body if isinstance(node, ast.ClassDef) and site.function in node.body]
    return any(ASKED.search(getattr(each, "name", "")) for each in (site.function, *owners))


def _hidden_layers(product: Data, trained: set[int]) -> Iterator[tuple[Layer, Layer]]:
    """The pairs of a trained layer and the trained one behind it that ends in the product."""
    if len(product.inputs) != 2:
        return
    for position in (0, 1):
        weights, given = product.inputs[position], product.inputs[1 - position]
        if id(_source(weights)) not in trained:
            continue
        outer = Layer(product, weights, _constant(weights))
        for inner in ancestors(given, stop=lambda each: each.operation == "matmul"):
            if inner.operation == "matmul" and len(inner.inputs) == 2:
                for side in inner.inputs:
                    if id(_source(side)) in trained and _source(side) is not _source(weights):
                        yield Layer(inner, side, _constant(side)), outer


def _source(value: Value) -> Value | None:
    """What a value is a copy of, a factor and a parameter around it taken off."""
    current = uncopied(value)
    while isinstance(current, Data) and current.inputs:
        position = _scaled_by_number(current)
        if position is None:
            break
        current = uncopied(current.inputs[position])
    return current


def _scaled_by_number(data: Data) -> int | None:
    """Which input a parameter, or a product with a number, is made of; None of all else."""
    if data.operation == "parameter":
        return 0
    if data.operation in ("multiply", "divide") and len(data.inputs) == 2:
        if _is_number(data.inputs[1]):
            return 0
        return 1 if data.operation == "multiply" and _is_number(data.inputs[0]) else None
    return None


def _is_number(value: Value) -> bool:
    """Whether it is a number, known or worked out from sizes alone: `np.sqrt(1 / inputs)`."""
    if number(value) is not None:
        return True
    is_root = isinstance(value, Data) and value.operation == "sqrt"
    return is_root and all(each.operation in OF_SIZES for each in ancestors(value))


def _constant(value: Value) -> Data | None:
    """The constructor of a matrix in which all numbers are the same."""
    made = _source(value)
    if (
        not isinstance(made, Data)
        or made.operation not in CONSTANT
        or spelled(made).startswith("empty")
        or filling_of(made)
    ):
        return None
    shape = shape_of(made)
    return made if shape is not None and len(shape) == 2 else None


def _trained(run: Run) -> set[int]:
    """The identities of all matrices that are updated: by hand, or by an optimizer."""
    found: set[int] = set()
    for operation in ("subtract", "add"):
        for data in made_by(run, operation):
            if data.inputs and _is_update(data):
                found.add(id(_source(data.inputs[0])))
    for event in run.events(OptimizerMade):
        owners = event.optimizer.owners if isinstance(event.optimizer, Optimizer) else ()
        found.update(id(_source(each)) for owner in owners for each in alternatives(owner))
    return found


def _is_update(data: Data) -> bool:
    """Whether the statement is `w = w - ...`, `w -= ...`, `w.sub_(...)` or the like."""
    site = data.at
    if not isinstance(site, CodeSite):
        return False
    if isinstance(site.statement, ast.AugAssign):
        return site.node is site.statement
    if spelled(data) in ("sub_", "add_"):
        return True
    if not isinstance(site.statement, ast.Assign) or not isinstance(site.node, ast.BinOp):
        return False
    bound = dict(_bindings(site.statement.targets[0], site.statement.value))
    return bound.get(site.node) == ast.unparse(site.node.left)


def _bindings(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.AST, str]]:
    """Each value that an assignment binds, and the text of its target; pair by pair where it binds several."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, bound in zip(target.elts, value.elts, strict=False):
            yield bound, ast.unparse(each)
    else:
        yield value, ast.unparse(target)


def _handed_on(run: Run) -> set[int]:
    """The identities of what is given to functions and methods that are not known, which may fill it."""
    calls = [each for operation in ("call", "method") for each in made_by(run, operation) if _may_fill(each)]
    return {id(_source(value)) for call in calls for value in call.inputs if isinstance(value, Data)}


def _may_fill(call: Data) -> bool:
    return call.name.rpartition(".")[2] not in ONLY_LOOKS


def _has_several_units(layer: Layer) -> bool:
    """Whether the layer is not known to have a single unit."""
    shape = shape_of(layer.made) if layer.made is not None else None
    is_first = _source(layer.product.inputs[0]) is _source(layer.weights)
    return shape is not None and shape[0 if is_first else 1] != 1


def _passes_relu(outer: Data, inner: Data) -> bool:
    """Whether a ReLU stands between two products."""
    behind = {id(each) for each in ancestors(inner)}
    between = (each for value in outer.inputs for each in ancestors(value, stop=lambda each: each is inner))
    return any(id(each) not in behind and _is_relu(each) for each in between)


def _is_relu(data: Data) -> bool:
    return data.operation == "relu" or (
        data.operation == "maximum" and any(isinstance(each, Constant) and each.value == 0 for each in data.inputs)
    )


def _problem(made: Data, hidden: Layer, outer: Layer) -> Problem:
    at, product = made.at, hidden.product
    assert at is not None, "a matrix is made somewhere"
    behind = outer.made.at if outer.made is not None else None
    is_off = made.operation == "zeros" and _passes_relu(outer.product, product)
    return Problem(
        _assignment(at),
        _message(is_alike=outer.made is not None, is_off=is_off),
        label="zeros" if made.operation == "zeros" else "the same number everywhere",
        related=((behind, "and so do the weights behind the layer"),) if behind is not None else (),
        help="begin with small random numbers",
        fix=_fix(made, at),
        severity=None if outer.made is not None or is_off else Severity.ADVICE,
        probes=(product.at,) if product.at is not None else (),
    )


def _message(is_alike: bool, is_off: bool) -> str:
    if is_alike:
        return "all units of this layer begin alike and are trained alike, so they stay one unit"
    if is_off:
        return "these zeros switch all units of the ReLU off, so no gradient ever reaches them"
    return "all units of this layer begin alike, and only the weights behind it make them differ in time"


def _assignment(site: Site) -> Site:
    """The assignment in which the matrix is made, where it has a line to itself."""
    statement = site.statement if isinstance(site, CodeSite) else None
    is_alone = isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(site, CodeSite)
    if is_alone and isinstance(site, CodeSite) and statement is not None and statement.end_lineno == statement.lineno:
        return CodeSite(site.module, statement, statement, site.function)
    return site


def _fix(made: Data, at: Site) -> Fix | None:
    """Random numbers of the same shape, in the spelling of the library."""
    node = at.node if isinstance(at, CodeSite) else None
    if not isinstance(at, CodeSite) or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    weight = _weighed(at)
    if weight is None or weight > 1:
        return None
    is_small = weight < 1
    library = node.func.value
    bound = at.module.names.get(library.id) if isinstance(library, ast.Name) else None
    name = bound.name if isinstance(bound, External) else ""
    if name == "torch":
        text = (
            f"torch.nn.init.normal_({edits.code_of(at)}{'' if is_small else f', std={SMALL}'})"
            if edits.node_code(at, library) == "torch"
            else ""
        )
    elif name == "numpy" and node.args and not node.keywords and not isinstance(node.args[0], ast.Starred):
        shape = edits.node_code(at, node.args[0])
        text = f"{edits.node_code(at, library)}.random.standard_normal({shape}){'' if is_small else f' * {SMALL}'}"
    else:
        text = ""
    return edits.fix(Applicability.SAFE, "begin with small random numbers", edits.replace(at, text)) if text else None


def _weighed(at: CodeSite) -> float | None:
    """By what the matrix is multiplied where it is made, `np.ones(shape) * 0.1`: 1 by nothing, None by what is no number."""
    nodes = ast.walk(at.statement) if at.statement is not None else ()
    around = next((each for each in nodes if isinstance(each, ast.BinOp) and at.node in (each.left, each.right)), None)
    if around is None:
        return 1.0
    other = around.right if around.left is at.node else around.left
    known = other.value if isinstance(other, ast.Constant) else None
    if not isinstance(known, (int, float)) or not known:
        return None
    if isinstance(around.op, ast.Mult):
        return float(known)
    return 1 / known if isinstance(around.op, ast.Div) and around.left is at.node else None


def witness(case: Case) -> Verdict:
    """Whether the units give the same numbers to the end."""
    probed = case.finding.plan.probes if case.finding.plan else ()
    seen = [each for each in (case.values(*probed) if probed else []) if "column_deviation" in each.numbers]
    if not seen:
        return not_reached(case)
    if len(seen) < 2:
        return unverified("the layer was computed once only")
    end = seen[-1].numbers
    spread = min(end["column_deviation"], end.get("row_deviation", end["column_deviation"]))
    size = max(numbers(seen, "mean_size"))
    if spread <= ALIKE * max(size, ALIKE):
        return confirmed(
            f"after {len(seen)} passes all units of the layer still give the same numbers", passes=len(seen)
        )
    words = f"the numbers of the units differ by {spread:.2g} after {len(seen)} passes"
    return harmless_here(words) if case.finding.severity is Severity.ADVICE else refuted(words)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN702",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(MATRICES, names_of(*CONSTANT), ARRAYS),
    needs=needs("matmul", CONSTANT),
)
