"""What a function does with a parameter whose name says nothing: by the methods it asks it for, or by where it hands it on."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

ASKED = (
    (frozenset({"zero_grad", "step"}), "optimizer"),
    (frozenset({"state_dict", "parameters", "named_parameters", "load_state_dict", "train", "eval"}), "model"),
)
"""Methods that only these have; the first that fits counts, as an optimizer has a state, too."""

DATA_SETS = frozenset({"DataLoader", "random_split", "Subset", "ConcatDataset"})
LAYERS_DEEP = 3
"""Through so many calls a parameter is followed."""


class Handed(NamedTuple):
    """A parameter of a function of the user's that gets the value."""

    function: Callable[..., Any]
    parameter: inspect.Parameter


def role_of(function: Any, name: str, deep: int = 0) -> str | Handed:
    """The name of a role, the parameter that gets the value in turn, or nothing."""
    tree = _tree(function)
    if tree is None:
        return ""
    asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is(node.value, name)}
    found = next((role for methods, role in ASKED if asked & methods), "")
    if found:
        return found
    drawn = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    if any(_is(node.iter, name) and _is_pair(node.target) for node in drawn):
        return "loader"
    if any(_is_split(node, name) for node in ast.walk(tree)):
        return _role_of_splits(tree, name)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _last_name(call.func) in DATA_SETS and any(_is(each, name) for each in call.args[:1]):
            return "data_set"
        handed = _handed(function, call, name)
        if handed is not None and deep < LAYERS_DEEP:
            return handed
    return ""


def is_differentiated(function: Any, name: str) -> bool:
    """Whether a parameter is a loss that was computed, and not what computes one."""
    tree = _tree(function)
    return tree is not None and any(
        isinstance(node, ast.Attribute) and node.attr == "backward" and _is(node.value, name) for node in ast.walk(tree)
    )


def choice_of(function: Any, name: str) -> Any:
    """For a parameter that only chooses: the first value that it is compared with, else that it is true; None for others."""
    tree = _tree(function)
    nodes = list(ast.walk(tree)) if tree is not None else []
    for node in nodes:
        if isinstance(node, ast.Compare) and _is(node.left, name) and isinstance(node.comparators[0], ast.Constant):
            return node.comparators[0].value
    tests = [node.test for node in nodes if isinstance(node, ast.If | ast.IfExp)]
    return True if any(_is(test, name) for test in tests) else None


def callers(held: dict[str, Any], wanted: str) -> list[str]:
    """The functions among these that call a certain one of them, directly or not, the outermost first."""
    found: list[str] = []
    waiting = [wanted]
    while waiting:
        name = waiting.pop(0)
        new = [each for each, value in held.items() if each not in (*found, wanted) and name in _called_in(value)]
        found += new
        waiting += new
    return found[::-1]


def _called_in(function: Any) -> set[str]:
    """The names of what a function calls: plain ones, and those of its own object's methods."""
    tree = _tree(function) if inspect.isfunction(inspect.unwrap(function)) else None
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree is not None else []
    plain = {each.id for each in calls if isinstance(each, ast.Name)}
    return plain | {each.attr for each in calls if isinstance(each, ast.Attribute) and _is(each.value, "self")}


def _tree(function: Any) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_pair(target: ast.expr) -> bool:
    return isinstance(target, ast.Tuple) and len(target.elts) == 2 and all(isinstance(e, ast.Name) for e in target.elts)


def _is_split(node: ast.AST, name: str) -> bool:
    """Whether a value is asked for one of the parts of the data, by its name."""
    if not isinstance(node, ast.Subscript) or not _is(node.value, name):
        return False
    held = node.slice
    if isinstance(held, ast.Name):
        return held.id in ("phase", "split", "mode", "part", "stage")
    return isinstance(held, ast.Constant) and held.value in ("train", "val", "valid", "test", "validation")


def _role_of_splits(tree: ast.AST, name: str) -> str:
    """Whether the parts are data sets or are drawn from as they are."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _last_name(node.func) in DATA_SETS]
    return "data_sets" if any(_is_split(each, name) for call in calls for each in call.args[:1]) else "loaders"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _handed(function: Any, call: ast.Call, name: str) -> Handed | None:
    """The parameter of a function of the same file, or of a method of the same object, that a call gives a value to."""
    plain = inspect.unwrap(function)
    own = isinstance(call.func, ast.Attribute) and _is(call.func.value, "self")
    if own:
        held = getattr(getattr(function, "__self__", None), _last_name(call.func), None)
    else:
        held = getattr(plain, "__globals__", {}).get(call.func.id) if isinstance(call.func, ast.Name) else None
    module = getattr(plain, "__module__", None)
    if not (inspect.isfunction(held) or inspect.ismethod(held)) or getattr(held, "__module__", "") != module:
        return None
    parameters = inspect.signature(held).parameters
    pairs: Iterator[tuple[str, ast.expr]] = zip(parameters, call.args, strict=False)
    given = [*pairs, *((each.arg, each.value) for each in call.keywords if each.arg in parameters)]
    return next((Handed(held, parameters[each]) for each, value in given if each and _is(value, name)), None)
