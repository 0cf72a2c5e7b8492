"""Networks that are made anew in every pass of a loop that trains them: per epoch, or per batch."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from nnlint.events import ModelBuilt, ModelCalled, OptimizerStepped, Run, StateUsed
from nnlint.facts.differentiated import asks_for_gradient, differentiated, may_be_stepped, training_calls
from nnlint.facts.loops import counts_epochs, draws_batches, is_over_choices, words_in
from nnlint.facts.remaking import Remade, holds_own_training, is_periodic, remade
from nnlint.graph import parameters_of
from nnlint.lazy import regex
from nnlint.operations import ACTIVATIONS, CONTAINERS, LOSS_OPERATIONS
from nnlint.static.objects import Function, node_at
from nnlint.values import NONE, Data, Instance, Layer, Value, alternatives, elements

STEPS = frozenset("step steps timestep timesteps iter iters iteration iterations".split())
"""Words of loops whose passes take one step each."""


MAY_HOLD_WEIGHTS = frozenset({"parameter", "call", "method"})
"""What makes a parameter, or a module that is not at hand."""

LOSS = regex(r"^torch\.nn\.(?:modules\.loss\.)?\w*Loss\w*$")
"""Torch's own losses, of which a class at hand may be one: none of them has weights."""

COUNTS = regex(r"(?:^|\.)(?:get_)?(?:rank|local_rank|size|world_size|device_count)$")
"""Functions of which is only known how they are called, and that give numbers."""

PLAIN_BASES = ("Module", "_Loss", "ABC", "Generic")
"""Endings of the names of bases that bring no weights."""


def rebuilt_models(run: Run) -> tuple[Remade[ModelBuilt], ...]:
    """The constructions of networks that a training loop repeats, each place once."""
    return run.remember("rebuilt models", run, _rebuilt_models)


def _rebuilt_models(run: Run) -> tuple[Remade[ModelBuilt], ...]:
    made = [event for event in run.events(ModelBuilt) if event.iterations and has_weights(event.model)]
    if not made or not any(run.events(OptimizerStepped)):
        return ()
    by_model = {id(event.model): event for event in made}
    found: dict[object, Remade[ModelBuilt]] = {}
    for call in run.events(ModelCalled):
        candidates = [by_model.get(id(model)) for model in alternatives(call.model)]
        if any(candidates) and _is_trained(run, call):
            for each in remade(run, made, call, candidates, _nothing_in_common):
                node = node_at(each.made.at)
                if node not in found and _is_by_mistake(run, each):
                    found[node] = each
    return tuple(found.values())


def has_weights(model: Value) -> bool:
    """Whether anything in the network may be trained: a loss function that is written as a module has nothing."""
    if not isinstance(model, Instance):
        return True
    for network in parameters_of(model):
        if isinstance(network, Layer) and network.operation not in LOSS_OPERATIONS | ACTIVATIONS:
            return True
        held = network.attributes.values() if isinstance(network, Instance) else ()
        if any(isinstance(each, Data) and _may_learn(each) for value in held for each in elements(value)):
            return True
    return False


def _may_learn(held: Data) -> bool:
    is_number = held.operation == "call" and COUNTS.search(held.name) is not None
    return (held.operation in MAY_HOLD_WEIGHTS and not is_number) or asks_for_gradient(held)


def is_weightless(model: Value) -> bool:
    """Whether the network is known from its constructor to its last part, and nothing in it may be trained."""
    return isinstance(model, Instance) and not has_weights(model) and all(map(_is_known, parameters_of(model)))


def _is_known(part: Value) -> bool:
    """Whether a part is all that its source says: no base is hidden, and its constructor, if it has one, was followed."""
    if not isinstance(part, Instance):
        return True
    if not all(name.endswith(PLAIN_BASES) or LOSS.match(name) for name in part.cls.external_bases()):
        return False
    own = (name for name in part.attributes if isinstance(name, str) and not name.startswith("<"))
    return any(own) or not _fills(part.cls.find("__init__"))


def _fills(constructor: Value | None) -> bool:
    """Whether a constructor that was followed would have left something in the network."""
    nodes = ast.walk(constructor.node) if isinstance(constructor, Function) else ()
    return any(isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) for node in nodes)


def _nothing_in_common(event: ModelBuilt) -> Sequence[Value]:
    """A network is made over nothing that could be another in each pass."""
    return (NONE,)


def _is_trained(run: Run, call: ModelCalled) -> bool:
    return call.gradient is True and any(id(each) in differentiated(run) for each in elements(call.output))


def _is_by_mistake(run: Run, each: Remade[ModelBuilt]) -> bool:
    """Whether it is one training that begins again and again: no fold, trial or choice, and no weights that are loaded."""
    loop = each.iteration.loop
    if _is_bare(each.made.model) and _trains_what_stays(run, each):
        return False
    if (
        each.guarded
        or is_periodic(each)
        or holds_own_training(each)
        or not all(draws_batches(inner.loop) for inner in each.inner)
    ):
        return False
    takes_steps = not each.inner and bool(words_in(loop) & STEPS)
    if not draws_batches(loop) and (is_over_choices(loop) or not (counts_epochs(loop) or takes_steps)):
        return False
    return _is_stepped(run, each) and not _is_filled_there(run, each)


def _is_filled_there(run: Run, each: Remade[ModelBuilt]) -> bool:
    """Whether the loop loads weights into what it has made: not only what stands behind it, such as the best weights."""
    loop = each.iteration.loop
    return any(
        event.into is each.made.model and any(one.loop is loop for one in event.iterations)
        for event in run.events(StateUsed)
    )


def _is_bare(model: Value) -> bool:
    return isinstance(model, Layer) and model.kind not in CONTAINERS


def _trains_what_stays(run: Run, each: Remade[ModelBuilt]) -> bool:
    """Whether the loop trains a network that it does not make: a layer that it makes is then a probe of it, say."""
    loop = each.iteration.loop
    made = {id(event.model) for event in run.events(ModelBuilt) if any(one.loop is loop for one in event.iterations)}
    return any(
        any(one.loop is loop for one in call.iterations) and id(call.model) not in made for call in training_calls(run)
    )


def _is_stepped(run: Run, each: Remade[ModelBuilt]) -> bool:
    """Whether a pass takes steps, and not those of another network that is trained there, of which this is a copy."""
    takes_steps = any(each.iteration in step.iterations for step in run.events(OptimizerStepped))
    return takes_steps and (may_be_stepped(run, each.made.model) or not training_calls(run))
