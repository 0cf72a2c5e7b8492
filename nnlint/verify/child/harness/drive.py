"""The main program of a harness: imports the user's files and calls what holds the findings."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from nnlint.verify.child import measures
from nnlint.verify.child.harness.lightning import is_of_lightning
from nnlint.verify.child.harness.lightning import train as train_by_itself
from nnlint.verify.child.harness.probing import fitted
from nnlint.verify.child.harness.roles import BATCH, Cast, RoleUnknown
from nnlint.verify.child.harness.uses import callers
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in

Target = tuple[str, str, str]
"""A file, a function or class in it, and a method of the class."""

CALLS = 8
STEPS = 400
MOST_CALLERS = 4
STEPS_OF_CALLER = 16
"""A function that calls others takes so many steps where it is the whole training; it begins anew when called again."""

STARTERS = (
    "fit",
    "run",
    "learn",
    "update",
    "train",
    "train_model",
    "train_epoch",
    "train_one_epoch",
    "main",
    "__call__",
)


class NothingToCall(Exception):
    """None of the targets could be called; the message says why."""


def drive(targets: Sequence[Target]) -> None:
    """Call each target; networks are called by the others, and trained alone only where there is no other.

    Raises NothingToCall where all fail before they begin.
    """
    _watch_steps()
    found = [(target, _subject(target)) for target in targets]
    networks = [subject for _, subject in found if _is_network(subject)]
    others = [(target, subject) for target, subject in found if subject is not None and not _is_network(subject)]
    reasons: list[str] = []
    errors: list[Exception] = []
    begun = [_tried(target, subject, networks, reasons, errors) for target, subject in others]
    if not any(begun):
        begun = [_tried(target, subject, [], reasons, errors) for target, subject in found if _is_network(subject)]
    if errors:
        raise errors[0]
    if not any(begun):
        raise NothingToCall("; ".join(dict.fromkeys(reasons)) or "it is not there once its file is imported")


steps_taken: list[int] = [0]
called: set[Any] = set()
"""The functions that were called, each of them once, whatever of what they call holds a finding."""


def _watch_steps() -> None:
    def count(*arguments: Any) -> None:
        steps_taken[0] += 1

    register_optimizer_step_post_hook(count)


def _tried(
    target: Target, subject: Any, networks: list[type[nn.Module]], reasons: list[str], errors: list[Exception]
) -> bool:
    """Whether a target begins; what it raises is kept, so that the others are called all the same."""
    try:
        return _begins(target, subject, networks, reasons)
    except Exception as error:  # the user's code may raise anything
        errors.append(error)
        return True


def _subject(target: Target) -> Any:
    return getattr(_imported(target[0]), target[1], None)


def _is_network(subject: Any) -> bool:
    is_module = isinstance(subject, type) and issubclass(subject, nn.Module)
    return is_module and (subject.forward is not nn.Module.forward or is_of_lightning(subject))


def _begins(target: Target, subject: Any, networks: list[type[nn.Module]], reasons: list[str]) -> bool:
    """Call one target; whether all that it requires was known, else adds the reason."""
    path, name, method = target
    module = _imported(path)
    cast = Cast([*networks, *_networks(module)], _names_in(subject), _held(module, subject))
    stood_in(f"the program that uses {name}")
    try:
        if _is_network(subject):
            _train_network(subject, cast)
        elif isinstance(subject, type):
            _call_method(subject, method, cast)
        else:
            if not _call_outermost(vars(module), name, cast):
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


def _held(module: ModuleType, subject: Any) -> list[nn.Module]:
    """The networks that the file itself has made, which a function uses."""
    names = _names_in(subject)
    return [each for name, each in vars(module).items() if isinstance(each, nn.Module) and name in names]


def _names_in(subject: Any) -> frozenset[str]:
    """All names that a function, those within it, or the methods of a class, use."""
    functions = (
        [each for each in vars(subject).values() if inspect.isfunction(each)]
        if isinstance(subject, type)
        else [inspect.unwrap(subject)]
    )
    codes = [each.__code__ for each in functions if hasattr(each, "__code__")]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    return frozenset(name for code in codes for name in code.co_names)


def _train_network(cls: type[nn.Module], cast: Cast) -> None:
    """Train a network of the user's in a plain loop, or as its Trainer would."""
    if is_of_lightning(cls):
        if not train_by_itself(cls, cast):
            raise NothingToCall("no data were found that its step takes")
        return
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


def _call_outermost(held: Mapping[str, Any], name: str, cast: Cast) -> bool:
    """Call the function that calls the one of this name in the end, as it is the user's; whether there is one.

    A caller of which not all is known, or that fails before it trains, was not called rightly.
    """
    for each in callers({own: value for own, value in held.items() if inspect.isroutine(value)}, name)[:MOST_CALLERS]:
        key, before = getattr(held[each], "__func__", held[each]), steps_taken[0]
        if key in called:
            return True
        try:
            _call_function(held[each], cast, enough=before + STEPS_OF_CALLER)
        except Exception:
            if steps_taken[0] > before:
                raise
            continue
        called.add(key)
        return True
    return False


def _call_function(function: Any, cast: Cast, enough: int = sys.maxsize) -> None:
    """Call a function of the user's, again and again as a loop over epochs would, until so many steps were taken.

    One that trains a network of its own is the whole training: the next call would begin it anew.
    """
    if not callable(function):
        raise NothingToCall("it cannot be called")
    before = steps_taken[0]
    result, is_own = _first_call(function, cast)
    if is_own and steps_taken[0] > before:
        return
    for _ in range(CALLS - 1):
        if isinstance(result, nn.Module) or steps_taken[0] >= enough:
            return
        positional, named = cast.arguments(function)
        result = function(*positional, **named)


def _held_by(function: Any) -> list[Any]:
    """What a function finds in its module, and a method in its object."""
    own = getattr(function, "__func__", function)
    return [
        *getattr(own, "__globals__", {}).values(),
        *getattr(getattr(function, "__self__", None), "__dict__", {}).values(),
    ]


def _is_held(network: nn.Module, values: Sequence[Any]) -> bool:
    return any(part is network for value in values if isinstance(value, nn.Module) for part in value.modules())


def _first_call(function: Any, cast: Cast) -> tuple[Any, bool]:
    """Call a function; where the network that it makes wants other data than it was given, once more with those.

    Returns its result, and whether it called a network that it has made itself.
    """
    first: list[nn.Module] = []
    before = steps_taken[0]

    def note(module: nn.Module, given: Any) -> None:
        if not first:
            first.append(module)

    def is_own() -> bool:
        return not all(_is_held(each, [*positional, *named.values(), *_held_by(function)]) for each in first)

    positional, named = cast.arguments(function)
    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        return function(*positional, **named), is_own()
    except (RuntimeError, IndexError):
        fit = fitted(first[0]) if first and steps_taken[0] == before else None
        if fit is None:
            raise
        cast.use(fit)
    finally:
        hook.remove()
    positional, named = cast.arguments(function)
    return function(*positional, **named), is_own()


def _is_of_torch(function: Any) -> bool:
    """Whether a method is what every network has."""
    return getattr(function, "__func__", None) in vars(nn.Module).values()


def _call_method(cls: type, method: str, cast: Cast) -> None:
    """Make an object of the user's, and call the method with the finding, or else the one that starts it all."""
    positional, named = cast.arguments(cls)
    held = cls(*positional, **named)
    methods = {name: getattr(held, name) for name, value in vars(cls).items() if inspect.isfunction(value)}
    if _call_outermost({name: each for name, each in methods.items() if name != "__init__"}, method, cast):
        return
    reasons = []
    for name in dict.fromkeys([method, *STARTERS]):
        function = getattr(held, name, None)
        if not name or name == "__init__" or function is None or _is_of_torch(function):
            continue
        try:
            cast.arguments(function)
        except RoleUnknown as error:
            reasons.append(str(error))
            continue
        _call_function(function, cast)
        return
    raise NothingToCall("; ".join(reasons) or "it has no method that starts a training")
