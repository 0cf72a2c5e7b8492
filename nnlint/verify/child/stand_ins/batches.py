"""Smaller batches of smaller images, for a network whose training would take too long with those of the script."""

from __future__ import annotations

import argparse
import ast
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.patching import put

SIDES = re.compile(
    r"(im|img|image|crop|load|fine|photo|resize)_?(size|height|width|dim|w|h|resolution)|resolution", re.I
)
SAMPLES = re.compile(r"((train|mini|test|val|eval)_?)?(batch_?size|bs|bsz)", re.I)
"""Options that say how wide images are, and how many samples there are in a batch."""

CHANNELS = (1, 3)
NAMES = ("id", "attr", "arg", "value")
"""Where nodes have the name that is given: variables, attributes, parameters, keys."""


def install() -> None:
    """From now on batches have so many samples, and images of such a width, at most as the run allows."""
    if ledger.samples:
        put(DataLoader, __init__=_limited(DataLoader.__init__))
    if ledger.side:
        put(_BaseDataLoaderIter, __next__=_thinned(_BaseDataLoaderIter.__next__))
    if ledger.samples or ledger.side:
        put(argparse.ArgumentParser, parse_known_args=_lowered(argparse.ArgumentParser.parse_known_args))


def _limited(original: Any) -> Any:
    @functools.wraps(original)
    def make(loader: Any, dataset: Any, batch_size: Any = 1, *rest: Any, **keywords: Any) -> None:
        sampler: Any = keywords.get("batch_sampler")
        if type(getattr(sampler, "batch_size", None)) is int:
            sampler.batch_size = _limit(sampler.batch_size)
        elif type(batch_size) is int:
            batch_size = _limit(batch_size)
        original(loader, dataset, batch_size, *rest, **keywords)

    return make


def _limit(size: int) -> int:
    if size <= ledger.samples:
        return size
    stood_in(f"batches of {ledger.samples} samples instead of {size}")
    return ledger.samples


def lowered(tree: ast.Module) -> ast.Module:
    """The tree, in which constants named for these sizes are smaller, so that what is made by them fits to the batches."""
    for node in ast.walk(tree):
        for name, constant in _named_constants(node):
            most, size = _most(name), constant.value
            if type(size) is int and 0 < most < size:
                is_batch = SAMPLES.fullmatch(name)
                stood_in(
                    f"batches of {most} samples instead of {size}"
                    if is_batch
                    else f"{most} instead of {size} for {name}"
                )
                constant.value = most
    return tree


def _named_constants(node: ast.AST) -> Iterator[tuple[str, ast.Constant]]:
    """What is a constant of those values that a node gives a name to."""
    if isinstance(node, ast.Assign):
        pairs: list[tuple[Any, Any]] = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.keyword):
        pairs = [(node.arg, node.value)]
    elif isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        pairs = list(zip(reversed(positional), reversed(node.defaults), strict=False))
        pairs += list(zip(node.kwonlyargs, node.kw_defaults, strict=True))
    else:
        return
    for named, value in pairs:
        name = named if isinstance(named, str) else next(filter(None, (getattr(named, each, "") for each in NAMES)), "")
        if isinstance(value, ast.Constant) and isinstance(name, str):
            yield name, value


def _most(name: str) -> int:
    """What a number of a name may be at most; 0 where it may be any."""
    return next((most for names, most in ((SIDES, ledger.side), (SAMPLES, ledger.samples)) if names.fullmatch(name)), 0)


def _lowered(parse: Any) -> Any:
    """A parser whose options for sizes have smaller defaults, so that a network that is made by them fits to the images."""

    @functools.wraps(parse)
    def parse_known_args(
        parser: argparse.ArgumentParser, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        for action in parser._actions:
            most = _most(action.dest)
            if type(action.default) is int and 0 < most < action.default:
                stood_in(f"{most} instead of {action.default} for {action.dest}")
                action.default = most
        return parse(parser, args, namespace)

    return parse_known_args


def _thinned(following: Any) -> Any:
    @functools.wraps(following)
    def drawn(batches: Any) -> Any:
        return thinned(following(batches))

    return drawn


def thinned(batch: Any) -> Any:
    """A batch, of whose images only every so manieth row and column is left, so that they are as small as the run wants."""
    if isinstance(batch, Tensor):
        return _small(batch) if _is_image(batch) else batch
    if isinstance(batch, dict):
        return {key: thinned(value) for key, value in batch.items()}
    if type(batch) in (list, tuple):
        return type(batch)(thinned(each) for each in batch)
    return batch


def _is_image(values: Tensor) -> bool:
    """Whether these are images with their channels before their sides, or masks for such."""
    if values.dim() == 3:
        return not values.is_floating_point() and min(values.shape[1:]) > ledger.side
    return values.dim() == 4 and values.shape[1] in CHANNELS and min(values.shape[2:]) > ledger.side


def _small(images: Tensor) -> Tensor:
    every = -(-min(images.shape[-2:]) // ledger.side)
    small = images[..., ::every, ::every].contiguous()
    stood_in(f"images of {small.shape[-2]} rows instead of {images.shape[-2]}")
    return small
