"""How statements are executed. Each returns how the path left it early ("return", "break", "continue", "raise"), or None."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial

from nnlint.events import Accumulated, GradientsCleared, OptimizerStepped, StateKept, StateUsed
from nnlint.graph import update_of
from nnlint.static import calls
from nnlint.static.access import store_attribute, store_index
from nnlint.static.arguments import Arguments
from nnlint.static.expressions import binary
from nnlint.static.iteration import element_passes, generator_in, loop_over, while_passes, yielded
from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.knowledge.common import is_network_like
from nnlint.static.machine import EXECUTORS, Executor, Frame, Machine
from nnlint.static.objects import Class, External, Function, Generator, Module
from nnlint.static.tests import test_key
from nnlint.values import NONE, Constant, Data, Either, Instance, Items, Layer, State, Value, elements, truth

Arm = Callable[[], "str | None"]


def _executes(*kinds: type[ast.AST]) -> Callable[[Executor], Executor]:
    def register(function: Executor) -> Executor:
        for kind in kinds:
            EXECUTORS[kind] = function
        return function

    return register


@_executes(ast.Expr)
def _expression(machine: Machine, node: ast.Expr) -> str | None:
    if not isinstance(node.value, ast.Constant):
        value = machine.evaluate(node.value)
        if isinstance(node.value, ast.Call):
            _rebind_changed(machine, node.value.func, value)
    return None


IN_PLACE = frozenset({"div_", "mul_", "sub_", "add_"})


def _rebind_changed(machine: Machine, function: ast.expr, value: Value) -> None:
    """After `y.div_(2)`, the name stands for what the method made of it."""
    if not isinstance(function, ast.Attribute) or function.attr not in IN_PLACE or not isinstance(value, Data):
        return
    if isinstance(function.value, ast.Name) and value.inputs and value.inputs[0] is machine.evaluate(function.value):
        calls.bind_target(machine, function.value, value)


@_executes(ast.Assign)
def _assign(machine: Machine, node: ast.Assign) -> str | None:
    adds = _is_tallied(machine) and _adds_to_itself(node)
    before = machine.evaluate(_as_load(node.targets[0])) if adds else NONE
    value = machine.evaluate(node.value)
    if isinstance(value, Constant) and _counts_on(node) and _repeats(machine):
        value = machine.data("counter", (value,), node)
    if adds and isinstance(value, Data):
        machine.emit(Accumulated(machine.site(node), before, _added(value, before), value))
    for target in node.targets:
        _assign_to(machine, target, value, node)
    return None


def _is_tallied(machine: Machine) -> bool:
    """Whether what is added up here may be a running total: in a loop, and not inside a network."""
    return bool(machine.iterations) and not machine.network_depth


def _adds_to_itself(node: ast.Assign) -> bool:
    """Whether it is of the form `total = total + loss`, or `mean = 0.9 * mean + 0.1 * loss`."""
    target = node.targets[0]
    if len(node.targets) > 1 or not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        return False
    if not isinstance(node.value, ast.BinOp) or not any(isinstance(part, ast.Add) for part in ast.walk(node.value)):
        return False
    name = ast.unparse(target)
    return any(type(each) is type(target) and ast.unparse(each) == name for each in _operands(node.value))


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """The operands of a sum, through products and quotients."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult, ast.Div)):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _added(total: Data, before: Value) -> Value:
    """What was added to `before` to make the total."""
    added = [each for each in total.inputs if each is not before and not _is_made_of(each, before)]
    return added[0] if total.operation == "add" and len(added) == 1 else total


def _is_made_of(value: Value, before: Value) -> bool:
    return isinstance(value, Data) and any(each is before for each in value.inputs)


def _counts_on(node: ast.Assign) -> bool:
    """Whether it is of the form `n = n + 1`."""
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    return isinstance(node.value, ast.BinOp) and isinstance(node.value.left, ast.Name) and node.value.left.id in names


def _repeats(machine: Machine) -> bool:
    """Whether the innermost loop goes on longer than it is followed: what counts in it takes more values than are seen."""
    return bool(machine.iterations) and not machine.iterations[-1].loop.whole


@_executes(ast.AnnAssign)
def _annotated(machine: Machine, node: ast.AnnAssign) -> str | None:
    if node.value is not None:
        _assign_to(machine, node.target, machine.evaluate(node.value), node)
    return None


def _assign_to(machine: Machine, target: ast.expr, value: Value, node: ast.stmt) -> None:
    if isinstance(target, ast.Attribute) and target.attr == "grad":
        receiver = machine.evaluate(target.value)
        machine.emit(GradientsCleared(machine.site(node), receiver, replaced=value is not NONE))
        return
    if isinstance(target, ast.Attribute) and target.attr == "data" and machine.reads_gradients:
        updated = update_of(machine.evaluate(target.value), value)
        if updated is not None:
            machine.emit(OptimizerStepped(machine.site(node), updated))
            return
    if machine.iterations:
        _keep_state(machine, target, value, node)
    calls.bind_target(machine, target, value)


def _keep_state(machine: Machine, target: ast.expr, value: Value, node: ast.stmt) -> None:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, Items):
        for part, each in zip(target.elts, value.items, strict=False):
            _keep_state(machine, part, each, node)
        return
    kept = _named(target)
    is_alias = isinstance(getattr(node, "value", None), (ast.Name, ast.Attribute))
    if kept and any(_is_state(each) or (is_alias and is_network_like(each)) for each in elements(value)):
        machine.emit(StateKept(machine.site(node), value, kept))


def _named(target: ast.expr) -> str:
    if isinstance(target, ast.Subscript):
        return _named(target.value)
    if isinstance(target, ast.Name):
        return target.id
    return target.attr if isinstance(target, ast.Attribute) else ""


def _is_state(value: Value) -> bool:
    return isinstance(value, (State, Layer)) or (isinstance(value, Instance) and value.is_network)


@_executes(ast.AugAssign)
def _augmented(machine: Machine, node: ast.AugAssign) -> str | None:
    load = _as_load(node.target)
    before = machine.evaluate(load)
    value = machine.evaluate(node.value)
    after = binary(machine, node.op, before, value, node)
    if isinstance(after, Constant) and _repeats(machine):
        after = machine.data("counter", (before, value), node)
    updated = update_of(before, after) if machine.reads_gradients else None
    if updated is not None:
        machine.emit(OptimizerStepped(machine.site(node), updated))
        return None
    if isinstance(node.op, ast.Add) and _is_tallied(machine):
        machine.emit(Accumulated(machine.site(node), before, value, after))
    if isinstance(before, Items) and isinstance(value, Items):
        before.items.extend(value.items)
        before.open = before.open or value.open
        return None
    if isinstance(node.target, ast.Attribute):
        if node.target.attr != "data":  # the numbers of a tensor change, the tensor stays
            store_attribute(machine, machine.evaluate(node.target.value), node.target.attr, after)
    elif isinstance(node.target, ast.Subscript):
        receiver = machine.evaluate(node.target.value)
        store_index(machine, receiver, machine.evaluate(node.target.slice), after)
    else:
        calls.bind_target(machine, node.target, after)
    return None


def _as_load(target: ast.expr) -> ast.expr:
    """The target of `+=` is also read: evaluation ignores the context, so the node serves as it is."""
    return target


@_executes(ast.If)
def _if(machine: Machine, node: ast.If) -> str | None:
    if _is_main_guard(node.test):
        return machine.execute(node.body if machine.frame.module is machine.entry else node.orelse)
    test_node, negated = node.test, False
    while isinstance(test_node, ast.UnaryOp) and isinstance(test_node.op, ast.Not):
        test_node, negated = test_node.operand, not negated
    value = machine.evaluate(test_node)
    known = truth(value)
    if known is not None:
        return machine.execute(node.body if known is not negated else node.orelse)
    if not node.orelse and not negated and _guards_against_none(value):
        return machine.execute(node.body)
    key, denies = test_key(value)
    body, orelse = _arm(machine, node.body), _arm(machine, node.orelse)
    return machine.branch(key, [orelse, body] if negated is not denies else [body, orelse])


def _guards_against_none(value: Value) -> bool:
    """`if x is not None:` around what is done with x, with nothing else to do: on other paths there is no x to speak of."""
    return (
        isinstance(value, Data) and value.operation == "compare" and value.name == "IsNot" and value.inputs[1] is NONE
    )


def _arm(machine: Machine, statements: list[ast.stmt]) -> Arm:
    return lambda: machine.execute(statements)


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )


@_executes(ast.For, ast.AsyncFor)
def _for(machine: Machine, node: ast.For | ast.AsyncFor) -> str | None:
    over = machine.evaluate(node.iter)
    generator = generator_in(over)
    if generator is not None:
        calls.run_generator(machine, generator, lambda value: _pass(machine, node, yielded(machine, over, value, node)))
        return machine.execute(node.orelse) if node.orelse else None
    passes, whole = element_passes(machine, over, node.iter, node.body)

    def bodies() -> Iterator[Arm]:
        for value in passes:
            yield partial(_pass, machine, node, value)

    machine.loop(loop_over(machine, node.iter, over, node.target, whole), bodies())
    return machine.execute(node.orelse) if node.orelse else None


def _pass(machine: Machine, node: ast.For | ast.AsyncFor, value: Value) -> str | None:
    calls.bind_target(machine, node.target, value)
    return machine.execute(node.body)


@_executes(ast.While)
def _while(machine: Machine, node: ast.While) -> str | None:
    if truth(machine.evaluate(node.test)) is False:
        return machine.execute(node.orelse) if node.orelse else None

    def bodies() -> Iterator[Arm]:
        for number in while_passes(machine):
            if number:
                machine.evaluate(node.test)
            yield lambda: machine.execute(node.body)

    machine.loop(loop_over(machine, node, None), bodies())
    return machine.execute(node.orelse) if node.orelse else None


@_executes(ast.Break)
def _break(machine: Machine, node: ast.Break) -> str | None:
    return machine.leave("break")


@_executes(ast.Continue)
def _continue(machine: Machine, node: ast.Continue) -> str | None:
    return machine.leave("continue")


@_executes(ast.Return)
def _return(machine: Machine, node: ast.Return) -> str | None:
    value = NONE if node.value is None else machine.evaluate(node.value)
    machine.frame.returned.append(value)
    kept = [each for each in elements(value) if isinstance(each, State)]
    if kept:
        machine.emit(StateUsed(machine.site(node), value))
    return machine.leave("return")


@_executes(ast.Raise)
def _raise(machine: Machine, node: ast.Raise) -> str | None:
    if node.exc is not None:
        machine.evaluate(node.exc)
    return machine.leave("raise")


@_executes(ast.Try, *((ast.TryStar,) if hasattr(ast, "TryStar") else ()))
def _try(machine: Machine, node: ast.Try) -> str | None:
    left = machine.execute(node.body)
    if left is None and node.orelse:
        left = machine.execute(node.orelse)
    if node.handlers:
        arms: list[Arm] = [lambda: left]
        arms.extend(_handler(machine, handler) for handler in node.handlers)
        left = machine.branch(None, arms)
    if node.finalbody:
        left = machine.execute(node.finalbody) or left
    return left


def _handler(machine: Machine, handler: ast.ExceptHandler) -> Arm:
    def run() -> str | None:
        if handler.name:
            machine.write(machine.frame.locals, handler.name, machine.data("exception", (), handler))
        return machine.execute(handler.body)

    return run


@_executes(ast.With, ast.AsyncWith)
def _with(machine: Machine, node: ast.With | ast.AsyncWith) -> str | None:
    return _with_items(machine, list(node.items), node)


def _with_items(machine: Machine, items: list[ast.withitem], node: ast.With | ast.AsyncWith) -> str | None:
    if not items:
        return machine.execute(node.body)
    context = machine.evaluate(items[0].context_expr)
    if isinstance(context, Generator):
        return _with_generator(machine, context, items, node)
    entered = knowledge.entered(machine, context, items[0].context_expr)
    if items[0].optional_vars is not None:
        calls.bind_target(machine, items[0].optional_vars, entered)
    switched, gradient = knowledge.context_gradient(machine, context)
    if switched:
        with machine.recording(gradient):
            return _with_items(machine, items[1:], node)
    left = _with_items(machine, items[1:], node)
    if isinstance(context, Instance) and isinstance(context.cls.find("__exit__"), Function):
        machine.call_method(context, "__exit__", Arguments([NONE, NONE, NONE]), items[0].context_expr)
    return left


def _with_generator(
    machine: Machine, context: Generator, items: list[ast.withitem], node: ast.With | ast.AsyncWith
) -> str | None:
    """The body of a `with` over a function under `contextmanager` runs where that function yields."""
    exits: list[str | None] = []

    def body(value: Value) -> None:
        if items[0].optional_vars is not None:
            calls.bind_target(machine, items[0].optional_vars, value)
        exits.append(_with_items(machine, items[1:], node))

    calls.run_generator(machine, context, body)
    if not exits:
        body(machine.data("unknown", (), node))
    return exits[-1]


@_executes(ast.Match)
def _match(machine: Machine, node: ast.Match) -> str | None:
    subject = machine.evaluate(node.subject)

    def arm(case: ast.match_case) -> Arm:
        def run() -> str | None:
            for name in _captured(case.pattern):
                machine.write(machine.frame.locals, name, machine.data("element", (subject,), case.pattern))
            if case.guard is not None:
                machine.evaluate(case.guard)
            return machine.execute(case.body)

        return run

    taken = _decided_case(machine, subject, node.cases)
    if taken is not None:
        return arm(taken)()
    arms = [arm(case) for case in node.cases]
    if not any(_catches_all(case) for case in node.cases):
        arms.append(lambda: None)
    return machine.branch(None, arms)


def _decided_case(machine: Machine, subject: Value, cases: list[ast.match_case]) -> ast.match_case | None:
    if not isinstance(subject, Constant) or subject.overridable:
        return None
    for case in cases:
        if isinstance(case.pattern, ast.MatchValue) and case.guard is None:
            value = machine.evaluate(case.pattern.value)
            if isinstance(value, Constant) and value.value == subject.value:
                return case
        elif _catches_all(case):
            return case
        else:
            return None
    return None


def _catches_all(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def _captured(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if isinstance(name, str):
            yield name


@_executes(ast.FunctionDef, ast.AsyncFunctionDef)
def _function(machine: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    frame = machine.frame
    decorators = tuple(machine.evaluate(decorator) for decorator in node.decorator_list)
    in_class = frame.function is None and frame.owner is not None
    scopes = (frame.locals, *frame.closure) if frame.function is not None else frame.closure
    made = Function(node, frame.module, scopes, calls.defaults_of(machine, node.args), frame.owner, decorators)
    made.kind = _method_kind(node) if in_class else "function"
    machine.write(frame.locals, node.name, knowledge.decorated(machine, made, node))
    return None


METHOD_KINDS = {"staticmethod": "static", "classmethod": "class", "property": "property", "cached_property": "property"}


def _method_kind(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for decorator in node.decorator_list:
        name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
        if name in METHOD_KINDS:
            return METHOD_KINDS[name]
    return "function"


@_executes(ast.ClassDef)
def _class(machine: Machine, node: ast.ClassDef) -> str | None:
    frame = machine.frame
    bases = tuple(_base(machine.evaluate(base)) for base in node.bases)
    decorators = tuple(machine.evaluate(decorator) for decorator in node.decorator_list)
    made = Class(node, frame.module, bases, {}, decorators)
    scopes = (frame.locals, *frame.closure) if frame.function is not None else ()
    machine.write(frame.locals, node.name, made)
    machine.frame = Frame(frame.module, made.names, None, scopes, made)
    try:
        machine.execute(node.body)
    finally:
        machine.frame = frame
    return None


def _base(value: Value) -> Value:
    """What an unknown base is called, for the tables of frameworks."""
    if isinstance(value, Data) and value.name:
        return External(value.name)
    if isinstance(value, Either):
        return next((each for each in value.alternatives if isinstance(each, Class)), value.alternatives[0])
    return value


@_executes(ast.Import)
def _import(machine: Machine, node: ast.Import) -> str | None:
    for alias in node.names:
        name = alias.name if alias.asname else alias.name.split(".")[0]
        module = machine.project.import_name(machine, machine.frame.module, alias.name, node)
        bound = module if alias.asname else machine.project.import_name(machine, machine.frame.module, name, node)
        machine.write(machine.frame.locals, alias.asname or name, bound)
    return None


@_executes(ast.ImportFrom)
def _import_from(machine: Machine, node: ast.ImportFrom) -> str | None:
    here = machine.frame.module
    base = machine.project.import_name(machine, here, node.module or "", node, level=node.level)
    for alias in node.names:
        if alias.name == "*":
            machine.project.note_star(here, base)
            if isinstance(base, Module):
                for name, value in list(base.names.items()):
                    if isinstance(name, str) and not name.startswith("_"):
                        machine.write(machine.frame.locals, name, value)
            continue
        value = machine.project.member(machine, base, alias.name, node)
        machine.write(machine.frame.locals, alias.asname or alias.name, value)
    return None


@_executes(ast.Global)
def _global(machine: Machine, node: ast.Global) -> str | None:
    machine.frame.outer_names.update(dict.fromkeys(node.names, "global"))
    return None


@_executes(ast.Nonlocal)
def _nonlocal(machine: Machine, node: ast.Nonlocal) -> str | None:
    machine.frame.outer_names.update(dict.fromkeys(node.names, "nonlocal"))
    return None


@_executes(ast.Assert)
def _assert(machine: Machine, node: ast.Assert) -> str | None:
    machine.evaluate(node.test)
    return None


@_executes(ast.Delete, ast.Pass, getattr(ast, "TypeAlias", ast.Pass))
def _nothing(machine: Machine, node: ast.stmt) -> str | None:
    return None
