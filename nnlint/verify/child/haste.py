"""Haste: once a run has seen enough of a training, the loops that train end early, so that it comes to the lines behind them.

A loop that has trained goes on to the end of its body, and is then over as if its iterable were exhausted. Like a probe this is
done on the tree of the script, so the user's text and its line numbers stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

LASTING = "__nnlint_lasting__"
TRAINING = re.compile(r"train|fit|step|backward|epoch|update|optimi[sz]e|learn|run|loss", re.I)
"""A loop that calls nothing of such a name hardly trains, and is left alone: it may have many cheap iterations."""


def hastened(tree: ast.Module) -> ast.Module:
    """The tree with every loop that may train over an iterable that can end early."""
    for loop in [node for node in ast.walk(tree) if isinstance(node, ast.For)]:
        if any(may_train(node) for statement in loop.body for node in ast.walk(statement)):
            name = ast.copy_location(ast.Name(LASTING, ast.Load()), loop.iter)
            loop.iter = ast.copy_location(ast.Call(name, [loop.iter], []), loop.iter)
    return tree


def may_train(node: ast.AST) -> bool:
    """Whether a node calls something that sounds like a part of a training."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return TRAINING.search(name) is not None


def lasting(is_in_haste: Callable[[], bool], backwards: Callable[[], int]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """The function that such a loop iterates with: it ends where there is haste and the loop has trained."""

    def until_enough(values: Iterable[Any]) -> Iterator[Any]:
        before = backwards()
        for value in values:
            yield value
            if is_in_haste() and backwards() > before:
                return

    return until_enough
