"""How far the abstract run goes: bounds that hold on any input, and that a small project never meets."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

MOST_STEPS = 150_000
"""Nodes evaluated in one run: some thirty times what a long training script takes."""

STEPS_AT_ONCE = 40_000
STEPS_PER_LINE = 5
"""The pace of a whole project: what parsing it with libcst takes is about ten steps per line."""

MOST_CALLS, MOST_STEPS_OF_CALLS = 40, 12_000
"""A function is followed at every call until both are passed: no training step is, a helper of a large library may be."""

ENOUGH_CALLS, ENOUGH_STEPS = 2, 300
"""The same, once the project is behind its pace."""


@dataclass(slots=True)
class Effort:
    """What following one function has cost so far, over all runs."""

    calls: int = 0
    steps: int = 0

    def add(self, steps: int) -> None:
        """One more call, and the steps it took."""
        self.calls += 1
        self.steps += steps


@dataclass(slots=True)
class Budget:
    """The steps that a project has taken, against the lines it has read."""

    lines: int = 0
    steps: int = 0
    efforts: dict[ast.AST, Effort] = field(default_factory=dict)

    def effort_of(self, function: ast.AST) -> Effort:
        """What following a function has cost so far."""
        found = self.efforts.get(function)
        if found is None:
            found = self.efforts[function] = Effort()
        return found

    def is_spent(self, effort: Effort, steps: int) -> bool:
        """Whether a function was followed so often that another time would only cost; `steps` are those of the current run."""
        if effort.calls > MOST_CALLS and effort.steps > MOST_STEPS_OF_CALLS:
            return True
        behind = self.steps + steps > STEPS_AT_ONCE + STEPS_PER_LINE * self.lines
        return behind and effort.calls >= ENOUGH_CALLS and effort.steps > ENOUGH_STEPS
