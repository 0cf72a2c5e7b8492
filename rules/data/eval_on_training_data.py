"""The evaluation loader is built on the training data.

## What it does
Reports a loader for validation or test, by its name or by the function that makes it, over the data set that a network is
trained on: the same object, the same arrays, or a library's data set with `train=True` once more. Where no training is in
sight, it is reported over the data set of a loader that is named for training, if held-out data beside it go into no loader.
Parts of one data set (by `random_split`, subsets, samplers or masks), loaders that are named for the training data, and a name
that serves a report on the training data and then one on held-out data are left alone. A loader called `eval` beside one called
`test` over other data is advice: no run and no reading tells whether the one measures the training on purpose.

## Why it matters
The evaluation measures what the network has learned by heart. It rises to the end of the training, early stopping never stops,
the best epoch is the last one, and overfitting cannot be seen. It is mostly a slip in a copied line.
Source: Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning" (https://hastie.su.domains/ElemStatLearn/), section
7.2, on training and test error.

## Example
```python
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(train_set, batch_size=64)
```

Use instead:
```python
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=64)
```

## Witness
The data sets of the two loaders hold the same samples.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import LoaderMade, Run
from nnlint.facts.data_sets import LIBRARIES, is_for_evaluation, sampler_of, training_loaders
from nnlint.facts.identity import label_of, same_data
from nnlint.facts.split_names import HELD_OUT, TRAINING, is_held_out_name, parts_named
from nnlint.finding import Severity, Verdict
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Either, Instance, Loader, Value, alternatives, same_constant
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

SIBLINGS = frozenset({"dataset", "train split", "index", "call"})
EVALUATES = frozenset({"eval", "evaluate", "evaluation"})
FOLDERS = ("torchvision.datasets.ImageFolder", "torchvision.datasets.DatasetFolder")
TRAINING_FOLDER = regex(r"train", re.IGNORECASE)
OTHER_FOLDER = regex(r"test|val|dev", re.IGNORECASE)
WHOLE_SAMPLERS = regex(r"(?:^|\.)(?:Random|Sequential)Sampler$")
"""Samplers that draw all of the data set that they are given."""
MADE_UP = regex(r"dummy|fake|mock|placeholder", re.IGNORECASE)
"""Names of data that only stand in for others."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each evaluation loader over training data."""
    yield from _given_to_trainers(run)
    made = [event.loader for event in run.events(LoaderMade) if isinstance(event.loader, Loader)]
    suspects = [loader for loader in made if is_for_evaluation(loader) and not _is_sampled(loader)]
    if not suspects:
        return
    used = {id(loader) for loader, _ in training_loaders(run)}
    training = [each for each in made if (id(each) in used or _is_asked_for_training(each)) and not _is_sampled(each)]
    reported: set[int] = set()
    for loader in suspects:
        site = loader.at
        if not isinstance(site, CodeSite) or id(site.node) in reported or any(loader is each for each in training):
            continue
        beside = [
            each
            for each in made
            if each is not loader and is_for_evaluation(each) and each.dataset is not loader.dataset
        ]
        if loader.bound and any(each.bound == loader.bound for each in beside):
            continue
        other = next((each for each in training if _has_same_data(loader, each)), None)
        other = other or next((each for each in made if _is_slip(run, loader, each, made)), None)
        if other is not None and other.at is not None and not _is_same_place(loader, other):
            reported.add(id(site.node))
            yield Problem(
                site,
                "the evaluation loader is built on the training data, so overfitting cannot be seen",
                label="over the data that the network is trained on",
                related=((other.at, "the training loader over the same data"),),
                help="build this loader on data that the training does not see",
                severity=Severity.ADVICE if _may_measure_training(loader, beside) else None,
            )


def _given_to_trainers(run: Run) -> Iterator[Problem]:
    """One problem for each trainer of transformers that evaluates on what it learns from."""
    reported: set[int] = set()
    for data in run.operations.get("trainer data", ()):
        learned, evaluated = map(_once_set, data.inputs) if isinstance(data, Data) else (None, None)
        known = learned is not None and not isinstance(learned, (Either, Constant)) and not _is_for_trying(learned)
        site = data.at if isinstance(data, Data) else None
        if not known or not isinstance(site, CodeSite) or id(site.node) in reported:
            continue
        if evaluated is learned or (isinstance(evaluated, Data) and same_data(evaluated, learned)):  # type: ignore[arg-type]
            reported.add(id(site.node))
            yield Problem(
                site,
                "the trainer evaluates on the training data, so overfitting cannot be seen",
                label="`train_dataset` and `eval_dataset` are the same",
                help="give `eval_dataset` data that the training does not see",
            )


def _may_measure_training(loader: Loader, beside: list[Loader]) -> bool:
    """Whether a loader is called for an evaluation of whatever data, beside one that is called for a test."""
    held_out = HELD_OUT & set(parts_named(loader.bound))
    return bool(held_out) and held_out <= EVALUATES and any("test" in parts_named(each.bound) for each in beside)


def _is_slip(run: Run, loader: Loader, other: Loader, made: list[Loader]) -> bool:
    """Whether the data set of a loader that is named for training is given, while held-out data like it go into no loader."""
    data_set = loader.dataset
    if (
        not isinstance(data_set, Data)
        or data_set is not other.dataset
        or _is_sampled(other)
        or _is_for_trying(data_set)
    ):
        return False
    if data_set.operation not in SIBLINGS or TRAINING.isdisjoint(parts_named(other.bound)):
        return False
    loaded = {id(each.dataset) for each in made}
    kinds = {data_set.operation, *(("test split",) if data_set.operation == "train split" else ())}
    others = (each for kind in kinds for each in run.operations.get(kind, ()) if isinstance(each, Data))
    return any(
        id(each) not in loaded
        and _is_like(each, data_set)
        and (each.operation == "test split" or is_held_out_name(each.bound))
        for each in others
    )


def _is_like(data_set: Data, other: Data) -> bool:
    """Whether two data sets are made by the same class, or are parts of one whole."""
    if other.operation == "index":
        return data_set.inputs[:1] == other.inputs[:1]
    return data_set.name == other.name or data_set.operation == "test split"


def _is_asked_for_training(loader: Loader) -> bool:
    """Whether Lightning asks for the loader when it trains."""
    return isinstance(loader.at, CodeSite) and getattr(loader.at.function, "name", "") == "train_dataloader"


def _is_sampled(loader: Loader) -> bool:
    given = sampler_of(loader)
    if isinstance(given, Data) and WHOLE_SAMPLERS.search(given.name) and given.inputs[:1] == (loader.dataset,):
        return False
    return not (isinstance(given, Constant) and given.value is None)


def _is_same_place(loader: Loader, other: Loader) -> bool:
    """Whether one line makes both loaders, for one data set after the other."""
    return isinstance(loader.at, CodeSite) and isinstance(other.at, CodeSite) and loader.at.node is other.at.node


def _has_same_data(loader: Loader, other: Loader) -> bool:
    first, second = _once_set(loader.dataset), _once_set(other.dataset)
    if isinstance(first, Either) and isinstance(second, Either):
        return _have_same_choices(first, second)
    return first is not None and second is not None and _are_same(first, second)


def _have_same_choices(first: Either, second: Either) -> bool:
    """Whether a setting chooses both data sets out of the same kinds, and of one of these both are the training part."""
    known, others = ([each for each in alternatives(value) if each is not NONE] for value in (first, second))
    ours, theirs = (
        [each for each in values if isinstance(each, Data) and each.operation == "call"] for values in (known, others)
    )
    if len(ours) != len(known) or {each.name for each in ours} != {each.name for each in theirs}:
        return False
    return any(one is not other and _are_same(one, other) for one in ours for other in theirs)


def _are_same(first: Value, second: Value) -> bool:
    if first is second:
        return _is_data_set(first) and not _is_for_trying(first)
    if isinstance(first, Instance) and isinstance(second, Instance):
        return _are_made_alike(first, second)
    if not isinstance(first, Data) or not isinstance(second, Data) or first.operation != second.operation:
        return False
    if first.operation == "dataset":
        return bool(first.inputs) and all(map(same_data, first.inputs, second.inputs))
    return first.operation == "call" and first.name == second.name and _are_both_for_training(first, second)


def _are_made_alike(first: Instance, second: Instance) -> bool:
    """Whether one class is given the same training data twice, and neither object is told anything afterwards."""
    one, other = first.at, second.at
    if first.cls is not second.cls or not isinstance(one, CodeSite) or not isinstance(other, CodeSite):
        return False
    if one.module is not other.module or one.function is not other.function:
        return False
    given, also_given = (_given_in(each.node) for each in (one, other))
    if given != also_given or not TRAINING_FOLDER.search(given) or OTHER_FOLDER.search(given):
        return False
    lines = sorted((one.node.lineno, other.node.lineno))  # type: ignore[attr-defined]
    within = one.function if isinstance(one.function, ast.AST) else one.module.tree
    nodes = [each for each in ast.walk(within) if isinstance(each, (ast.Name, ast.Attribute))]
    named = {each.id for each in ast.walk(one.node) if isinstance(each, ast.Name)}
    is_bound_again = any(
        isinstance(each, ast.Name)
        and isinstance(each.ctx, ast.Store)
        and each.id in named
        and lines[0] < each.lineno <= lines[1]
        for each in nodes
    )
    return not is_bound_again and not _are_told_apart(nodes, (one, other))


def _given_in(node: ast.AST) -> str:
    """What a class is given, as it is written."""
    if not isinstance(node, ast.Call):
        return ""
    return " ".join(
        [*map(ast.unparse, node.args), *(f"{each.arg}={ast.unparse(each.value)}" for each in node.keywords)]
    )


def _are_told_apart(nodes: list[ast.Name | ast.Attribute], sites: tuple[CodeSite, ...]) -> bool:
    """Whether anything is asked of the objects by name, or stored in them: they may hold other samples then."""
    bound: set[str] = set()
    for site in sites:
        targets = site.statement.targets if isinstance(site.statement, ast.Assign) else []
        if not targets or not all(isinstance(each, ast.Name) for each in targets):
            return True
        bound |= {each.id for each in targets if isinstance(each, ast.Name)}
    return any(
        isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in bound
        for each in nodes
    )


def _once_set(dataset: Value | None) -> Value | None:
    """The data set, where a setup may not have made it yet."""
    held = [each for each in alternatives(dataset) if each is not NONE]
    return held[0] if len(held) == 1 else dataset


def _is_for_trying(data_set: Value) -> bool:
    """Whether the names say that the data are made up to see that the code runs: `TensorDataset(dummy_x, dummy_y)`."""
    inputs = data_set.inputs if isinstance(data_set, Data) else ()
    return any(MADE_UP.search(label_of(each)) for each in (data_set, *inputs))


def _is_data_set(value: Value) -> bool:
    """Whether it is certainly one data set: not what an unknown function or index gave."""
    return isinstance(value, Instance) or (
        isinstance(value, Data)
        and (
            value.operation in ("dataset", "train split")
            or (value.operation == "call" and bool(LIBRARIES.search(value.name)))
        )
    )


def _are_both_for_training(first: Data, second: Data) -> bool:
    """Whether both ask a library for the training part, at the same place of the disk."""
    roots = [each.options.get("root", each.inputs[0] if each.inputs else None) for each in (first, second)]
    if first.name.endswith(FOLDERS):
        return _is_called_training(roots[0]) and same_data(roots[0], roots[1])  # type: ignore[arg-type]
    if not LIBRARIES.search(first.name) or not (first.option("train") is True and second.option("train") is True):
        return False
    if all(isinstance(root, Constant) for root in roots):
        return same_constant(*roots)  # type: ignore[arg-type]
    return roots[0] is roots[1]


def _is_called_training(folder: Value | None) -> bool:
    """Whether the path of a folder, or what the code calls it, tells of training data."""
    text = str(folder.value) if isinstance(folder, Constant) else label_of(folder)
    return TRAINING_FOLDER.search(text) is not None and OTHER_FOLDER.search(text) is None


def witness(case: Case) -> Verdict:
    """Whether the data sets of the two loaders hold the same numbers."""
    here, there = numbers(case.at(LoaderMade), "contents"), numbers(case.related(LoaderMade), "contents")
    if not here:
        return not_reached(case)
    if not there:
        return unverified("the run did not come to the training loader")
    samples = numbers(case.at(LoaderMade), "samples")
    if set(here) & set(there):
        count = samples[0] if samples else 0.0
        return confirmed(f"both loaders are over the same {count:.0f} samples", samples=count)
    return refuted("the data sets of the two loaders hold other samples")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN407",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    trains=False,
    words=(NETWORKS,),
    needs=needs((LoaderMade, "trainer data")),
)
