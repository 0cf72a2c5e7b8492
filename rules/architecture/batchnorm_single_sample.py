"""BatchNorm is trained on batches of one, or next to one, sample.

## What it does
Reports a loader, or a call on a whole array, that gives a network with BatchNorm in training mode a single row: by
`batch_size=1`, or because the last batch of an epoch is left with one row and `drop_last` is not set. All sizes have to be known.
Two or three rows at a time are a warning. A single image is advice, as BatchNorm still averages over its pixels.

## Why it matters
BatchNorm subtracts the mean of the batch. Of a single row nothing is left: every feature is 0 whatever the input was, and torch
raises "Expected more than 1 value per channel when training", with a last batch of one in the middle of the first epoch. Of two
rows only the signs of their difference are left: all features are +1 or -1.
Source: torch.nn.BatchNorm1d (https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html); seed story 0.

## Example
```python
dataset = TensorDataset(torch.randn(101, 10), labels)
loader = DataLoader(dataset, batch_size=20, shuffle=True)
```

Use instead:
```python
dataset = TensorDataset(torch.randn(101, 10), labels)
loader = DataLoader(dataset, batch_size=20, shuffle=True, drop_last=True)
```

## Witness
What BatchNorm puts out is all zero, or all +1 and -1, or the layer raises.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LayerApplied, LoaderMade, ModelCalled, ModeSwitched, Raised, Run
from nnlint.facts.batch_sizes import Batch, batch_of, normalises_rows
from nnlint.facts.differentiated import reached
from nnlint.facts.layers import inputs_of, place_of, tracks_statistics
from nnlint.finding import Severity, Verdict
from nnlint.graph import cuts_graph
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.values import Data, Layer, Value, elements
from nnlint.witness import Case, confirmed, numbers, refuted, unverified
from nnlint.words import NETWORKS, names_of

FEW = 3


def check(run: Run) -> Iterator[Problem]:
    """One problem for each loader, or call on an array, with which a network in training mode is trained."""
    if not run.operations.get("batch_norm") or _is_frozen(run):
        return
    training = [call for call in run.events(ModelCalled) if call.training is True]
    small = [(call, batch) for call in training if (batch := batch_of(run, call)) is not None and batch.rows <= FEW]
    if not small:
        return
    learned = reached(run)
    given = frozenset(id(value) for call in run.events(ModelCalled) for value in call.inputs)
    for call, batch in small:
        if any(id(each) in learned and not _is_cut(each) for each in elements(call.output)):
            yield from _judge(call, batch, list(_batch_norms(call)), given)


def _is_cut(output: Value) -> bool:
    return isinstance(output, Data) and cuts_graph(output)


def _is_frozen(run: Run) -> bool:
    """Whether some BatchNorm is switched to evaluation mode by itself."""
    return any(
        isinstance(event.model, Layer) and event.model.operation == "batch_norm" and event.training is not True
        for event in run.events(ModeSwitched)
    )


def _batch_norms(call: ModelCalled) -> Iterator[Data]:
    """The applications of BatchNorm behind the output of a call."""
    pending = [each for each in elements(call.output) if isinstance(each, Data)]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if tracks_statistics(current):
            yield current
        pending.extend(inputs_of(current))


def _judge(call: ModelCalled, batch: Batch, layers: list[Data], given: frozenset[int]) -> Iterator[Problem]:
    over_rows = next((each for each in layers if normalises_rows(each, given)), None)
    if over_rows is not None and batch.rows == 1:
        yield _problem(call, batch, over_rows, Severity.ERROR, "every feature becomes 0, and torch raises")
    elif over_rows is not None and not batch.is_last:
        left = "every feature becomes +1 or -1" if batch.rows == 2 else "the features say next to nothing"
        yield _problem(call, batch, over_rows, Severity.WARNING, f"{left}, whatever the inputs are")
    elif over_rows is None and batch.rows == 1 and not batch.is_last:
        spatial = next((each for each in layers if _is_spatial(each)), None)
        if spatial is not None:
            yield _problem(call, batch, spatial, Severity.ADVICE, "its statistics are those of one image")


def _is_spatial(batch_norm: Data) -> bool:
    kind = batch_norm.layer.kind if batch_norm.layer is not None else ""
    return kind.endswith(("2d", "3d"))


def _problem(call: ModelCalled, batch: Batch, layer: Data, severity: Severity, effect: str) -> Problem:
    rows = "a single row" if batch.rows == 1 else f"{batch.rows} rows"
    loader_at = batch.loader.at if batch.loader is not None else None
    normalised = place_of(layer)
    related = [(call.at, "trained on it here")] if loader_at is not None else []
    related += [(normalised, "averages over the rows of a batch")] if normalised is not None else []
    share = f"BatchNorm averages over {rows}" + (" in the last batch of each epoch" if batch.is_last else " at a time")
    return Problem(
        loader_at or call.at,
        f"{share}, so {effect}" if severity is not Severity.ADVICE else f"{share}: {effect}",
        label=f"{batch.samples} samples leave a last batch of one" if batch.is_last else f"gives {rows} at a time",
        related=tuple(related),
        help=_help(batch, severity),
        severity=severity,
    )


def _help(batch: Batch, severity: Severity) -> str:
    if batch.is_last:
        return "pass `drop_last=True` to the loader"
    if severity is Severity.ADVICE:
        return "use GroupNorm or InstanceNorm where memory allows no larger batch"
    return "use larger batches, or LayerNorm, which looks at one row at a time"


def witness(case: Case) -> Verdict:
    """Whether a BatchNorm in training averages over so few values, or the layer raises."""
    raised = next(case.run.events(Raised), None)
    if raised is not None and "more than 1 value per channel" in raised.message:
        return confirmed("torch raises: BatchNorm expects more than one value per channel")
    few = [event for event in case.run.events(LayerApplied) if event.numbers.get("values_per_channel", FEW + 1) <= FEW]
    if few:
        least = min(numbers(few, "values_per_channel"))
        return confirmed(
            f"BatchNorm averages over {least:.0f} value{'s' if least > 1 else ''} per channel", values=least
        )
    single = [event for event in case.run.events(LayerApplied) if event.numbers.get("samples") == 1]
    if single:
        pixels = min(numbers(single, "values_per_channel"))
        return confirmed(f"BatchNorm averages over the {pixels:.0f} values of a single sample", values=pixels)
    for loader in case.at(LoaderMade):
        samples, size = loader.numbers.get("samples", 0.0), loader.numbers.get("batch_size", 0.0)
        if size and samples % size == 1 and not loader.numbers.get("drop_last"):
            return confirmed(
                f"{samples:.0f} samples in batches of {size:.0f} leave a last batch of one", samples=samples
            )
    if any(case.run.events(ModelCalled)) and case.run.ended == "finished":
        return refuted(f"no BatchNorm averaged over fewer than {FEW + 1} values in the whole run")
    return unverified("the run ended before such a batch came")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN313",
    severity=Severity.ERROR,
    since="0.1",
    witness=witness,
    words=(NETWORKS | names_of("batch_norm"),),
    needs=needs("batch_norm", ModelCalled),
)
