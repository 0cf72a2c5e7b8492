"""What is written around a place, and did not happen in the run: it stands on a path that the run did not take.

A function that nothing calls is run with its defaults. `if update: optimizer.step()` is then passed by where `update` is false by
default, though whoever calls the function may say otherwise.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Backward, Event, OptimizerStepped, Run
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite

OWNERS = {"step": regex(r"opt|solver|adam|sgd|scaler|trainer|engine|accel", re.I), "backward": regex(r"")}
"""What the calls are of: schedulers, environments and profilers have a `step`, too."""

HAPPENS: dict[str, tuple[type[Event], ...]] = {
    "step": (OptimizerStepped,),
    "backward": (Backward,),
}
"""The methods whose calls can be missing, and the events that tell of each."""


def is_written_but_not_run(run: Run, method: str, event: Event) -> bool:
    """Whether a function around an event has a call of that method in its text which the run never came to."""
    seen = {id(each.at.node) for kind in HAPPENS[method] for each in run.events(kind) if isinstance(each.at, CodeSite)}
    return any(id(call) not in seen for function in _functions_around(event) for call in _calls_of(function, method))


def _functions_around(event: Event) -> Iterator[ast.AST]:
    for site in (event.at, *event.calls):
        if isinstance(site, CodeSite) and site.function is not None:
            yield site.function


def _calls_of(function: ast.AST, method: str) -> Iterator[ast.Call]:
    for node in (each for each in ast.walk(function) if isinstance(each, ast.Call)):
        called = node.func
        if not isinstance(called, ast.Attribute) or called.attr != method:
            continue
        if OWNERS[method].search(ast.unparse(called.value)):
            yield node
