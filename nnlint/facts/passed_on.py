"""The names that functions give to what they are called with."""

from __future__ import annotations

import ast
from itertools import pairwise

from nnlint.events import ModelCalled
from nnlint.facts.split_names import TRAINING, is_held_out_name, parts_named
from nnlint.static.objects import CodeSite, FunctionNode


def is_passed_as_held_out(call: ModelCalled, name: str) -> bool:
    """Whether what goes by a neutral name is handed, on the way to a call of a network, to a parameter for held-out data."""
    if not name or not TRAINING.isdisjoint(parts_named(name)):
        return False
    for site, inner in pairwise((*call.calls, call.at)):
        if isinstance(site, CodeSite) and isinstance(inner, CodeSite) and inner.function is not None:
            taken = _parameter_for(site.node, name, inner.function)
            if is_held_out_name(taken):
                return True
            name = taken or name
    return False


def _parameter_for(node: ast.AST, name: str, function: FunctionNode) -> str:
    """The parameter of a function that is given that name where it is called; "" for none."""
    if not isinstance(node, ast.Call):
        return ""
    keyword = next((each.arg for each in node.keywords if _is_name(each.value, name)), None)
    if keyword is not None:
        return keyword
    parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    is_method = isinstance(node.func, ast.Attribute) and parameters[:1] in (["self"], ["cls"])
    for given, parameter in zip(node.args, parameters[is_method:], strict=False):
        if isinstance(given, ast.Starred):
            return ""
        if _is_name(given, name):
            return parameter
    return ""


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
