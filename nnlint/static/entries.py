"""Where the runs of a file start: its top level, then every function and class that nothing has called yet.

What nothing calls (a library file, a function for others to use) runs with symbolic arguments: values whose roles follow from
their use. Functions that no other mentions come first, so that the others are seen with the arguments they are given.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nnlint.events import Backward, ModelCalled, OptimizerMade, OptimizerStepped, Run, StateUsed
from nnlint.graph import parameters_of
from nnlint.lazy import regex
from nnlint.report import CUT_SHORT
from nnlint.static import calls
from nnlint.static.arguments import Arguments
from nnlint.static.calls import call_function, call_instance, instantiate
from nnlint.static.expected import expected_arguments, expected_by_class
from nnlint.static.knowledge.fitting import STEPS, inherited_steps, is_step, run_step
from nnlint.static.knowledge.frameworks import is_composer
from nnlint.static.knowledge.modules import set_mode
from nnlint.static.machine import CutShort, Frame, Machine, Surroundings
from nnlint.static.objects import Class, CodeSite, Function, Module
from nnlint.static.parameters import symbolic_argument
from nnlint.trace import Block, LoopRun
from nnlint.values import MODE_KEY, NONE, Data, Instance, Layer, Optimizer, Value, alternatives, elements

Place = tuple[str, int, int]
"""The path, line and column of a call."""

CHAIN = "Sequential"
"""The kind of network that needs no class: it is called as it is made."""

SELF_CALLED = regex(r"\bself\.(\w+)\s*\(")
"""Methods that a class asks of itself."""


def entry_runs(project: Surroundings, module: Module) -> Iterator[Run]:
    """The runs of one file."""
    before, called = None, project.called_layers
    for run in _attempt(project, module, lambda machine: _top_level(machine, module), symbolic=False):
        before = run if _leaves_networks(run) else None
        called.update(_places_called(run))
        yield run
    for name in _roots_first(module, [key for key in module.names if isinstance(key, str)]):
        value = module.names.get(name)
        if isinstance(value, Function) and value.module is module and value.node not in module.followed:
            runs = _attempt(project, module, _function_entry(value), before=before)
        elif isinstance(value, Class) and value.module is module:
            runs = _class_runs(project, module, value, before)
        else:
            continue
        for run in runs:
            called.update(_places_called(run))
            yield run
    yield from _runs_of_uncalled(project, module)
    module.give_back()


def _places_called(run: Run) -> Iterator[Place]:
    """Where the layers were made that stand in networks which a run calls."""
    models = {id(event.model): event.model for event in run.events(ModelCalled)}
    for model in models.values():
        for part in parameters_of(model):
            if isinstance(part, Layer) and isinstance(part.at, CodeSite):
                yield _place(part.at)


def _place(at: CodeSite) -> Place:
    return at.module.source.path, getattr(at.node, "lineno", 0), getattr(at.node, "col_offset", 0)


def _runs_of_uncalled(project: Surroundings, module: Module) -> Iterator[Run]:
    """The runs of what the file's top level makes of layers, and nothing at hand calls: code that is not at hand trains it."""
    for value in list(module.names.values()):
        at = value.at if isinstance(value, Layer) and value.kind == CHAIN else None
        if isinstance(value, Layer) and isinstance(at, CodeSite) and at.module is module and at.function is None:
            parts = [part.at for part in parameters_of(value) if isinstance(part, Layer)]
            if not any(isinstance(each, CodeSite) and _place(each) in project.called_layers for each in parts):
                yield from _attempt(project, module, _network_entry(module, value, at))


def _network_entry(module: Module, network: Layer, at: CodeSite) -> Callable[[Machine], None]:
    def run(machine: Machine) -> None:
        machine.frame = Frame(module, module.names)
        machine.call(network, Arguments([Data("argument", (), at, name="input")]), at.node)

    return run


def _leaves_networks(run: Run) -> bool:
    """Whether functions may find networks as global names of which more is known than that they are there."""
    return any(run.events(OptimizerMade)) or any(run.events(StateUsed))


def _class_runs(project: Surroundings, module: Module, cls: Class, before: Run | None) -> Iterator[Run]:
    methods = [
        (name, value)
        for name, value in cls.names.items()
        if isinstance(value, Function) and value.module is module and value.node not in module.followed
    ]
    if methods:
        yield from _attempt(project, module, _class_entry(cls), before=before)


def _attempt(
    project: Surroundings,
    module: Module,
    entry: Callable[[Machine], None],
    symbolic: bool = True,
    before: Run | None = None,
) -> Iterator[Run]:
    machine = Machine(project, module, calls)
    machine.run.symbolic, machine.run.before = symbolic, before
    try:
        entry(machine)
        for finish in machine.pending:
            finish()
    except CutShort:
        machine.run.cut_short = True
        project.note(module.source, None, f"{CUT_SHORT}: the file takes more steps than the budget allows")
    project.budget.steps += machine.steps_taken
    if machine.run.all_events or machine.operations:
        yield machine.run


def _top_level(machine: Machine, module: Module) -> None:
    if not module.executed:
        module.executed = True
        machine.execute(module.tree.body)
        return
    guards = [statement for statement in module.tree.body if isinstance(statement, ast.If)]
    for statement in guards:
        if "__name__" in ast.dump(statement.test):
            machine.execute([statement])


def _function_entry(function: Function) -> Callable[[Machine], None]:
    def run(machine: Machine) -> None:
        given = expected_arguments(machine, function)
        machine.run.results.append(call_function(machine, function, given, function.node))

    return run


def _class_entry(cls: Class) -> Callable[[Machine], None]:
    is_untouched = not any(
        isinstance(value, Function) and value.node in cls.module.followed and name != "__init__"
        for name, value in cls.names.items()
    )

    def run(machine: Machine) -> None:
        machine.frame = Frame(cls.module, cls.module.names)
        instance = instantiate(machine, cls, expected_by_class(machine, cls), cls.node)
        if not isinstance(instance, Instance):
            return
        with _pass_of_calls(machine) as first:
            entered = list(_call_entry_methods(machine, cls, instance))
        if not is_untouched or not _steps_its_own(machine, instance) or _is_base(machine.project, cls):
            machine.block.items.extend(first.items)
            return
        machine.run.called_again = True
        with _pass_of_calls(machine) as second:
            for name, method in entered:
                _forget_modes(machine, instance)
                _call_entry_method(machine, instance, name, method)
        machine.block.items.append(LoopRun([first, second]))

    return run


@contextmanager
def _pass_of_calls(machine: Machine) -> Iterator[Block]:
    outer, machine.block = machine.block, Block()
    followed = machine.block
    try:
        yield followed
    except CutShort:
        outer.items.extend(followed.items)
        raise
    finally:
        machine.block = outer


def _call_entry_methods(machine: Machine, cls: Class, instance: Instance) -> Iterator[tuple[str, Function]]:
    """Calls the methods that no other method has called by then; yields them."""
    own = _called_inside(cls)
    names = _roots_first(cls.module, [name for name in cls.names if isinstance(name, str)])
    for name in sorted(names, key=lambda each: each in own):
        method = cls.names[name]
        if isinstance(method, Function) and method.node not in cls.module.followed:
            _forget_modes(machine, instance)
            _call_entry_method(machine, instance, name, method)
            yield name, method
    for name, step in inherited_steps(cls):
        with _in_file_of(machine, step):
            _call_entry_method(machine, instance, name, step)


@contextmanager
def _in_file_of(machine: Machine, method: Function) -> Iterator[None]:
    """What is told of the call stands where the method is written: the base may be in another file."""
    outer, machine.frame.module = machine.frame.module, method.module
    try:
        yield
    finally:
        machine.frame.module = outer


def _called_inside(cls: Class) -> frozenset[str]:
    """The names that the class's own text calls: its bases may call whichever of its methods they know by name."""
    return frozenset(SELF_CALLED.findall(cls.module.text_of(cls.node)))


def _steps_its_own(machine: Machine, instance: Instance) -> bool:
    """Whether the object steps an optimizer that it made at its construction: then its methods are called again and again."""
    own = {
        id(each) for value in instance.attributes.values() for each in elements(value) if isinstance(each, Optimizer)
    }
    stepped = {id(each) for event in machine.run.events(OptimizerStepped) for each in alternatives(event.optimizer)}
    return bool(own & stepped) and any(machine.run.events(Backward))


def _is_base(project: Surroundings, cls: Class) -> bool:
    """Whether other classes derive from this one: their methods may do what its own leave out."""
    return cls.node.name in project.base_names()


def _forget_modes(machine: Machine, instance: Instance) -> None:
    """Whoever calls a method of the object may have switched its networks before."""
    for held in (instance, *list(instance.attributes.values())):
        if _has_mode(held):
            set_mode(machine, held, None)


def _has_mode(value: Value) -> bool:
    if isinstance(value, Data):
        return MODE_KEY in value.parts
    return isinstance(value, Layer) or (isinstance(value, Instance) and value.is_network)


def _call_entry_method(machine: Machine, instance: Instance, name: str, method: Function) -> None:
    if method.kind == "static":
        machine.run.results.append(call_function(machine, method, Arguments(), method.node))
    elif name == "forward" and instance.is_network:
        call_instance(machine, instance, _forward_arguments(machine, method), method.node)
    elif name == "training_step" and is_step(instance.cls, name):
        run_step(machine, instance, name, None, method.node)
    elif name == "loss" and is_composer(instance.cls):
        batch = Data("argument", (), machine.site(method.node), name="batch")
        output = call_instance(machine, instance, Arguments([batch]), method.node)
        call_function(machine, method, Arguments([output, batch]), method.node, instance)
    elif is_step(instance.cls, name):
        set_mode(machine, instance, STEPS[name])
        with machine.recording(STEPS[name]):
            machine.run.results.append(call_function(machine, method, Arguments(), method.node, instance))
    else:
        receiver: Value = instance.cls if method.kind == "class" else instance
        given = expected_arguments(machine, method)
        machine.run.results.append(call_function(machine, method, given, method.node, receiver))


def _forward_arguments(machine: Machine, forward: Function) -> Arguments:
    """Arguments for a forward that nothing calls. What may be left out and is None then (labels) is given too."""
    given = Arguments()
    for parameter in forward.node.args.args[1:]:
        default = forward.defaults.get(parameter.arg)
        if default is None or default is NONE:
            given.keywords[parameter.arg] = symbolic_argument(machine, forward, parameter)
    return given


def _roots_first(module: Module, names: list[str]) -> list[str]:
    """Names that are called nowhere in the module's text come before those that are."""
    return sorted(names, key=lambda name: module.calls[name] > 0)
