"""How statements are executed. Each returns how the path left it early ("return", "break", "continue", "raise"), or None."""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterator
from functools import partial

from nnlint.events import StateUsed
from nnlint.static import calls, counters
from nnlint.static.access import taken_out
from nnlint.static.arguments import Arguments
from nnlint.static.generators import run_generator
from nnlint.static.iteration import element_passes, ends_at_once, generator_in, loop_over, while_passes, yielded
from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.machine import Machine, executes
from nnlint.static.objects import Function, Generator
from nnlint.static.tests import test_key
from nnlint.values import FALSE, MODE_KEY, NONE, Constant, Data, Instance, Items, Layer, State, Value, elements, truth

Arm = Callable[[], "str | None"]


@executes(ast.If)
def _if(machine: Machine, node: ast.If) -> str | None:
    if _is_main_guard(node.test):
        return machine.execute(node.body if machine.frame.module is machine.entry else node.orelse)
    test_node, negated = node.test, False
    while isinstance(test_node, ast.UnaryOp) and isinstance(test_node.op, ast.Not):
        test_node, negated = test_node.operand, not negated
    value = machine.evaluate(test_node)
    known = truth(value)
    if known is None and isinstance(test_node, ast.BoolOp) and _ends_true(machine, test_node):
        known = True
    if known is None and isinstance(value, Data) and value.operation == "compare":
        known = counters.compared(machine, value)
    if known is None and negated and _holds_already(value):
        known = True
    if known is not None:
        return machine.execute(node.body if known is not negated else node.orelse)
    if not node.orelse and not negated and any(holds(value) for holds in WHERE_IT_MATTERS):
        return machine.execute(node.body)
    key, denies = test_key(value)
    arms, implied = (_arm(machine, node.body), _arm(machine, node.orelse)), _implied(machine, test_node)
    if machine.frame.module.is_package and not negated and _is_for_types(test_node):
        arms = (_deferring(machine, arms[0]), arms[1])
    if negated:
        implied = implied[::-1]
    swapped = negated is not denies
    return machine.branch(key, arms[::-1] if swapped else arms, implied[::-1] if swapped else implied)


def _holds_already(test: Value) -> bool:
    """Whether the test is `hasattr(self, "head")` of a network or layer that was stored there: it is not made a second time."""
    if not isinstance(test, Data) or test.name != "builtins.hasattr" or len(test.inputs) != 2:
        return False
    holder, name = test.inputs
    if not isinstance(holder, Instance) or not isinstance(name, Constant):
        return False
    return isinstance(holder.attributes.get(name.value), (Instance, Layer))


def _restores_mode(test: Value) -> bool:
    """Whether the test is `was_training`, read of a network before its `eval()`: the mode of before comes back."""
    if not isinstance(test, Data) or test.operation != "attribute" or test.name != "training" or not test.inputs:
        return False
    network = test.inputs[0]
    return isinstance(network, Data) and network.parts.get(MODE_KEY) is FALSE


def _ends_true(machine: Machine, test: ast.BoolOp) -> bool:
    """Whether one part of the `or` that was just evaluated holds, whatever those before it are."""
    return isinstance(test.op, ast.Or) and truth(machine.operands[-1]) is True


def _implied(machine: Machine, test: ast.expr) -> tuple[tuple[tuple[Hashable, bool], ...], ...]:
    """What holds besides in the body and in the `else` of a test: of `a and b` both, of `a or b` none."""
    if not isinstance(test, ast.BoolOp):
        return ()
    holds = isinstance(test.op, ast.And)
    parts = tuple((key, holds is not denies) for key, denies in map(test_key, machine.operands))
    return (parts, ()) if holds else ((), parts)


def _guards_against_none(value: Value) -> bool:
    """`if x is not None:` around what is done with x, with nothing else to do: on other paths there is no x to speak of."""
    return (
        isinstance(value, Data) and value.operation == "compare" and value.name == "IsNot" and value.inputs[1] is NONE
    )


def _asks_for_gradients(value: Value) -> bool:
    """`if weight.requires_grad:` around what is done with a weight, with nothing else to do: a frozen one has no gradients."""
    if not isinstance(value, Data) or value.operation != "attribute" or value.name != "requires_grad":
        return False
    weight = value.inputs[0]
    return isinstance(weight, Data) and weight.operation == "weight"


WHERE_IT_MATTERS = (_guards_against_none, _restores_mode, _asks_for_gradients)
"""Tests of which only the path on which they hold says anything."""


def _arm(machine: Machine, statements: list[ast.stmt]) -> Arm:
    return lambda: machine.execute(statements)


def _is_for_types(test: ast.expr) -> bool:
    """Whether a body is for type checkers, first of all: `if TYPE_CHECKING or SLOW_IMPORT:`."""
    first = test.values[0] if isinstance(test, ast.BoolOp) else test
    return getattr(first, "id", getattr(first, "attr", "")) == "TYPE_CHECKING"


def _deferring(machine: Machine, arm: Arm) -> Arm:
    """The arm, whose imports wait until somebody asks for the names: a package of hundreds of modules is run for few of them."""

    def run() -> str | None:
        frame = machine.frame
        frame.is_for_types = frame.module is not machine.entry
        try:
            return arm()
        finally:
            frame.is_for_types = False

    return run


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )


@executes(ast.For, ast.AsyncFor)
def _for(machine: Machine, node: ast.For | ast.AsyncFor) -> str | None:
    over = machine.evaluate(node.iter)
    generator = generator_in(over)
    if generator is not None:
        run_generator(machine, generator, lambda value: _pass(machine, node, yielded(machine, over, value, node)))
        return machine.execute(node.orelse) if node.orelse else None
    passes, whole = element_passes(machine, over, node.iter, node.body)

    def bodies() -> Iterator[Arm]:
        for value in passes:
            yield partial(_pass, machine, node, value)

    whole = whole or ends_at_once(node.body)
    machine.loop(loop_over(machine, node.iter, over, node.target, whole), bodies())
    return machine.execute(node.orelse) if node.orelse else None


def _pass(machine: Machine, node: ast.For | ast.AsyncFor, value: Value) -> str | None:
    calls.bind_target(machine, node.target, value)
    return machine.execute(node.body)


@executes(ast.While)
def _while(machine: Machine, node: ast.While) -> str | None:
    if truth(machine.evaluate(node.test)) is False:
        return machine.execute(node.orelse) if node.orelse else None

    def bodies() -> Iterator[Arm]:
        for number in while_passes(machine):
            if number:
                machine.evaluate(node.test)
            yield lambda: machine.execute(node.body)

    machine.loop(loop_over(machine, node, None, whole=ends_at_once(node.body)), bodies())
    return machine.execute(node.orelse) if node.orelse else None


@executes(ast.Break)
def _break(machine: Machine, node: ast.Break) -> str | None:
    return machine.leave("break")


@executes(ast.Continue)
def _continue(machine: Machine, node: ast.Continue) -> str | None:
    return machine.leave("continue")


@executes(ast.Return)
def _return(machine: Machine, node: ast.Return) -> str | None:
    value = NONE if node.value is None else machine.evaluate(node.value)
    machine.frame.returned.append(value)
    kept = [each for each in elements(value) if isinstance(each, State)]
    if kept:
        machine.emit(StateUsed(machine.site(node), value))
    return machine.leave("return")


@executes(ast.Raise)
def _raise(machine: Machine, node: ast.Raise) -> str | None:
    if node.exc is not None:
        machine.evaluate(node.exc)
    return machine.leave("raise")


@executes(ast.Try, *((ast.TryStar,) if hasattr(ast, "TryStar") else ()))
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
        machine.handler_depth += 1
        try:
            return machine.execute(handler.body)
        finally:
            machine.handler_depth -= 1

    return run


@executes(ast.With, ast.AsyncWith)
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

    run_generator(machine, context, body)
    if not exits:
        body(machine.data("unknown", (), node))
    return exits[-1]


@executes(ast.Match)
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


@executes(ast.Assert)
def _assert(machine: Machine, node: ast.Assert) -> str | None:
    machine.evaluate(node.test)
    never_holds = isinstance(node.test, ast.Constant) and not node.test.value
    return machine.leave("raise") if never_holds else None


@executes(ast.Delete)
def _delete(machine: Machine, node: ast.Delete) -> str | None:
    """`del layers[-1]` takes an element out of a list; nothing is known of what else may be deleted."""
    for target in node.targets:
        held = machine.evaluate(target.value) if isinstance(target, ast.Subscript) else None
        if isinstance(target, ast.Subscript) and isinstance(held, Items):
            taken_out(machine, held, machine.evaluate(target.slice))
    return None


@executes(ast.Pass, getattr(ast, "TypeAlias", ast.Pass))
def _nothing(machine: Machine, node: ast.stmt) -> str | None:
    return None
