"""Inputs that torch before 0.4 recorded nothing for: `volatile` was the `no_grad` of its day."""

from __future__ import annotations

import ast

from nnlint.events import ModelCalled
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite, Function, Partial
from nnlint.values import Constant, Data, Loader, alternatives, truth

ITERATOR = regex(r"^torchtext\.(?:\w+\.)*\w*Iterator(?:\.splits)?$")
OLD = regex(r"\.data\[0\]|\bvolatile\s*=")
"""What only code for torch before 0.4 has."""


def is_volatile(call: ModelCalled) -> bool:
    """Whether any input of the network is, or was made of what is: told so, stored so, or drawn from a loader that tells so."""
    behind = [data for value in call.inputs for data in ancestors(value)]
    if any(truth(data.options.get("volatile")) or truth(data.stored("volatile")) for data in behind):
        return True
    loaders = (each for data in behind for given in data.inputs for each in alternatives(given))
    if any(_is_put_together_so(each) for each in loaders if isinstance(each, Loader)):
        return True
    return _is_of_old_torch(call) and any(map(_is_held_out_by_torchtext, behind))


def _is_put_together_so(loader: Loader) -> bool:
    """Whether the function that makes a batch of samples wraps it so."""
    given = loader.arguments.get("collate_fn")
    function = given.function if isinstance(given, Partial) else given
    return isinstance(function, Function) and "volatile=" in ast.unparse(function.node)


def _is_of_old_torch(call: ModelCalled) -> bool:
    sites = [each for each in (call.at, *call.calls) if isinstance(each, CodeSite)]
    return any(OLD.search(each.module.source.text) is not None for each in sites)


def _is_held_out_by_torchtext(data: Data) -> bool:
    """Whether it is an iterator that is told not to be for training, or not the first of several: its batches are volatile."""
    if data.operation == "call":
        return ITERATOR.match(data.name) is not None and data.option("train") is False
    if data.operation != "index" or len(data.inputs) < 2:
        return False
    made, key = data.inputs[0], data.inputs[1]
    is_later = isinstance(key, Constant) and isinstance(key.value, int) and key.value > 0
    return is_later and isinstance(made, Data) and ITERATOR.match(made.name) is not None
