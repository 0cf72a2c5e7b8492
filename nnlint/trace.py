"""The structure of a run: sequences of events, choices between paths, loops; and a way to follow a protocol along them.

A real run is a plain sequence. An abstract run knows the paths it could take: a `Choice` has an arm for each, a `LoopRun` has
its first iterations one after the other. `follow` runs a protocol (a small state machine, such as "cleared, filled,
stepped") along every path at once and keeps the set of states it may be in. Two tests of the same unchanged condition take the
same arm, so `if amp: scaler.step(...)` and a later `if amp: ...` are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from nnlint.records import dataclass, field


@dataclass(eq=False, slots=True)
class Exit:
    """The path leaves here: "break", "continue", "return" or "raise"."""

    kind: str


@dataclass(eq=False, slots=True)
class Block:
    """Events and structures in order."""

    items: list[Any] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Choice:
    """One of the arms is taken. `test` identifies the condition; arm 0 is taken where it holds. None: no such condition.

    `implied` says of each arm which other conditions hold, or do not, where it is taken: after `a or b` failed, neither does.
    """

    test: Hashable | None
    arms: tuple[Block, ...]
    implied: tuple[tuple[tuple[Hashable, bool], ...], ...] = ()


@dataclass(eq=False, slots=True)
class LoopRun:
    """The iterations of a loop that were followed, in order."""

    passes: list[Block]


@dataclass(eq=False, slots=True)
class CallRun:
    """The body of a called function: a return inside ends it, and nothing more."""

    body: Block


Step = Callable[[Hashable, Any], Hashable]
"""One step of a protocol: the state before and an event give the state after."""

Path = tuple[Hashable, frozenset[tuple[Hashable, bool]]]
"""A state of the protocol, and the conditions that were decided on the way to it."""

MOST_ASSUMPTIONS = 6
MOST_PATHS = 64


def follow(block: Block, start: Hashable, step: Step) -> None:
    """Run a protocol along every path of a block. The step function sees each event in each state that a path brings it to."""
    _Follower(step, _asked_again(block)).block(block, {(start, frozenset())})


def _asked_again(block: Block) -> set[Hashable]:
    """The conditions that more than one choice depends on: no others need to be remembered."""
    asked: set[Hashable] = set()
    again: set[Hashable] = set()
    pending: list[Any] = [block]
    while pending:
        item = pending.pop()
        if isinstance(item, Block):
            pending.extend(item.items)
        elif isinstance(item, Choice):
            tests = {item.test, *(test for arm in item.implied for test, _ in arm)}
            again |= asked & tests
            asked |= tests
            pending.extend(item.arms)
        elif isinstance(item, LoopRun):
            pending.extend(item.passes)
        elif isinstance(item, CallRun):
            pending.append(item.body)
    return again - {None}


class _Follower:
    def __init__(self, step: Step, remembered: set[Hashable]) -> None:
        self.step = step
        self.remembered = remembered

    def block(self, block: Block, paths: set[Path]) -> tuple[set[Path], dict[str, set[Path]]]:
        exits: dict[str, set[Path]] = {}
        for item in block.items:
            if not paths:
                break
            if isinstance(item, Exit):
                exits.setdefault(item.kind, set()).update(paths)
                paths = set()
            elif isinstance(item, Choice):
                paths = self.choice(item, paths, exits)
            elif isinstance(item, LoopRun):
                paths = self.loop(item, paths, exits)
            elif isinstance(item, CallRun):
                paths = self.call(item, paths, exits)
            else:
                after = {state: self.step(state, item) for state in {state for state, _ in paths}}
                paths = {(after[state], known) for state, known in paths}
        return paths, exits

    def choice(self, choice: Choice, paths: set[Path], exits: dict[str, set[Path]]) -> set[Path]:
        after: set[Path] = set()
        for index, arm in enumerate(choice.arms):
            assumed = [(choice.test, index == 0), *(choice.implied[index] if choice.implied else ())]
            entering = paths
            for test, holds in assumed:
                entering = _assume(entering, test, holds) if test in self.remembered else entering
            left, arm_exits = self.block(arm, entering)
            after |= left
            _add(exits, arm_exits)
        return _bounded(after)

    def loop(self, loop: LoopRun, paths: set[Path], exits: dict[str, set[Path]]) -> set[Path]:
        after: set[Path] = set()
        for body in loop.passes:
            left, body_exits = self.block(body, paths)
            after |= body_exits.pop("break", set())
            paths = left | body_exits.pop("continue", set())
            _add(exits, body_exits)
        return _bounded(after | paths)

    def call(self, call: CallRun, paths: set[Path], exits: dict[str, set[Path]]) -> set[Path]:
        left, body_exits = self.block(call.body, paths)
        after = left | body_exits.pop("return", set())
        _add(exits, body_exits)
        return _bounded(after)


def _assume(paths: set[Path], test: Hashable, holds: bool) -> set[Path]:
    assumed, denied = (test, holds), (test, not holds)
    return {
        (state, known if assumed in known or len(known) >= MOST_ASSUMPTIONS else known | {assumed})
        for state, known in paths
        if denied not in known
    }


def _add(exits: dict[str, set[Path]], more: dict[str, set[Path]]) -> None:
    for kind, paths in more.items():
        exits.setdefault(kind, set()).update(paths)


def _bounded(paths: set[Path]) -> set[Path]:
    """Forgets what was assumed once the paths are too many: states matter, conditions only sharpen them."""
    if len(paths) <= MOST_PATHS:
        return paths
    return {(state, frozenset()) for state, _ in paths}


STRUCTURE = frozenset({Exit, Choice, LoopRun, CallRun})


def select(block: Block, wanted: Callable[[Any], bool]) -> Block:
    """The block with only the wanted events, and only the structure that still matters to them."""
    items: list[Any] = []
    for item in block.items:
        if type(item) not in STRUCTURE:
            if wanted(item):
                items.append(item)
        elif isinstance(item, Exit):
            items.append(item)
        elif isinstance(item, Choice):
            arms = tuple(select(arm, wanted) for arm in item.arms)
            if any(arm.items for arm in arms):
                items.append(Choice(item.test, arms, item.implied))
        elif isinstance(item, LoopRun):
            passes = [select(body, wanted) for body in item.passes]
            if any(map(_has_events, passes)):
                items.append(LoopRun(passes))
        elif isinstance(item, CallRun):
            body = select(item.body, wanted)
            if _has_events(body):
                items.append(CallRun(body))
    return Block(items)


def _has_events(block: Block) -> bool:
    """Whether any event stands in a block: mostly it is the first item."""
    return any(type(item) not in STRUCTURE for item in block.items) or any(True for _ in events_in(block))


def events_in(block: Block) -> Iterator[Any]:
    """Every event of a block, on any path."""
    for item in block.items:
        if isinstance(item, Choice):
            for arm in item.arms:
                yield from events_in(arm)
        elif isinstance(item, LoopRun):
            for body in item.passes:
                yield from events_in(body)
        elif isinstance(item, CallRun):
            yield from events_in(item.body)
        elif not isinstance(item, Exit):
            yield item
