"""The training data are loaded in the same order in every epoch.

## What it does
Reports a DataLoader that a network is trained on and that is given neither `shuffle=True` nor a sampler, over a data set whose
samples lie in the order in which they were read. Data that were split or shuffled at random before, time series and other
sequences whose order means something, iterable data sets, a single batch with all the data, loaders that a comparison keeps in
order (`shuffle=split == "source"`) and evaluation loaders are left alone.

## Why it matters
Files and tables are mostly sorted by class, by date or by source. A batch then shows one class only, each step undoes the one
before, BatchNorm sees the statistics of one class, and the network ends where the last files pulled it. Even in a mixed order,
batches that never change give gradients that are biased in the same way in every epoch.
Source: Bottou, "Stochastic Gradient Descent Tricks" (https://leon.bottou.org/publications/pdf/tricks-2012.pdf), section 2:
randomly shuffle the training examples.

## Example
```python
train_set = ImageFolder("data/train", transform)
train_loader = DataLoader(train_set, batch_size=64)
```

Use instead:
```python
train_set = ImageFolder("data/train", transform)
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
```

## Fix safety
Safe: `shuffle=True` changes the order in which the samples come and nothing else.

## Witness
The loader takes the samples in their order in the data set, in several batches an epoch, and the network is trained on them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import BatchDrawn, LoaderMade, ModelCalled, Run
from nnlint.facts.data_sets import (
    ignores_the_index,
    is_drawn_before,
    is_in_order_on_purpose,
    is_in_random_order,
    is_map_style,
    is_one_batch,
    keeps_order,
    training_loaders,
)
from nnlint.facts.split_names import is_held_out_name
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, comments
from nnlint.values import Instance, Loader, Site
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted
from nnlint.words import NETWORKS

ON_PURPOSE = regex(r"overfit|debug|extract|embed|distill", re.IGNORECASE)
"""Names of functions whose loaders may well keep the order."""

ONE_EPOCH = regex(r"max_epochs\W{1,3}\s*1\b(?!\.)|max_steps|fast_dev_run\s*=\s*[T1]|overfit_batches")
"""How a trainer is told to pass over the data once, or to try the code out."""
OVERFITS = regex(r"\boverfit", re.IGNORECASE)
COMMENT_LINES = 5

TOLD = regex(r"\.dataset\.(?:\w+\s*=(?!=)|\w*(?:shuffle|epoch|sample|reset)\w*\()")
"""What a data set is told through its loader."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place where a training loader without any shuffling is made."""
    reported: set[int] = set()
    for loader, call in training_loaders(run):
        site = loader.at
        if not isinstance(site, CodeSite) or id(site.node) in reported:
            continue
        if not keeps_order(loader) or _is_right(loader) or _is_passed_once(run, call) or is_drawn_before(loader, call):
            continue
        if not _is_told_anew(loader, call):
            reported.add(id(site.node))
            yield Problem(
                site,
                "the training data come in the same order in every epoch, sorted as they were read",
                label="neither `shuffle=True` nor a sampler",
                related=((call.at, "trained on its batches here"),),
                help="pass `shuffle=True` to the training loader",
                fix=_fix(site),
            )


def _is_passed_once(run: Run, call: ModelCalled) -> bool:
    """Whether the data are seen once, in whatever order: by a loop that is written out, or by a trainer that is told so."""
    if run.symbolic or len(call.iterations) != 1 or call.iterations[0].loop.kind != "for":
        return False
    site = call.iterations[0].loop.at
    is_of_trainer = isinstance(site, CodeSite) and isinstance(site.node, ast.Call)
    return not is_of_trainer or any(ONE_EPOCH.search(source.text) for source in run.sources)


def _is_told_anew(loader: Loader, call: ModelCalled) -> bool:
    """Whether the data set is of a class at hand, and told something on the way: where to begin, which epoch it is."""
    sites = (each for each in (loader.at, call.at) if isinstance(each, CodeSite))
    return isinstance(loader.dataset, Instance) and any(TOLD.search(each.module.source.text) for each in sites)


def _is_right(loader: Loader) -> bool:
    """Whether the order is no fault, or may be none."""
    site = loader.at
    function = getattr(site.function, "name", "") if isinstance(site, CodeSite) else ""
    return (
        not is_map_style(loader.dataset)
        or is_held_out_name(loader.bound)
        or ON_PURPOSE.search(function) is not None
        or is_one_batch(loader)
        or is_in_random_order(loader.dataset)
        or ignores_the_index(loader.dataset)
        or is_in_order_on_purpose(loader)
        or _is_to_overfit(site)
        or _is_chosen_by_name(site)
        or _is_asked_for(site)
    )


def _is_to_overfit(site: Site | None) -> bool:
    """Whether a comment right above says that the few samples are there to be overfitted."""
    if not isinstance(site, CodeSite):
        return False
    last = getattr(site.statement, "lineno", 1) - 1
    return any(OVERFITS.search(each) for each in comments(site.module, last + 1 - COMMENT_LINES, last))


def _is_chosen_by_name(site: Site | None) -> bool:
    """Whether the call says for which data to shuffle: `shuffle=phase == "source"`."""
    node = site.node if isinstance(site, CodeSite) else None
    given = [each.value for each in node.keywords if each.arg == "shuffle"] if isinstance(node, ast.Call) else []
    return any(
        isinstance(each, ast.Compare) and any(isinstance(part, ast.Constant) for part in each.comparators)
        for each in given
    )


def _is_asked_for(site: Site | None) -> bool:
    """Whether the caller of the function around says whether to shuffle, and has said no."""
    node = site.node if isinstance(site, CodeSite) else None
    function = site.function if isinstance(site, CodeSite) else None
    if not isinstance(node, ast.Call) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = {each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    given = [each.value for each in node.keywords if each.arg == "shuffle"]
    return any(isinstance(each, ast.Name) and each.id in arguments for each in given)


def _fix(site: CodeSite) -> Fix | None:
    """Set the option, or add it behind the last argument."""
    call = site.node
    if not isinstance(call, ast.Call) or not (call.args or call.keywords):
        return None
    message = "shuffle the training data"
    for keyword in call.keywords:
        if keyword.arg == "shuffle":
            edit = edits.replace(CodeSite(site.module, keyword.value), "True")
            return edits.fix(Applicability.SAFE, message, edit) if isinstance(keyword.value, ast.Constant) else None
    if len(call.args) > 2 or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    final = call.keywords[-1].value if call.keywords else call.args[-1]
    edit = edits.insert_after_node(CodeSite(site.module, final), ", shuffle=True")
    return edits.fix(Applicability.SAFE, message, edit)


def witness(case: Case) -> Verdict:
    """Whether the batches of the loader come in the order of the data set."""
    made = [event for event in case.at(LoaderMade) if "sequential" in event.numbers]
    drawn = case.made_at(BatchDrawn)
    if not made or not drawn:
        return not_reached(case)
    if not any(numbers(made, "sequential")):
        return refuted("the loader takes the samples in a random order")
    batches = max(numbers(drawn, "batches"), default=0.0)
    if batches == 1:
        return harmless("one batch holds all the data, so their order changes nothing")
    classes = [(event.numbers["classes"], event.numbers["rows"]) for event in drawn if "classes" in event.numbers]
    words = f"the samples come in the order of the data set, in {batches:.0f} batches an epoch"
    if classes:
        fewest = min(count for count, _ in classes)
        return confirmed(f"{words}; a batch holds as few as {fewest:.0f} classes", batches=batches, classes=fewest)
    return confirmed(words, batches=batches)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN406",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(LoaderMade),
)
