"""What backward passes go through: the graphs behind losses, each walked once for all rules."""

from __future__ import annotations

import ast
from itertools import islice

from nnlint.events import Backward, Differentiated, GradientsCleared, ModelCalled, OptimizerStepped, Run
from nnlint.facts.gradients import parts_of
from nnlint.graph import ancestors, ancestors_of_all, content, cuts_graph
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Optimizer, Value, alternatives, elements, truth

CONSTRUCTED = regex(r"(^|\.)[A-Z][A-Za-z0-9]*$")
"""How classes are named."""

MOST_PARTS = 60
"""Operations between a point that is made up and what a network is asked about."""


def behind(run: Run, value: Value) -> frozenset[int]:
    """The identities of all data that a value was made from, itself included."""
    return run.remember("behind", value, _behind)


def differentiated(run: Run) -> frozenset[int]:
    """The identities of all data that any backward pass of the run goes through."""
    return run.remember("differentiated", run, _differentiated)


def _behind(value: Value) -> frozenset[int]:
    return frozenset(map(id, ancestors_of_all((value,), filled=True)))


def _differentiated(run: Run) -> frozenset[int]:
    return frozenset(map(id, ancestors_of_all(_losses(run), filled=True)))


def _losses(run: Run) -> list[Value]:
    return [event.loss for event in run.events(Backward)]


def recorded_behind(run: Run, value: Value) -> frozenset[int]:
    """The identities of all data that gradients of a value would reach, itself included."""
    return run.remember("recorded behind", value, _recorded_behind)


def _recorded_behind(value: Value) -> frozenset[int]:
    return frozenset(id(data) for data in ancestors_of_all((value,), cuts_graph, filled=True) if not cuts_graph(data))


def reached(run: Run) -> frozenset[int]:
    """The identities of all data that gradients of any backward pass of the run reach."""
    return run.remember("reached by gradients", run, _reached)


def _reached(run: Run) -> frozenset[int]:
    return frozenset(
        id(data) for data in ancestors_of_all(_losses(run), cuts_graph, filled=True) if not cuts_graph(data)
    )


def takes_gradients_of_weights(run: Run) -> bool:
    """Whether the run asks for gradients that are returned, and may be of weights: not by what networks are given, alone."""
    asked = list(run.events(Differentiated))
    if not asked:
        return False
    given = _given(run)
    return any(event.inputs is None or not all(id(each) in given for each in elements(event.inputs)) for event in asked)


def _given(run: Run) -> frozenset[int]:
    """The identities of all data that what networks are given was made from."""
    return run.remember("given to networks", run, _given_to_networks)


def _given_to_networks(run: Run) -> frozenset[int]:
    inputs = [value for call in run.events(ModelCalled) for value in call.inputs]
    return frozenset(map(id, ancestors_of_all(inputs)))


def training_calls(run: Run) -> tuple[ModelCalled, ...]:
    """The calls of networks whose weights get gradients through them, and are stepped (as far as is known), in order."""
    return run.remember("training calls", run, _training_calls)


def _training_calls(run: Run) -> tuple[ModelCalled, ...]:
    if not any(run.events(Backward)):
        return ()
    through = reached(run)
    return tuple(
        call
        for call in run.events(ModelCalled)
        if call.gradient is not False
        and any(id(output) in through for output in elements(call.output))
        and may_be_stepped(run, call.model)
    )


def _stepped(run: Run) -> set[int] | None:
    """The identities of all that is stepped; None where some of it is not known."""
    found: set[int] = set()
    for event in run.events(OptimizerStepped):
        for optimizer in alternatives(event.optimizer):
            parts = run.remember("parts", optimizer, parts_of)
            if parts is None:
                return None
            found |= parts
    return found


def may_be_stepped_by(run: Run, step: OptimizerStepped, model: Value) -> bool:
    """Whether a step may change any part of the network: unless it is known to change others alone."""
    own = run.remember("parts", model, parts_of)
    for stepped in alternatives(step.optimizer):
        if isinstance(stepped, Data) and id(stepped) in _given(run):
            continue  # an attack moves what the network is given
        optimizer = _unwrapped(stepped)
        parts = run.remember("parts", optimizer, parts_of)
        if own is None and isinstance(model, Data) and _holds_others_alone(optimizer, model):
            continue
        if own is None or parts is None or not own.isdisjoint(parts):
            return True
    return False


def _unwrapped(optimizer: Value) -> Value:
    """The optimizer that a class not at hand was given as all there is to step: `LARS(SGD(network.parameters(), lr=0.1))`."""
    if not isinstance(optimizer, Data) or optimizer.operation != "call" or not CONSTRUCTED.search(optimizer.name):
        return optimizer
    held = [each for each in optimizer.inputs if isinstance(each, Optimizer)]
    return held[0] if len(held) == 1 else optimizer


def may_be_cleared_by(run: Run, clear: GradientsCleared, model: Value) -> bool:
    """Whether a clear may concern the gradients of the network: unless it is known to clear others alone."""
    own = run.remember("parts", model, parts_of)
    for target in alternatives(clear.target):
        parts = run.remember("parts", target, parts_of)
        if own is None or parts is None or not own.isdisjoint(parts):
            return not clear.replaced
    return False


def _holds_others_alone(optimizer: Value, model: Data) -> bool:
    """Whether it was given nothing of a network that is not at hand: parameters that the script makes itself, or networks that
    are made without this one, and it without them."""
    owners = optimizer.owners if isinstance(optimizer, Optimizer) else ()
    return bool(owners) and all(
        isinstance(each, Data) and (each.operation == "parameter" or _are_made_apart(each, model)) for each in owners
    )


def _are_made_apart(one: Data, other: Data) -> bool:
    made, made_too = _constructed(one), _constructed(other)
    if made is None or made_too is None or made is made_too:
        return False
    return not any(each is made for each in ancestors(made_too)) and not any(
        each is made_too for each in ancestors(made)
    )


def _constructed(network: Data) -> Data | None:
    """The one call of a class that is not at hand by which a network was made, whatever device it was moved to."""
    found = content(network)
    made = found[0] if len(found) == 1 else None
    return made if isinstance(made, Data) and made.operation == "call" and CONSTRUCTED.search(made.name) else None


def may_be_stepped(run: Run, model: Value) -> bool:
    """Whether an optimizer steps any part of the network, as far as is known."""
    stepped = run.remember("stepped parts", run, _stepped)
    parts = run.remember("parts", model, parts_of)
    return stepped is None or parts is None or not stepped.isdisjoint(parts)


def wants_input_gradient(call: ModelCalled) -> bool:
    """Whether an input of the call was made to have a gradient: the answer is to be differentiated by it."""
    return any(_has_gradient(each) for value in call.inputs for each in alternatives(value))


def _has_gradient(value: Value) -> bool:
    """Whether it was told to have a gradient, or comes from something that was: `rand(n, 1, requires_grad=True) * side`."""
    behind = ancestors(value, stop=_has_gradient_anyway)
    return any(asks_for_gradient(each) for each in islice(behind, MOST_PARTS) if not _has_gradient_anyway(each))


def _has_gradient_anyway(data: Data) -> bool:
    return cuts_graph(data) or data.operation in ("output", "parameter", "weight")


def asks_for_gradient(data: Data) -> bool:
    """Whether a tensor was told to have a gradient: when it was made, by `x.requires_grad_()`, or by its attribute."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    asks = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "requires_grad_"
    return asks or bool(truth(data.parts.get("requires_grad")) or truth(data.options.get("requires_grad")))
