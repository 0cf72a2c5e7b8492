"""Scalings that are undone: predictions brought back by the statistics, or the scaler, that scaled the targets."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelCalled, Run
from nnlint.facts.fitted_scalers import by_attributes
from nnlint.facts.identity import key_of
from nnlint.facts.roles import is_computed_by_weights
from nnlint.facts.scaling import STATISTICS, Scaling, origins, scaling_of, statistics_in
from nnlint.garbage import remembered
from nnlint.operations import ACTIVATIONS
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, Function
from nnlint.values import Data, Value

USES_OF_SCALER = frozenset({"fit", "transform", "fit_transform", "partial_fit"})
SHOWS = frozenset({"print", "format", "info", "debug", "title", "plot", "scatter", "hist"})
DIVIDES = (ast.Div, ast.Sub)


LAST_OPERATIONS = ACTIVATIONS | {"matmul", "add", "divide", "maximum"}
"""What a hand-written network may end in."""


@dataclass(frozen=True)
class Unscaling:
    """`result` is `subject` multiplied by statistics, or put through a scaler's inverse.

    It is not `proper` where it is done by hand with a scaler's attributes that do not undo it.
    """

    result: Data
    subject: Value
    statistics: tuple[Data, ...]
    scaler: Value | None = None
    fitted: Value | None = None
    proper: bool = True

    def undoes(self, scaling: Scaling) -> bool:
        """Whether it brings back what the scaling took away."""
        if scaling.scaler is not None:
            return self.scaler is scaling.scaler
        return any(key_of(each) in scaling.measure for each in self.statistics)


@remembered(2)
def unscalings(run: Run) -> tuple[Unscaling, ...]:
    """Everything in a run that is multiplied by a statistic or goes through an inverse transform."""
    return (*_products(run), *_inverse_transforms(run), *_by_hand(run))


def _products(run: Run) -> Iterator[Unscaling]:
    if STATISTICS.isdisjoint(run.operations):
        return
    for data in run.operations.get("multiply", ()):
        if not isinstance(data, Data) or len(data.inputs) != 2 or scaling_of(data) is not None:
            continue
        for factor, subject in (data.inputs, data.inputs[::-1]):
            found = statistics_in(factor)
            if found:
                yield Unscaling(data, subject, found)
                break


def _inverse_transforms(run: Run) -> Iterator[Unscaling]:
    for data in run.operations.get("unscaled", ()):
        if isinstance(data, Data) and len(data.inputs) > 1:
            yield Unscaling(data, data.inputs[0], (), data.inputs[1], data.inputs[2] if len(data.inputs) > 2 else None)


def _by_hand(run: Run) -> Iterator[Unscaling]:
    if not run.operations.get("scaler"):
        return
    for name in ("multiply", "divide"):
        for data in run.operations.get(name, ()):
            found = by_attributes(data) if isinstance(data, Data) and len(data.inputs) == 2 else None
            if found is not None and isinstance(data, Data):
                yield Unscaling(data, found.subject, (), found.scaler, found.fitted, found.is_proper)


def is_inverted(run: Run, scaling: Scaling) -> bool:
    """Whether the run undoes the scaling anywhere, or brings predictions back by anything: rightly or not is another fault."""
    return any(each.undoes(scaling) or is_prediction(run, each.subject) for each in unscalings(run))


def is_prediction(run: Run, value: Value) -> bool:
    """Whether the value is what a network put out, and nothing else."""
    ends = origins(value, lambda data: data.operation == "output")
    if any(True for _ in run.events(ModelCalled)):
        return bool(ends) and all(isinstance(end, Data) and end.operation == "output" for end in ends)
    return bool(ends) and all(
        isinstance(end, Data) and end.operation in LAST_OPERATIONS and is_computed_by_weights(end) for end in ends
    )


def is_kept(scaling: Scaling) -> bool:
    """Whether what undoes the scaling is kept: an attribute, a return value, an argument, a product in code not run yet."""
    makers = [scaling.scaler] if scaling.scaler is not None else list(scaling.statistics)
    scaled_in = scaling.result.at.statement if isinstance(scaling.result.at, CodeSite) else None
    return any(_is_used_elsewhere(maker, scaled_in) for maker in makers if isinstance(maker, Data))


def is_held(scaling: Scaling) -> bool:
    """Whether all statistics are in variables, where predictions could be brought back by them."""
    return bool(scaling.statistics) and all(each.bound for each in scaling.statistics)


def _is_used_elsewhere(maker: Data, scaled_in: ast.stmt | None) -> bool:
    site = maker.at
    if not isinstance(site, CodeSite) or not isinstance(site.statement, (ast.Assign, ast.AnnAssign)):
        return False
    if site.statement is scaled_in:
        return False
    targets = site.statement.targets if isinstance(site.statement, ast.Assign) else [site.statement.target]
    leaves = [leaf for target in targets for leaf in _leaves(target)]
    if any(isinstance(leaf, (ast.Attribute, ast.Subscript)) for leaf in leaves):
        return True
    names = {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)} & ({maker.bound} if maker.bound else set())
    names = names or {
        leaf.id for leaf in leaves if isinstance(leaf, ast.Name) and isinstance(site.statement.value, ast.Dict)
    }
    scope: ast.AST = site.function if site.function is not None else site.module.tree
    return _reads(scope, names, site, maker.operation == "scaler")


def _leaves(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _leaves(element)
    else:
        yield target


def _reads(node: ast.AST, names: set[str], site: CodeSite, scaler: bool) -> bool:
    """Whether code reads one of the names for anything but scaling by it and showing it."""
    if isinstance(node, ast.Name):
        return node.id in names and isinstance(node.ctx, ast.Load)
    if isinstance(node, (ast.Compare, ast.JoinedStr)) or (
        isinstance(node, ast.Call) and _only_scales(node, site, scaler)
    ):
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, DIVIDES):
        return _reads(node.left, names, site, scaler)
    if isinstance(node, ast.AugAssign) and isinstance(node.op, DIVIDES):
        return False
    return any(_reads(child, names, site, scaler) for child in ast.iter_child_nodes(node))


def _only_scales(call: ast.Call, site: CodeSite, scaler: bool) -> bool:
    """Whether a call shows what it is given, scales by it, or is of a function at hand, which the run follows."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr in SHOWS or (scaler and function.attr in USES_OF_SCALER)
    if isinstance(function, ast.Name):
        return function.id in SHOWS or isinstance(site.module.names.get(function.id), Function)
    return False


def unrun_code(site: CodeSite) -> Iterator[ast.AST]:
    """The functions of a site's module that no run has followed."""
    for node in ast.walk(site.module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node not in site.module.followed:
            yield node
