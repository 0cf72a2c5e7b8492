"""THE VOCABULARY: what happens in a training run.

Two producers speak it: the abstract run (`nnlint.static`), which reads the script, and the real run, which executes it under
torch's hooks. Every rule is written in these terms. An event stands at a place (`at`), inside the iterations of loops that
surround it at run time, outermost first and through all calls (`iterations`), at the end of a chain of calls (`calls`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from typing import Any, TypeVar

from nnlint.records import dataclass, field
from nnlint.source import Source
from nnlint.trace import Block
from nnlint.values import Site, Value

__all__ = ["Event", "Iteration", "Loop", "Run", "Site"]


@dataclass(eq=False, slots=True)
class Loop:
    """One execution of a loop statement. `over` is what a `for` loop iterates, `words` its header in lower case.

    It is `whole` where the passes that are followed are all there are.
    """

    at: Site
    kind: str
    over: Value | None
    words: str
    whole: bool = False


@dataclass(eq=False, slots=True)
class Iteration:
    """One pass through a loop's body: the abstract run makes two of each, the real run as many as there are."""

    loop: Loop
    number: int


@dataclass(eq=False, slots=True)
class Event:
    """Something that happens in a run. `order` grows along the run.

    `conditional` says that the iteration it stands in may pass without it: under an `if`, or after an early way out.
    `conditions` are the keys of the tests it stands under, as `nnlint.trace.Choice` has them. `numbers` are what the real run
    measured there, by name; the abstract run has none.
    """

    at: Site
    iterations: tuple[Iteration, ...] = field(default=(), kw_only=True)
    calls: tuple[Site, ...] = field(default=(), kw_only=True)
    order: int = field(default=0, kw_only=True)
    conditional: bool = field(default=False, kw_only=True)
    conditions: tuple[Hashable, ...] = field(default=(), kw_only=True)
    numbers: Mapping[str, float] = field(default_factory=dict, kw_only=True)


@dataclass(eq=False, slots=True)
class WeightsSet(Event):
    """Weights get their first values: all the same one, or others. `weights` is a layer's weight, a parameter, or all of some."""

    weights: Value
    is_constant: bool


@dataclass(eq=False, slots=True)
class OptimizerMade(Event):
    """An optimizer is constructed over parameters: of the networks and layers `held`, by identity, as they are then."""

    optimizer: Value
    held: frozenset[Value] = frozenset()


@dataclass(eq=False, slots=True)
class SchedulerMade(Event):
    """A learning-rate scheduler is constructed."""

    scheduler: Value


@dataclass(eq=False, slots=True)
class LoaderMade(Event):
    """A loader over a data set is constructed."""

    loader: Value


@dataclass(eq=False, slots=True)
class BatchDrawn(Event):
    """A loader yields a batch: told by the real run alone, for the first batches of each pass."""

    loader: Value


@dataclass(eq=False, slots=True)
class ModelBuilt(Event):
    """A network is constructed."""

    model: Value


@dataclass(eq=False, slots=True)
class NetworkWrapped(Event):
    """A network is wrapped by `DistributedDataParallel`, which averages gradients where it is called itself."""

    model: Value


@dataclass(eq=False, slots=True)
class ModeSwitched(Event):
    """`model.train()` or `model.eval()`; `training` is None where the mode is not known."""

    model: Value
    training: bool | None


@dataclass(eq=False, slots=True)
class ModelCalled(Event):
    """A network is called on inputs, from outside any other network's forward.

    `training` is the mode of the network, `gradient` whether gradients are recorded; None where not known. `within` is the
    network in whose own method (`encode`, `predict`) the call stands, if it stands in one: the outermost, where networks' methods
    call each other's.
    """

    model: Value
    inputs: tuple[Value, ...]
    output: Value
    training: bool | None
    gradient: bool | None
    within: Value | None = None


@dataclass(eq=False, slots=True)
class OneOf:
    """One call of one of `count` functions or layers, whichever a setting has chosen."""

    node: object
    count: int


@dataclass(eq=False, slots=True)
class LossComputed(Event):
    """A loss function compares a prediction with a target; `kind` is its operation ("cross_entropy", ...).

    `one_of` is the call that computes it, directly or inside, where that calls one of several functions.
    """

    kind: str
    prediction: Value
    target: Value | None
    value: Value
    one_of: OneOf | None = field(default=None, kw_only=True)


@dataclass(eq=False, slots=True)
class GradientsCleared(Event):
    """Gradients of `target` (an optimizer, a network, a parameter) are set to zero or None.

    They are `replaced` where they are set to other gradients.
    """

    target: Value
    replaced: bool = False


@dataclass(eq=False, slots=True)
class Backward(Event):
    """Gradients of `loss` are added to every parameter it came from: times a scale, where a gradient `scaler` was asked to."""

    loss: Value
    scaler: Value | None = None


@dataclass(eq=False, slots=True)
class Differentiated(Event):
    """`torch.autograd.grad`: gradients of a value are returned, not accumulated. `inputs` are what it is derived by."""

    value: Value
    inputs: Value | None = None


@dataclass(eq=False, slots=True)
class OptimizerStepped(Event):
    """Parameters are updated. `optimizer` is whatever was stepped; a hand-written update steps the parameter itself.

    `named` is the expression that stands for the optimizer there, where one does; `scaler` the gradient scaler that was asked to
    step it.
    """

    optimizer: Value
    named: Site | None = None
    scaler: Value | None = None


@dataclass(eq=False, slots=True)
class SchedulerStepped(Event):
    """The learning rate moves on; `metric` is what the scheduler is told there, an epoch or a measure."""

    scheduler: Value
    metric: Value | None = None


@dataclass(eq=False, slots=True)
class GradientsClipped(Event):
    """Gradients of `target` are bounded."""

    target: Value


@dataclass(eq=False, slots=True)
class GradientsUnscaled(Event):
    """Gradients of what an optimizer trains are divided by the scale of a gradient scaler."""

    optimizer: Value


@dataclass(eq=False, slots=True)
class ScalerUpdated(Event):
    """A gradient scaler sets its scale for the next step."""

    scaler: Value


@dataclass(eq=False, slots=True)
class Accumulated(Event):
    """A value joins a running total: `total += value`, `losses.append(value)`, `meter.update(value)`.

    `total` is the total before; `result` the total after (the same object for a list or meter).
    """

    total: Value
    value: Value
    result: Value


@dataclass(eq=False, slots=True)
class StateKept(Event):
    """A reference to a network, or to its state, is bound to another name (`name`)."""

    state: Value
    name: str


@dataclass(eq=False, slots=True)
class StateUsed(Event):
    """A kept state is loaded, saved or returned; `into` is the network (or optimizer) that it is loaded into."""

    state: Value
    into: Value | None = None


@dataclass(eq=False, slots=True)
class Escaped(Event):
    """Values are handed to code that is not at hand, called `callee`: it may have done anything with them."""

    values: tuple[Value, ...]
    callee: str


@dataclass(eq=False, slots=True)
class MethodNamed(Event):
    """A method of the training protocol stands alone as a statement, and is not called: `optimizer.step`.

    The events of the call that was meant follow, so that one slip is not taken for several.
    """

    receiver: Value
    name: str


@dataclass(eq=False, slots=True)
class Subject(Value):
    """An object of the real run: its number in that run, its class, and where it was constructed."""

    number: int
    kind: str = ""
    at: Site | None = None


@dataclass(eq=False, slots=True)
class LayerApplied(Event):
    """A layer's part in a forward pass; `kind` says what it does to its input ("batchnorm", "dropout", or "")."""

    layer: Value
    kind: str = ""


@dataclass(eq=False, slots=True)
class WeightsSeen(Event):
    """A layer as it stands at the end of a real run, whether or not it is a part of the network.

    Its numbers: `calls`, whether some network that was called holds it (`registered`), whether an optimizer got its weights
    (`optimized`), how far they `moved`, the mean norm of their gradient (`gradient`), how much its units differ (`unit_spread`);
    and how many layers were made at its line (`made`), and how many of these during a forward pass (`made_in_forward`).
    """

    layer: Value


@dataclass(eq=False, slots=True)
class ValueSeen(Event):
    """The value of a flagged span: `what` is "value", "reached" (its statement is about to run) or "kept" (looked at again
    at the end of the run)."""

    what: str


@dataclass(eq=False, slots=True)
class Scored(Event):
    """The network was scored on batches of its training data; `measure` is the loss that it is trained by."""

    measure: str


@dataclass(eq=False, slots=True)
class Raised(Event):
    """The script ended with an exception of this class."""

    error: str
    message: str


E_ = TypeVar("E_", bound=Event)
About = TypeVar("About")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class Run:
    """One run of one entry file: the events in order, and their structure in `trace`.

    `operations` are the data that were made, by operation, for rules about values rather than about order; `sources` the
    files of the project, and `base_names` the words in the lists of bases of its classes, for rules that ask what is never
    named. A run that was `cut_short` may lack what came later: rules that ask whether something never happened keep silent
    on it. A `symbolic` run is one of functions that nothing calls: what their callers did before, and do with their
    `results`, is not known, but that the file's top level has come `before`: its run, where it makes optimizers or loads
    weights. One that is `called_again` is of an object whose methods nobody calls here: the trace has them
    twice, as its holder would, while the events stand in the loops of the methods alone. A real run has `ended` in some
    way: "steps" (as many as asked for), "time", "slow" (hardly a step in its time), "finished", "exited", "raised",
    "killed" (from outside, or by itself without a word), "lost" (nothing of it can be trusted); `trouble` says why it was
    killed or lost, and `notes` what the sandbox has to say of it; `stood_in` names what was missing and was stood in for.
    `ties` are values that are kept in what they hold: reads in what was read, functions in the scopes around them.
    """

    path: str
    trace: Block = field(default_factory=Block)
    all_events: list[Event] = field(default_factory=list)
    by_kind: dict[type[Event], list[Event]] = field(default_factory=dict)
    cut_short: bool = False
    memory: dict[tuple[str, int], tuple[Any, Any]] = field(default_factory=dict, repr=False)
    symbolic: bool = False
    before: Run | None = None
    called_again: bool = False
    results: list[Value] = field(default_factory=list)
    ended: str = ""
    stood_in: tuple[str, ...] = ()
    trouble: str = ""
    notes: list[str] = field(default_factory=list)
    operations: Mapping[str, list[Value]] = field(default_factory=dict)
    base_names: Callable[[], Set[str]] = frozenset
    sources: Sequence[Source] = ()
    ties: list[Value] = field(default_factory=list, repr=False)

    def remember(self, what: str, about: About, work_out: Callable[[About], Answer]) -> Answer:
        """The answer to a question about a value, or about the run itself, worked out once for all rules."""
        key = (what, id(about))
        known = self.memory.get(key)
        if known is None:
            known = self.memory[key] = (about, work_out(about))  # kept: nothing else may get its identity
        answer: Answer = known[1]
        return answer

    def events(self, kind: type[E_]) -> Iterator[E_]:
        """The events of one kind, in order."""
        return iter(self.by_kind.get(kind, ()))  # type: ignore[arg-type]

    def record(self, event: Event) -> None:
        """Add an event at the end."""
        event.order = len(self.all_events)
        self.all_events.append(event)
        self.by_kind.setdefault(type(event), []).append(event)
