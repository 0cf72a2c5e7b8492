"""Training calls of a network past its `DistributedDataParallel`: by its old name, or through `.module`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelCalled, NetworkWrapped, Run
from nnlint.facts.differentiated import differentiated
from nnlint.graph import parameters_of
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, FunctionNode
from nnlint.values import alternatives, elements


@dataclass(frozen=True)
class Bypass:
    """A training call past the wrapper: `written` is the expression at `at` that stands for the raw network, `wrapper` what the
    wrapper is called there. `by_method` where a method of the network is called, which a wrapper does not have."""

    call: ModelCalled
    wrapped: NetworkWrapped
    at: CodeSite
    wrapper: str
    by_method: bool = False


@dataclass(frozen=True)
class _Names:
    """How a scope calls the wrapper, and the network without it."""

    site: CodeSite
    wrapper: str
    raw: frozenset[str]


def bypasses(run: Run) -> Iterator[Bypass]:
    """The training calls of wrapped networks that pass their wrapper by."""
    for wrapped in run.events(NetworkWrapped):
        names = _names_of(wrapped)
        calls = [call for call in run.events(ModelCalled) if _is_trained(run, wrapped, call)]
        for call in calls if names is not None else ():
            found = _bypass(wrapped, call, names) if names is not None else None
            if found is not None and not (call.conditional and _has_other_arm(calls, call, found.wrapper)):
                yield found


def _is_trained(run: Run, wrapped: NetworkWrapped, call: ModelCalled) -> bool:
    if call.order < wrapped.order or call.gradient is not True:
        return False
    own = {id(part) for each in alternatives(wrapped.model) for part in (each, *parameters_of(each))}
    whole = {id(each) for each in alternatives(wrapped.model)}
    is_own = any(id(each) in (own if call.within is not None else whole) for each in alternatives(call.model))
    return is_own and any(id(each) in differentiated(run) for each in elements(call.output))


def _names_of(wrapped: NetworkWrapped) -> _Names | None:
    site = wrapped.at
    statement = site.statement if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(statement, ast.Assign) or statement.value is not site.node:
        return None
    call, target = site.node, statement.targets[0]
    if not isinstance(call, ast.Call) or not call.args or len(statement.targets) != 1:
        return None
    wrapper, given = ast.unparse(target), ast.unparse(call.args[0])
    top = site.function if site.function is not None else site.module.tree
    raw = {given, *_aliases(top, site, {given, f"{wrapper}.module"})} - {wrapper}
    rebound = _rebound_behind(top, statement)
    return _Names(
        site, wrapper, frozenset(each for each in raw if each not in rebound and each.replace(".", "").isidentifier())
    )


def _aliases(top: ast.AST, site: CodeSite, wanted: set[str]) -> Iterator[str]:
    """Names that a scope gives to the raw network, before it is wrapped or after."""
    for node in ast.walk(top):
        if not isinstance(node, ast.Assign) or node is site.statement or ast.unparse(node.value) not in wanted:
            continue
        yield from (ast.unparse(target) for target in node.targets if isinstance(target, (ast.Name, ast.Attribute)))


def _rebound_behind(top: ast.AST, statement: ast.stmt) -> set[str]:
    """What the scope assigns to again behind the wrapping, other than the raw network."""
    assigns = (node for node in ast.walk(top) if isinstance(node, ast.Assign) and node.lineno > statement.lineno)
    return {
        ast.unparse(target)
        for node in assigns
        for target in node.targets
        if not (isinstance(node.value, ast.Attribute) and node.value.attr == "module")
    }


def _bypass(wrapped: NetworkWrapped, call: ModelCalled, names: _Names) -> Bypass | None:
    node = call.at.node if isinstance(call.at, CodeSite) else None
    if not isinstance(node, ast.Call) or not isinstance(call.at, CodeSite):
        return None
    if call.within is not None:
        return _bypass_by_method(wrapped, call)
    inside = _inside_of(call.at, node.func)
    if inside is not None:
        return Bypass(call, wrapped, CodeSite(call.at.module, node.func, call.at.statement), ast.unparse(inside.value))
    if isinstance(node.func, ast.Attribute) and node.func.attr == "module":
        return Bypass(
            call, wrapped, CodeSite(call.at.module, node.func, call.at.statement), ast.unparse(node.func.value)
        )
    if _sees(names, call.at, ast.unparse(node.func)):
        return Bypass(call, wrapped, CodeSite(call.at.module, node.func, call.at.statement), names.wrapper)
    for site in call.calls:
        given = _raw_argument(site, names)
        if given is not None and isinstance(site, CodeSite):
            return Bypass(call, wrapped, CodeSite(site.module, given, site.statement), names.wrapper)
    return None


def _bypass_by_method(wrapped: NetworkWrapped, call: ModelCalled) -> Bypass | None:
    """`wrapper.module.compute_loss(batch)`, which calls parts of the network by itself."""
    for site in call.calls:
        node = site.node if isinstance(site, CodeSite) else None
        called = node.func if isinstance(node, ast.Call) else None
        inner = called.value if isinstance(called, ast.Attribute) else None
        if isinstance(site, CodeSite) and isinstance(inner, ast.Attribute) and inner.attr == "module":
            return Bypass(call, wrapped, site, ast.unparse(inner.value), by_method=True)
    return None


def _inside_of(site: CodeSite, called: ast.expr) -> ast.Attribute | None:
    """The `wrapper.module` for which a name stands: `raw = model.module if isinstance(model, DDP) else model`."""
    top = site.function if site.function is not None else None
    if not isinstance(called, ast.Name) or top is None:
        return None
    for node in ast.walk(top):
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == called.id for each in node.targets
        ):
            held = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
            return next((each for each in held if isinstance(each, ast.Attribute) and each.attr == "module"), None)
    return None


def _raw_argument(site: object, names: _Names) -> ast.expr | None:
    """The raw network among the arguments of a call in the scope of the wrapping, if the wrapper is not given, too."""
    node = site.node if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(node, ast.Call):
        return None
    given = {ast.unparse(each): each for each in (*node.args, *(keyword.value for keyword in node.keywords))}
    if names.wrapper in given:
        return None
    unwrapped = f"{names.wrapper}.module"
    return next((each for text, each in given.items() if text == unwrapped or _sees(names, site, text)), None)


def _sees(names: _Names, site: CodeSite, text: str) -> bool:
    """Whether a text at a site is one of the raw network's names: in the same scope, or as an attribute of the same object."""
    if text not in names.raw or site.module is not names.site.module:
        return False
    if site.function is names.site.function:
        return True
    if text.startswith("self."):
        return _class_of(names.site) is not None and _class_of(names.site) is _class_of(site)
    return names.site.function is None and not _binds(site.function, text)


def _class_of(site: CodeSite) -> ast.ClassDef | None:
    for node in ast.walk(site.module.tree):
        if isinstance(node, ast.ClassDef) and any(each is site.function for each in node.body):
            return node
    return None


def _binds(function: FunctionNode | None, name: str) -> bool:
    """Whether a function has a name of its own: then it is another thing."""
    if function is None:
        return False
    arguments = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    stored = (node for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return name in arguments or any(node.id == name for node in stored)


def _has_other_arm(calls: list[ModelCalled], call: ModelCalled, wrapper: str) -> bool:
    """Whether another arm of the same function calls the wrapper: this one is for runs without it."""
    for other in calls:
        node = other.at.node if isinstance(other.at, CodeSite) else None
        is_near = (
            isinstance(other.at, CodeSite) and isinstance(call.at, CodeSite) and other.at.function is call.at.function
        )
        if is_near and isinstance(node, ast.Call) and ast.unparse(node.func) == wrapper:
            return True
    return False
