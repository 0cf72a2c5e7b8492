"""A loss is given the target as its prediction, and the prediction as its target.

## What it does
Reports a loss whose first argument is data of the training set and whose second comes out of a network with gradients. Losses
that are the same both ways (MSE, L1, Huber) are advice. Where a helper hands its own arguments on to the loss, the call of the
helper is reported. Losses between two networks, and arguments that are not known, are left alone.

## Why it matters
Cross-entropy takes the softmax of its first argument and weighs by its second: swapped, it raises for class numbers, and for
one-hot or binary targets it trains something else without a word. `binary_cross_entropy` takes the logarithm of the first: of
targets of 0 and 1, it is cut off at 100, and the loss becomes a multiple of 100 times the outputs.
Source: torch.nn.functional.cross_entropy, `cross_entropy(input, target)`
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).

## Example
```python
loss = F.binary_cross_entropy_with_logits(labels, model(images))
```

Use instead:
```python
loss = F.binary_cross_entropy_with_logits(model(images), labels)
```

## Fix safety
Safe: the two arguments change places.

## Witness
The second argument of the loss carries the graph, and the first does not; or the loss raises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import LossComputed, Run
from nnlint.facts.identity import label_of
from nnlint.facts.roles import TARGET_NAME
from nnlint.facts.scales import is_of_training
from nnlint.facts.shapes import FILLED
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.graph import ancestors, cuts_graph, is_from_data_set
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import REGRESSION_LOSSES, WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Loader, Site, Value, alternatives
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

LOSSES = REGRESSION_LOSSES | frozenset(
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits kl_div poisson_nll_loss soft_margin_loss "
    "multi_margin_loss multilabel_soft_margin_loss".split()
)
RAISES = frozenset({"nll_loss", "cross_entropy", "multi_margin_loss"})
COMPUTED = WEIGHTED | {"output", "parameter", "transformer", "weight", "call", "method", "name"}
"""What a target is not made by, as far as it is known to be data."""

DRAWN = frozenset({"element", "batch", "batch part"})
SOURCES = frozenset({"call", "method", "name"})
"""What may be behind a target that a loop draws: it comes from something that is not known, and no network."""

DATA = FILLED | frozenset("batch element load one_hot randperm arange linspace tensor array".split()) | {"batch part"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loss whose arguments stand the wrong way round."""
    for event in run.events(LossComputed):
        if event.kind not in LOSSES or event.target is None or _has_more_arguments(event.at):
            continue
        if _is_predicted(event.target) and _is_data(event.prediction):
            yield _problem(event)


def _has_more_arguments(site: Site) -> bool:
    """Whether a call gives more than a loss takes: it was meant for another criterion."""
    node = site.node if isinstance(site, CodeSite) else None
    return isinstance(node, ast.Call) and len(node.args) > 2


def _is_predicted(value: Value) -> bool:
    """Whether a value comes out of a network, with its graph."""
    return any(each.operation == "output" and not cuts_graph(each) for each in ancestors(value, stop=cuts_graph))


def _is_data(value: Value) -> bool:
    """Whether a value is certainly none that a network has computed: it is drawn, made up, or an argument called a target."""
    made = list(ancestors(value, stop=_is_filled))
    named = any(TARGET_NAME.search(label_of(each)) for each in alternatives(value))
    elements = [each for each in made if named and each.operation in DRAWN]
    drawn = {id(each) for element in elements for each in ancestors(element)}
    for each in made:
        is_source = is_from_data_set(each) or (each.operation in SOURCES and id(each) in drawn)
        if (each.operation in COMPUTED and not is_source) or each.layer is not None:
            return False
    if not made:
        return False
    return any(
        each.operation in DATA or (named and each.operation == "argument") or is_from_data_set(each) for each in made
    )


def _is_filled(data: Data) -> bool:
    return data.operation in FILLED or _is_of_loader(data)


def _is_of_loader(data: Data) -> bool:
    """Whether a loader gives it: whatever its data set does to a sample, no graph comes out."""
    batch = data.inputs[1] if data.operation == "batch part" and len(data.inputs) > 1 else data
    if not isinstance(batch, Data) or batch.operation != "batch":
        return False
    return any(isinstance(each, Loader) for given in batch.inputs for each in alternatives(given))


def _problem(event: LossComputed) -> Problem:
    at, inside = _written_at(event)
    is_symmetric = event.kind in REGRESSION_LOSSES
    severity = Severity.ADVICE if is_symmetric else None if is_of_training(event) else Severity.WARNING
    return Problem(
        at,
        _message(event.kind, is_symmetric),
        label="the target comes first",
        related=((event.at, "takes the first for the prediction"),) if at is not event.at else (),
        help="give the loss the prediction first, then the target",
        fix=_swap(at, event.at if inside else None),
        severity=severity,
    )


def _message(kind: str, is_symmetric: bool) -> str:
    if is_symmetric:
        return "the target is given as the prediction; this loss is the same both ways, others are not"
    if kind in RAISES:
        return (
            "the loss takes the target for its prediction: it raises for class numbers, and misleads for one-hot ones"
        )
    return "the loss takes the target for its prediction, and trains something else"


def _written_at(event: LossComputed) -> tuple[Site, bool]:
    """Where the arguments were swapped, and whether that is at a caller: a helper that hands its own on in order is right."""
    site: Site = event.at
    for caller in reversed(event.calls):
        names = _handed_on(site)
        if len(names) < 2 or (TARGET_NAME.search(names[0]) and not TARGET_NAME.search(names[1])):
            break
        site = caller
    return site, site is not event.at


def _handed_on(site: Site) -> list[str]:
    """The names of the first two arguments of a call, if they are the first parameters of the function around it, in order."""
    function = site.function if isinstance(site, CodeSite) else None
    node = site.node if isinstance(site, CodeSite) else None
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or not isinstance(node, ast.Call):
        return []
    names = [each.id for each in node.args[:2] if isinstance(each, ast.Name)]
    parameters = [each.arg for each in function.args.args if each.arg not in ("self", "cls")]
    return names if parameters[:2] == names else []


def _swap(at: Site, inner: Site | None) -> Fix | None:
    node = at.node if isinstance(at, CodeSite) else None
    if not isinstance(at, CodeSite) or not isinstance(node, ast.Call):
        return None
    pair = _pair(node, is_torch=inner is None)
    if pair is None:
        return None
    first, second = pair
    return edits.fix(
        Applicability.SAFE, "swap the arguments", _replaced(at, first, second), _replaced(at, second, first)
    )


def _pair(node: ast.Call, is_torch: bool) -> tuple[ast.expr, ast.expr] | None:
    named = {each.arg: each.value for each in node.keywords}
    if is_torch and "input" in named and "target" in named:
        return named["input"], named["target"]
    if len(node.args) < 2 or any(isinstance(each, ast.Starred) for each in node.args[:2]):
        return None
    return node.args[0], node.args[1]


def _replaced(at: CodeSite, node: ast.expr, other: ast.expr) -> Edit | None:
    return edits.replace(CodeSite(at.module, node), edits.node_code(at, other))


def witness(case: Case) -> Verdict:
    """Whether the graph hangs on the second argument alone."""
    raised = case.raised_at()
    seen = [each for each in [*case.at(LossComputed), *case.related(LossComputed)] if each.kind in LOSSES]
    seen = [
        each for each in seen if "prediction_requires_grad" in each.numbers and "target_requires_grad" in each.numbers
    ]
    if not seen:
        return not_reached(case) if raised is None else confirmed(f"the loss raises {raised.error}: {raised.message}")
    if all(each.kind in REGRESSION_LOSSES for each in seen):
        return harmless("this loss is the same both ways")
    first, second = max(numbers(seen, "prediction_requires_grad")), max(numbers(seen, "target_requires_grad"))
    if first:
        return refuted("the first argument carries the graph")
    if not second:
        return unverified("the loss was computed without gradients, which would tell the prediction from the target")
    return confirmed(f"in {len(seen)} losses the second argument carries the graph, and the first does not")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN205",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LossComputed, LOSSES),
)
