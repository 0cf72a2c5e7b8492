"""How expressions are evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from nnlint.graph import live_state
from nnlint.static import calls, text
from nnlint.static.access import attribute, index, lookup
from nnlint.static.budget import MOST_WRITTEN
from nnlint.static.iteration import element_passes, loop_over, spread
from nnlint.static.knowledge.common import owners_in
from nnlint.static.machine import EVALUATORS, Evaluator, Machine
from nnlint.static.objects import Function
from nnlint.static.parameters import defaults_of
from nnlint.static.tests import test_key
from nnlint.values import (
    FALSE,
    NONE,
    TRUE,
    Constant,
    Data,
    Either,
    Entries,
    Items,
    Parameters,
    Value,
    alternatives,
    join_all,
    truth,
)

Node = TypeVar("Node", bound=ast.AST)

BINARY: dict[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.FloorDiv: ("floor_divide", operator.floordiv),
    ast.Mod: ("modulo", operator.mod),
    ast.Pow: ("power", operator.pow),
    ast.MatMult: ("matmul", operator.matmul),
    ast.LShift: ("shift", operator.lshift),
    ast.RShift: ("shift", operator.rshift),
    ast.BitOr: ("or", operator.or_),
    ast.BitXor: ("xor", operator.xor),
    ast.BitAnd: ("and", operator.and_),
}

COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}

LARGEST_CONSTANT = 10**12
MOST_YIELDED = 16


def _evaluates(*kinds: type[ast.AST]) -> Callable[[Evaluator], Evaluator]:
    def register(function: Evaluator) -> Evaluator:
        for kind in kinds:
            EVALUATORS[kind] = function
        return function

    return register


_evaluates(ast.Call)(calls.call_node)


@_evaluates(ast.Constant)
def _constant(machine: Machine, node: ast.Constant) -> Value:
    value = node.value
    if value is None:
        return NONE
    if value is True or value is False:
        return TRUE if value else FALSE
    return Constant(value, machine.site(node))


@_evaluates(ast.Name)
def _name(machine: Machine, node: ast.Name) -> Value:
    found = machine.frame.locals.get(node.id)
    return lookup(machine, node.id, node) if found is None else found


@_evaluates(ast.Attribute)
def _attribute(machine: Machine, node: ast.Attribute) -> Value:
    return attribute(machine, machine.evaluate(node.value), node.attr, node)


@_evaluates(ast.BinOp)
def _binary(machine: Machine, node: ast.BinOp) -> Value:
    return binary(machine, node.op, machine.evaluate(node.left), machine.evaluate(node.right), node)


def binary(machine: Machine, kind: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
    """`left kind right`: folded where both are known, else data made by the operation."""
    operation, fold = BINARY[type(kind)]
    if isinstance(left, Constant) and isinstance(right, Constant):
        folded = _folded(fold, left, right, machine, node)
        if folded is not None:
            return folded
    if isinstance(left, Constant) and isinstance(left.value, str) and operation == "modulo":
        values = right.items if isinstance(right, Items) else [right]
        return text.percent(left, values, machine.site(node)) or machine.data("text", (left, *values), node)
    if isinstance(left, Items) and operation == "add" and isinstance(right, Items):
        return Items([*left.items, *right.items], left.kind, left.open or right.open, left.at)
    if isinstance(left, Items) and operation == "add" and (longest := _longest(right)) is not None:
        return Items([*left.items, *longest.items], left.kind, left.open or longest.open, left.at)
    if operation == "add" and (isinstance(left, Parameters) or isinstance(right, Parameters)):
        return Parameters((*owners_in(left), *owners_in(right)), machine.site(node))
    if isinstance(left, Items) and operation == "multiply":
        return Items(list(left.items), left.kind, True, left.at)
    if isinstance(left, Data) and left.operation == "list" and operation == "multiply":
        return left  # the same, several times
    made = machine.data(operation, (left, right), node)
    for side in (left, right):
        if isinstance(side, Data) and side.width is not None and side.width != 1:
            made.width = side.width
    return made


def _longest(value: Value) -> Items | None:
    """Of several known lists, the longest: what it has more may not be there."""
    lists = [each for each in alternatives(value) if isinstance(each, Items)]
    if not isinstance(value, Either) or len(lists) < len(value.alternatives) or any(each.open for each in lists):
        return None
    return max(lists, key=lambda each: len(each.items))


def _folded(
    fold: Callable[[Any, Any], Any], left: Constant, right: Constant, machine: Machine, node: ast.AST
) -> Value | None:
    numbers = (int, float)
    known = isinstance(left.value, numbers) and isinstance(right.value, numbers)
    if not known and not (isinstance(left.value, str) and isinstance(right.value, str) and fold is operator.add):
        return None
    if fold in (operator.pow, operator.lshift) and abs(right.value) > 64:
        return None
    try:
        value = fold(left.value, right.value)
    except (ArithmeticError, TypeError, ValueError):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > LARGEST_CONSTANT:
        return None
    return Constant(value, left.at or machine.site(node), left.overridable or right.overridable)


@_evaluates(ast.UnaryOp)
def _unary(machine: Machine, node: ast.UnaryOp) -> Value:
    value = machine.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return machine.data("not", (value,), node) if known is None else (FALSE if known else TRUE)
    if isinstance(value, Constant) and isinstance(value.value, (int, float)):
        signed = -value.value if isinstance(node.op, ast.USub) else value.value
        return Constant(signed, value.at, value.overridable)
    return machine.data("negative" if isinstance(node.op, ast.USub) else "unary", (value,), node)


@_evaluates(ast.BoolOp)
def _boolean(machine: Machine, node: ast.BoolOp) -> Value:
    values: list[Value] = []
    stops_at = isinstance(node.op, ast.Or)
    for operand in node.values:
        value = machine.evaluate(operand)
        known = truth(value)
        if known is stops_at:
            values = [*values, value] if stops_at else [value]  # of `a and False`, nothing is left that holds
            break
        if known is None or (operand is node.values[-1] and not values):
            values.append(value)
    machine.operands = values
    return join_all(values)


@_evaluates(ast.Compare)
def _compare(machine: Machine, node: ast.Compare) -> Value:
    left = machine.evaluate(node.left)
    rights = [machine.evaluate(right) for right in node.comparators]
    if len(rights) == 1:
        known = _compared(node.ops[0], left, rights[0])
        if known is not None:
            return TRUE if known else FALSE
    return machine.data("compare", (left, *rights), node, name=type(node.ops[0]).__name__)


def _compared(kind: ast.cmpop, left: Value, right: Value) -> bool | None:
    if isinstance(kind, (ast.Is, ast.IsNot)) and right is NONE:
        return _is_none(left, isinstance(kind, ast.IsNot))
    if isinstance(kind, (ast.In, ast.NotIn)):
        return _contained(kind, left, right)
    if not isinstance(left, Constant) or not isinstance(right, Constant) or left.overridable or right.overridable:
        return None
    try:
        return bool(COMPARISONS[type(kind)](left.value, right.value))
    except TypeError:
        return None


def _is_none(value: Value, negated: bool) -> bool | None:
    if isinstance(value, Data) and value.operation == "attribute" and value.name == "grad":
        return negated  # once trained, every parameter has a gradient
    if isinstance(value, Constant):
        return None if value.overridable else (value.value is None) is not negated
    if isinstance(value, Either):
        answers = {_is_none(each, negated) for each in value.alternatives}
        return None if value.open or len(answers) > 1 else answers.pop()
    from nnlint.values import Instance, Layer, Optimizer, Scheduler

    known_object = isinstance(value, (Items, Entries, Instance, Layer, Optimizer, Scheduler, Function))
    return negated if known_object else None


def _contained(kind: ast.cmpop, left: Value, right: Value) -> bool | None:
    if not isinstance(left, Constant) or left.overridable:
        return None
    held: list[Any]
    if isinstance(right, Items) and not right.open and all(isinstance(item, Constant) for item in right.items):
        held = [item.value for item in right.items if isinstance(item, Constant)]
    elif isinstance(right, Entries) and not right.open:
        held = list(right.entries)
    else:
        return None
    return (left.value in held) is isinstance(kind, ast.In)


@_evaluates(ast.IfExp)
def _conditional(machine: Machine, node: ast.IfExp) -> Value:
    test = machine.evaluate(node.test)
    known = truth(test)
    if known is not None:
        return machine.evaluate(node.body if known else node.orelse)
    found: list[Value] = []

    plain = _arm_without_tensors(node)

    def arm(expression: ast.expr) -> Callable[[], None]:
        def run() -> None:
            value = machine.evaluate(expression)
            others = [each for each in alternatives(value) if not isinstance(each, Data)]
            found.extend(others if expression is plain else [value])

        return run

    key, denies = test_key(test)
    arms = [arm(node.body), arm(node.orelse)]
    machine.branch(key, arms[::-1] if denies else arms)
    return join_all(found)


TENSORS_HAVE = frozenset({"item", "detach", "backward", "cpu", "numpy", "grad_fn", "requires_grad"})


NUMBERS = frozenset({"int", "float", "bool", "numbers.Number", "Number", "numbers.Real", "Real", "complex"})


def _arm_without_tensors(node: ast.IfExp) -> ast.expr | None:
    """Of `x.item() if hasattr(x, "item") else x`, or `x if isinstance(x, Number) else x.item()`, the arm that leaves a number."""
    call = node.test
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or len(call.args) != 2:
        return None
    asked, what = call.args
    if call.func.id == "hasattr" and isinstance(what, ast.Constant) and what.value in TENSORS_HAVE:
        return node.orelse if ast.dump(asked) == ast.dump(node.orelse) else None
    kinds = what.elts if isinstance(what, ast.Tuple) else [what]
    if call.func.id == "isinstance" and all(ast.unparse(kind) in NUMBERS for kind in kinds):
        return node.body if ast.dump(asked) == ast.dump(node.body) else None
    return None


@_evaluates(ast.Tuple, ast.List, ast.Set)
def _items(machine: Machine, node: ast.Tuple | ast.List | ast.Set) -> Value:
    kind = type(node).__name__.lower()
    made = Items([], kind, open=len(node.elts) > MOST_WRITTEN, at=machine.site(node))
    for element in node.elts[:MOST_WRITTEN]:
        if isinstance(element, ast.Starred):
            starred = machine.evaluate(element.value)
            known, is_open = spread(starred)
            made.items.extend(known)
            made.open = made.open or is_open
        else:
            made.items.append(machine.evaluate(element))
    return made


@_evaluates(ast.Dict)
def _dict(machine: Machine, node: ast.Dict) -> Value:
    made = Entries({}, open=len(node.keys) > MOST_WRITTEN, at=machine.site(node))
    for key, value in islice(zip(node.keys, node.values, strict=True), MOST_WRITTEN):
        if key is None:
            inner = machine.evaluate(value)
            if isinstance(inner, Entries):
                made.entries.update(inner.entries)
            made.open = made.open or not isinstance(inner, Entries) or inner.open
            continue
        known = machine.evaluate(key)
        if isinstance(known, Constant):
            made.entries[known.value] = machine.evaluate(value)
            calls.name_held(made.entries[known.value], known.value)
        else:
            made.open = True
            made.entries[("unknown", len(made.entries))] = machine.evaluate(value)
    return made


@_evaluates(ast.Subscript)
def _subscript(machine: Machine, node: ast.Subscript) -> Value:
    return index(machine, machine.evaluate(node.value), machine.evaluate(node.slice), node)


@_evaluates(ast.Slice)
def _slice(machine: Machine, node: ast.Slice) -> Value:
    parts = [NONE if part is None else machine.evaluate(part) for part in (node.lower, node.upper, node.step)]
    return Data("slice", tuple(parts))


@_evaluates(ast.JoinedStr)
def _formatted(machine: Machine, node: ast.JoinedStr) -> Value:
    pieces: list[Value | str] = []
    is_plain = True
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            pieces.append(machine.evaluate(part.value))
            is_plain = is_plain and part.conversion == -1 and part.format_spec is None
        elif isinstance(part, ast.Constant):
            pieces.append(str(part.value))
    known = text.known_text(pieces, machine.site(node)) if is_plain else None
    return known or machine.data("text", tuple(piece for piece in pieces if not isinstance(piece, str)), node)


@_evaluates(ast.FormattedValue)
def _formatted_value(machine: Machine, node: ast.FormattedValue) -> Value:
    return machine.evaluate(node.value)


@_evaluates(ast.Lambda)
def _lambda(machine: Machine, node: ast.Lambda) -> Value:
    frame = machine.frame
    scopes = (frame.locals, *frame.closure) if frame.function is not None else ()
    made = Function(node, frame.module, scopes, defaults_of(machine, node.args), frame.owner)
    machine.run.ties.append(made)
    return made


@_evaluates(ast.NamedExpr)
def _named(machine: Machine, node: ast.NamedExpr) -> Value:
    value = machine.evaluate(node.value)
    machine.write(machine.frame.locals, node.target.id, value)
    return value


@_evaluates(ast.Starred)
def _starred(machine: Machine, node: ast.Starred) -> Value:
    return machine.evaluate(node.value)


@_evaluates(ast.Await)
def _await(machine: Machine, node: ast.Await) -> Value:
    return machine.evaluate(node.value)


@_evaluates(ast.Yield)
def _yield(machine: Machine, node: ast.Yield) -> Value:
    _give(machine, NONE if node.value is None else machine.evaluate(node.value))
    return machine.data("sent", (), node)


def _give(machine: Machine, value: Value) -> None:
    """Hand a yielded value to the loop that draws from the generator, or keep it."""
    frame = machine.frame
    if frame.receive is not None:
        frame.receive(value)
    elif frame.yielded is not None and len(frame.yielded) < MOST_YIELDED:
        frame.yielded.append(value)


@_evaluates(ast.YieldFrom)
def _yield_from(machine: Machine, node: ast.YieldFrom) -> Value:
    for value in spread(machine.evaluate(node.value))[0]:
        _give(machine, value)
    return machine.data("sent", (), node)


@_evaluates(ast.ListComp, ast.SetComp, ast.GeneratorExp)
def _comprehension(machine: Machine, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
    kind = "generator" if isinstance(node, ast.GeneratorExp) else "list"
    made = Items([], kind, at=machine.site(node))
    made.open = not _fill(machine, node.generators, lambda: made.items.append(live_state(machine.evaluate(node.elt))))
    return made


@_evaluates(ast.DictComp)
def _dict_comprehension(machine: Machine, node: ast.DictComp) -> Value:
    made = Entries({}, at=machine.site(node))

    def add() -> None:
        key = machine.evaluate(node.key)
        value = live_state(machine.evaluate(node.value))
        calls.name_held(value, key.value if isinstance(key, Constant) else None)
        made.entries[key.value if isinstance(key, Constant) else ("unknown", len(made.entries))] = value

    made.open = not _fill(machine, node.generators, add)
    return made


def _fill(machine: Machine, generators: list[ast.comprehension], add: Callable[[], None]) -> bool:
    """Run the loops of a comprehension. Returns whether every element was made: all iterables known, no condition."""
    if not generators:
        add()
        return True
    first, rest = generators[0], generators[1:]
    over = machine.evaluate(first.iter)
    passes, complete = element_passes(machine, over, first.iter)
    complete = complete and not first.ifs

    def body(value: Value) -> Callable[[], None]:
        def run() -> None:
            nonlocal complete
            calls.bind_target(machine, first.target, value)
            for condition in first.ifs:
                machine.evaluate(condition)
            complete = _fill(machine, rest, add) and complete

        return run

    machine.loop(loop_over(machine, first.iter, over, first.target, complete), _bodies(machine, passes, body))
    return complete


def _bodies(
    machine: Machine, passes: Iterator[Value], body: Callable[[Value], Callable[[], None]]
) -> Iterator[Callable[[], str | None]]:
    for value in passes:
        yield body(value)


def _opaque(machine: Machine, node: ast.AST) -> Value:
    return machine.data("unknown", (), node)


for _name_of_new in ("TemplateStr", "Interpolation"):
    if hasattr(ast, _name_of_new):
        EVALUATORS[getattr(ast, _name_of_new)] = _opaque
