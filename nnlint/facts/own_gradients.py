"""Networks that see to gradients themselves: whose own code differentiates in the forward pass, or switches recording off."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelCalled, Run
from nnlint.graph import parameters_of
from nnlint.static.objects import Class, CodeSite, Function
from nnlint.values import Data, Instance, Value, elements

DIFFERENTIATES = frozenset({"grad", "enable_grad", "get_diff_optim", "innerloop_ctx"})
"""What only a forward pass that differentiates has a use for; `backward` may as well stand in a network's own training."""

SWITCHES_OFF = frozenset({"no_grad", "inference_mode"})
CALLED = frozenset({"forward", "__call__"})


def differentiates_inside(run: Run, model: Value) -> bool:
    """Whether the network, or one of its parts, takes gradients in its own methods: fast weights, an energy's force.

    Without recording it could not.
    """
    networks = (part for part in parameters_of(model) if isinstance(part, Instance))
    classes = {id(cls): cls for network in networks for cls in network.cls.lineage()}
    return any(run.remember("differentiating class", cls, _differentiates) for cls in classes.values())


def _differentiates(cls: Class) -> bool:
    text = cls.module.text_of(cls.node)
    return any(name in text for name in DIFFERENTIATES) and _calls(cls.node, DIFFERENTIATES)


def switches_off_inside(call: ModelCalled) -> bool:
    """Whether the network itself records nothing of what it gives: as its run shows, as its forward pass is written, or as the
    class does that the annotation of an argument names."""
    if _gives_no_graph(call) or _returns_unrecorded(call.model) or _goes_another_way(call):
        return True
    return any(
        isinstance(node, ast.FunctionDef) and node.name in CALLED and _calls(node, SWITCHES_OFF)
        for cls in _annotated(call)
        for owner in cls.lineage()
        for node in owner.node.body
    )


def _gives_no_graph(call: ModelCalled) -> bool:
    """Whether all that a network at hand gives was made where nothing is recorded: its forward pass is decorated."""
    given = [each for each in elements(call.output) if isinstance(each, Data) and each.operation == "output"]
    return bool(given) and all(isinstance(each.inputs[0], Data) and each.inputs[0].gradient is False for each in given)


def _returns_unrecorded(model: Value) -> bool:
    """Whether a forward pass returns under `no_grad`, or what it has put together of passes of its own."""
    method = model.cls.find("forward") if isinstance(model, Instance) else None
    node = method.node if isinstance(method, Function) else None
    if not isinstance(node, ast.FunctionDef) or not _calls(node, SWITCHES_OFF):
        return False
    unrecorded = {
        id(each)
        for block in ast.walk(node)
        if isinstance(block, ast.With) and any(_calls(item.context_expr, SWITCHES_OFF) for item in block.items)
        for each in ast.walk(block)
    }
    of_its_own = {
        id(each)
        for block in ast.walk(node)
        if isinstance(block, ast.If) and _calls(block, CALLED)
        for each in block.body
    }
    returns = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
    inside = [each for each in returns if id(each) in unrecorded]
    return bool(inside) and all(id(each) in unrecorded | of_its_own for each in returns)


def _goes_another_way(call: ModelCalled) -> bool:
    """Whether in evaluation mode the forward pass goes through a method of its own that records nothing: `if self.training`."""
    method = call.model.cls.find("forward") if isinstance(call.model, Instance) and call.training is False else None
    node = method.node if isinstance(method, Function) else None
    if not isinstance(node, ast.FunctionDef) or not isinstance(call.model, Instance):
        return False
    arms = _arms_of_evaluation(node.body)
    methods = [call.model.cls.find(name) for arm in arms for name in _own_methods(arm)]
    return any(isinstance(each, Function) and _calls(each.node, SWITCHES_OFF) for each in methods)


def _arms_of_evaluation(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a forward pass that only evaluation mode comes to."""
    for number, each in enumerate(body):
        test = ast.unparse(each.test) if isinstance(each, ast.If) else ""
        if isinstance(each, ast.If) and test == "self.training":
            return each.orelse or (body[number + 1 :] if isinstance(each.body[-1], ast.Return) else [])
        if isinstance(each, ast.If) and test == "not self.training":
            return each.body
    return []


def _own_methods(code: ast.AST) -> Iterator[str]:
    """The names of the methods of `self` that are called in the code."""
    for each in ast.walk(code):
        function = each.func if isinstance(each, ast.Call) else None
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) == "self":
            yield function.attr


def _annotated(call: ModelCalled) -> Iterator[Class]:
    """The classes at hand in the annotation of the argument that is called."""
    at = call.at
    function = at.function if isinstance(at, CodeSite) else None
    called = at.node.func if isinstance(at, CodeSite) and isinstance(at.node, ast.Call) else None
    if not isinstance(called, ast.Name) or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        if each.arg == called.id and each.annotation is not None and isinstance(at, CodeSite):
            named = (node.id for node in ast.walk(each.annotation) if isinstance(node, ast.Name))
            yield from (cls for name in named if isinstance(cls := at.module.names.get(name), Class))


def _calls(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether anything of these names is called in the code, or decorates it."""
    for each in ast.walk(node):
        used = [each.func] if isinstance(each, ast.Call) else getattr(each, "decorator_list", [])
        if any((one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")) in names for one in used):
            return True
    return False
