"""Validation or test images are augmented at random.

## What it does
Reports random transforms (crops, flips, jitter, erasing) in the pipeline of a loader for validation or test: one pipeline for all
data sets, a pipeline that was copied, or a part of a `random_split` that shares the pipeline of the training part. Augmentation
at test time that averages several passes and self-supervised pairs of views are left alone.

## Why it matters
Each evaluation sees other images, so its result moves by chance, and the best epoch is the luckiest one. The images are harder
than those that the network will get, so the result is too low.
Source: torchvision, "Transforming images" (https://docs.pytorch.org/vision/stable/transforms.html): random transforms draw anew
for each image.

## Example
```python
transform = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
train_set = CIFAR10("data", train=True, transform=transform)
test_set = CIFAR10("data", train=False, transform=transform)
test_loader = DataLoader(test_set, batch_size=64)
```

Use instead:
```python
augment = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
train_set = CIFAR10("data", train=True, transform=augment)
test_set = CIFAR10("data", train=False, transform=transforms.ToTensor())
test_loader = DataLoader(test_set, batch_size=64)
```

## Witness
Two passes over the evaluation data, in the same order, give different numbers. Where the script makes no two in the time that it
has, the verifier draws the first batch again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set

from nnlint.events import BatchDrawn, LoaderMade, Run
from nnlint.facts.data_sets import is_for_evaluation, keeps_order, sampler_of, training_loaders, transforms_of
from nnlint.finding import Place, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Loader
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import NETWORKS

RANDOM = regex(
    r"(^|\.)(Random(?!Sampler|State|Order$)\w+|ColorJitter|AutoAugment|TrivialAugmentWide|AugMix|ElasticTransform|"
    r"ShiftScaleRotate|CoarseDropout|HueSaturationValue|RandomBrightnessContrast)$"
)
"""Transforms of torchvision and albumentations that draw anew for each image."""

AVERAGES = regex(
    r"\btta\b|test.?time|contrastive|simclr|byol|two_?crop|\bn?_?views\b|mixmatch|fixmatch|few.?shot", re.IGNORECASE
)
"""Words of code in which random views of test data have a purpose."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each random transform of evaluation data."""
    made = [event.loader for event in run.events(LoaderMade) if isinstance(event.loader, Loader)]
    if not made:
        return
    training = [loader for loader, _ in training_loaders(run)]
    trained, calls = set(map(id, training)), {loader.at.node for loader in training if isinstance(loader.at, CodeSite)}
    reported: set[int] = set()
    for loader in made:
        if id(loader) in trained or not is_for_evaluation(loader):
            continue
        sites = [data.at for data in _random_transforms(loader) if isinstance(data.at, CodeSite)]
        site = min(sites, key=lambda each: (each.place.line, each.place.column), default=None)
        if site is not None and id(site.node) not in reported and not _is_on_purpose(loader, calls):
            reported.add(id(site.node))
            yield Problem(
                site,
                "the evaluation data are augmented at random, so the same network gets another result in each pass",
                label="draws anew for each image",
                related=((loader.at, "evaluation data are loaded with it here"),) if loader.at is not None else (),
                help="give the evaluation data a pipeline without random transforms",
            )


def _is_on_purpose(loader: Loader, calls: Set[ast.AST]) -> bool:
    """Whether other images in each pass are wanted: several views of one, or a few at random to look at.

    A call that makes the training loader, too, shuffles for its sake.
    """
    site = loader.at if isinstance(loader.at, CodeSite) else None
    is_shared_out = loader.arguments.get("sampler", NONE) is not NONE and sampler_of(loader) is NONE
    if keeps_order(loader) is False and not is_shared_out and (site is None or site.node not in calls):
        return True
    return site is not None and AVERAGES.search(site.module.source.text) is not None


def _random_transforms(loader: Loader) -> Iterator[Data]:
    for transform in transforms_of(loader.dataset):
        for data in ancestors(transform):
            if data.operation == "call" and RANDOM.search(data.name) and not _is_switched_off(data):
                yield data


def _is_switched_off(transform: Data) -> bool:
    given = [transform.options.get("p"), *transform.inputs]
    return any(isinstance(each, Constant) and each.value in (0, 0.0) for each in given)


ENOUGH_AGAIN = 64
"""A sample may come out of a random transform as it went in: so many that are the same again acquit one."""


def witness(case: Case) -> Verdict:
    """Whether the first batches of the evaluation differ from pass to pass."""
    drawn = [event for event in case.made_at(BatchDrawn, *_places(case)) if "sum" in event.numbers]
    if not drawn:
        return _drawn_by_the_verifier(case)
    if not any(numbers(case.related(LoaderMade), "sequential")):
        return unverified("the evaluation data come in another order each time")
    by_place: dict[float, list[BatchDrawn]] = {}
    for event in drawn:
        by_place.setdefault(event.numbers.get("number", 0.0), []).append(event)
    passes = max(map(len, by_place.values()))
    if passes < 2:
        return _drawn_by_the_verifier(case)
    for number, batches in sorted(by_place.items()):
        different = len(set(numbers(batches, "sum")))
        if different > 1:
            which = f"batch {int(number) + 1}" if number else "the first batch"
            return confirmed(f"{which} is another one in {different} of {len(batches)} passes", passes=len(batches))
    again = sum(sum(numbers(batches[1:], "rows")) for batches in by_place.values())
    if again < ENOUGH_AGAIN:
        return unverified(f"the first batches are the same in {passes} passes, but of few samples")
    return refuted(f"the first batch is the same in {passes} passes")


def _drawn_by_the_verifier(case: Case) -> Verdict:
    """Whether the first batch of a loader that the script has not drawn from twice differs when it is drawn again."""
    drawn = [event.numbers for event in case.related(LoaderMade) if "second_sum" in event.numbers]
    if not drawn:
        return not_reached(case)
    if any(each["first_sum"] != each["second_sum"] for each in drawn):
        return confirmed("drawn twice by the verifier, its first batch is another one", passes=2)
    return unverified("the script draws from it once at most, and its first batch drawn again is the same")


def _places(case: Case) -> list[Place]:
    return [related.place for related in case.finding.related]


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN410",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    trains=False,
    words=(NETWORKS,),
    needs=needs(LoaderMade),
)
