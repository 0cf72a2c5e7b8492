"""Whether an optimizer keeps the learning rate it was made with: schedulers and helpers that set another, or only lower it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import Escaped, Run, SchedulerMade, SchedulerStepped
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Either, Instance, Optimizer, Scheduler, Value, alternatives, elements, number

DECAYS = frozenset(
    "StepLR MultiStepLR ExponentialLR CosineAnnealingLR CosineAnnealingWarmRestarts ReduceLROnPlateau PolynomialLR LinearLR "
    "ConstantLR SequentialLR ChainedScheduler get_constant_schedule get_constant_schedule_with_warmup "
    "get_linear_schedule_with_warmup get_cosine_schedule_with_warmup get_polynomial_decay_schedule_with_warmup "
    "get_cosine_with_hard_restarts_schedule_with_warmup CosineLRScheduler MultiStepLRScheduler StepLRScheduler "
    "PlateauLRScheduler LinearWarmupCosineAnnealingLR".split()
)
"""Schedulers of torch, transformers and timm under which the optimizer's own rate is the largest; all others set it."""

OTHERS = frozenset(
    "LambdaLR MultiplicativeLR CyclicLR OneCycleLR get_scheduler get_inverse_sqrt_schedule "
    "get_cosine_with_min_lr_schedule_with_warmup get_wsd_schedule".split()
)
"""Schedulers of torch and transformers that set any rate."""

OF_THEIR_OWN = frozenset(
    "ReduceLROnPlateau CosineLRScheduler MultiStepLRScheduler StepLRScheduler PlateauLRScheduler".split()
)
"""Those that are told the epoch or a metric, at any place."""

ANY = "LRScheduler"
"""One of torch's, whichever settings name."""

UNCOUNTED = "uncounted LRScheduler"
"""One of a class at hand that is told where it stands when it is made."""

READERS = (
    "print",
    "save",
    "len",
    "isinstance",
    "state_dict",
    "load_state_dict",
    "zero_grad",
    "step",
    "scale",
    "unscale_",
)
"""Code that is not at hand and gets hold of an optimizer, but does not change its rate."""

DEEPEST = 8


def sets_rate(run: Run, optimizer: Value) -> bool:
    """Whether anything but a plain decay writes the optimizer's rate during training, or may do so unseen."""
    for made in run.events(SchedulerMade):
        scheduler = made.scheduler
        if (
            isinstance(scheduler, Scheduler)
            and scheduler.kind not in DECAYS
            and _may_be(scheduler.optimizer, optimizer)
        ):
            return True
    if any(
        _sets_group(data, optimizer) for kind in ("parameter group", "index") for data in run.operations.get(kind, ())
    ):
        return True
    return any(
        any(each is optimizer for value in escaped.values for each in _reached(value))
        and escaped.callee.rpartition(".")[2] not in READERS
        for escaped in run.events(Escaped)
    )


def stepped_plainly(event: SchedulerStepped) -> bool:
    """Whether a scheduler of torch or transformers moves on by one: it is told no epoch and no metric."""
    scheduler = event.scheduler
    node = event.at.node if isinstance(event.at, CodeSite) else None
    is_known = isinstance(scheduler, Scheduler) and scheduler.kind in (DECAYS | OTHERS | {ANY}) - OF_THEIR_OWN
    return is_known and not (isinstance(node, ast.Call) and (node.args or node.keywords))


def _may_be(value: Value | None, optimizer: Value) -> bool:
    return value is None or any(each is optimizer or not isinstance(each, Optimizer) for each in alternatives(value))


def _reached(value: Value) -> Iterator[Value]:
    for each in elements(value):
        yield each
        if isinstance(each, Instance):
            yield from each.attributes.values()


def _sets_group(data: Value, optimizer: Value) -> bool:
    """Whether the data is one of the optimizer's parameter groups, and a rate was written into it that may be a larger one."""
    if not _is_group_of(data, optimizer) or not isinstance(data, Data):
        return False
    written = data.parts.get(("index", "lr"))
    return written is not None and not _is_lowered(written, optimizer)


def _is_group_of(data: Value, optimizer: Value) -> bool:
    if not isinstance(data, Data) or not data.inputs:
        return False
    holder = data.inputs[0]
    if isinstance(holder, Data) and holder.operation == "attribute" and holder.name == "param_groups":
        holder = holder.inputs[0]
    elif data.operation == "index":
        return False
    return any(each is optimizer for each in alternatives(holder))


def _is_lowered(value: Value, optimizer: Value, depth: int = DEEPEST) -> bool:
    """Whether a rate is the optimizer's own, or its own made smaller: `rate * 0.1 ** (epoch // 30)`."""
    if isinstance(value, Either) and depth:
        lowered = [each for each in value.alternatives if _is_lowered(each, optimizer, depth - 1)]
        return bool(lowered) and all(each in lowered or _is_smaller(each, optimizer) for each in value.alternatives)
    if isinstance(value, Constant):
        return any(_is_no_larger(value, given) for given in _given(optimizer))
    if not isinstance(value, Data) or not depth or len(value.inputs) != 2:
        return False
    first, second = value.inputs
    if value.operation == "index":
        return _is_group_of(first, optimizer)
    if value.operation == "multiply":
        return any(
            (_is_lowered(rate, optimizer, depth - 1) and _is_fraction(factor))
            or (_is_half(rate, optimizer) and _is_one_plus_cosine(factor))
            for rate, factor in ((first, second), (second, first))
        )
    return value.operation == "divide" and _is_lowered(first, optimizer, depth - 1) and (number(second) or 0) >= 1


def _is_smaller(value: Value, optimizer: Value) -> bool:
    """Whether it is a number below the optimizer's rate: in a table of rates, one that comes later."""
    known, given = number(value), [number(each) for each in _given(optimizer)]
    return known is not None and any(each is not None and known <= each for each in given)


def _is_half(value: Value, optimizer: Value) -> bool:
    """Whether a number is half of the optimizer's own rate, as a cosine decay begins: `rate * 0.5 * (1 + cos(...))`."""
    return isinstance(value, Constant) and any(_is_no_larger(value, given, 0.5) for given in _given(optimizer))


def _given(optimizer: Value) -> Iterator[Constant]:
    arguments = optimizer.arguments if isinstance(optimizer, Optimizer) else {}
    for each in alternatives(arguments.get("lr")):
        if isinstance(each, Constant):
            yield each


def _is_no_larger(value: Constant, given: Constant, share: float = 1.0) -> bool:
    """Whether a number was written at the same place as the given one, and is not larger than that share of it."""
    first, second = number(value), number(given)
    here, there = value.at, given.at
    same = here is there or (isinstance(here, CodeSite) and isinstance(there, CodeSite) and here.node is there.node)
    return same and first is not None and second is not None and first <= second * share


def _is_fraction(value: Value, depth: int = DEEPEST) -> bool:
    """Whether a factor is certainly between 0 and 1: a number, a power of one, a polynomial or cosine decay."""
    known = number(value)
    if known is not None:
        return 0 <= known <= 1
    if not isinstance(value, Data) or not depth or len(value.inputs) != 2:
        return False
    first, second = value.inputs
    if value.operation == "power":
        return _is_fraction(first, depth - 1) and (number(second) or 0) >= 0
    if value.operation == "subtract":
        return number(first) == 1 and isinstance(second, Data) and second.operation == "divide"
    if value.operation != "multiply":
        return False
    halves = number(first) == 0.5 and _is_one_plus_cosine(second)
    return halves or (_is_fraction(first, depth - 1) and _is_fraction(second, depth - 1))


def _is_one_plus_cosine(value: Value) -> bool:
    if not isinstance(value, Data) or value.operation != "add" or len(value.inputs) != 2:
        return False
    cosine = next((each for each in value.inputs if isinstance(each, Data)), None)
    return cosine is not None and cosine.name.rpartition(".")[2] == "cos" and any(number(e) == 1 for e in value.inputs)
