"""The main program of a harness: imports the user's files and calls what holds the findings."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures
from nnlint.verify.child.harness.roles import BATCH, Cast, RoleUnknown
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in

Target = tuple[str, str, str]
"""A file, a function or class in it, and a method of the class."""

CALLS = 8
STEPS = 400
STARTERS = ("train", "fit", "run", "train_model", "train_epoch", "train_one_epoch", "main", "__call__")


class NothingToCall(Exception):
    """None of the targets could be called; the message says why."""


def drive(targets: Sequence[Target]) -> None:
    """Call each target; networks are called by the others, and trained alone only where there is no other.

    Raises NothingToCall where all fail before they begin.
    """
    found = [(target, _subject(target)) for target in targets]
    networks = [subject for _, subject in found if _is_network(subject)]
    others = [(target, subject) for target, subject in found if subject is not None and not _is_network(subject)]
    reasons: list[str] = []
    begun = [_begins(target, subject, networks, reasons) for target, subject in others]
    if not any(begun):
        begun = [_begins(target, subject, [], reasons) for target, subject in found if _is_network(subject)]
    if not any(begun):
        raise NothingToCall("; ".join(dict.fromkeys(reasons)) or "it is not there once its file is imported")


def _subject(target: Target) -> Any:
    return getattr(_imported(target[0]), target[1], None)


def _is_network(subject: Any) -> bool:
    return isinstance(subject, type) and issubclass(subject, nn.Module)


def _begins(target: Target, subject: Any, networks: list[type[nn.Module]], reasons: list[str]) -> bool:
    """Call one target; whether all that it requires was known, else adds the reason."""
    path, name, method = target
    cast = Cast([*networks, *_networks(_imported(path))], _names_in(subject))
    stood_in(f"the program that uses {name}")
    try:
        if _is_network(subject):
            _train_network(subject, cast)
        elif isinstance(subject, type):
            _call_method(subject, method, cast)
        else:
            _call_function(subject, cast)
    except (RoleUnknown, NothingToCall) as error:
        reasons.append(f"{name}: {error}")
        return False
    return True


def _imported(path: str) -> ModuleType:
    """The module of a file, imported by its name in its package, if it is in one."""
    file = os.path.join(ledger.folder, path)
    parts = [os.path.basename(file).removesuffix(".py")]
    folder = os.path.dirname(file)
    while os.path.exists(os.path.join(folder, "__init__.py")) and folder != ledger.folder:
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    for each in (folder, os.path.dirname(file)):
        if each not in sys.path:
            sys.path.insert(0, each)
    if parts[-1] == "__init__":
        parts.pop()
    return importlib.import_module(".".join(parts))


def _networks(module: ModuleType) -> list[type[nn.Module]]:
    """The user's own network classes that a module has, the last first: it is mostly the whole of which the others are parts."""
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, nn.Module)
        and not each.__module__.startswith(("torch.", "nnlint."))
    ]
    return found[::-1]


def _names_in(subject: Any) -> frozenset[str]:
    """All names that a function, or the methods of a class, use."""
    functions = (
        [each for each in vars(subject).values() if inspect.isfunction(each)]
        if isinstance(subject, type)
        else [subject]
    )
    return frozenset(name for each in functions if hasattr(each, "__code__") for name in each.__code__.co_names)


def _train_network(cls: type[nn.Module], cast: Cast) -> None:
    """Train a network of the user's in a plain loop."""
    fit = cast.built(cls)
    if fit is None:
        raise NothingToCall("no input was found that it takes")
    cast.use(fit)
    cast.flattens = True
    inputs, targets = cast.data()
    optimizer, criterion = cast.optimizer(), cast.criterion()
    fit.model.train()
    for step in range(STEPS):
        chosen = torch.arange(step * BATCH, (step + 1) * BATCH) % len(inputs)
        optimizer.zero_grad()
        output = _first_tensor(
            fit.model(inputs[chosen], *[inputs[chosen] if each is Tensor else each for each in fit.further])
        )
        if cast.kind == "classes" and output.dim() == 3:
            output = output.transpose(1, 2)
        criterion(output, targets[chosen]).backward()
        optimizer.step()


def _first_tensor(output: Any) -> Tensor:
    return next(each for each in measures.tensors_in(output) if each.is_floating_point())


def _call_function(function: Any, cast: Cast) -> None:
    """Call a function of the user's, again and again as a loop over epochs would."""
    if not callable(function):
        raise NothingToCall("it cannot be called")
    for _ in range(CALLS):
        positional, named = cast.arguments(function)
        result = function(*positional, **named)
        if isinstance(result, nn.Module):
            return


def _call_method(cls: type, method: str, cast: Cast) -> None:
    """Make an object of the user's, and call the method with the finding, or else the one that starts it all."""
    positional, named = cast.arguments(cls)
    held = cls(*positional, **named)
    reasons = []
    for name in dict.fromkeys([method, *STARTERS]):
        function = getattr(held, name, None)
        if not name or name == "__init__" or function is None:
            continue
        try:
            cast.arguments(function)
        except RoleUnknown as error:
            reasons.append(str(error))
            continue
        _call_function(function, cast)
        return
    raise NothingToCall("; ".join(reasons) or "it has no method that starts a training")
