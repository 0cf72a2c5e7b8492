"""Classes at hand that derive from torch's schedulers: made over an optimizer, and stepped, as torch's own are."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import SchedulerMade
from nnlint.lazy import regex
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import STEPPABLE, is_optimizer_like
from nnlint.static.machine import Machine
from nnlint.static.objects import Class, Function
from nnlint.values import Instance, Scheduler, Value, alternatives

ANY = "LRScheduler"
"""The kind of a scheduler that sets any rate, from its construction on, and moves on by one with each plain step."""

UNCOUNTED = "uncounted LRScheduler"
"""The kind of one that is told where it stands when it is made: no step of it counts anything."""

COUNTS = regex(r"last_epoch|_step_count")
SETS_RATES = ("get_lr", "_get_closed_form_lr", "step")
SUPER = regex(r"super\b|(?:\w+\.)*_?[A-Z]\w*$|self$")
"""Receivers of a call that runs another method of the same object: `super().step()`, `_LRScheduler.step(self)`."""


def make_own(machine: Machine, cls: Class, given: Arguments, node: ast.AST) -> Scheduler | None:
    """An object of a class that derives from torch's schedulers; None for other classes, and where it trains, too."""
    base = _base(cls)
    if not base:
        return None
    stepped = [receiver for name, receiver in _calls(cls) if name.startswith("step") and not SUPER.match(receiver)]
    if any(name in ("zero_grad", "backward") for name, _ in _calls(cls)) or any(map(_is_optimizer, stepped)):
        return None
    arguments = given.named(_parameters(cls))
    return made(machine, _kind(cls, base, bool(stepped)), _optimizer(arguments), arguments, node)


def made(machine: Machine, kind: str, optimizer: Value | None, arguments: dict[str, Value], node: ast.AST) -> Scheduler:
    """The scheduler that is constructed at a place."""
    scheduler = Scheduler(kind, optimizer, arguments, machine.site(node))
    machine.emit(SchedulerMade(machine.site(node), scheduler))
    return scheduler


def initialize(machine: Machine, instance: Instance, given: Arguments) -> None:
    """What the constructor of torch's schedulers does to an object of a class that trains, too: it keeps the optimizer."""
    optimizer = given.get(0, "optimizer")
    if optimizer is not None and _base(instance.cls):
        machine.write(instance.attributes, "optimizer", optimizer)


def _base(cls: Class) -> str:
    """The scheduler of torch that the class derives from; empty where from none."""
    for base in cls.external_bases():
        if base.startswith("torch.") and ".lr_scheduler." in base:
            return base.rpartition(".")[2]
    return ""


def _calls(cls: Class) -> Iterator[tuple[str, str]]:
    """What the class's own methods call of anything: the method's name, and the text before the dot."""
    for each in cls.lineage():
        for part in ast.walk(each.node):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
                yield part.func.attr, ast.unparse(part.func.value)


def _is_optimizer(text: str) -> bool:
    return STEPPABLE.search(text.rpartition(".")[2]) is not None


def _parameters(cls: Class) -> tuple[str, ...]:
    """The parameters of the constructor: the class's own, or the one that all of torch's have first."""
    made_by = cls.find("__init__")
    if not isinstance(made_by, Function) or isinstance(made_by.node, ast.Lambda):
        return ("optimizer",)
    return tuple(each.arg for each in (*made_by.node.args.posonlyargs, *made_by.node.args.args))[1:]


def _optimizer(arguments: dict[str, Value]) -> Value | None:
    named = arguments.get("optimizer")
    others = (value for value in arguments.values() if any(is_optimizer_like(each) for each in alternatives(value)))
    return named if named is not None else next(others, None)


def _kind(cls: Class, base: str, steps_another: bool) -> str:
    """Torch's own name where the class changes no rate; `ANY` where the first rate is set at once and each step is one
    step; else a name of its own, of which nothing is known: a warm-up that steps another scheduler behind it."""
    if not any(isinstance(cls.find(name), Function) for name in SETS_RATES):
        return ANY if base.startswith("_") else base
    if not any(map(_counts, cls.lineage())):
        return UNCOUNTED
    sets_first = all(_goes_on(each) for each in cls.lineage())
    return ANY if sets_first and base != "ReduceLROnPlateau" and not steps_another else f"own {base}"


def _counts(cls: Class) -> bool:
    """Whether a class reads how often it was stepped, steps in a way of its own, or keeps anything but what it was made with."""
    if COUNTS.search(cls.module.text_of(cls.node)) is not None or "step" in cls.names:
        return True
    methods = [each for each in cls.node.body if isinstance(each, ast.FunctionDef) and each.name != "__init__"]
    return any(
        isinstance(part, (ast.Attribute, ast.Subscript)) and isinstance(part.ctx, ast.Store)
        for method in methods
        for part in ast.walk(method)
    )


def _goes_on(cls: Class) -> bool:
    """Whether a constructor, if the class has one, runs that of the base, which sets the first rate."""
    made_by = cls.names.get("__init__")
    if not isinstance(made_by, Function):
        return True
    return any(isinstance(part, ast.Attribute) and part.attr == "__init__" for part in ast.walk(made_by.node))
