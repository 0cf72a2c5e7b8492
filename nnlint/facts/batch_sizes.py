"""How many rows a network is given at a time, where the code fixes it: by a loader's batch size, or by a whole array."""

from __future__ import annotations

from nnlint.events import ModelCalled, Run
from nnlint.facts.layers import inputs_of
from nnlint.facts.lengths import length_of
from nnlint.operations import ACTIVATIONS, NORMALIZATIONS, POOLINGS
from nnlint.records import dataclass
from nnlint.values import NONE, Constant, Data, Loader, Value, number

MOVES = frozenset(
    "to tensor array numpy detach identity contiguous clone values flatten multiply divide add subtract".split()
)
"""Operations between a batch and the network that keep its rows."""

ROW_WISE = (
    ACTIVATIONS
    | NORMALIZATIONS
    | POOLINGS
    | MOVES
    | frozenset("linear convolution dropout alpha_dropout max mean".split())
)
"""Operations inside a network that keep the rows of a batch."""

RESHAPES = frozenset({"view", "reshape"})
DEEPEST = 12
MOST_VISITED = 2000


@dataclass(frozen=True)
class Batch:
    """A batch of a known size: of `loader`, or a whole array (None). `is_last` if only the last of an epoch has that size."""

    rows: int
    loader: Loader | None = None
    is_last: bool = False
    samples: int | None = None


def batch_of(run: Run, call: ModelCalled) -> Batch | None:
    """The smallest batch that a call is known to see; None where no size is known.

    Of a run of functions that nothing calls, defaults that callers may replace are no known sizes.
    """
    value: Value = call.inputs[0] if call.inputs else NONE
    for _ in range(DEEPEST):
        if not isinstance(value, Data):
            return None
        loader = _loader_of(value)
        if loader is not None:
            return run.remember("batch of loader", loader, lambda held: _of_loader(run, held))
        rows = length_of(value)
        if rows is not None:
            return Batch(rows)
        if not value.inputs or not (value.operation in MOVES or _keeps_first(value)):
            return None
        value = value.inputs[0]
    return None


def _keeps_first(data: Data) -> bool:
    """Whether a reshape keeps the rows: `x.view(x.size(0), -1)`, `x.reshape(len(x), -1)`, `x.view(batch_size, -1)`."""
    return data.operation in RESHAPES and len(data.inputs) > 1 and isinstance(data.inputs[1], Data)


def _loader_of(value: Data) -> Loader | None:
    """The loader of which the data are a batch, or a part of one."""
    if value.operation == "batch part":
        value = value.inputs[1] if isinstance(value.inputs[1], Data) else value
    elif value.operation == "index" and isinstance(value.inputs[0], Data) and len(value.inputs) > 1:
        value = value.inputs[0] if isinstance(value.inputs[1], Constant) else value
    held = value.inputs[0] if value.operation == "batch" else None
    return held if isinstance(held, Loader) else None


def _of_loader(run: Run, loader: Loader) -> Batch | None:
    given = loader.arguments
    if any(given.get(name, NONE) is not NONE for name in ("batch_sampler", "collate_fn")):
        return None
    size = _batch_size(run, loader)
    if size is None:
        return None
    samples = length_of(loader.dataset) if given.get("sampler", NONE) is NONE else None
    drops = given.get("drop_last")
    keeps_rest = drops is None or (isinstance(drops, Constant) and drops.value is False)
    rest = samples % size if samples is not None and keeps_rest else 0
    return Batch(rest, loader, True, samples) if 0 < rest < size else Batch(size, loader, False, samples)


def _batch_size(run: Run, loader: Loader) -> int | None:
    if "batch_size" not in loader.arguments:
        return 1
    given = loader.arguments["batch_size"]
    known = number(given)
    if known is None or known < 1 or (run.symbolic and isinstance(given, Constant) and given.overridable):
        return None
    return int(known)


def normalises_rows(batch_norm: Data, given: frozenset[int]) -> bool:
    """Whether a BatchNorm averages over the rows of a batch alone: over the features that a linear layer made of each row.

    `given` are the identities of what networks are called on. False where the rows may be others than the batch's.
    """
    feeding = list(inputs_of(batch_norm))[:1]
    while feeding and feeding[0].operation in ACTIVATIONS | {"dropout"}:
        feeding = list(inputs_of(feeding[0]))[:1]
    if not feeding or feeding[0].operation != "linear":
        return False
    return _keeps_rows(feeding[0], given)


def _keeps_rows(data: Data, given: frozenset[int]) -> bool:
    pending, seen = [data], set[int]()
    has_pixels = False
    reshapes = False
    while pending and len(seen) < MOST_VISITED:
        current = pending.pop()
        if id(current) in seen or id(current) in given:
            continue
        seen.add(id(current))
        has_pixels = has_pixels or current.operation == "convolution" or current.operation in POOLINGS
        if current.operation in RESHAPES:
            reshapes = reshapes or not _keeps_first(current)
            pending.extend(list(inputs_of(current))[:1])
        elif current.operation in ROW_WISE:
            pending.extend(inputs_of(current))
        else:
            return False
    return has_pixels or not reshapes
