"""How many samples an optimizer's step sees: steps on a single sample of data that lie in memory or come from a loader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import TypeVar

from nnlint.events import Backward, Event, Iteration, ModelCalled, OptimizerMade, OptimizerStepped, Run
from nnlint.facts.differentiated import behind
from nnlint.facts.identity import uncopied
from nnlint.graph import ancestors
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Constant, Data, Either, Entries, Items, Loader, Site, Value, elements, number, truth

ARRAYS = frozenset("tensor array random linspace arange load zeros ones full values numpy values_array".split())
"""Operations that make an array whole."""

GATHERS = frozenset("split randperm slice concatenate stack window".split())
"""Operations after which an element is a batch, not a sample."""

KEEPS_ROWS = frozenset(
    "to tensor array numpy detach clone contiguous identity squeeze multiply divide add subtract".split()
)
DRAWS_ONE = ("random.randint", "random.randrange", "random.choice", "numpy.random.randint", "numpy.random.choice")
DATA_SETS = ("torchvision.datasets.", "torchaudio.datasets.", "sklearn.datasets.", "medmnist.")
MOST_STEPS = 200
AnyEvent = TypeVar("AnyEvent", bound=Event)


@dataclass(frozen=True)
class SingleSampleStep:
    """A step for every single sample: of `loader`, which makes batches of one, or of the rows of an array (None).

    `calls` are the calls of networks that the step follows, at least one.
    """

    event: OptimizerStepped
    calls: tuple[ModelCalled, ...]
    loader: Loader | None


def single_sample_steps(run: Run) -> Iterator[SingleSampleStep]:
    """The steps that follow one sample each; a step that waits for several backward passes is none."""
    steps = list(run.events(OptimizerStepped))[:MOST_STEPS]
    for step in steps if _takes_samples(run) else ():
        if not step.iterations or (step.conditional and not _has_counterpart(step, steps)) or _is_made_here(run, step):
            continue
        calls = _followed(run, step, _before(run.events(ModelCalled), step))
        if not calls or (step.conditional and not _is_one_of_two(step, calls)):
            continue
        single = list(takewhile(lambda each: each is not None, (_single(call, step.iterations) for call in calls)))
        if len(single) == len(calls):
            yield SingleSampleStep(step, calls, next((each for each in single if isinstance(each, Loader)), None))


def _takes_samples(run: Run) -> bool:
    """Whether anything is taken from an array or a data set by itself, or a loader makes batches of one."""
    if run.operations.get("element") or run.operations.get("index"):
        return True
    batches = [each for each in run.operations.get("batch", ()) if isinstance(each, Data)]
    return any(isinstance(each.inputs[0], Loader) and _makes_ones(each.inputs[0]) for each in batches)


def _is_made_here(run: Run, step: OptimizerStepped) -> bool:
    """Whether the pass that steps makes the optimizer: each sample is a problem of its own, not one of many to learn from."""
    made = (event for event in run.events(OptimizerMade) if event.optimizer is step.optimizer)
    return any(step.iterations[-1] in event.iterations for event in made)


def _is_one_of_two(step: OptimizerStepped, calls: tuple[ModelCalled, ...]) -> bool:
    """Whether a single condition lies between the calls of the network and the step."""
    return all(
        step.conditions[: len(call.conditions)] == call.conditions and len(step.conditions) - len(call.conditions) <= 1
        for call in calls
    )


def _has_counterpart(step: OptimizerStepped, steps: list[OptimizerStepped]) -> bool:
    """Whether the same optimizer steps on the other path as well: by a scaler where there is one, and by itself where not."""
    return any(
        other is not step
        and other.optimizer is step.optimizer
        and other.conditions == step.conditions
        and other.iterations[-1:] == step.iterations[-1:]
        and not _is_same_place(other.at, step.at)
        for other in steps
    )


def _is_same_place(first: Site, second: Site) -> bool:
    return first is second or (
        isinstance(first, CodeSite) and isinstance(second, CodeSite) and first.node is second.node
    )


def are_alike(step: SingleSampleStep) -> bool:
    """Whether the samples of a shuffled loader are all of one size, so that several fit into a batch: cut from an array."""
    loader = step.loader
    if loader is None or loader.arguments.get("collate_fn", NONE) is not NONE or not _is_shuffled(loader):
        return False
    pictures = isinstance(loader.dataset, Data) and _is_data_set(loader.dataset)
    return pictures or all(_is_cut_from_array(call) for call in step.calls)


def _is_shuffled(loader: Loader) -> bool:
    by_split = isinstance(loader.dataset, Data) and loader.dataset.operation == "train split"
    return by_split or truth(loader.arguments.get("shuffle")) is True


def _is_cut_from_array(call: ModelCalled) -> bool:
    for value in call.inputs[:1]:
        for data in ancestors(value):
            if data.operation == "batch part":
                return _is_row_of_array(data.inputs[0])
    return False


def _is_row_of_array(part: Value) -> bool:
    inner = uncopied(part)
    while isinstance(inner, Data) and inner.operation in ("train split", "test split") and inner.inputs:
        inner = uncopied(inner.inputs[0])
    if isinstance(inner, Data) and inner.operation == "index":
        inner = inner.inputs[0]
    return any(data.operation in ARRAYS | {"scaled"} for data in ancestors(inner))


def _followed(run: Run, step: OptimizerStepped, calls: Iterable[ModelCalled]) -> tuple[ModelCalled, ...]:
    """The calls whose output is differentiated in the step's own iteration. None if a loop inside gathers them."""
    here = list(_before(run.events(Backward), step))
    if any(len(event.iterations) > len(step.iterations) for event in here):
        return ()
    graphs = [behind(run, event.loss) for event in here]
    return tuple(
        call for call in calls if any(id(output) in graph for output in elements(call.output) for graph in graphs)
    )


def _before(events: Iterable[AnyEvent], step: OptimizerStepped) -> Iterator[AnyEvent]:
    """The events before a step in its own iteration."""
    for event in events:
        if event.order < step.order and _in(event.iterations, step):
            yield event


def _in(iterations: tuple[Iteration, ...], step: OptimizerStepped) -> bool:
    depth = len(step.iterations)
    return len(iterations) >= depth and iterations[depth - 1] is step.iterations[-1]


def _single(call: ModelCalled, iterations: tuple[Iteration, ...]) -> Loader | Data | None:
    """The loader or the array of which the call sees one sample in the iterations of a step; None if it is not known to."""
    over = iterations[-1].loop.over
    for value in call.inputs[:1]:
        for data in ancestors(value):
            if data.operation in GATHERS or _drops_batch(data):
                return None
            if data.operation == "batch" and isinstance(data.inputs[0], Loader):
                loader = data.inputs[0]
                drawn = (each for iteration in iterations for each in _drawn(iteration.loop.over))
                return loader if _makes_ones(loader) and any(each is loader for each in drawn) else None
            if data.operation in ("element", "index") and data.inputs:
                rows = _row_of(data, over, call)
                if rows is not None:
                    return rows
    return None


def _drops_batch(data: Data) -> bool:
    """Whether the first dimension of a batch is taken away: what a loader calls a sample is then a batch itself."""
    if data.operation != "squeeze" or not data.inputs or not any(each.operation == "batch" for each in ancestors(data)):
        return False
    dimension = data.inputs[1] if len(data.inputs) > 1 else data.options.get("dim")
    return dimension is None or number(dimension) == 0


def _makes_ones(loader: Loader) -> bool:
    given = loader.arguments
    if any(given.get(name, NONE) is not NONE for name in ("batch_sampler",)):
        return False
    size = given.get("batch_size")
    return size is None or number(size) == 1


def _drawn(over: Value | None) -> Iterator[Value]:
    """What a loop draws from, behind `enumerate`, `zip` and progress bars."""
    if isinstance(over, Data) and over.operation in ("enumerate", "progress", "zip", "iter"):
        for inner in over.inputs:
            yield from _drawn(inner)
    elif isinstance(over, Either):
        for inner in over.alternatives:
            yield from _drawn(inner)
    elif over is not None:
        yield over


def _row_of(data: Data, over: Value | None, call: ModelCalled) -> Data | None:
    """The array of which the data is one row, taken by the loop or by a single number."""
    source = data.inputs[0]
    if not isinstance(source, Data):
        return None
    key = data.inputs[1] if len(data.inputs) > 1 else None
    if data.operation == "index" and _is_data_set(source):
        return source if _counts(key, over) and _is_wrapped(call) else None
    is_drawn = any(each is source for each in _drawn(over)) if data.operation == "element" else _counts(key, over)
    if not is_drawn or not _lies_in_memory(source):  # in this order: the second walks the whole graph
        return None
    return source if _has_rows_of_numbers(source) or _is_wrapped(call) else None


def _counts(key: Value | None, over: Value | None) -> bool:
    """Whether an index is one number that moves with the loop: its counter or a remainder of it, or drawn at random."""
    if not isinstance(key, Data):
        return False
    if key.operation == "counter":
        counted = key.inputs[0] if key.inputs else None
        return _steps_by_one(counted) and (counted is over or any(each is counted for each in _drawn(over)))
    if key.operation == "element":
        return _is_order(key.inputs[0]) and any(each is key.inputs[0] for each in _drawn(over))
    if key.operation == "index" and len(key.inputs) > 1:
        return _is_order(key.inputs[0]) and _counts(key.inputs[1], over)
    if key.operation in ("modulo", "item"):
        return _counts(key.inputs[0], over)
    if key.operation == "call" and key.name in DRAWS_ONE:
        most = 1 if key.name == "numpy.random.choice" else 2  # its second argument is how many are drawn
        return "size" not in key.options and len(key.inputs) <= most
    return False


def _is_order(value: Value) -> bool:
    """Whether the value is the numbers of all samples, shuffled or not."""
    inner = uncopied(value)
    while isinstance(inner, Data) and inner.operation in ("list", "item") and inner.inputs:
        inner = uncopied(inner.inputs[0])
    return isinstance(inner, Data) and (
        inner.operation in ("randperm", "range", "arange") and _steps_by_one_or_all(inner)
    )


def _steps_by_one_or_all(order: Data) -> bool:
    return order.operation == "randperm" or len(order.inputs) < 3 or number(order.inputs[2]) == 1


def _steps_by_one(over: Value | None) -> bool:
    if isinstance(over, Data) and over.operation == "range":
        return len(over.inputs) < 3 or number(over.inputs[2]) == 1
    return isinstance(over, Data) and over.operation in ("enumerate", "progress")


def _is_data_set(source: Data) -> bool:
    """Whether the value is a library's data set, or one part of it."""
    while source.operation in ("train split", "test split") and source.inputs and isinstance(source.inputs[0], Data):
        source = source.inputs[0]
    return source.operation == "call" and source.name.startswith(DATA_SETS)


def _lies_in_memory(source: Data) -> bool:
    found = False
    for data in ancestors(source):
        if data.operation in GATHERS or data.operation in ("batch", "argument", "output"):
            return False
        found = found or data.operation in ARRAYS
    return found


def _has_rows_of_numbers(source: Data) -> bool:
    """Whether an element of the array is certainly a sample, not a batch: it has at most two dimensions, or one sample each."""
    for data in ancestors(source):
        if data.operation in ("random", "zeros", "ones", "full"):
            return 1 <= _dimensions(data) <= 2
        if data.operation in ("linspace", "arange"):
            return True
        if data.operation == "load" and "csv" in data.name:
            return True
        if data.operation not in KEEPS_ROWS and data.operation not in (
            "unsqueeze",
            "sum",
            "index",
            "item",
            "call",
            "transpose",
        ):
            return False
    return False


def _dimensions(data: Data) -> int:
    size = data.options.get("size", data.options.get("shape"))
    given: list[Value] = list(data.inputs) if size is None else [size]
    given = [each for each in given if isinstance(each, (Items, Constant)) or number(each) is not None]
    if len(given) == 1 and isinstance(given[0], Items):
        return len(given[0].items)
    return sum(1 for each in given if number(each) is not None)


def _is_wrapped(call: ModelCalled) -> bool:
    """Whether the sample is made a batch of one by hand: `unsqueeze(0)`, `tensor([x])`, `view(1, -1)`."""
    for value in call.inputs[:1]:
        for data in ancestors(value):
            if data.operation == "unsqueeze" and any(number(each) == 0 for each in data.inputs[1:]):
                return True
            if data.operation in ("view", "reshape") and len(data.inputs) > 1 and number(data.inputs[1]) == 1:
                return True
            if data.operation in ("tensor", "array") and data.inputs and _holds_one(data.inputs[0]):
                return True
            if data.operation in ("element", "index"):
                return False
    return False


def _holds_one(value: Value) -> bool:
    return (
        isinstance(value, Items)
        and len(value.items) == 1
        and not value.open
        and not isinstance(value.items[0], Entries)
    )
