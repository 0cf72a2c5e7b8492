"""How far the abstract run goes: bounds that hold on any input, and that a small project never meets."""

from __future__ import annotations

import ast

from nnlint.records import dataclass, field

MOST_STEPS = 150_000
"""Nodes evaluated in one run: some thirty times what a long training script takes."""

MOST_WRITTEN = 500
"""Elements of a list or dict that is written out: what comes after them is data like those before."""

MOST_OPTIMIZERS = 100
"""Optimizers stepped in one run, each of which is followed through all of it; a script has a handful."""

STEPS_OF_A_RUN = 10_000
STEPS_AT_ONCE = 10_000
STEPS_PER_LINE = 2
"""The pace of a run, and of a whole project: what parsing it with libcst takes is about ten steps per line."""

MOST_CALLS, MOST_STEPS_OF_CALLS = 40, 12_000
"""A function is followed at every call until both are passed: no training step is, a helper of a large library may be."""

MOST_IDLE_CALLS, MOST_IDLE_STEPS = 8, 800
"""The same for a function in which nothing ever happened: one that logs, parses or formats."""

ENOUGH_CALLS, ENOUGH_STEPS = 2, 300
"""The same, once the run or the project is behind its pace."""

TRAINING_CALLS = 6
"""What trains is followed so often in each run, whatever the project costs: two epochs of two batches, and an evaluation."""


@dataclass(slots=True)
class Effort:
    """What following one function has cost so far, over all runs, and what came of it.

    It is `active` where anything happened that a run would show, and `trains` where that was an event of the training itself.
    What `builds` gives back a network: not to follow it would leave the rest of a script with one of which nothing is known.
    """

    calls: int = 0
    steps: int = 0
    is_active: bool = False
    trains: bool = False
    builds: bool = False

    def add(self, steps: int, is_active: bool, trains: bool) -> None:
        """One more call, the steps it took, and what happened in it."""
        self.calls += 1
        self.steps += steps
        self.is_active = self.is_active or is_active
        self.trains = self.trains or trains


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

    def trains(self, function: ast.AST | None) -> bool:
        """Whether following a function (None at module level) has trained anything so far."""
        found = self.efforts.get(function) if function is not None else None
        return found is not None and found.trains

    def is_spent(self, effort: Effort, steps: int, is_own: bool, here: int, caller: ast.AST | None) -> bool:
        """Whether a function was followed so often that another time would only cost.

        `steps` are those of the current run; `is_own` says that the function stands in the run's own file; `here` counts how
        often it was followed in this run. What the `caller` needs for its training step is followed as the step itself.
        """
        if here < TRAINING_CALLS and (effort.trains or effort.builds or self.trains(caller)):
            return False
        if effort.calls > MOST_CALLS and effort.steps > MOST_STEPS_OF_CALLS:
            return True
        if not effort.is_active and effort.calls > MOST_IDLE_CALLS and effort.steps > MOST_IDLE_STEPS:
            return True
        behind = steps > STEPS_OF_A_RUN or self.steps + steps > STEPS_AT_ONCE + STEPS_PER_LINE * self.lines
        return behind and not is_own and effort.calls >= ENOUGH_CALLS and effort.steps > ENOUGH_STEPS
