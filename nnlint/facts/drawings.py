"""Evaluations that ask a network a few times, to draw what it answers."""

from __future__ import annotations

import ast

from nnlint.events import Loop
from nnlint.facts.evaluation import Evaluation, words_of
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Items, number

DRAWS = frozenset("plot plots draw draws visualize visualise visualization visualisation imshow figure".split())
"""What functions are called that show something."""

FEW = 20
"""What a person looks at one by one."""


def only_draws(evaluation: Evaluation) -> bool:
    """Whether a function that is named for drawing asks for the answer, or a few answers are asked for in a row that draws.

    What is compared with an answer by a loss or a metric is more than a drawing.
    """
    sites = (evaluation.call.at, *evaluation.call.calls)
    functions = [site.function for site in sites if isinstance(site, CodeSite) and site.function is not None]
    if any(DRAWS & words_of(getattr(function, "name", "")) for function in functions):
        return True
    loops = [iteration.loop for iteration in evaluation.call.iterations]
    return not evaluation.measured and bool(loops) and all(map(_is_short, loops)) and any(map(_draws, loops))


def _is_short(loop: Loop) -> bool:
    """Whether a loop is known to have a few passes."""
    over = loop.over
    while isinstance(over, Data) and over.operation in ("enumerate", "progress") and over.inputs:
        over = over.inputs[0]
    if isinstance(over, Items):
        return not over.open and len(over.items) <= FEW
    if not isinstance(over, Data) or over.operation != "range":
        return False
    bounds = [number(each) for each in over.inputs]
    return bool(bounds) and all(bound is not None and abs(bound) <= FEW for bound in bounds)


def _draws(loop: Loop) -> bool:
    statement = loop.at.statement if isinstance(loop.at, CodeSite) else None
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call)) if statement is not None else ()
    return any(isinstance(call.func, ast.Attribute) and call.func.attr in DRAWS for call in calls)
