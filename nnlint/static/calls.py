"""Calls: arguments are bound, functions at hand are followed, the rest is asked of what is known about libraries."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from nnlint.events import ModelBuilt, ModelCalled, OneOf
from nnlint.operations import CONTAINERS
from nnlint.static.access import attribute, index, store_attribute, store_index
from nnlint.static.arguments import Arguments
from nnlint.static.candidates import affordable, having, was_only_read
from nnlint.static.generators import draw as draw
from nnlint.static.iteration import spread
from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.machine import Machine
from nnlint.static.objects import Bound, Class, External, Function, Generator, Module, Native, Partial, Super
from nnlint.static.parameters import bind_parameters
from nnlint.static.signatures import takes
from nnlint.values import (
    GIVEN_KEY,
    NONE,
    TRUE,
    Constant,
    Data,
    Either,
    Entries,
    Instance,
    Items,
    Layer,
    Loader,
    Optimizer,
    Value,
    alternatives,
    join_all,
)

STEPS_OF_A_RETRY = 1_000
"""A handler that calls again what took as long as this runs the training once more, and would show nothing new."""

TELLS = frozenset(
    "zero_grad train eval parameters named_parameters to cuda cpu state_dict modules children apply".split()
)
"""Methods that tell an object something: whichever of several it is, it is told."""


def call_node(machine: Machine, node: ast.Call) -> Value:
    """Evaluate a call expression."""
    function = node.func
    if isinstance(function, ast.Attribute):
        receiver = machine.evaluate(function.value)
        return call_method(machine, receiver, function.attr, evaluate_arguments(machine, node), node)
    if isinstance(function, ast.Name) and function.id == "super":
        made = _super(machine, node)
        if made is not None:
            return made
    callee = machine.evaluate(function)
    return call(machine, callee, evaluate_arguments(machine, node), node)


def _super(machine: Machine, node: ast.Call) -> Value | None:
    frame = machine.frame
    if frame.owner is None or frame.receiver is None:
        return None
    owner: Value = frame.owner
    if node.args:
        owner = machine.evaluate(node.args[0])
    return Super(frame.receiver, owner if isinstance(owner, Class) else frame.owner)


def evaluate_arguments(machine: Machine, node: ast.Call) -> Arguments:
    """The values of a call's arguments, stars spread where their elements are known."""
    given = Arguments()
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            value = machine.evaluate(argument.value)
            if isinstance(value, Data):
                given.positional.append(machine.data("spread", (value,), argument))
                given.open = True
                continue
            known, is_open = (draw(machine, value), True) if isinstance(value, Generator) else spread(value)
            given.positional.extend(known)
            given.open = given.open or is_open
        else:
            given.positional.append(machine.evaluate(argument))
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value)
        if keyword.arg is not None:
            given.keywords[keyword.arg] = value
        elif isinstance(value, Entries):
            given.keywords.update((key, each) for key, each in value.entries.items() if isinstance(key, str))
            given.open = given.open or value.open
        else:
            given.open = True
            if isinstance(value, Data):
                given.unpacked.append(machine.data("spread", (value,), keyword))
    return given


# Calling a value


def call(machine: Machine, callee: Value, given: Arguments, node: ast.AST) -> Value:
    """Call any value."""
    if isinstance(callee, Function):
        return call_function(machine, callee, given, node)
    if isinstance(callee, External):
        return knowledge.call_external(machine, callee.name, given, node)
    if isinstance(callee, Bound):
        return _call_bound(machine, callee, given, node)
    if isinstance(callee, Class):
        return instantiate(machine, callee, given, node)
    if isinstance(callee, Instance):
        return call_instance(machine, callee, given, node)
    if isinstance(callee, Layer):
        return knowledge.apply_layer(machine, callee, given, node)
    if isinstance(callee, Partial):
        keywords = {**callee.keywords, **given.keywords}
        merged = Arguments([*callee.arguments, *given.positional], keywords, given.open, given.unpacked)
        return call(machine, callee.function, merged, node)
    if isinstance(callee, Native):
        result: Value = callee.call(machine, given, node)
        return result
    if isinstance(callee, Either):
        known = [each for each in callee.alternatives if each is not NONE]
        able = [each for each in known if takes(each, given)]
        return _call_one_of(machine, able or known, given, node)
    if isinstance(callee, Data):
        return knowledge.call_unknown(machine, callee, given, node)
    return machine.data("call", (callee, *given.values()), node)


def _call_one_of(machine: Machine, callees: Sequence[Value], given: Arguments, node: ast.AST) -> Value:
    found: list[Value] = []
    called = affordable(callees)

    def arm(callee: Value) -> Callable[[], None]:
        return lambda: found.append(call(machine, callee, given, node))

    if len(callees) == 1:
        return call(machine, called[0], given, node)
    around, machine.one_of = machine.one_of, OneOf(node, len(callees))
    try:
        machine.branch(None, [arm(callee) for callee in called])
    finally:
        machine.one_of = around
    return join_all(found)


def _call_bound(machine: Machine, callee: Bound, given: Arguments, node: ast.AST) -> Value:
    if callee.function is not None:
        return call_function(machine, callee.function, given, node, callee.receiver)
    return call_method(machine, callee.receiver, callee.name, given, node)


def call_method(machine: Machine, receiver: Value, name: str, given: Arguments, node: ast.AST) -> Value:
    """`receiver.name(...)`."""
    if isinstance(receiver, (External, Module, Class, Super)):
        return _call_reached(machine, receiver, name, given, node)
    if isinstance(receiver, Instance):
        return _call_on_instance(machine, receiver, name, given, node)
    if isinstance(receiver, Either):
        if name == "backward" and receiver.open:
            return knowledge.call_method(machine, receiver, name, given, node)
        if name in TELLS:
            told = [each for each in receiver.alternatives if each is not NONE]
            return join_all(call_method(machine, each, name, given, node) for each in told)
        bound = [Bound(each, name) for each in having(receiver.alternatives, name)]
        able = [each for each in bound if takes(each, given)]
        result = _call_one_of(machine, able or bound, given, node)
        return Either(alternatives(result), open=True) if receiver.open else result
    if isinstance(receiver, (Layer, Optimizer)):
        held = receiver.attributes.get(name)
        if held is not None:
            return call(machine, held, given, node)
    if isinstance(receiver, Data) and name in receiver.parts and not was_only_read(receiver, name):
        return call(machine, receiver.parts[name], given, node)
    return knowledge.call_method(machine, receiver, name, given, node)


def _call_reached(machine: Machine, receiver: Value, name: str, given: Arguments, node: ast.AST) -> Value:
    if name == "from_pretrained" and isinstance(receiver, Class) and knowledge.is_restored(receiver):
        made = instantiate(machine, receiver, Arguments([], dict(given.keywords), open=True), node)
        knowledge.restore(machine, made, node)
        return made
    found = attribute(machine, receiver, name, node)
    if isinstance(found, Bound) and found.function is None:
        if isinstance(receiver, Super) and name == "__init__":
            if isinstance(receiver.receiver, Instance):
                knowledge.initialize_inherited(machine, receiver.receiver, given, node)
            return NONE
        return knowledge.call_method(machine, found.receiver, name, given, node)
    return call(machine, found, given, node)


def _call_on_instance(machine: Machine, receiver: Instance, name: str, given: Arguments, node: ast.AST) -> Value:
    held = receiver.attributes.get(name)
    if held is not None:
        return call(machine, held, given, node)
    found = receiver.cls.find(name)
    if isinstance(found, Function):
        if name == "forward" and receiver.is_network:
            return call_instance(machine, receiver, given, node)
        target = None if found.kind == "static" else receiver
        if found.kind == "property":
            return call(machine, call_function(machine, found, Arguments(), node, receiver), given, node)
        return call_function(machine, found, given, node, receiver.cls if found.kind == "class" else target)
    if found is not None:
        return call(machine, found, given, node)
    return knowledge.call_method(machine, receiver, name, given, node)


# Functions


def call_function(
    machine: Machine, function: Function, given: Arguments, node: ast.AST, receiver: Value | None = None
) -> Value:
    """Call a function whose source is at hand; unknown data where it may not be followed (recursion, depth)."""
    locals_ = bind_parameters(machine, function, given, node, receiver)
    if is_generator(function):
        return Generator(function, locals_, receiver)
    before, steps = machine.gradient, machine.steps_left
    activity, training = machine.activity, machine.training_events
    budget = machine.project.budget
    effort, is_own = budget.effort_of(function.node), function.module is machine.entry
    machine.gradient = within = knowledge.decorated_gradient(function.decorators, before)
    try:
        is_retry = machine.handler_depth > 0 and effort.steps > STEPS_OF_A_RETRY
        here = machine.times_followed.get(function.node, 0)
        is_spent = is_retry or budget.is_spent(effort, machine.steps_taken, is_own, here, machine.frame.function)
        machine.times_followed[function.node] = here + 1
        is_left_open = function.decorators and any(map(_is_abstract, function.decorators))
        value = None if is_spent or is_left_open else machine.enter(function, locals_, receiver, node)
    finally:
        if function.decorators:
            machine.gradient = before
        effort.add(steps - machine.steps_left, machine.activity != activity, machine.training_events != training)
    if value is None:
        machine.note(f"the call of {function.name} is not followed: nested too deep, or followed often enough", node)
        if function.name == "__init__" and isinstance(receiver, Instance):
            _hold(machine, receiver, given)
        if not is_spent or effort.is_active:  # where nothing has happened so often, nothing happens to what it is given
            is_object = isinstance(receiver, Instance) and not receiver.is_network
            reached = (receiver, *given.values()) if is_object and receiver is not None else given.values()
            knowledge.escape(machine, reached, function.name, node)
        unfollowed = machine.data("call", knowledge.with_contents(given.values()), node, name=function.name)
        if within is False:  # whatever it does, nothing of it is recorded
            unfollowed.gradient = False
        return unfollowed
    if isinstance(value, Instance) and value.is_network and not machine.is_inside_network:
        effort.builds = True
    return value


def _hold(machine: Machine, made: Instance, given: Arguments) -> None:
    """Keep the tensors and networks that a constructor was given which was not followed: the object may hold them all."""
    held = [
        each for each in given.values() if not isinstance(each, (Instance, Constant)) or knowledge.is_network_like(each)
    ]
    if held or made.is_network:
        machine.write(made.attributes, GIVEN_KEY, Items(held, "tuple", open=True))


def _is_abstract(decorator: Value) -> bool:
    """Whether a method is left to derived classes, which alone know what it gives back."""
    return isinstance(decorator, External) and decorator.name.endswith("abstractmethod")


def is_generator(function: Function) -> bool:
    """Whether calling the function makes a generator."""
    node = function.node
    if isinstance(node, ast.Lambda):
        return False
    known = function.module.generators.get(node)
    if known is None:
        known = _is_named_in("yield", function.module, node) and any(_yields(statement) for statement in node.body)
        function.module.generators[node] = known
    return known


def _is_named_in(word: str, module: Module, node: ast.stmt) -> bool:
    """Whether the word stands in the lines of a statement; asked of the whole text first, where it hardly ever does."""
    return word in module.source.text and any(word in line for line in module.lines_of(node))


def _yields(node: ast.AST) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
        return False
    return isinstance(node, (ast.Yield, ast.YieldFrom)) or any(_yields(child) for child in ast.iter_child_nodes(node))


# Classes and their instances


def instantiate(machine: Machine, cls: Class, given: Arguments, node: ast.AST) -> Value:
    """Construct an object of a class whose source is at hand."""
    made = knowledge.instantiate_known(machine, cls, given, node)
    if made is not None:
        return made
    instance = Instance(cls.node.name, cls, {}, machine.site(node), knowledge.is_network(cls))
    initializer = cls.find("__init__")
    if instance.is_network:
        machine.activity += 1
        instance.attributes["<training>"] = TRUE
    if isinstance(initializer, Function):
        machine.building_depth += instance.is_network
        try:
            call_function(machine, initializer, given, node, instance)
        finally:
            machine.building_depth -= instance.is_network
    elif knowledge.has_fields(cls):
        _fill_fields(machine, cls, instance, given, node)
    else:
        knowledge.initialize_inherited(machine, instance, given, node)
    if instance.is_network and not machine.building_depth:
        machine.emit(ModelBuilt(machine.site(node), instance))
    return instance


def _fill_fields(machine: Machine, cls: Class, instance: Instance, given: Arguments, node: ast.AST) -> None:
    fields = [
        statement.target.id
        for owner in reversed(list(cls.lineage()))
        for statement in owner.node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    instance.attributes.update(given.named(tuple(fields)))
    for name in fields:
        if name not in instance.attributes:
            default = _field_default(machine, cls.find(name), cls.node)
            if given.open and isinstance(default or cls.find(name), Constant):
                default = Data("attribute", (instance,), machine.site(node), name=name)
            if default is not None:
                instance.attributes[name] = default
    prepare = cls.find("__post_init__")
    if isinstance(prepare, Function):
        call_function(machine, prepare, Arguments(), cls.node, instance)


def _field_default(machine: Machine, declared: Value | None, node: ast.AST) -> Value | None:
    """What `field(default_factory=list)` gives each object; None where the class attribute is the default itself."""
    if not isinstance(declared, Data) or declared.operation != "call" or not declared.name.endswith("field"):
        return None
    factory = declared.options.get("default_factory") or declared.options.get("factory")
    return declared.options.get("default") if factory is None else call(machine, factory, Arguments(), node)


def call_instance(machine: Machine, instance: Instance, given: Arguments, node: ast.AST) -> Value:
    """Call an object: a network's forward, or `__call__`."""
    method = instance.cls.find("forward") if instance.is_network else instance.cls.find("__call__")
    if not isinstance(method, Function):
        method = instance.cls.find("__call__")
    if not isinstance(method, Function):
        inherited = knowledge.forward_inherited(machine, instance, given, node)
        if inherited is not None:
            return inherited
        knowledge.escape(machine, (instance, *given.values()), instance.kind, node)
        return machine.data("call", (instance, *given.values()), node, name=instance.kind)
    if not instance.is_network:
        return call_function(machine, method, given, node, instance)
    if machine.is_inside_network:
        return _forward(machine, instance, method, given, node)
    output = _model_output(machine, instance, method, given, node)
    training = instance.attributes.get("<training>")
    mode = training.value if isinstance(training, Constant) else None
    machine.emit(ModelCalled(machine.site(node), instance, given.values(), output, mode, machine.gradient))
    return output


def _forward(machine: Machine, instance: Instance, method: Function, given: Arguments, node: ast.AST) -> Value:
    machine.network_depth += 1
    try:
        return call_function(machine, method, given, node, instance)
    finally:
        machine.network_depth -= 1


def _model_output(machine: Machine, instance: Instance, method: Function, given: Arguments, node: ast.AST) -> Value:
    """The output of a network, wrapped as such. A second call like an earlier one takes the earlier one's graph."""
    shape = tuple(_shape(value) for value in given.values())
    parts = tuple(instance.attributes.values())
    key = (id(instance), tuple(map(id, parts)), shape, machine.gradient)
    known = machine.outputs.get(key)
    if known is not None:
        inner = known[0]
    else:
        events = len(machine.run.all_events)
        inner = _forward(machine, instance, method, given, node)
        if len(machine.run.all_events) == events:
            machine.outputs[key] = (inner, instance, parts)  # kept: nothing else may get the identity of a part
    return knowledge.wrap_output(machine, instance, inner, given.values(), node)


def _shape(value: Value) -> object:
    return value.value if isinstance(value, Constant) and value.value.__hash__ else type(value)


# Binding targets


def bind_target(machine: Machine, target: ast.AST, value: Value) -> None:
    """Assign to a name, attribute, subscript, tuple or starred target."""
    if isinstance(target, ast.Name):
        _bind_name(machine, target.id, value)
    elif isinstance(target, ast.Attribute):
        name_held(value, target.attr)
        store_attribute(machine, machine.evaluate(target.value), target.attr, value)
    elif isinstance(target, ast.Subscript):
        receiver, key = machine.evaluate(target.value), machine.evaluate(target.slice)
        name_held(value, key.value if isinstance(key, Constant) else None)
        store_index(machine, receiver, key, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _bind_elements(machine, target.elts, value)
    elif isinstance(target, ast.Starred):
        bind_target(machine, target.value, value)


def name_held(value: Value, name: object) -> None:
    """What is no object of its own class goes by the name of the attribute or entry that first holds it, too."""
    if isinstance(value, (Data, Loader)) and not value.bound and isinstance(name, str):
        value.bound = name


def _bind_name(machine: Machine, name: str, value: Value) -> None:
    frame = machine.frame
    if isinstance(value, (Data, Loader)) and not value.bound:
        value.bound = name
    scope = frame.locals
    declared = frame.outer_names.get(name)
    if declared == "global":
        scope = frame.module.names
    elif declared == "nonlocal":
        scope = next((space for space in frame.closure[1:] if name in space), scope)
    machine.write(scope, name, value)


def _bind_elements(machine: Machine, targets: list[ast.expr], value: Value) -> None:
    starred = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if isinstance(value, Either):
        value = _unpackable(value, len(targets))
    for position, target in enumerate(targets):
        if starred is not None and position >= starred:
            if position == starred:
                bind_target(machine, target, _rest(machine, value, position, target))
                continue
            position -= len(targets)
        bind_target(machine, target, index(machine, value, Constant(position), target))


def _unpackable(value: Either, count: int) -> Value:
    """What can be meant where several names are bound: with a tuple of as many among the alternatives, no single object."""
    tuples = [each for each in value.alternatives if isinstance(each, Items) and len(each.items) == count]
    return join_all(each for each in value.alternatives if not _is_single(each)) if tuples else value


def _is_single(value: Value) -> bool:
    is_container = isinstance(value, Layer) and value.kind in CONTAINERS
    return (isinstance(value, (Layer, Optimizer)) and not is_container) or (
        isinstance(value, Instance) and value.is_network
    )


def _rest(machine: Machine, value: Value, start: int, node: ast.AST) -> Value:
    if isinstance(value, Items):
        return Items(value.items[start:], "list", value.open)
    return machine.data("index", (value, Data("slice", (Constant(start), NONE, NONE))), node)
