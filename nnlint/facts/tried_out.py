"""Layers and networks that are made, or called, to be looked at, not to be trained."""

from __future__ import annotations

import ast
import re
from pathlib import PurePath

from nnlint.events import Backward, Escaped, ModelCalled, OptimizerMade, OptimizerStepped, Run, StateUsed
from nnlint.facts.differentiated import differentiated
from nnlint.facts.identity import words_of
from nnlint.facts.layers import is_only_shown, wiring
from nnlint.graph import MADE_TO_SIZE, only_looks
from nnlint.lazy import regex
from nnlint.operations import WEIGHTED
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Items, Optimizer, Site, Value, elements, number

MOST_FOLLOWED = 100
CONSTRUCTED = regex(r"(^|\.)[A-Z][A-Za-z0-9]*$")
LOADED = regex(r"load|pretrain|from_|hub|zoo|restore", re.I)
"""How classes are named, and functions that give networks their weights."""

TRIAL = regex(r"_*(?:test|dummy)_?(?:net|network|model|module)?\d*$", re.I)
STAND_INS = frozenset({"dummy", "mock", "fake"})
"""Words in the name of a class that has the cost of a network, and is to learn nothing: `DummyEncoder`."""

TESTED = regex(r"^test_|_test\.py$|benchmark|(?:^|_)bench(?:_|\.py$)")
TRAINS = regex(r"backward|optim", re.I)
STEPS = regex(r"step|import\s+\*", re.I)
"""What a file holds that may step an optimizer."""


def is_tried_out(run: Run, data: Data, place: Site) -> bool:
    """Whether the layer is made at the top level of a file, and no backward pass of the run goes through it; or is only called
    there for the size of what comes out."""
    if is_only_shown(run, place) or _is_only_measured(run, data):
        return True
    at_top = isinstance(place, CodeSite) and place.function is None
    return at_top and data.layer is not None and id(data.layer) not in run.remember("trained layers", run, _trained)


def is_of_trial(place: Site) -> bool:
    """Whether the class around goes by no other name than that of a trial, or of a stand-in: `class test(nn.Module)`; or is one
    of a file that only tests something, and trains nothing; or prints each step of its pass in a file that trains nothing."""
    if not isinstance(place, CodeSite):
        return False
    source = place.module.source
    if TESTED.search(PurePath(source.path).name) and not TRAINS.search(source.text):
        return True
    line = getattr(place.node, "lineno", 0)
    classes = (each for each in place.module.tree.body if isinstance(each, ast.ClassDef))
    around = [each for each in classes if each.lineno <= line <= (each.end_lineno or 0)]
    shows = not TRAINS.search(source.text) and any(map(_prints_its_pass, around))
    return shows or any(TRIAL.match(each.name) is not None or _is_stand_in(each.name) for each in around)


def _prints_its_pass(network: ast.ClassDef) -> bool:
    """Whether the forward pass prints what it comes by, step by step: the network is there to show what its layers do."""
    methods = [each for each in network.body if isinstance(each, ast.FunctionDef) and each.name == "forward"]
    calls = [each for method in methods for each in ast.walk(method) if isinstance(each, ast.Call)]
    return len([each for each in calls if getattr(each.func, "id", "") == "print"]) > 1


def _is_stand_in(name: str) -> bool:
    return not STAND_INS.isdisjoint(words_of(name))


def _is_only_measured(run: Run, data: Data) -> bool:
    """Whether all that becomes of the data ends in a question for a size."""
    wires = wiring(run)
    pending, seen = [data], set[int]()
    while pending and len(seen) < MOST_FOLLOWED:
        current = pending.pop()
        following = wires.used_by(current)
        if not following:
            return False
        pending.extend(each for each in following if id(each) not in seen and not only_looks(each))
        seen.update(map(id, following))
    return not pending


def _trained(run: Run) -> frozenset[int]:
    """The identities of the layers that backward passes go through, in whichever call."""
    through = differentiated(run)
    made = (each for operation in WEIGHTED for each in run.operations.get(operation, ()) if isinstance(each, Data))
    return frozenset(id(each.layer) for each in made if each.layer is not None and id(each) in through)


def is_asked_about_made_up(run: Run, call: ModelCalled) -> bool:
    """Whether a network of a library that was only constructed, and never taught, is asked about made-up numbers, or any
    network once before its training begins."""
    if _is_rehearsal(run, call):
        return True
    model = call.model
    is_constructed = isinstance(model, Data) and CONSTRUCTED.search(model.name) is not None
    if not is_constructed or LOADED.search(getattr(model, "name", "")):
        return False
    return bool(call.inputs) and _is_made_up(call.inputs[0]) and not any(each is model for each in taught(run))


def _is_rehearsal(run: Run, call: ModelCalled) -> bool:
    """Whether a script asks about numbers that it makes up or writes out, once, before the first step of any optimizer."""
    if run.symbolic or call.iterations or not call.inputs or not all(map(_is_made_up, call.inputs)):
        return False
    first = next((step.order for step in run.events(OptimizerStepped)), 0)
    loaded = [each for used in run.events(StateUsed) for each in elements(used.into)]
    return call.order < first and not any(each is call.model for each in loaded)


def only_shows_gradients(run: Run) -> bool:
    """Whether a script differentiates, and neither has an optimizer nor changes anything by hand: nothing is trained there."""
    return (
        not run.symbolic
        and any(run.events(Backward))
        and not any(any(run.events(kind)) for kind in (OptimizerMade, OptimizerStepped, Escaped))
    )


def is_left_unused(run: Run, made: OptimizerMade) -> bool:
    """Whether an optimizer is made at the top level of a file that trains nothing: nothing is differentiated or stepped, nobody
    is handed the optimizer, and no function of the file would step it."""
    at = made.at
    if run.symbolic or run.cut_short or not isinstance(at, CodeSite) or at.function is not None or made.calls:
        return False
    if any(run.events(Backward)) or any(run.events(OptimizerStepped)) or STEPS.search(at.module.source.text):
        return False
    return not any(
        each is made.optimizer for event in run.events(Escaped) for value in event.values for each in elements(value)
    )


def taught(run: Run) -> list[Value]:
    """All that was given to an optimizer, or that a state was loaded into."""
    owners = [used.into for used in run.events(StateUsed) if used.into is not None]
    for made in run.events(OptimizerMade):
        if isinstance(made.optimizer, Optimizer):
            owners.extend(made.optimizer.owners)
    return [each for owner in owners for each in elements(owner)]


def _is_made_up(value: Value) -> bool:
    """Whether it was made to a size, and then only changed: what functions not at hand were given first counts, too."""
    pending = [value]
    for _ in range(MOST_FOLLOWED):
        if not pending:
            return False
        current = pending.pop()
        if isinstance(current, Data):
            if current.operation in MADE_TO_SIZE or _is_written_out(current):
                return True
            pending.extend(current.inputs[: 2 if current.operation == "call" else 1])
    return False


def _is_written_out(data: Data) -> bool:
    """Whether a tensor is made of numbers that stand there."""
    first = data.inputs[0] if data.operation in ("tensor", "array") and data.inputs else None
    rows = [first]
    while rows and all(isinstance(row, Items) and not row.open for row in rows):
        rows = [each for row in rows if isinstance(row, Items) for each in row.items]
    return bool(rows) and all(number(each) is not None for each in rows)
