"""Haste: once a run has seen enough of a training, its loops end early, so that it comes to the lines behind them.

A loop that has trained, or has called a network many times, goes on to the end of its body, and is then over as if its iterable
were exhausted. Like a probe this is done on the tree of the script, so the user's text and its line numbers stay as they are.
Passes over loaders end after some batches, whatever draws from them, but for those that the script draws from one by one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

LASTING = "__nnlint_lasting__"
BY_HAND = frozenset({"iter", "next", "__iter__"})
TRAINING = re.compile(r"train|fit|step|backward|epoch|update|optimi[sz]e|learn|run|loss", re.I)
CALLING = re.compile(r"model|net|rnn|lstm|gru|forward|predict|eval|valid|test|infer|generat|encod|decod|classif", re.I)
"""A loop that calls nothing of such a name hardly trains or evaluates, and is left alone: it may have many cheap iterations."""

MANY_CALLS = 64
"""A loop that has called a network so many times has done enough; one step of a training rarely takes more."""


def hastened(tree: ast.Module) -> ast.Module:
    """The tree with every loop that may train or call a network over an iterable that can end early."""
    for loop in [node for node in ast.walk(tree) if isinstance(node, ast.For)]:
        if any(may_train(node) or _is_called(node, CALLING) for each in loop.body for node in ast.walk(each)):
            name = ast.copy_location(ast.Name(LASTING, ast.Load()), loop.iter)
            loop.iter = ast.copy_location(ast.Call(name, [loop.iter], []), loop.iter)
    return tree


def may_train(node: ast.AST) -> bool:
    """Whether a node calls something that sounds like a part of a training."""
    return _is_called(node, TRAINING)


def _is_called(node: ast.AST, names: re.Pattern[str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return names.search(name) is not None


def lines_of_iterators(tree: ast.Module) -> Iterator[int]:
    """The lines that ask for an iterator by name, and so may draw from it one by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in BY_HAND:
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def lasting(
    is_in_haste: Callable[[], bool], backwards: Callable[[], int], calls: Callable[[], int] = lambda: 0
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """The function that such a loop iterates with: it ends where there is haste and the loop has trained, or called enough."""

    def until_enough(values: Iterable[Any]) -> Iterator[Any]:
        before, called = backwards(), calls()
        for value in values:
            yield value
            if is_in_haste() and (backwards() > before or calls() - called >= MANY_CALLS):
                return

    return until_enough
