"""Where gradient recording was switched off for what a network did: the context, the decorator or the call that did it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site

SWITCHES = regex(r"\b(no_grad|inference_mode|set_grad_enabled)\b")


def switch_for(data: Data) -> Site | None:
    """What switched recording off for the data, nearest first: in its own function, then in those that called it."""
    for site in (data.at, *reversed(data.calls)):
        if isinstance(site, CodeSite):
            found = next(_switches_around(site), None)
            if found is not None:
                return found
    return None


def _switches_around(site: CodeSite) -> Iterator[CodeSite]:
    for block in reversed(edits.blocks_around(site)):
        if isinstance(block, (ast.With, ast.AsyncWith)):
            yield from _named(site, block, [item.context_expr for item in block.items])
    if isinstance(site.function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from _named(site, site.function, site.function.decorator_list)
    line = getattr(site.node, "lineno", 0)
    top = site.function if site.function is not None else site.module.tree
    calls = [node for node in ast.walk(top) if isinstance(node, ast.Call) and node.lineno < line]
    yield from _named(site, None, [call for call in calls if _turns_off(call)][-1:])


def _named(site: CodeSite, statement: ast.stmt | None, nodes: Sequence[ast.expr]) -> Iterator[CodeSite]:
    for node in nodes:
        if SWITCHES.search(ast.unparse(node)):
            yield CodeSite(site.module, node, statement, site.function)


def _turns_off(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return ast.unparse(call.func).endswith("set_grad_enabled") and isinstance(first, ast.Constant) and not first.value
