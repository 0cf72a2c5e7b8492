"""Data to be predicted are scaled by their own statistics.

## What it does
Reports test, validation or new data that are scaled by their own maximum, mean or deviation while the training data were scaled
by theirs: written out, by a helper that is called on each part, by `fit_transform` on the test part or of a scaler that was
loaded with its fit, by a `predict` that scales its argument by itself, or by a statistic of the training array that is read
after that array was overwritten. Scaling each sample by itself is right, and so is a transform that was fitted on the training
part.

## Why it matters
The network learned from numbers that mean something in the scale of the training data. In another scale the same sample is
another input: the test result measures the difference between two scales, and a single new sample cannot be predicted at all.
Source: scikit-learn, "Common pitfalls: inconsistent preprocessing" (https://scikit-learn.org/stable/common_pitfalls.html).

## Example
```python
x_train = (x_train - x_train.mean(0)) / x_train.std(0)
x_test = (x_test - x_test.mean(0)) / x_test.std(0)
```

Use instead:
```python
mean, std = x_train.mean(0), x_train.std(0)
x_train = (x_train - mean) / std
x_test = (x_test - mean) / std
```

## Fix safety
Safe, where it is offered: `fit_transform` becomes `transform` on the scaler that was fitted on the training data, or the
statistic is replaced by the variable that holds that of the training data: the test data then mean what the network learned.

## Witness
The same sample maps to two values, one in the training data and one in the test data.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Run, ValueSeen
from nnlint.facts.held_out import Foreign, foreign_scalings
from nnlint.facts.scaling import Scaling
from nnlint.finding import Applicability, Edit, Fix, Place, Severity, Verdict
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site
from nnlint.witness import Case, confirmed, harmless, not_reached, unverified
from nnlint.words import ARRAYS, MEASURED

SAME = 0.01
"""Scalings that differ by less than this part are the same."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each scaling of data to be predicted."""
    for foreign in foreign_scalings(run):
        yield Problem(
            foreign.at,
            _message(foreign),
            label="scaled by statistics of the scaled training data"
            if foreign.overwritten
            else "scaled by its own statistics",
            related=_related(foreign),
            help="scale by the statistics of the training data: compute them once, before scaling, and use them for all data",
            fix=None if foreign.overwritten else _fix(foreign),
            probes=tuple(
                each.result.at for each in (foreign.training,) if each is not None and each.result.at is not None
            ),
        )


def _message(foreign: Foreign) -> str:
    if foreign.overwritten:
        return "these statistics are read from the training data after they were scaled, so they leave these data as they are"
    if foreign.training is None:
        return "this fit replaces the one that was loaded, so the same sample has other numbers here than in training"
    return "data to be predicted are scaled by their own statistics, so the same sample has other numbers here than in training"


def _related(foreign: Foreign) -> tuple[tuple[CodeSite, str], ...]:
    here, there = _site(foreign.scaling), foreign.training.result.at if foreign.training else _loaded(foreign.scaling)
    if not isinstance(there, CodeSite) or not isinstance(foreign.at, CodeSite):
        return ()
    if here.node is not foreign.at.node:
        return ((here, "scaled here, each time by statistics of what is given"),)
    if there.node is here.node:
        return ()
    return ((there, "the training data are scaled here, by theirs" if foreign.training else "the fit is loaded here"),)


def _loaded(scaling: Scaling) -> Site | None:
    return scaling.scaler.at if isinstance(scaling.scaler, Data) else None


def _site(scaling: Scaling) -> CodeSite:
    assert isinstance(scaling.result.at, CodeSite)
    return scaling.result.at


def _fix(foreign: Foreign) -> Fix | None:
    if foreign.at is not foreign.scaling.result.at:
        return None
    if foreign.scaling.scaler is not None:
        return _transform_only(foreign)
    if foreign.training is None:
        return None
    replaced = [_replaced(each, foreign.training) for each in foreign.scaling.statistics]
    return edits.fix(Applicability.SAFE, "scale by the statistics of the training data", *replaced)


def _transform_only(foreign: Foreign) -> Fix | None:
    """`scaler.fit_transform(x_test)` becomes `scaler.transform(x_test)`, where that scaler was fitted on training data."""
    site = _site(foreign.scaling)
    function = site.node.func if isinstance(site.node, ast.Call) else None
    fitted = foreign.training.scaler if foreign.training else foreign.scaling.scaler
    if foreign.scaling.scaler is not fitted or not isinstance(function, ast.Attribute):
        return None
    if function.attr != "fit_transform" or not isinstance(function.value, (ast.Name, ast.Attribute)):
        return None
    owner = edits.node_code(site, function.value)
    edit = edits.replace(CodeSite(site.module, function, site.statement, site.function), f"{owner}.transform")
    return edits.fix(Applicability.SAFE, "transform with the fit of the training data", edit)


def _replaced(statistic: Data, training: Scaling) -> Edit | None:
    """The edit that puts the variable with the training data's statistic in place of this one."""
    for other in training.statistics:
        here, there = statistic.at, other.at
        if not isinstance(here, CodeSite) or not isinstance(there, CodeSite) or other.operation != statistic.operation:
            continue
        if here.function is there.function and here.node is not there.node and _is_lasting_name(other, there):
            return edits.replace(here, other.bound)
    return None


def _is_lasting_name(statistic: Data, site: CodeSite) -> bool:
    """Whether the variable that holds the statistic is assigned nowhere else."""
    scope: ast.AST = site.function if site.function is not None else site.module.tree
    stores = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == statistic.bound and not isinstance(node.ctx, ast.Load)
    ]
    return bool(statistic.bound) and len(stores) == 1


def witness(case: Case) -> Verdict:
    """Whether the same sample maps to two values: one among the training data, another among those to be predicted."""
    own = case.values_within(case.finding.place)
    training = [each for place in _training_places(case) for each in case.values(place) if each not in own]
    here, there = _maps(case.values()) or _maps(own), _maps(training)
    if not here:
        return not_reached(case)
    pairs = [(first, second) for first in here for second in there or here]
    apart = max(pairs, key=lambda pair: _distance(*pair))
    if not there and len(here) < 2:
        return unverified("the run did not come to the place where the training data are scaled")
    first, second = (factor + offset for factor, offset in apart)
    if _distance(*apart) > SAME:
        return confirmed(
            f"the value 1 becomes {second:.4g} in the training data and {first:.4g} here", here=first, training=second
        )
    if case.run.stood_in:
        return unverified("the data are made up, and have the same statistics in training and here")
    return harmless("these data happen to have the statistics of the training data: the same sample keeps its value")


def _maps(values: list[ValueSeen]) -> list[tuple[float, float]]:
    """The factors and offsets by which data were scaled."""
    seen = [each.numbers for each in values if "factor" in each.numbers]
    return [(numbers["factor"], numbers["offset"]) for numbers in seen if numbers["factor"]]


def _training_places(case: Case) -> list[Place]:
    return [
        *(related.place for related in case.finding.related),
        *(case.finding.plan.probes if case.finding.plan else ()),
    ]


def _distance(first: tuple[float, float], second: tuple[float, float]) -> float:
    """How far apart two scalings are, as a part of the larger one."""
    largest = max(abs(value) for value in (*first, *second))
    return max(abs(a - b) for a, b in zip(first, second, strict=True)) / largest if largest else 0.0


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN403",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    trains=False,
    words=(MEASURED, ARRAYS),
    needs=needs(("divide", "scaled", "normalize", "method")),
)
