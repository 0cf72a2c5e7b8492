"""The machine of the abstract run: the state of one run, and how paths fork and meet.

Values live in dictionaries (the locals of a frame, the attributes of an object). Every write goes through `write`, which notes
the old value in the journal of the innermost branch; so a branch is run in place, undone, and its arms are merged, without
ever copying an environment.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from nnlint.events import (
    Backward,
    Event,
    Iteration,
    Loop,
    LossComputed,
    ModelCalled,
    OneOf,
    OptimizerStepped,
    Run,
    WeightsSet,
)
from nnlint.reading.disk import Disk
from nnlint.records import dataclass, field
from nnlint.source import Source
from nnlint.static.arguments import Arguments
from nnlint.static.budget import MOST_OPTIMIZERS, MOST_STEPS, Budget
from nnlint.static.objects import Class, CodeSite, External, Function, FunctionNode, Generator, Module
from nnlint.static.syntax import SyntaxProblem
from nnlint.trace import Block, CallRun, Choice, Exit, LoopRun
from nnlint.values import NONE, Data, Instance, Items, Value, alternatives, join, join_all

DEEPEST_CALL = 14

TRAINING: tuple[type[Event], ...] = (Backward, OptimizerStepped)
"""Events of the training step: the code behind them is followed from every script, however large a project is."""

_MISSING = object()
Space = dict[Any, Value]
Journal = dict[tuple[int, Any], tuple[Space, Any, Any]]
Writes = list[tuple[Space, Any, Value]]
AnyEvent = TypeVar("AnyEvent", bound=Event)
Evaluator = Callable[["Machine", Any], Value]
Executor = Callable[["Machine", Any], "str | None"]

EVALUATORS: dict[type[ast.AST], Evaluator] = {}
"""How each kind of expression is evaluated; filled by `nnlint.static.expressions`."""

EXECUTORS: dict[type[ast.AST], Executor] = {}
"""How each kind of statement is executed; filled by `nnlint.static.statements`. The result names the exit taken, if any."""


def executes(*kinds: type[ast.AST]) -> Callable[[Executor], Executor]:
    """Register how statements of these kinds are executed."""

    def register(function: Executor) -> Executor:
        for kind in kinds:
            EXECUTORS[kind] = function
        return function

    return register


class Calls(Protocol):
    """How values are called: the functions of `nnlint.static.calls`, which stands upon this file."""

    def call(self, machine: Machine, callee: Value, given: Arguments, node: ast.AST) -> Value:
        """Call any value."""

    def call_method(self, machine: Machine, receiver: Value, name: str, given: Arguments, node: ast.AST) -> Value:
        """`receiver.name(...)`."""

    def draw(self, machine: Machine, generator: Generator) -> list[Value]:
        """What a generator yields, all at once."""


class Surroundings(Protocol):
    """What a run asks of the project around it."""

    sources: Sequence[Source]
    together: Sequence[Source]
    by_file: dict[str, Source]
    broken: list[SyntaxProblem]
    budget: Budget
    disk: Disk
    called_layers: set[tuple[str, int, int]]

    def note(self, source: Source, line: int | None, message: str) -> None:
        """Keep something to be told under `--verbose`."""

    def base_names(self) -> Set[str]:
        """The words in the lists of bases of all classes of the project."""

    def tree(self, source: Source) -> ast.Module | None:
        """The tree of a source; None where it does not parse."""

    def builtin(self, name: str) -> External:
        """A builtin function or class."""

    def import_name(self, machine: Machine, here: Module, name: str, node: ast.AST, level: int = 0) -> Value:
        """The module of a dotted name: run if it is first-party, else a name of external code."""

    def member(self, machine: Machine, base: Value, name: str, node: ast.AST) -> Value:
        """`from base import name`."""

    def submodule(self, module: Module, name: str) -> Value | None:
        """A submodule of a package that was imported elsewhere."""

    def note_star(self, here: Module, base: Value) -> None:
        """`from base import *`, where the base's names are not known."""

    def star_import(self, module: Module, name: str) -> Value | None:
        """A name that a star import of external code would have brought."""


class CutShort(Exception):
    """The step budget of a run is used up."""


@dataclass(eq=False, slots=True)
class Frame:
    """One activation of a module, class body or function."""

    module: Module
    locals: Space
    function: FunctionNode | None = None
    closure: tuple[Space, ...] = ()
    owner: Class | None = None
    receiver: Value | None = None
    returned: list[Value] = field(default_factory=list)
    yielded: list[Value] | None = None
    receive: Callable[[Value], None] | None = None
    outer_names: dict[str, str] = field(default_factory=dict)
    left_by_return: list[Writes] = field(default_factory=list)
    left_by_loop: list[list[Writes]] = field(default_factory=list)
    journal_depth: int = 0
    loop_depths: list[int] = field(default_factory=list)
    is_for_types: bool = False


class Machine:
    """Runs one entry file abstractly; `run` collects what happens."""

    def __init__(self, project: Surroundings, module: Module, calls: Calls) -> None:
        self.project = project
        self.entry = module
        self._calls = calls

        # What has happened: all data by the operation that made it, the events, and the block of the trace that grows.
        self.operations: dict[str, list[Value]] = {}
        self.run = Run(
            module.source.path,
            operations=self.operations,
            base_names=project.base_names,
            sources=project.together or project.sources,
        )
        self.block = self.run.trace

        # Where the run is: frames and the sites of their calls, outermost first, and the innermost frame and statement.
        self.frame = Frame(module, module.names)
        self.frames: list[Frame] = [self.frame]
        self.calls: tuple[CodeSite, ...] = ()
        self.active: list[ast.AST] = []
        self.statement: ast.stmt | None = None
        self.iterations: tuple[Iteration, ...] = ()
        self.iteration_starts: list[tuple[int, int]] = []
        self.network_depth = 0
        self.building_depth = 0
        self.handler_depth = 0

        # Under which conditions: the branches around with what they have written, and whether gradients are recorded.
        self.journals: list[Journal] = []
        self.conditions: tuple[Hashable, ...] = ()
        self.one_of: OneOf | None = None
        self.told_apart: set[Value] = set()
        """What loops draw from whose first pass a test has told apart from the later ones."""
        self.gradient: bool | None = True
        self.reads_gradients = False

        # What it has cost and come to, by which the budget is kept. `activity` counts whatever rules could see.
        self.steps_left = MOST_STEPS
        self.activity = 0
        self.training_events = 0
        self.times_followed: dict[ast.AST, int] = {}
        self.stepped: set[int] = set()

        # What one part of the run leaves for another: outputs of networks by what they were given, weights that functions set,
        # the parts of the last condition, calls of methods that were only named, and what frameworks do at the script's end.
        self.outputs: dict[Hashable, tuple[Value, Value, tuple[Value, ...]]] = {}
        self.applied: dict[Hashable, dict[object, list[WeightsSet] | None]] = {}
        self.operands: list[Value] = []
        self.meant_calls: dict[int, ast.Call] = {}
        self.pending: list[Callable[[], None]] = []

    # Evaluation

    @property
    def is_inside_network(self) -> bool:
        """Whether a network is being built or called: what it calls is a part of it."""
        return self.network_depth > 0 or self.building_depth > 0

    @property
    def steps_taken(self) -> int:
        """How many nodes this run has evaluated."""
        return MOST_STEPS - self.steps_left

    def evaluate(self, node: ast.AST) -> Value:
        """The value of an expression."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise CutShort
        return EVALUATORS[type(node)](self, node)

    def execute(self, statements: Sequence[ast.stmt]) -> str | None:
        """Execute statements in order. Returns how the path left them early ("return", "break", ...), or None."""
        for statement in statements:
            self.statement = statement
            self.steps_left -= 1
            try:
                left = EXECUTORS[type(statement)](self, statement)
            except RecursionError:
                self.note("the statement is nested too deeply to be followed", statement)
                continue
            if left is not None:
                return left
        return None

    def call(self, callee: Value, given: Arguments, node: ast.AST) -> Value:
        """Call any value."""
        return self._calls.call(self, callee, given, node)

    def call_method(self, receiver: Value, name: str, given: Arguments, node: ast.AST) -> Value:
        """`receiver.name(...)`."""
        return self._calls.call_method(self, receiver, name, given, node)

    def draw(self, generator: Generator) -> list[Value]:
        """What a generator yields, all at once."""
        return self._calls.draw(self, generator)

    def site(self, node: ast.AST) -> CodeSite:
        """The place of a node of the code being run."""
        return CodeSite(self.frame.module, node, self.statement, self.frame.function)

    def data(self, operation: str, inputs: tuple[Value, ...], node: ast.AST, **details: Any) -> Data:
        """New data made by an operation here."""
        made = Data(operation, inputs, self.site(node), gradient=self.gradient, calls=self.calls, **details)
        self.operations.setdefault(operation, []).append(made)
        return made

    # Events

    def emit(self, event: AnyEvent) -> AnyEvent:
        """Record an event, with the loops and calls it stands in."""
        event.iterations = self.iterations
        event.calls = self.calls
        event.conditional = self.is_conditional()
        event.conditions = self.conditions
        if isinstance(event, ModelCalled):
            event.within = self._network_around()
        if isinstance(event, LossComputed):
            event.one_of = self.one_of
        if isinstance(event, OptimizerStepped):
            self._count(event)
        self.run.record(event)
        self.block.items.append(event)
        self.activity += 1
        self.training_events += isinstance(event, TRAINING)
        return event

    def _network_around(self) -> Instance | None:
        """The network in whose methods the run is, of networks whose methods call each other's the outermost."""
        found = None
        for frame in reversed(self.frames):
            receiver = frame.receiver
            if not isinstance(receiver, Instance) or not receiver.is_network:
                break
            found = receiver
        return found

    def _count(self, step: OptimizerStepped) -> None:
        self.stepped.update(id(each) for each in alternatives(step.optimizer))
        if len(self.stepped) > MOST_OPTIMIZERS:
            raise CutShort

    def is_conditional(self) -> bool:
        """Whether the innermost iteration (or the run) may pass without coming here."""
        depth, frames = self.iteration_starts[-1] if self.iteration_starts else (0, 0)
        if len(self.journals) > depth:
            return True
        left = self.frame.left_by_loop
        return bool(left and left[-1]) or any(frame.left_by_return for frame in self.frames[frames:])

    # Writes and paths

    def write(self, space: Space, key: Any, value: Value) -> None:
        """Bind a key; the old value can be restored by the branch around."""
        if self.journals:
            journal = self.journals[-1]
            slot = (id(space), key)
            if slot not in journal:
                journal[slot] = (space, key, space.get(key, _MISSING))
        space[key] = value

    def remember_foreign(self, holder: Module | Class, name: str) -> None:
        """Keep what another file's module or class holds under a name that the entry file itself is about to replace."""
        home = holder.module if isinstance(holder, Class) else holder
        if home is not self.entry and self.frame.module is self.entry:
            self.entry.replaced.append((holder.names, name, holder.names.get(name)))

    def branch(
        self,
        test: Hashable | None,
        arms: Sequence[Callable[[], str | None]],
        implied: tuple[tuple[tuple[Hashable, bool], ...], ...] = (),
    ) -> str | None:
        """Run the arms of a choice, each from the same state, and merge those that fall through.

        `implied` is that of `nnlint.trace.Choice`. Returns None if any arm falls through, else how the arms left.
        """
        outer = self.block
        blocks, falling, exits = [], [], []
        gradient, gradients = self.gradient, set()
        conditions = self.conditions
        for arm in arms:
            self.block, self.gradient = Block(), gradient
            self.conditions = (*conditions, test)
            self.journals.append({})
            try:
                left = arm()
            finally:
                journal = self.journals.pop()
                blocks.append(self.block)
                self.block, self.conditions = outer, conditions
                writes = _undo(journal)
            if left is None:
                falling.append(writes)
                gradients.add(self.gradient)
            else:
                exits.append(left)
        self.block = outer
        self.gradient = gradient if not gradients else gradients.pop() if len(gradients) == 1 else None
        if any(block.items for block in blocks):
            outer.items.append(Choice(test, tuple(blocks), implied))
        self._merge(falling)
        if falling:
            return None
        return exits[0] if len(set(exits)) == 1 else "return"

    def _merge(self, falling: list[dict[tuple[int, Any], tuple[Space, Any, Value]]]) -> None:
        if not any(falling):
            return
        slots: dict[tuple[int, Any], tuple[Space, Any]] = {}
        for writes in falling:
            for slot, (space, key, _) in writes.items():
                slots[slot] = (space, key)
        for slot, (space, key) in slots.items():
            values = [
                writes[slot][2] if slot in writes else space[key]
                for writes in falling
                if slot in writes or key in space
            ]
            self.write(space, key, join_all(values))

    def leave(self, kind: str) -> str:
        """The path leaves by break, continue, return or raise: keep what it wrote for where it arrives."""
        self.block.items.append(Exit(kind))
        frame = self.frame
        if kind == "return":
            frame.left_by_return.append(self._written_since(frame.journal_depth))
        elif kind in ("break", "continue") and frame.left_by_loop:
            frame.left_by_loop[-1].append(self._written_since(frame.loop_depths[-1]))
        return kind

    def _written_since(self, depth: int) -> Writes:
        return [
            (space, key, space[key])
            for journal in self.journals[depth:]
            for space, key, _ in journal.values()
            if key in space
        ]

    def arrive(self, paths: list[Writes], ignoring: Space | None = None) -> None:
        """Join what paths wrote that arrive here by another way."""
        for writes in paths:
            for space, key, value in writes:
                if space is not ignoring:
                    self.write(space, key, join(space[key], value) if key in space else value)

    @contextmanager
    def recording(self, gradient: bool | None) -> Iterator[None]:
        """Gradient recording switched for a while (`with torch.no_grad():`)."""
        before, self.gradient = self.gradient, gradient
        try:
            yield
        finally:
            self.gradient = before

    # Loops

    def loop(self, loop: Loop, bodies: Iterator[Callable[[], str | None]]) -> None:
        """Run the passes of a loop: one body a pass, until there are no more."""
        frame, outer, outer_iterations = self.frame, self.block, self.iterations
        passes: list[Block] = []
        arriving: list[Writes] = []
        frame.left_by_loop.append([])
        frame.loop_depths.append(len(self.journals))
        self.iteration_starts.append((len(self.journals), len(self.frames)))
        events = len(self.run.all_events)
        try:
            for number, body in enumerate(bodies, start=1):
                self.block = Block()
                passes.append(self.block)
                self.iterations = (*outer_iterations, Iteration(loop, number))
                left = body()
                arriving.extend(frame.left_by_loop[-1])
                frame.left_by_loop[-1] = []
                if left in ("return", "raise", "break"):
                    break
        finally:
            self.block, self.iterations = outer, outer_iterations
            arriving.extend(frame.left_by_loop.pop())
            frame.loop_depths.pop()
            self.iteration_starts.pop()
        self.arrive(arriving)
        if len(self.run.all_events) > events:
            outer.items.append(LoopRun(passes))

    # Calls

    def enter(
        self,
        function: Function,
        locals_: Space,
        receiver: Value | None,
        node: ast.AST,
        receive: Callable[[Value], None] | None = None,
    ) -> Value | None:
        """Run a function's body in a frame of its own. Returns its value; None where it may not be entered again.

        Of a generator, `receive` is given what it yields, while it runs.
        """
        if len(self.calls) >= DEEPEST_CALL or self.active.count(function.node) > 1:
            return None
        function.module.followed.add(function.node)
        caller, caller_block, caller_statement = self.frame, self.block, self.statement
        site = self.site(node)
        frame = Frame(function.module, locals_, function.node, (locals_, *function.closure), function.owner, receiver)
        frame.journal_depth, frame.receive, frame.yielded = len(self.journals), receive, []
        events = len(self.run.all_events)
        self.frame, self.block, self.calls = frame, Block(), (*self.calls, site)
        self.active.append(function.node)
        self.frames.append(frame)
        try:
            value = _body_value(self, function.node, frame)
            self.arrive(frame.left_by_return, ignoring=locals_)
        finally:
            body = self.block
            self.active.pop()
            self.frames.pop()
            self.frame, self.block, self.statement = caller, caller_block, caller_statement
            self.calls = self.calls[:-1]
        if len(self.run.all_events) > events:
            self.block.items.append(CallRun(body))
        return value

    def note(self, message: str, node: ast.AST) -> None:
        """Tell, under `--verbose`, that something here was not followed."""
        self.project.note(self.frame.module.source, getattr(node, "lineno", None), message)


def _body_value(machine: Machine, node: FunctionNode, frame: Frame) -> Value:
    if isinstance(node, ast.Lambda):
        return machine.evaluate(node.body)
    left = machine.execute(node.body)
    if frame.yielded:
        return Items(frame.yielded, "generator", open=True)
    if left is None:
        frame.returned.append(NONE)
    return (
        join_all(frame.returned) if frame.returned else Data("unknown")
    )  # it only raises: a derived class is to write it


def _undo(journal: Journal) -> dict[tuple[int, Any], tuple[Space, Any, Value]]:
    if not journal:
        return {}
    writes = {slot: (space, key, space[key]) for slot, (space, key, _) in journal.items() if key in space}
    for space, key, old in journal.values():
        if old is _MISSING:
            space.pop(key, None)
        else:
            space[key] = old
    return writes
