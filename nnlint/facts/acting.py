"""Calls of networks that choose an action in a game or another environment, or teach another network: they evaluate nothing."""

from __future__ import annotations

import ast

from nnlint.events import ModelCalled
from nnlint.facts.identity import words_of
from nnlint.garbage import remembered
from nnlint.static.objects import CodeSite, Module
from nnlint.values import Data, Site

MOST_LOOPS = 100

GAMES = frozenset({"env", "environment", "game", "gym"})
CHOOSES = frozenset({"select", "choose", "get", "sample", "pick", "take"})
ACTION = frozenset({"act", "action", "actions", "move"})


def is_action(fate: list[Data], kept: set[int]) -> bool:
    """Whether the answer is an action: it steps an environment, or the logarithm of its probability is kept for later."""
    methods = [data for data in fate if data.operation == "method"]
    return any(data.name == "step" or (data.name == "log_prob" and id(data) in kept) for data in methods)


def chooses_action(words: set[str]) -> bool:
    """Whether the words of a function's name say that it chooses an action, in a test, too: `select_action_val`."""
    return bool(words & CHOOSES) and bool(words & ACTION)


def plays(call: ModelCalled, at: Site) -> bool:
    """Whether the innermost loop around, in the function that asks, tells a game what to do in every pass: `game.move(action)`.

    `at` is where the network is asked from outside: the player's own method may do it.
    """
    loop = call.iterations[-1].loop.at if call.iterations else None
    if not isinstance(loop, CodeSite) or not isinstance(at, CodeSite) or loop.function is not at.function:
        return False
    return loop.statement is not None and _tells_a_game(loop.module, loop.statement)


@remembered(MOST_LOOPS)
def _tells_a_game(module: Module, loop: ast.stmt) -> bool:
    text = module.text_of(loop).lower()
    if not any(game in text for game in GAMES):
        return False
    return any(_moves(node) for statement in getattr(loop, "body", ()) for node in ast.walk(statement))


def _moves(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    owner = node.func.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return not GAMES.isdisjoint(words_of(name))


def teaches(call: ModelCalled) -> bool:
    """Whether the network that is called has the name of a teacher: what it answers is for a network that learns."""
    node = call.at.node if isinstance(call.at, CodeSite) else None
    name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return "teacher" in words_of(name)
