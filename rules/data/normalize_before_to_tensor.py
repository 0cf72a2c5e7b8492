"""A transform of tensors stands before the image becomes a tensor.

## What it does
Reports a transform of torchvision that works on tensors (`Normalize`, `RandomErasing`, `ConvertImageDtype`) and stands before
`ToTensor` in a `Compose`, with nothing before it that makes a tensor. Pipelines that begin with a tensor, functions whose result
is not known, albumentations (where `Normalize` takes arrays) and pipelines of `v2` that start with `ToImage` are left alone.

## Why it matters
`Normalize` wants values between 0 and 1, and `ToTensor` brings them there. Before it, the transform gets an image: it raises at
the first sample; in old versions, and for arrays, it subtracts a mean of 0.5 from values up to 255 and leaves them a hundred
times too large.
Source: torchvision.transforms.Normalize (https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html):
this transform does not support PIL images.

## Example
```python
transform = transforms.Compose([transforms.Normalize((0.5,), (0.5,)), transforms.ToTensor()])
```

Use instead:
```python
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
```

## Fix safety
Safe: `ToTensor` moves before the transform, which has no meaning in the other order.

## Witness
The transform raises at an image, or values leave the range that a normalised image has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Raised, Run
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Items, Value
from nnlint.witness import Case, confirmed, unverified

OF_TENSORS = frozenset({"Normalize", "RandomErasing", "ConvertImageDtype", "LinearTransformation"})
OF_IMAGES = frozenset(
    "Resize Scale CenterCrop RandomCrop RandomResizedCrop RandomSizedCrop RandomHorizontalFlip RandomVerticalFlip "
    "RandomRotation RandomAffine RandomPerspective ColorJitter Grayscale RandomGrayscale Pad GaussianBlur FiveCrop TenCrop "
    "RandomApply AutoAugment RandAugment TrivialAugmentWide AugMix RandomInvert RandomPosterize RandomSolarize "
    "RandomAdjustSharpness RandomAutocontrast RandomEqualize ToPILImage".split()
)
"""Transforms that leave an image an image."""

TYPE_OF_IMAGE = regex(
    r"tensor image|should be .*tensor|PIL|Got <class|expected Tensor|unsupported operand", re.IGNORECASE
)


def check(run: Run) -> Iterator[Problem]:
    """One problem for each transform of tensors that is given images."""
    reported: set[int] = set()
    for data in run.operations.get("call", ()):
        if not isinstance(data, Data) or _kind(data) != "Compose" or not data.inputs:
            continue
        given = data.inputs[0]
        steps = given.items if isinstance(given, Items) and not given.open else []
        early = _first_too_early(steps)
        site = getattr(steps[early], "at", None) if early is not None else None
        if early is not None and isinstance(site, CodeSite) and id(site.node) not in reported:
            reported.add(id(site.node))
            yield _problem(steps, early, site)


def _kind(value: Value) -> str:
    """The class of a transform of torchvision; "" for all else."""
    if not isinstance(value, Data) or value.operation != "call" or not value.name.startswith("torchvision.transforms"):
        return ""
    return value.name.rpartition(".")[2]


def _first_too_early(steps: list[Value]) -> int | None:
    kinds = [_kind(step) for step in steps]
    if "ToTensor" not in kinds:
        return None
    last = kinds.index("ToTensor")
    early = next((place for place, kind in enumerate(kinds[:last]) if kind in OF_TENSORS), None)
    if early is None or not set(kinds[:early]) <= OF_IMAGES or "ToPILImage" in kinds[early:last]:
        return None
    return early


def _problem(steps: list[Value], early: int, site: CodeSite) -> Problem:
    last = [_kind(step) for step in steps].index("ToTensor")
    behind = getattr(steps[last], "at", None)
    name = _kind(steps[early])
    return Problem(
        site,
        f"`{name}` is given an image, because `ToTensor` comes after it",
        label="works on tensors",
        related=((behind, "the image becomes a tensor here"),) if behind is not None else (),
        help=f"put `ToTensor` before `{name}`",
        fix=_fix(steps[early : last + 1]),
    )


def _fix(steps: list[Value]) -> Fix | None:
    """Move the last of these steps before the others: each takes the text of the one before."""
    sites = [step.at for step in steps if isinstance(step, Data)]
    nodes = [site for site in sites if isinstance(site, CodeSite)]
    if len(nodes) != len(steps) or not _stand_in_one_list(nodes):
        return None
    texts = [edits.code_of(site) for site in nodes]
    moved = [texts[-1], *texts[:-1]]
    changes = [edits.replace(site, text) for site, text in zip(nodes, moved, strict=True)]
    return edits.fix(Applicability.SAFE, "convert to a tensor first", *changes)


def _stand_in_one_list(sites: list[CodeSite]) -> bool:
    """Whether the steps are written out, one behind the other."""
    statement = sites[0].statement
    wanted = [id(site.node) for site in sites]
    for node in ast.walk(statement) if statement is not None else ():
        if isinstance(node, (ast.List, ast.Tuple)):
            own = [id(element) for element in node.elts]
            if wanted[0] in own and own[own.index(wanted[0]) :][: len(wanted)] == wanted:
                return True
    return False


def witness(case: Case) -> Verdict:
    """Whether the run ended because an image was given to a transform of tensors."""
    raised = next((each for each in case.run.events(Raised) if TYPE_OF_IMAGE.search(each.message)), None)
    if raised is not None:
        return confirmed(f"the transform raises at an image: {raised.error}: {raised.message}")
    return unverified("the run did not come to an image that is given to this transform")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN409",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(frozenset({"torchvision"}),),
    needs=needs("call"),
)
