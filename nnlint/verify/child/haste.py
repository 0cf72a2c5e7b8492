"""Haste: once a run has seen enough of a training, its loops end early, so that it comes to the lines behind them.

A loop that has trained, or has called a network many times, goes on to the end of its body, and is then over as if its iterable
were exhausted. Like a probe this is done on the tree of the script, so the user's text and its line numbers stay as they are.
What a script does every so many steps (evaluate, draw samples) it does at once, where a flagged line lies in it. Passes over
loaders end after some batches, whatever draws from them, but for those that the script draws from one by one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nnlint.verify.child import probes

LASTING = "__nnlint_lasting__"
DUE = "__nnlint_due__"
STEPPING = frozenset({"backward", "step", "zero_grad", "update", "clip_grad_norm_", "clip_grad_value_"})
BY_HAND = frozenset({"iter", "next", "__iter__"})
TRAINING = re.compile(r"train|fit|step|backward|epoch|update|optimi[sz]e|learn|run|loss", re.I)
CALLING = re.compile(r"model|net|rnn|lstm|gru|forward|predict|eval|valid|test|infer|generat|encod|decod|classif", re.I)
"""A loop that calls nothing of such a name hardly trains or evaluates, and is left alone: it may have many cheap iterations."""

MANY_CALLS = 64
"""A loop that has called a network so many times has done enough; one step of a training rarely takes more."""


def hastened(tree: ast.Module) -> ast.Module:
    """The tree with every loop that may train or call a network over an iterable that can end early.

    What is done every so many steps alone, and leads to a probe without training anything, can be done at once.
    """
    leading = _Leading(tree)
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.For):
            if any(may_train(each) or _is_called(each, CALLING) for each in _within(node.body)):
                node.iter = _asking(LASTING, node.iter, leading.probes_of(node.body))
        elif isinstance(node, ast.If) and any(isinstance(each, ast.Mod) for each in ast.walk(node.test)):
            numbers = leading.probes_of(node.body)
            if numbers and not leading.steps(node.body):
                node.test = _asking(DUE, node.test, numbers)
    return tree


def _asking(function: str, value: ast.expr, numbers: Iterable[int]) -> ast.expr:
    constants: list[ast.expr] = [ast.Constant(number) for number in sorted(numbers)]
    call = ast.Call(ast.Name(function, ast.Load()), [value, ast.Tuple(constants, ast.Load())], [])
    return ast.fix_missing_locations(ast.copy_location(call, value))


def _within(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from ast.walk(statement)


class _Leading:
    """Which statements of a file lead to its probes, by themselves or by the functions of the file that they call."""

    def __init__(self, tree: ast.Module) -> None:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        self.functions = {node.name: node for node in ast.walk(tree) if isinstance(node, kinds)}

    def probes_of(self, body: Iterable[ast.stmt]) -> set[int]:
        """The numbers of the probes that statements lead to."""
        calls = (node for node in self._reached(body) if getattr(node.func, "id", "") in (probes.VALUE, probes.REACHED))
        numbers = (node.args[0] for node in calls if node.args)
        return {each.value for each in numbers if isinstance(each, ast.Constant) and isinstance(each.value, int)}

    def steps(self, body: Iterable[ast.stmt]) -> bool:
        """Whether statements take a part of a training's step."""
        return any(getattr(node.func, "attr", "") in STEPPING for node in self._reached(body))

    def _reached(self, body: Iterable[ast.stmt]) -> Iterator[ast.Call]:
        waiting, seen = [list(body)], set[str]()
        while waiting:
            for node in _within(waiting.pop()):
                if isinstance(node, ast.Call):
                    yield node
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in self.functions and name not in seen:
                        seen.add(name)
                        waiting.append(self.functions[name].body)


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


@dataclass(frozen=True)
class Haste:
    """What is asked of a run: whether it is in haste, and whether little time is left even for what it waits for; whether it
    waits for one of these probes; how many backward passes and calls of networks it has seen.
    """

    is_on: Callable[[], bool]
    is_late: Callable[[], bool]
    waits_for: Callable[[Iterable[int]], bool]
    backwards: Callable[[], int]
    calls: Callable[[], int]

    def lasting(self, values: Iterable[Any], own: tuple[int, ...] = ()) -> Iterator[Any]:
        """What a loop iterates over: it is over where there is haste and the loop has trained, or called a network enough.

        It goes on for a while where its `own` probes are still waited for.
        """
        before, called = self.backwards(), self.calls()
        for value in values:
            yield value
            is_enough = self.is_on() and (self.backwards() > before or self.calls() - called >= MANY_CALLS)
            if is_enough and (self.is_late() or not self.waits_for(own)):
                return

    def is_due(self, condition: Any, own: tuple[int, ...]) -> Any:
        """The condition of what is done every so many steps: in haste it holds where a probe behind it is waited for."""
        return condition or (self.is_on() and self.waits_for(own))
