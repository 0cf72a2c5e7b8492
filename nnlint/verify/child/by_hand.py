"""The yardstick of networks written by hand in numpy: R squared of what the script's own function answers.

A training compares the answers of a function with targets: `answer = forward(X)`, then `Y - answer`. Both are noted on the tree
of the script, as a probe is. The function is taken for the network only where it answers the same inputs otherwise after a
while, with the same targets, and where a copy of it gives the same answers; it is then scored on the first inputs. Nothing is
scored where this cannot be told.
"""

from __future__ import annotations

import ast
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from nnlint.verify.child.probes import PART, VALUE
from nnlint.verify.child.recorder import Recorder
from nnlint.verify.child.values import Sightings
from nnlint.verify.child.yardstick import LONGEST_SCORE, MOST_BATCHES, MOST_SAMPLES, SHARE_OF_SCORES

ANSWERED = "__nnlint_answered__"
COMPARED = "__nnlint_compared__"

FEWEST_STEPS = 10
"""A function that was compared less often is evaluated, not trained."""

FEWEST_ROWS, MOST_ORDERS = 3, 8
"""The samples that are needed to bring them into other rows, and how often this is done at most."""

LARGEST_COPIED = 50_000_000
"""A network that holds arrays of more bytes is not copied, and so not scored."""

WORST = -1e6

Array = Any


def noted(tree: ast.Module) -> ast.Module:
    """The tree of a file that uses numpy and not torch, with the calls and the comparisons noted that may be a training's."""
    imported = {name.partition(".")[0] for node in ast.walk(tree) for name in _imported(node)}
    if "numpy" not in imported or "torch" in imported:
        return tree
    noter = _Noter()
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.Module, ast.FunctionDef)) and not getattr(scope, "decorator_list", ()):
            noter.read(list(_of_scope(scope.body)))
    changed = ast.fix_missing_locations(noter.visit(tree))
    assert isinstance(changed, ast.Module)
    return changed


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def _of_scope(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes that run in the same scope."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


class _Noter(ast.NodeTransformer):
    """Gives each name that a call is assigned to and that is then compared a number."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.last = 0

    def read(self, nodes: list[ast.AST]) -> None:
        """Find the calls and comparisons of one scope. A name that several calls are assigned to is left alone."""
        calls: dict[str, list[ast.Call]] = {}
        for node in nodes:
            call = _bare(node.value) if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(node, ast.Assign) and isinstance(call, ast.Call) and not _is_of_super(call):
                calls.setdefault(ast.unparse(node.targets[0]), []).append(call)
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                for name in {_name(node.left), _name(node.right)} & calls.keys():
                    self._number(node, calls[name])

    def _number(self, difference: ast.BinOp, calls: list[ast.Call]) -> None:
        if len(calls) == 1 and id(difference) not in self.numbers:
            self.last += 1
            self.numbers[id(difference)] = self.numbers.setdefault(id(calls[0]), self.last)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        number = self.numbers.get(id(node))
        return (
            node
            if number is None
            else _passed_to(ANSWERED, number, node, node.func, *node.args, keywords=node.keywords)
        )

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        number = self.numbers.get(id(node))
        return node if number is None else _passed_to(COMPARED, number, node, node.left, node.right)


def _passed_to(
    function: str, number: int, at: ast.expr, *values: ast.expr, keywords: list[ast.keyword] | None = None
) -> ast.expr:
    call = ast.Call(ast.Name(function, ast.Load()), [ast.Constant(number), *values], keywords or [])
    return ast.copy_location(call, at)


def _bare(node: ast.expr) -> ast.expr:
    """An expression without the probes around it."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in (PART, VALUE):
        node = node.args[-1]
    return node


def _name(node: ast.expr) -> str:
    inner = _bare(node)
    return ast.unparse(inner) if isinstance(inner, (ast.Name, ast.Attribute)) else ""


def _is_of_super(call: ast.Call) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(call.func))


class Answer(NamedTuple):
    """A call that was noted: the function, what it was given, and what it gave."""

    function: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    result: Any


class Batch(NamedTuple):
    """Samples that were trained on, as they were then, and the first answer to them."""

    inputs: Array
    targets: Array
    answer: Array


class Network:
    """What is perhaps a network: a function whose answers are compared with targets, and the first batches of this."""

    def __init__(self, answer: Answer, place: int) -> None:
        self.owner = _owner(answer)
        self.place = place
        self.latest = answer
        self.batches: list[Batch] = []
        self.samples = self.offered = self.steps = 0
        self.is_learning = self.is_refused = False

    def step(self, answer: Answer, target: Array) -> None:
        """Another comparison: keep the first batches, and see whether one that comes again is answered otherwise."""
        self.steps += 1
        self.latest = answer
        if self.is_learning or self.is_refused:
            return
        inputs = answer.arguments[self.place]
        same = next((each for each in self.batches if np.array_equal(each.inputs, inputs)), None)
        if same is not None:
            self.is_refused = not np.array_equal(same.targets, target)  # an earlier answer, say, and no target
            self.is_learning = not self.is_refused and not np.array_equal(same.answer, answer.result)
        elif self.offered < MOST_BATCHES and self.samples < MOST_SAMPLES:
            self.batches.append(Batch(inputs.copy(), target.copy(), answer.result.copy()))
            self.samples += target.size
        self.offered += 1

    def is_copied(self) -> bool:
        """Whether a copy of the network answers as it does itself: one that draws at random does not."""
        again = self.answer(self.latest.arguments[self.place])
        return np.shape(again) == self.latest.result.shape and np.allclose(again, self.latest.result, equal_nan=True)

    def in_place(self) -> Iterator[tuple[Array, Array]]:
        """Answers and targets of the samples as they were trained on."""
        return ((self.answer(each.inputs), each.targets) for each in self.batches)

    def in_other_rows(self) -> Iterator[tuple[Array, Array]]:
        """The same with the samples of a batch in the rows of others, several times, each in another row each time."""
        for batch in self.batches:
            axes = _axes_of_samples(batch.inputs, batch.targets)
            if len(axes) != 1:
                continue
            (axis,) = axes
            shifts = np.random.default_rng(0).permutation(np.arange(1, batch.inputs.shape[axis]))
            for shift in shifts[:MOST_ORDERS]:
                inputs, targets = (np.roll(each, shift, axis) for each in (batch.inputs, batch.targets))
                yield self.answer(inputs), targets

    def answer(self, inputs: Array) -> Array:
        """What a copy of the network as it is now gives for these inputs."""
        function = self.latest.function
        if isinstance(function, MethodType):
            function = MethodType(function.__func__, deepcopy(function.__self__))
        given = [inputs if place == self.place else each for place, each in enumerate(self.latest.arguments)]
        return function(*deepcopy(given), **deepcopy(self.latest.keywords))


class ByHand:
    """The functions that noted calls and comparisons are passed to, and the scores of the first network that they show.

    With `other_rows` it is also scored on its training samples in the rows of each other.
    """

    def __init__(self, recorder: Recorder, sightings: Sightings, every: int, other_rows: bool) -> None:
        self.recorder = recorder
        self.sightings = sightings
        self.every = max(1, every)
        self.other_rows = other_rows
        self.answers: dict[int, Answer] = {}
        self.networks: dict[int, Network] = {}
        self.first: Network | None = None
        self.is_over = self.is_busy = False
        self.told = 0
        self.spent = 0.0

    def answered(self, number: int, function: Any, /, *arguments: Any, **keywords: Any) -> Any:
        """In the place of a call that was noted."""
        result = function(*arguments, **keywords)
        if _is_numbers(result) and not (self.is_over or self.is_busy):
            self.answers[number] = Answer(function, arguments, keywords, result)
        return result

    def compared(self, number: int, left: Any, right: Any) -> Any:
        """In the place of a difference that was noted."""
        answer = self.answers.get(number)
        if answer is not None and not (self.is_over or self.is_busy):
            is_between = left is answer.result or right is answer.result
            target = right if left is answer.result else left
            if is_between and _is_numbers(target) and target.shape == answer.result.shape:
                del self.answers[number]
                self._try(lambda: self._step(number, answer, target))
        return left - right

    def tell(self) -> None:
        """Send the score of the network as it is now."""
        if self.first is not None and not self.is_over:
            self._try(self._tell)

    def _try(self, work: Callable[[], None]) -> None:
        """What cannot be looked at is not scored; the script goes on as if nothing had been tried."""
        self.is_busy = True
        try:
            work()
        except Exception:
            self.is_over = True
        finally:
            self.is_busy = False

    def _step(self, number: int, answer: Answer, target: Array) -> None:
        if self.recorder.backwards or self.recorder.steps:
            self.is_over = True
            return
        network = self._network(number, answer, target)
        if network is None or network.owner is not _owner(answer):
            return
        network.step(answer, target)
        if network.is_learning and self.first is None:
            self.first = network
        elapsed = time.monotonic() - self.recorder.start
        is_due = network.steps % self.every == 0 and self.spent < SHARE_OF_SCORES * elapsed + LONGEST_SCORE / 2
        if network is self.first and is_due:
            self._tell()

    def _network(self, number: int, answer: Answer, target: Array) -> Network | None:
        known = self.networks.get(number)
        if known is None and self.first is None:
            place = _place_of_inputs(answer, target)
            if place is not None and _is_copied_cheaply(answer):
                known = self.networks[number] = Network(answer, place)
        return known

    def _tell(self) -> None:
        network = self.first
        if network is None or network.steps < FEWEST_STEPS or network.steps == self.told or self.recorder.is_in_haste():
            return
        start = time.monotonic()
        with self._aside(network):
            self.is_over = not network.is_copied()
            numbers = {} if self.is_over else self._scores(network)
        self.spent += time.monotonic() - start
        self.told = network.steps
        if numbers:
            self.recorder.tell("Scored", [], {**numbers, "steps": float(network.steps)}, loss="by hand")

    def _scores(self, network: Network) -> dict[str, float]:
        if not self.other_rows:
            return _r2("r2", network.in_place())
        moved = _r2("r2_in_other_rows", network.in_other_rows())
        return moved | _r2("r2_in_place", network.in_place()) if moved else {}

    @contextmanager
    def _aside(self, network: Network) -> Iterator[None]:
        """What the verifier asks the network is no part of the run: random states and globals are put back."""
        drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
        function = getattr(network.latest.function, "__func__", network.latest.function)
        names = function.__globals__ if isinstance(function, FunctionType) else {}
        before = dict(names)
        generators = [each for each in before.values() if isinstance(each, np.random.Generator)]
        states = [each.bit_generator.state for each in generators]
        self.sightings.is_paused = True
        try:
            with self.recorder.pause(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
                yield
        finally:
            self.sightings.is_paused = False
            names.update(before)
            for generator, state in zip(generators, states, strict=True):
                generator.bit_generator.state = state
            random.setstate(drawn)
            np.random.set_state(drawn_by_numpy)


def _owner(answer: Answer) -> Any:
    return answer.function.__self__ if isinstance(answer.function, MethodType) else answer.function


def _is_numbers(value: Any) -> bool:
    return type(value) is np.ndarray and value.ndim > 0 and value.size > 0 and value.dtype.kind in "fiub"


def _place_of_inputs(answer: Answer, target: Array) -> int | None:
    """Which argument holds the inputs; None where that is open, or where the function is given the targets."""
    if any(_is_same(each, target) for each in (*answer.arguments, *answer.keywords.values())):
        return None
    arrays = [place for place, each in enumerate(answer.arguments) if _is_numbers(each)]
    fitting = [place for place in arrays if _axes_of_samples(answer.arguments[place], target)]
    return next(iter(fitting or arrays), None)


def _is_same(given: Any, target: Array) -> bool:
    """Whether an argument is the array of the targets; inputs may well have the same values."""
    return _is_numbers(given) and given.shape == target.shape and given.ctypes.data == target.ctypes.data


def _is_copied_cheaply(answer: Answer) -> bool:
    owner = answer.function.__self__ if isinstance(answer.function, MethodType) else None
    held = [*answer.arguments, *answer.keywords.values(), *getattr(owner, "__dict__", {}).values()]
    return sum(each.nbytes for each in held if isinstance(each, np.ndarray)) < LARGEST_COPIED


def _axes_of_samples(inputs: Array, targets: Array) -> list[int]:
    """The axes, of the first and the last, along which inputs and targets are as many: samples, where it is one."""
    axes = (0, -1) if inputs.ndim > 1 and targets.ndim > 1 else (0,)
    return [axis for axis in axes if inputs.shape[axis] == targets.shape[axis] >= FEWEST_ROWS]


def _r2(name: str, pairs: Iterable[tuple[Array, Array]]) -> dict[str, float]:
    """R squared over all pairs of answers and targets; the worst where an answer is no number, nothing where it has none."""
    flat = [(answer.ravel().astype(float), target.ravel().astype(float)) for answer, target in pairs]
    if not flat:
        return {}
    answers, targets = (np.concatenate(each) for each in zip(*flat, strict=True))
    variance = float(np.square(targets - targets.mean()).sum())
    if not variance:
        return {}
    value = 1.0 - float(np.square(answers - targets).sum()) / variance
    return {name: value if value > WORST else WORST}
