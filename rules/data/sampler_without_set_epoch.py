"""A distributed sampler is never told the epoch, so it shuffles in the same way each time.

## What it does
Reports a `DistributedSampler` that shuffles, whose loader is gone through once per epoch, where nobody calls `set_epoch`.
Samplers with `shuffle=False`, a single pass, and frameworks that call it themselves (Lightning, accelerate) are left alone.

## Why it matters
The sampler draws its permutation from the seed and the epoch, and the epoch stays 0. All epochs have the same order and the same
batches, and each process sees the same part of the data in each of them: shuffling happens once.
Source: torch.utils.data.distributed.DistributedSampler
(https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler), the warning on `set_epoch`.

## Example
```python
sampler = DistributedSampler(train_set)
loader = DataLoader(train_set, batch_size=64, sampler=sampler)
for epoch in range(epochs):
    for inputs, targets in loader:
        train_step(inputs, targets)
```

Use instead:
```python
sampler = DistributedSampler(train_set)
loader = DataLoader(train_set, batch_size=64, sampler=sampler)
for epoch in range(epochs):
    sampler.set_epoch(epoch)
    for inputs, targets in loader:
        train_step(inputs, targets)
```

## Fix safety
Safe: `set_epoch` changes the order in which the samples come and nothing else. It is offered where the loop over batches stands
in a loop or function with a counter of epochs, and the sampler has a name there.

## Witness
Two epochs have the same order: their first batches are the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import BatchDrawn, LoaderMade, ModelCalled, Run
from nnlint.facts.data_sets import is_distributed, training_loaders
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Loader, alternatives
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

TELLS_ITSELF = regex(r"lightning|accelerate|lightning_fabric|\bcomposer\b|\bignite\b|transformers.*Trainer")
"""Words of files in which a framework tells the sampler its epoch."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each sampler that shuffles in the same way in each epoch."""
    if not any(run.events(LoaderMade)) or run.cut_short:
        return
    told = [data for data in run.operations.get("method", ()) if isinstance(data, Data) and data.name == "set_epoch"]
    reported: set[int] = set()
    for loader, call in training_loaders(run):
        sampler = _sampler_of(loader)
        site = sampler.at if sampler is not None else None
        if (
            sampler is None
            or any(_may_tell(each, sampler) for each in told)
            or not isinstance(site, CodeSite)
            or id(site.node) in reported
        ):
            continue
        if len(call.iterations) > 1 and not any(
            _tells_itself(each, told) for each in (site, loader.at, call.at, *call.calls)
        ):
            reported.add(id(site.node))
            yield _problem(sampler, site, loader, call)


def _sampler_of(loader: Loader) -> Data | None:
    """The distributed sampler that shuffles for a loader."""
    for each in alternatives(loader.arguments.get("sampler", NONE)):
        if isinstance(each, Data) and each.operation == "call" and each.name.rpartition(".")[2] == "DistributedSampler":
            shuffle = each.options.get("shuffle")
            is_default = shuffle is None and _has_few_arguments(each)
            return each if is_default or (isinstance(shuffle, Constant) and shuffle.value is True) else None
    return None


def _may_tell(call: Data, sampler: Data) -> bool:
    """Whether the epoch may be told to this sampler: not where it certainly is another one that is told."""
    told = [each for each in call.inputs[:1] for each in alternatives(each)]
    return not told or any(each is sampler or not is_distributed(each) for each in told)


def _has_few_arguments(sampler: Data) -> bool:
    """Whether the fourth argument, `shuffle`, is certainly not given by position or by a star."""
    node = sampler.at.node if isinstance(sampler.at, CodeSite) else None
    if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
        return False
    return len(node.args) < 4 and not any(isinstance(each, ast.Starred) for each in node.args)


def _tells_itself(site: object, told: list[Data]) -> bool:
    """Whether a framework is named in the file, or an epoch is told where the run has not come to."""
    if not isinstance(site, CodeSite):
        return False
    text = site.module.source.text
    seen = {id(each.at.node) for each in told if isinstance(each.at, CodeSite) and each.at.module is site.module}
    return TELLS_ITSELF.search(text) is not None or text.count("set_epoch") > len(seen)


def _problem(sampler: Data, site: CodeSite, loader: Loader, call: ModelCalled) -> Problem:
    related = [(loader.at, "shuffles for this loader")] if loader.at is not None else []
    return Problem(
        site,
        "nobody tells the sampler its epoch, so every epoch has the same order",
        label="shuffles by its epoch, which stays 0",
        related=(*related, (call.at, "trained on its batches here")),
        help="call `set_epoch(epoch)` of the sampler at the beginning of each epoch",
        fix=_fix(sampler, call),
    )


def _fix(sampler: Data, call: ModelCalled) -> Fix | None:
    """Tell the sampler before the loop over batches, where it and the epoch have names there."""
    loops = edits.loops_around(call.at)
    site = call.at
    if not loops or not isinstance(site, CodeSite) or not isinstance(sampler.at, CodeSite) or not sampler.bound:
        return None
    epoch = _epoch(loops[:-1], site)
    if not epoch or sampler.at.function is not site.function:
        return None
    text = f"{sampler.bound}.set_epoch({epoch})"
    place = CodeSite(site.module, loops[-1], loops[-1], site.function)
    return edits.fix(Applicability.SAFE, f"call `{text}`", edits.insert_before(place, text))


def _epoch(loops: list[ast.stmt], site: CodeSite) -> str:
    """The counter of the loop over epochs, or an argument of that name."""
    targets = [loop.target for loop in loops if isinstance(loop, ast.For)]
    if targets and isinstance(targets[-1], ast.Name):
        return targets[-1].id
    arguments = site.function.args.args if site.function is not None else []
    return "epoch" if any(argument.arg == "epoch" for argument in arguments) else ""


def witness(case: Case) -> Verdict:
    """Whether the first batch is the same in each pass."""
    places = [related.place for related in case.finding.related]
    drawn = [event for event in case.made_at(BatchDrawn, *places) if event.numbers.get("number") == 0]
    sums = numbers(drawn, "sum")
    if not sums:
        return not_reached(case)
    if len(sums) < 2:
        return unverified("the run made one pass over the training data")
    if len(set(sums)) == 1:
        return confirmed(f"all {len(sums)} passes begin with the same batch", passes=len(sums))
    return refuted(f"{len(set(sums))} of {len(sums)} passes begin with a batch of their own")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN411",
    severity=Severity.WARNING,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS, frozenset({"DistributedSampler"})),
    needs=needs(LoaderMade),
)
