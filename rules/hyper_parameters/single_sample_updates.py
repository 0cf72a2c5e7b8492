"""The weights are updated after every single sample.

## What it does
Reports a step for each row of an array that lies in memory, and a training loader that makes batches of one with no
accumulation. For networks over pictures to pictures, volumes and detection, where one sample may be all that fits, it is
advice, and so it is for pictures of a folder, for 32 known rows or fewer, which may be all there is, and where the loss compares
many answers to one sample with its target.
Its warnings that were read in public code are 4, all true since a false one is mended: too few to tell how often it is wrong.

## Why it matters
The gradient of one sample is mostly noise: consecutive steps undo each other, the loss jumps, a rate that does for batches is too
large, and the machine spends its time on overhead. A batch of 16 or 32 costs about as much as one sample.
Source: McCandlish et al., "An Empirical Model of Large-Batch Training", 2018 (https://arxiv.org/abs/1812.06162).

## Example
```python
for x, y in zip(X, Y):
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
```

Use instead:
```python
for x, y in DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True):
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
```

## Witness
The gradient noise scale is over 1: consecutive gradients disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnlint.events import Backward, LoaderMade, LossComputed, ModelCalled, OptimizerStepped, Run
from nnlint.facts.data_sets import ignores_the_index, is_constructed
from nnlint.facts.lengths import length_of
from nnlint.facts.samples import SingleSampleStep, are_alike, single_sample_steps
from nnlint.finding import Severity, Verdict
from nnlint.graph import ancestors, parameters_of
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, External
from nnlint.values import NONE, Data, Instance, Layer, Loader, Site, Value, alternatives
from nnlint.witness import Case, confirmed, harmless_here, not_reached, numbers, refuted
from nnlint.words import STEPPED, TRAINING

SEQUENCES = frozenset({"recurrent", "embedding", "attention", "transformer"})
"""Operations on sentences and series: one of variable length at a time is common and right, one of many alike is not."""

GRAPHS = ("torch_geometric", "dgl", "torch_scatter", "gym", "gymnasium")
"""Libraries in whose programs one sample is a whole graph, or comes from an environment."""

LARGE = regex(
    r"detection|rcnn|yolo|ssd|coco|voc|kitti|scan|volume|video|nifti|segment|unet|cyclegan|crowd", re.IGNORECASE
)
PICTURES = frozenset({"transposed_convolution", "upsample", "instance_norm"})


REPEATED = frozenset({"expand", "repeat"})

FEW = 32
"""Samples that would make one batch: a lesson may well take them one by one."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each step, or each loader."""
    for step in single_sample_steps(run):
        is_sequential = any(_is_sequential(run, call.model) for call in step.calls)
        if (not is_sequential or are_alike(step)) and not _uses_graphs(step.event.at) and not _is_whole(step.loader):
            yield _of_loader(run, step, step.loader) if step.loader is not None else _of_rows(step)


def _of_loader(run: Run, step: SingleSampleStep, loader: Loader) -> Problem:
    default = loader.arguments.get("batch_size") is None
    return Problem(
        loader.at or step.event.at,
        "each step follows the gradient of a single sample, which is mostly noise",
        label="makes batches of one" + (", the default" if default else ""),
        related=((step.event.at, "steps on one sample"),),
        help="pass `batch_size=32` or so, or step after several backward passes",
        severity=Severity.ADVICE if _is_large(loader, step) or _has_many_answers(run, step) else None,
    )


def _of_rows(step: SingleSampleStep) -> Problem:
    return Problem(
        step.event.at,
        "each step follows the gradient of a single sample, which is mostly noise",
        label="steps on one sample",
        related=((step.calls[0].at, "the network sees one row"),),
        help="draw batches of 16 or more rows",
        severity=Severity.ADVICE if _has_pictures(step) else None,
    )


def _is_sequential(run: Run, network: Value) -> bool:
    return run.remember("is sequential", network, _has_sequence_layers)


def _has_sequence_layers(network: Value) -> bool:
    return any(isinstance(part, Layer) and part.operation in SEQUENCES for part in parameters_of(network))


def _uses_graphs(at: Site) -> bool:
    """Whether the module imports a library for graphs or environments."""
    names = at.module.names.values() if isinstance(at, CodeSite) else ()
    return any(isinstance(value, External) and value.name.startswith(GRAPHS) for value in names)


def _is_whole(loader: Loader | None) -> bool:
    """Whether what a loader draws one by one are batches already: all the data there are, or what a data set puts together."""
    return loader is not None and (length_of(loader.dataset) == 1 or ignores_the_index(loader.dataset))


def _is_large(loader: Loader, step: SingleSampleStep) -> bool:
    """Whether a sample may be so large that no more than one fits into memory."""
    networks = [call.model for call in step.calls]
    if loader.arguments.get("collate_fn", NONE) is not NONE:
        return True
    names = [getattr(network, "kind", "") for network in networks]
    for dataset in alternatives(loader.dataset):
        names.append(dataset.kind if isinstance(dataset, Instance) else getattr(dataset, "name", ""))
    known = is_constructed(loader.dataset) or (isinstance(loader.dataset, Data) and _is_made(loader.dataset))
    known = known and all(any(isinstance(part, Layer) for part in parameters_of(network)) for network in networks)
    is_called_large = any(LARGE.search(name) for name in names) and any(_convolves(each) for each in networks)
    return not known or is_called_large or _has_pictures(step) or _may_be_few(loader, names)


def _has_many_answers(run: Run, step: SingleSampleStep) -> bool:
    """Whether the loss is a mean over many answers to one sample, each compared with one target: those of its frames, say."""
    return any(
        data.operation in REPEATED and any(each.operation == "batch part" for each in ancestors(data))
        for event in run.events(LossComputed)
        if event.iterations[-1:] == step.event.iterations[-1:]
        for data in ancestors(event.target)
    )


def _may_be_few(loader: Loader, names: list[str]) -> bool:
    """Whether there may be no more samples than fit into one batch: pictures of a folder, or rows that can be counted."""
    rows = length_of(loader.dataset)
    return any(name.endswith("ImageFolder") for name in names) or (rows is not None and rows <= FEW)


def _convolves(network: Value) -> bool:
    return any(isinstance(part, Layer) and part.operation == "convolution" for part in parameters_of(network))


def _is_made(dataset: Data) -> bool:
    return dataset.operation not in ("argument", "name", "attribute", "unknown")


def _has_pictures(step: SingleSampleStep) -> bool:
    """Whether a network answers with a picture, works on volumes, or normalises each sample by itself."""
    networks = {id(call.model): call.model for call in step.calls}
    layers = [part for network in networks.values() for part in parameters_of(network) if isinstance(part, Layer)]
    operations = {layer.operation for layer in layers}
    if operations & PICTURES or any(layer.kind.endswith("3d") for layer in layers):
        return True
    return "convolution" in operations and "linear" not in operations


def witness(case: Case) -> Verdict:
    """Whether consecutive gradients disagree: a noise scale over 1."""
    for loader in case.at(LoaderMade):
        if loader.numbers.get("batch_size", 1.0) > 1:
            size = loader.numbers["batch_size"]
            return refuted(f"the loader gives batches of {size:.0f}", batch_size=size)
    scales = numbers(list(case.run.events(Backward)), "noise_scale")
    if not scales:
        return not_reached(case)
    if scales[-1] > 1:
        return confirmed(
            f"the gradient noise scale is {_told(scales[-1])}: one sample's gradient is mostly noise",
            noise_scale=scales[-1],
        )
    return harmless_here(
        f"the gradient noise scale is {scales[-1]:.2g}: the samples' gradients agree", noise_scale=scales[-1]
    )


def _told(scale: float) -> str:
    """A noise scale as far as it can be told from some hundred gradients."""
    return "in the hundreds" if scale > 100 else f"{scale:.2g}"


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN603",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(STEPPED, TRAINING),
    needs=needs(OptimizerStepped, ModelCalled, ("element", "index", "batch")),
)
