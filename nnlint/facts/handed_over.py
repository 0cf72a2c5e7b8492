"""What code that is not at hand gets hold of: with a loss it may differentiate, with an optimizer it may step."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnlint.events import Escaped, Iteration, Run
from nnlint.facts.differentiated import behind
from nnlint.facts.gradients import Trained
from nnlint.graph import cuts_graph, data_in
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Instance, Layer, Value, alternatives, elements

READS_OPTIMIZER = regex(
    r"print|save|len|isinstance|state_dict|zero_grad|^scale$|unscale_|log|dump|format|append|sched|warmup|lr|watch|id$|str|type",
    re.I,
)
"""Code that gets hold of an optimizer, and does not step it, unless it says that it does."""

STEPS = regex(r"(?:^|_)(?:step|optimi[sz]e|minimi[sz]e|apply_grad\w*)(?:_|$)", re.I)
"""Names of code that steps an optimizer, whatever else they say: `step_and_update_lr`."""

READS_NETWORK = regex(
    r"print|summary|watch|graph|flop|profile|count|param|init|register|isinstance|hasattr|state|save|load|share|cuda|optim|sched|len|"
    r"id$|type$|getattr|apply|append|log|ema|device|freeze|train|eval|mode|hook|str",
    re.I,
)
"""Code that gets hold of a network, and trains nothing."""

READS_LOSS = regex(
    r"print|append|format|log|scalar|item|write|loss|crit|metric|acc|score|dice|iou|str|float|len|isnan|isfinite|round|save|plot|meter|"
    r"report|record|reduce|gather|postfix|description|mean|sum|info|debug|extend|add|show|detach|cpu|numpy|isinf|error|view|hist|"
    r"display|track|monitor|put|send|set_|argm|topk|pred|decode|correct",
    re.I,
)
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
        and any(isinstance(part, (Instance, Layer)) for value in escaped.values for part in elements(value))
        and not READS_NETWORK.search(escaped.callee.rpartition(".")[2])
        for escaped in run.events(Escaped)
    )


def may_be_differentiated_elsewhere(run: Run, output: Value) -> bool:
    """Whether code that is not at hand gets hold of what was computed from a network's output, and may differentiate it."""
    ids = {id(each) for each in elements(output)}
    return any(not behind(run, given).isdisjoint(ids) for made, given in _given(run) if _may_differentiate(made))


def _given(run: Run) -> Iterator[tuple[Data, Data]]:
    """What unknown functions and methods are given that has a graph."""
    for operation in ("call", "method"):
        for made in run.operations.get(operation, ()):
            if isinstance(made, Data) and made.at is not None:
                yield from ((made, given) for given in data_in(made.inputs) if not cuts_graph(given))


def _may_differentiate(made: Data) -> bool:
    name = made.name.rpartition(".")[2]
    if made.name.partition(".")[0] in ("torch", "numpy", "math"):
        return False
    return DIFFERENTIATES.search(name) is not None or not READS_LOSS.search(name)


def gets_hold_of(run: Run, value: Value) -> bool:
    """Whether code that is not at hand is given an object, and may do more with it than to read or store its state."""
    given = run.remember("given to unknown code", run, _given_to_unknown)
    return any(id(each) in given for each in alternatives(value))


def _given_to_unknown(run: Run) -> frozenset[int]:
    found: set[int] = set()
    for operation in ("call", "method"):
        for made in run.operations.get(operation, ()):
            if isinstance(made, Data) and not _only_reads(made.name):
                found.update(id(given) for value in made.inputs for given in elements(value))
    return frozenset(found)


def _only_reads(callee: str) -> bool:
    name = callee.rpartition(".")[2]
    return READS_OPTIMIZER.search(name) is not None and not STEPS.search(name)


def reads_gradients(site: object) -> bool:
    """Whether the code around a site uses gradients by itself: a Fisher matrix, saliency, a check of gradients."""
    if not isinstance(site, CodeSite):
        return True
    top = site.function
    lines = site.module.lines if top is None else site.module.lines[top.lineno - 1 : top.end_lineno]
    return any(GRADIENT.search(line.partition("#")[0]) for line in lines)


GRADIENT = regex(r"\.grad\b|autograd\.grad")
