"""Names and habits of earlier versions of PyTorch, numpy and Pillow that scripts were written for."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim import optimizer as hooks
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnlint.verify.child.stand_ins.finder import is_installed
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.patching import put

FIRST = "__nnlint_first__"
BEFORE_NUMBERS = "PyTorch before 0.4, where a number had one element"
ALIASES: dict[str, Any] = {"float": float, "int": int, "bool": bool, "object": object, "str": str, "long": int}
"""What numpy had until 1.24."""

FILTERS = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"}
"""What Pillow had until 10, and what it is called now."""


OLD_STEPS = "PyTorch before 1.5, where a step was not noticed by graphs made before"


def let_steps_pass() -> None:
    """From now on a step leaves the versions of the parameters, by which a backward pass notices changes, as they are."""
    versions: dict[int, int] = {}

    def before(optimizer: Optimizer, *rest: Any) -> None:
        versions.update({id(each): each._version for each in _parameters(optimizer)})

    def after(optimizer: Optimizer, *rest: Any) -> None:
        held = tuple(each for each in _parameters(optimizer) if id(each) in versions)
        torch._C._autograd._unsafe_set_version_counter(held, tuple(versions[id(each)] for each in held))

    hooks.register_optimizer_step_pre_hook(before)
    hooks.register_optimizer_step_post_hook(after)
    stood_in(OLD_STEPS)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def install() -> None:
    """From now on they work again."""
    put(builtins, **{FIRST: _first})
    put(functional, **{name: _of_one(getattr(functional, name)) for name in ("cross_entropy", "nll_loss")})
    put(Tensor, dot=_of_rows(Tensor.dot))
    put(torch, dot=_of_rows(torch.dot))
    put(nn.modules.rnn.RNNBase, __init__=_of_any_bias(nn.modules.rnn.RNNBase.__init__))
    put(_BaseDataLoaderIter, next=_BaseDataLoaderIter.__next__)
    put(np, **{name: kind for name, kind in ALIASES.items() if name not in vars(np)})
    if is_installed("PIL"):
        image = importlib.import_module("PIL.Image")
        put(image, **{old: getattr(image, new) for old, new in FILTERS.items() if not hasattr(image, old)})


def _of_rows(dot: Callable[..., Any]) -> Callable[..., Any]:
    """An inner product that takes all numbers of two tensors of the same size, as it did until PyTorch 0.2."""

    @functools.wraps(dot)
    def product(first: Any, second: Any, *rest: Any, **keywords: Any) -> Any:
        if first.dim() > 1 and second.dim() > 1 and first.numel() == second.numel():
            stood_in("PyTorch before 0.2, where an inner product took tensors of any shape")
            first, second = first.reshape(-1), second.reshape(-1)
        return dot(first, second, *rest, **keywords)

    return product


def _of_any_bias(make: Callable[..., Any]) -> Callable[..., Any]:
    """A recurrent layer that takes any value for true or false, as `GRU(8, 16, 2, dropout)` gave one until PyTorch 2.0."""

    @functools.wraps(make)
    def made(layer: Any, mode: str, input_size: int, hidden_size: int, *rest: Any, **keywords: Any) -> None:
        if len(rest) > 1 and isinstance(rest[1], (int, float)) and not isinstance(rest[1], bool):
            stood_in("PyTorch before 2.0, where any number said whether a recurrent layer has biases")
            rest = (rest[0], bool(rest[1]), *rest[2:])
        make(layer, mode, input_size, hidden_size, *rest, **keywords)

    return made


def updated(tree: ast.Module) -> ast.Module:
    """The tree of a file of the user's, in which `loss.data[0]` takes a number for what it was until PyTorch 0.4."""
    changed: ast.Module = ast.fix_missing_locations(_Updater().visit(tree))
    return changed


class _Updater(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        is_first = isinstance(node.slice, ast.Constant) and node.slice.value == 0
        if (
            is_first
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "data"
        ):
            return ast.copy_location(ast.Call(ast.Name(FIRST, ast.Load()), [node.value], []), node)
        return node


def _of_one(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A loss that takes the class of a single sample also as a number."""

    @functools.wraps(loss)
    def of_one(input: Any, target: Any, *rest: Any, **keywords: Any) -> Any:
        if isinstance(target, Tensor) and target.dim() == 0 and input.dim() == 2 and len(input) == 1:
            stood_in(BEFORE_NUMBERS)
            target = target.reshape(1)
        return loss(input, target, *rest, **keywords)

    return of_one


def _first(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dim() == 0:
        stood_in(BEFORE_NUMBERS)
        return value
    return value[0]
