"""Sizes that hang on what a caller may leave out: an option of a constructor, one more argument of a forward."""

from __future__ import annotations

import ast

from nnlint.events import ModelCalled, Run
from nnlint.static.objects import CodeSite, FunctionNode, node_at
from nnlint.values import Data, Site

JOINS = frozenset("cat concat concatenate stack hstack".split())


def hangs_on_an_option(run: Run, first: Data, second: Data) -> bool:
    """Whether the sizes of two layers may agree once somebody passes what was left out here.

    In a class that nothing constructs, the defaults of its options were taken: any of them may be meant to be replaced. A
    network that is one of several may be called with more arguments where it is chosen.
    """
    if run.symbolic and any(_names_an_option(data) for data in (first, second)):
        return True
    site = second.at
    function = site.function if isinstance(site, CodeSite) else None
    if function is None or not (run.symbolic or _is_one_of_several(run, second)):
        return False
    constructor = _function_of(second.layer.at if second.layer is not None else None) if run.symbolic else None
    options = {*_options(function), *_kept_options(constructor)}
    return any(_joins_by(node, options) for node in ast.walk(function))


def _names_an_option(data: Data) -> bool:
    """Whether the constructor of a layer is written with an option of the function around."""
    site = data.layer.at if data.layer is not None else None
    if not isinstance(site, CodeSite):
        return False
    options = _options(site.function)
    return any(isinstance(each, ast.Name) and each.id in options for each in ast.walk(site.node))


def _function_of(site: Site | None) -> FunctionNode | None:
    return site.function if isinstance(site, CodeSite) else None


def _options(function: FunctionNode | None) -> set[str]:
    """The parameters of a function that may be left out."""
    if function is None:
        return set()
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    with_default = positional[len(positional) - len(given.defaults) :]
    named = [each for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None]
    return {each.arg for each in (*with_default, *named)}


def _kept_options(constructor: FunctionNode | None) -> set[str]:
    """The attributes in which a constructor keeps its options."""
    options = _options(constructor)
    if constructor is None or isinstance(constructor, ast.Lambda):
        return set()
    return {
        target.attr
        for statement in constructor.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id in options for each in ast.walk(statement.value))
        for target in statement.targets
        if isinstance(target, ast.Attribute)
    }


def _joins_by(node: ast.AST, options: set[str]) -> bool:
    """Whether something is put beside something else where a test of an option says so."""
    if not isinstance(node, (ast.If, ast.IfExp)) or not any(_is_named(each, options) for each in ast.walk(node.test)):
        return False
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(getattr(call.func, "attr", getattr(call.func, "id", "")) in JOINS for call in calls)


def _is_named(node: ast.AST, options: set[str]) -> bool:
    return (node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else "") in options


def _is_one_of_several(run: Run, data: Data) -> bool:
    """Whether the call of a network that comes to the layer may be one of another network."""
    around = {node_at(site) for site in data.calls}
    calls = [call for call in run.events(ModelCalled) if node_at(call.at) in around]
    return any(call.model is not calls[0].model for call in calls[1:])
