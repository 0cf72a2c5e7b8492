"""What code that is not at hand gets hold of: with a loss it may differentiate, with an optimizer it may step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from nnlint.events import Escaped, Iteration, Run
from nnlint.facts.differentiated import behind
from nnlint.facts.gradients import Trained
from nnlint.garbage import remembered
from nnlint.graph import cuts_graph, data_in
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite, FunctionNode, Module
from nnlint.values import Constant, Data, Instance, Layer, Optimizer, Value, alternatives, elements

READS_OPTIMIZER = regex(
    r"print|save|len|isinstance|state_dict|zero_grad|^scale$|unscale_|log|dump|format|append|sched|warmup|lr|watch|id$|str|type|"
    r"checkpoint|load|resume|restore",
    re.I,
)
"""Code that gets hold of an optimizer, and does not step it, unless it says that it does."""

STEPS = regex(r"(?:^|_)(?:step|optimi[sz]e|minimi[sz]e|apply_grad\w*)(?:_|$)", re.I)
"""Names of code that steps an optimizer, whatever else they say: `step_and_update_lr`."""

READS_NETWORK = regex(
    r"print|summary|watch|graph|flop|profile|count|param|init|register|isinstance|hasattr|state|save|load|share|cuda|optim|sched|len|"
    r"id$|type$|getattr|apply|append|log|ema|device|freeze|train|eval|mode|hook|str|checkpoint|resume|restore",
    re.I,
)
"""Code that gets hold of a network, and trains nothing."""

READS_LOSS = regex(
    r"print|append|format|log|scalar|item|write|loss|crit|metric|acc|score|dice|iou|str|float|len|isnan|isfinite|round|save|plot|meter|"
    r"report|record|reduce|gather|postfix|description|mean|sum|info|debug|extend|add|show|detach|cpu|numpy|isinf|error|view|hist|"
    r"display|track|monitor|put|send|set_|argm|topk|pred|decode|correct",
    re.I,
)
READERS = frozenset("torch numpy math os sys logging json time pathlib random re string datetime matplotlib".split())
"""Libraries of which no function is given a loss to differentiate, but for what is known of torch."""

DIFFERENTIATES = regex(r"back|scaler|step|optim|train|updat|minimi|fit|grad|learn", re.I)
"""Names of code that may differentiate a loss, whatever else they say."""


def may_be_stepped_elsewhere(run: Run, each: Trained) -> bool:
    """Whether code that is not at hand gets hold of the optimizer, or a method of it that is not known is called: it may step."""
    return gets_hold_of(run, each.optimizer) or any(
        each.may_escape_in(escaped) and not _only_reads(escaped.callee) for escaped in run.events(Escaped)
    )


def may_be_trained_elsewhere(run: Run, here: tuple[Iteration, ...]) -> bool:
    """Whether code that is not at hand gets hold of a network in a pass of a loop, and may train it."""
    return any(
        here[-1:] == escaped.iterations[-1:]
        and any(_holds_network(part) for value in escaped.values for part in elements(value))
        and not READS_NETWORK.search(escaped.callee.rpartition(".")[2])
        for escaped in run.events(Escaped)
    )


def _holds_network(value: Value) -> bool:
    """Whether it is a network, or an object that holds one, or anything that is not known: no meter, no writer."""
    if isinstance(value, Instance) and not value.is_network:
        held = [part for each in value.attributes.values() for part in elements(each)]
        return any(
            isinstance(each, (Layer, Optimizer)) or (isinstance(each, Instance) and each.is_network) for each in held
        )
    return isinstance(value, (Instance, Layer))


def may_be_differentiated_elsewhere(run: Run, output: Value) -> bool:
    """Whether code that is not at hand gets hold of what was computed from a network's output, and may differentiate it."""
    ids = {id(each) for each in elements(output)}
    return any(not behind(run, given).isdisjoint(ids) for made, given in _given(run) if _may_differentiate(made, given))


def _given(run: Run) -> Iterator[tuple[Data, Data]]:
    """What unknown functions and methods are given that has a graph."""
    for operation in ("call", "method"):
        for made in run.operations.get(operation, ()):
            if isinstance(made, Data) and made.at is not None:
                yield from ((made, given) for given in data_in(made.inputs) if not cuts_graph(given))


def _may_differentiate(made: Data, given: Data) -> bool:
    """Whether a function that is not at hand may differentiate what it is given; of a method of that itself, only by its name."""
    root, name = made.name.partition(".")[0], made.name.rpartition(".")[2]
    if root in READERS or (root == "builtins" and name != "map"):
        return False
    if DIFFERENTIATES.search(name):
        return True
    is_own_method = made.operation == "method" and bool(made.inputs) and made.inputs[0] is given
    return not is_own_method and not READS_LOSS.search(f"{name} {_source_name(made)}")


def _source_name(made: Data) -> str:
    """The name of what a function was taken from, where it is one of several: `for measure in self.metrics`, or of a module."""
    callee = made.inputs[0] if made.operation == "call" and made.inputs else None
    while isinstance(callee, Data) and callee.operation in ("element", "index") and callee.inputs:
        callee = callee.inputs[0]
    if isinstance(callee, Data) and callee.name == "getattr" and callee.inputs and isinstance(callee.inputs[0], Module):
        return callee.inputs[0].name
    return callee.name.rpartition(".")[2] if isinstance(callee, Data) and callee is not made.inputs[0] else ""


def gets_hold_of(run: Run, value: Value) -> bool:
    """Whether code that is not at hand is given an object, and may do more with it than to read or store its state."""
    given = run.remember("given to unknown code", run, _given_to_unknown)
    return any(id(each) in given for each in alternatives(value))


def _given_to_unknown(run: Run) -> frozenset[int]:
    found: set[int] = set()
    for operation in ("call", "method"):
        for made in run.operations.get(operation, ()):
            if isinstance(made, Data) and not _only_reads(made.name):
                inputs = [value for value in made.inputs if type(value) is not Constant]
                found.update(id(given) for value in inputs for given in elements(value))
    return frozenset(found)


@lru_cache(1000)
def _only_reads(callee: str) -> bool:
    name = callee.rpartition(".")[2]
    return READS_OPTIMIZER.search(name) is not None and not STEPS.search(name)


def reads_gradients(site: object) -> bool:
    """Whether the code around a site uses gradients by itself: a Fisher matrix, saliency, a check of gradients."""
    if not isinstance(site, CodeSite):
        return True
    return _names_gradients(site.module, site.function)


@remembered(8)
def _names_gradients(module: Module, function: FunctionNode | None) -> bool:
    lines = module.lines if function is None else module.lines_of(function)
    if not GRADIENT.search("\n".join(lines)):
        return False
    return any(GRADIENT.search(line.partition("#")[0]) for line in lines)


GRADIENT = regex(r"\.grad\b|autograd\.grad")
