"""What all tables of knowledge share: how they are filled, and what is done with values that leave the code at hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from nnlint.events import Escaped
from nnlint.graph import data_in
from nnlint.lazy import regex
from nnlint.static.arguments import Arguments
from nnlint.static.machine import Machine
from nnlint.values import (
    LISTED_KEY,
    MODE_KEY,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Optimizer,
    Parameters,
    Scheduler,
    State,
    Value,
    elements,
    join_all,
)

Handler: TypeAlias = Callable[[Machine, str, Arguments, ast.AST], Value]
"""Calls a function of a library: its dotted name, the arguments, the call."""

MethodHandler: TypeAlias = Callable[[Machine, Value, Arguments, ast.AST], "Value | None"]
"""Calls a method; None where the receiver is none of the handler's kind."""

EXTERNALS: dict[str, Handler] = {}
METHODS: dict[str, list[MethodHandler]] = {}

TRACKED = (Optimizer, Instance, Layer, Parameters, Scheduler, State)
"""Values that matter when they are handed to code that is not at hand."""

STEPPABLE = regex(r"opt|adam|sgd|solver|trainer|rmsprop|lamb\b|lion\b", re.IGNORECASE)
SCHEDULING = regex(r"sched|warmup|anneal|decay|\blr", re.IGNORECASE)
SCALER = regex(r"scaler", re.IGNORECASE)
NETWORKS = regex(
    r"model|net|encoder|decoder|generator|discriminator|backbone|classifier|critic|(?<!f)actor|policy|^[dg]$|learner|student",
    re.IGNORECASE,
)
NAMED_NETWORK = regex(r"(?:^|_)(?:net|network|model)$", re.IGNORECASE)
PIPELINE = regex(r"pipeline(_cls|_class|For\w*)?(\.from_\w+)?(?: |$)", re.IGNORECASE)
"""What makes a ready-made pipeline, which asks its networks without recording, by whatever name it is kept."""

PREPARES = regex(r"(?:Tokenizer\w*|Processor|FeatureExtractor)\.from_pretrained$")
"""What makes inputs of texts, sounds and pictures."""

SEARCHES = regex(r"ctc_?(?:beam_?)?(?:search_?)?decoder|beam_?(?:search|decoder)|viterbi", re.IGNORECASE)
"""What finds the best text for the scores of a network: a decoder without weights."""

KINDS = r"_(?:class|cls|type|builder|factory|fn|func|function|constructor|creator|maker|name|path|zoo)$"
MAKES = regex(
    r"^_*(?:get|build|make|create|construct|instantiate|define|load|download|init|initialize|setup|set|prepare|configure|resolve|"
    r"register|wrap|to|from|convert|export|save|compile|count|num|parse|check|is|has|reset|freeze|unfreeze|select|copy|clone|"
    r"average|merge|update|print|show|plot|log|list|find|add|new)_|" + KINDS,
    re.IGNORECASE,
)
"""Names of functions that have to do with networks and are none: `build_model`, `to_captum_model`, `net_factory`."""

MAKERS = regex(KINDS, re.IGNORECASE)
"""Names under which a class or function is kept that makes networks: `network_class = find_class(name)`."""

REGISTRY = regex(r"_?(?:dict|map|mapping|zoo|registry|factory|table|classes|types)$", re.IGNORECASE)
CLASS_NAME = regex(r"^[A-Z][A-Za-z0-9]*[a-z]")
LOSSES = regex(r"crit|loss", re.IGNORECASE)
UNNAMED = "attribute of a computed name"
"""How the label of an attribute begins that was set under a name that is not known."""

LASTING = frozenset({"argument", "name", "attribute", "index", "call", "element", "method"})


def external(*names: str) -> Callable[[Handler], Handler]:
    """Register what a library's function does, by its dotted names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            EXTERNALS[name] = handler
        return handler

    return register


def method(*names: str) -> Callable[[MethodHandler], MethodHandler]:
    """Register what methods of these names do, for some kinds of receivers."""

    def register(handler: MethodHandler) -> MethodHandler:
        for name in names:
            METHODS.setdefault(name, []).append(handler)
        return handler

    return register


def role_name(value: Value) -> str:
    """The name by which the code calls an unknown value: its last attribute, argument or variable name."""
    if not isinstance(value, Data):
        return ""
    name = value.name.rpartition(".")[2]
    if value.operation == "index" and len(value.inputs) > 1 and not name:
        key = value.inputs[1]
        if isinstance(key, Constant) and isinstance(key.value, str):
            return f"{value.bound} {key.value}".strip()
        return value.bound or role_name(value.inputs[0])
    return f"{value.bound} {name}".strip()


def is_optimizer_like(value: Value) -> bool:
    """Whether stepping the value updates parameters: a known optimizer, or unknown data that is called like one."""
    if isinstance(value, Optimizer):
        return True
    if not isinstance(value, Data) or value.operation not in LASTING:
        return False
    return _is_called_like_optimizer(role_name(value))


@lru_cache(1000)
def _is_called_like_optimizer(name: str) -> bool:
    return bool(STEPPABLE.search(name)) and not SCHEDULING.search(name)


def is_scheduler_like(value: Value) -> bool:
    """Whether the value is a scheduler of learning rates, or unknown data that is called like one."""
    if isinstance(value, Data) and value.operation in LASTING:
        return SCHEDULING.search(role_name(value)) is not None
    return isinstance(value, Scheduler)


def is_scaler(value: Value) -> bool:
    """Whether the value is a gradient scaler, or unknown data that is called like one."""
    return isinstance(value, Data) and SCALER.search(f"{value.name} {value.bound}") is not None


def is_network_like(value: Value) -> bool:
    """Whether the value is a network, or unknown data that is called like one, or whose parameters somebody asked for."""
    if isinstance(value, Instance):
        return value.is_network
    if isinstance(value, Layer):
        return True
    if isinstance(value, Data) and MODE_KEY in value.parts:
        return True
    if not isinstance(value, Data) or value.operation not in LASTING:
        return False
    name = role_name(value)
    is_called_so = bool(LISTED_KEY in value.parts or NETWORKS.search(name)) and not LOSSES.search(name)
    return is_called_so and not _is_maker(value) and not _is_no_network(value.name)


def _is_no_network(made_by: str) -> bool:
    """Whether something was made that has no weights of its own to learn, or minds them itself."""
    return any(each.search(made_by) is not None for each in (PIPELINE, SEARCHES, PREPARES))


def stands_for_network(value: Value) -> bool:
    """Whether a value is a network, or an object that holds one: a policy, a player. A function is given these, no network is."""
    if isinstance(value, Layer):
        return True
    if isinstance(value, Instance):
        return value.is_network or any(_is_known_network(each) for each in value.attributes.values())
    return isinstance(value, Data) and (_is_known_network(value) or _is_made_of_network(value))


def _is_known_network(value: Value) -> bool:
    if isinstance(value, Data):
        return MODE_KEY in value.parts or NAMED_NETWORK.search(role_name(value)) is not None
    return isinstance(value, Layer) or (isinstance(value, Instance) and value.is_network)


def _is_made_of_network(value: Data) -> bool:
    """Whether code that is not at hand was given a network to make it of: `build_policy(self.network)`."""
    given = value.inputs[1:] if value.operation == "method" else value.inputs
    return value.operation in ("call", "method") and any(_is_known_network(each) for each in given)


def _is_maker(value: Data) -> bool:
    """Whether unknown data goes by the name of a function, class or registry that makes networks, not by that of a network."""
    if value.bound:
        return MAKERS.search(value.bound) is not None
    if value.operation == "index":
        return _is_registered(value)
    if value.operation not in ("name", "attribute", "argument"):
        return False
    last = value.name.rpartition(".")[2]
    is_own = any(isinstance(each, Instance) for each in value.inputs)
    return MAKES.search(last) is not None or (not is_own and CLASS_NAME.match(last) is not None)


def _is_registered(value: Data) -> bool:
    """Whether something is looked up by the name that an option or a setting gives: `MODELS[args.model]`, `model_dict[name]`."""
    holder, key = value.inputs[0], value.inputs[1] if len(value.inputs) > 1 else None
    by_option = (isinstance(key, Data) and key.operation == "attribute") or (
        isinstance(key, Constant) and key.overridable
    )
    return by_option or REGISTRY.search(role_name(holder)) is not None


def owners_in(value: Value | None) -> tuple[Value, ...]:
    """Whose parameters a value holds: of `model.parameters()`, of parameter groups, of lists of tensors."""
    found: list[Value] = []
    for each in elements(value):
        for owner in _owners_of(each):
            if not any(owner is other for other in found):
                found.append(owner)
    return tuple(found)


def _owners_of(value: Value) -> tuple[Value, ...]:
    if isinstance(value, Parameters):
        return value.owners
    if isinstance(value, Data) and value.inputs and value.operation in ("weight", "list", "iter", "filter", "identity"):
        inner = owners_in(value.inputs[0])
        return inner or (value.inputs[0],)
    if isinstance(value, (Instance, Layer)):
        return (value,)
    if isinstance(value, Data) and value.operation in ("text", "counter"):
        return ()
    return (value,) if isinstance(value, Data) else ()


def escape(machine: Machine, values: tuple[Value, ...], callee: str, node: ast.AST) -> None:
    """Values are handed to code that is not at hand: an event, if any of them is worth tracking."""
    for value in values:
        if isinstance(value, Data):
            tracked = value.operation in LASTING and is_optimizer_like(value)
        else:
            tracked = not isinstance(value, Constant) and any(_worth_tracking(each) for each in elements(value))
        if tracked:
            machine.emit(Escaped(machine.site(node), values, callee))
            return


def _worth_tracking(value: Value) -> bool:
    return isinstance(value, TRACKED) or is_optimizer_like(value)


def with_contents(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values, and the data in objects among them: whatever takes such an object may go on from what it holds."""
    objects = [value for value in values if isinstance(value, Instance) and not value.is_network]
    return (*values, *(data for each in objects for data in data_in(each.attributes.values()))) if objects else values


def wrap_output(machine: Machine, model: Value, inner: Value, inputs: tuple[Value, ...], node: ast.AST) -> Value:
    """What a network returned, marked as its output, element by element."""
    if isinstance(inner, Items):
        return Items([wrap_output(machine, model, each, inputs, node) for each in inner.items], inner.kind, inner.open)
    if isinstance(inner, Entries):
        wrapped = {key: wrap_output(machine, model, each, inputs, node) for key, each in inner.entries.items()}
        return Entries(wrapped, inner.open)
    if isinstance(inner, Either):
        return join_all(wrap_output(machine, model, each, inputs, node) for each in inner.alternatives)
    if isinstance(inner, Data):
        return machine.data("output", (inner, model, *with_contents(inputs)), node, width=inner.width)
    return inner
