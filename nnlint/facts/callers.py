"""Who calls a function that a run starts with: looked up by name in all files of the project, where no call could be followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import ModelCalled, Run
from nnlint.facts.unrecorded import SWITCHES
from nnlint.garbage import remembered
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite

MOST_CALLERS = 50
ANOTHER = regex(r"^(?:import|from)[ \t]+(?:chainer|mxnet|tensorflow|paddle)\b", re.MULTILINE)
TORCH = regex(r"^[ \t]*(?:import|from)[ \t]+torch\b", re.MULTILINE)
"""What a file imports whose networks are another framework's, and those of torch."""

MOST_STEPS = 5
"""Functions between the one that a run starts with and those that switch recording off."""


def is_called_unrecorded(run: Run, call: ModelCalled) -> bool:
    """Whether the network is called in a function that nothing was seen to call, and that is only ever called by name where
    no gradients are recorded: its callers have taken care.

    Nothing is said of a function that nobody calls.
    """
    sites = [*call.calls, call.at]
    first = next((site for site in sites if isinstance(site, CodeSite) and site.function is not None), None)
    name = getattr(first.function, "name", "") if first is not None else ""
    if not run.symbolic or not name or name.startswith("__"):
        return False
    return _is_unrecorded_everywhere(run, name, frozenset())


def _is_unrecorded_everywhere(run: Run, name: str, on_the_way: frozenset[str]) -> bool:
    """Whether every call of the name stands under a switch, or in a function of which that holds in turn.

    Where the function itself asks a part for the same, `self.decoder.recognize(x)`, so may whoever else asks a part.
    """
    called = list(_callers(run, name))
    hands_on = any(caller == name and of_part for caller, of_part in called)
    callers = [caller for caller, of_part in called if not (hands_on and of_part)]
    if not callers or len(callers) > MOST_CALLERS or len(on_the_way) > MOST_STEPS:
        return False
    on_the_way |= {name}
    others = [caller for caller in callers if caller not in on_the_way]
    return bool(others) and all(
        caller is None or (caller != "" and _is_unrecorded_everywhere(run, caller, on_the_way)) for caller in others
    )


def is_always_given(run: Run, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, default: ast.AST) -> bool:
    """Whether all calls by that name, in all files of the project, pass the parameter which has this default.

    Nothing is said of a function or class that nobody calls, unless it is looked up by a part of its name. What is spread
    (`*args`, `**options`) may hold it. A method of that name in a file that defines one itself is that one.
    """
    arguments = [*function.args.posonlyargs, *function.args.args]
    places = arguments[len(arguments) - len(function.args.defaults) :]
    pairs = [*zip(places, function.args.defaults, strict=True)]
    pairs += [
        (each, given) for each, given in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if given
    ]
    parameter = next((each for each, given in pairs if given is default), None)
    if parameter is None:
        return False
    position = arguments.index(parameter) if parameter in arguments else MOST_CALLERS
    if arguments and arguments[0].arg in ("self", "cls"):
        position -= 1
    calls = [*_calls_of(run, function, name)]
    if not calls:
        return _is_looked_up(run, name)
    return all(_gives(call, parameter.arg, position) for call in calls)


def _calls_of(run: Run, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[ast.Call]:
    called = re.compile(rf"(?<!def )(?<!class )\b{re.escape(name)}\s*\(")
    own = ast.dump(function)
    for source in run.sources:
        tree = _tree(source.text) if called.search(source.text) is not None else None
        nodes = [] if tree is None else [*ast.walk(tree)]
        defined = [each for each in nodes if isinstance(each, ast.FunctionDef) and each.name == name]
        is_of_another = bool(defined) and all(ast.dump(each) != own for each in defined)
        for node in nodes:
            if not isinstance(node, ast.Call) or name not in (
                getattr(node.func, "id", ""),
                getattr(node.func, "attr", ""),
            ):
                continue
            if not is_of_another or not isinstance(node.func, ast.Attribute):
                yield node


def _is_looked_up(run: Run, name: str) -> bool:
    """Whether a name is put together that begins as this one does: `eval(f"make_{kind}")`."""
    beginning = name[: name.rfind("_") + 1] if name.strip("_").count("_") else ""
    put_together = re.compile(rf"f[\"'][^\"'\n]*\b{re.escape(beginning)}\{{")
    return bool(beginning) and any(put_together.search(source.text) is not None for source in run.sources)


def _gives(call: ast.Call, name: str, position: int) -> bool:
    if any(keyword.arg in (name, None) for keyword in call.keywords):
        return True
    return len(call.args) > position or any(isinstance(each, ast.Starred) for each in call.args)


def _is_of_another(text: str) -> bool:
    return ANOTHER.search(text) is not None and TORCH.search(text) is None


def _callers(run: Run, name: str) -> Iterator[tuple[str | None, bool]]:
    """For each call of that name: None where it stands under a switch, else the function around, "" for no function; and whether
    it is asked of a part of `self`."""
    is_called = re.compile(rf"(?<!def )\b{re.escape(name)}\s*\(")
    for source in run.sources:
        if is_called.search(source.text) is not None and not _is_of_another(source.text):
            tree = _tree(source.text)
            yield from () if tree is None else _calls_in(tree.body, name, "")


@remembered(16)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _is_of_part(function: ast.expr) -> bool:
    """Whether it is a method of a part of `self`: `self.decoder.recognize`."""
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    return owner.startswith("self.")


def _calls_in(nodes: list[ast.stmt], name: str, function: str | None) -> Iterator[tuple[str | None, bool]]:
    pending: list[tuple[ast.AST, str | None]] = [(node, function) for node in nodes]
    while pending:
        node, around = pending.pop()
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
            yield around, _is_of_part(node.func)
        inside = None if around is None or _switches_off(node) else getattr(node, "name", around)
        is_scope = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        around = inside if inside is None or is_scope else around
        pending.extend((each, around) for each in ast.iter_child_nodes(node))


def _switches_off(node: ast.AST) -> bool:
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return any(SWITCHES.search(ast.unparse(item.context_expr)) for item in node.items)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return any(SWITCHES.search(ast.unparse(each)) for each in node.decorator_list)
    return False
