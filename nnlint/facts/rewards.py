"""The reward of one step in an environment of reinforcement learning: a number, unless several environments go side by side."""

from __future__ import annotations

from nnlint.garbage import remembered
from nnlint.lazy import regex
from nnlint.static.objects import CodeSite, Module
from nnlint.values import Data, Value, number

MADE = regex(r"^(?:gym|gymnasium)\.make$")
ENDS = regex(
    r"\b(?:while\s+not|if\s+not|if)\s+\(?(?:self\.)?\w*(?:done|terminal|terminated|truncated|terminate|game_over)\w*\s*\)?\s*"
    r"(?::|\b(?:or|and)\b)"
)
"""A test of the end of an episode, which has a truth in one environment only."""


def is_reward_of_one(data: Data) -> bool:
    """Whether it is the reward out of `env.step(action)` of one environment, by how that is made, acted in, or left."""
    step, part = data.inputs[0], data.inputs[1] if len(data.inputs) > 1 else None
    if not isinstance(step, Data) or step.operation != "method" or step.name != "step" or number(part) != 1:
        return False
    environment, *action = step.inputs
    if len(action) != 1:
        return False
    if isinstance(environment, Data) and environment.operation == "call" and MADE.match(environment.name):
        return True
    return _is_number(action[0]) or (isinstance(step.at, CodeSite) and _asks_for_the_end(step.at.module))


def _is_number(action: Value) -> bool:
    return number(action) is not None or (isinstance(action, Data) and action.operation == "item")


@remembered(8)
def _asks_for_the_end(module: Module) -> bool:
    return ENDS.search(module.source.text) is not None
