"""A softmax runs over the samples of the batch, not over the classes, or over a dimension that is only implied.

## What it does
Follows the prediction of every cross-entropy, negative log-likelihood and KL divergence back to a `softmax` or `log_softmax`, and
compares its dimension with that in which the loss has the classes: the second, or the last one where the batch is flattened
between the two. What a network puts out is looked at, too, where the number of dimensions is known, or where the best class is
picked from it. In networks written by hand, so are exponentials that are divided by their own sum, where a product with weights
tells which dimension has the samples. A softmax without `dim` is advice; it is an error where the tensor is known to have three
dimensions, as the batch is taken then.

## Why it matters
Over dimension 0, the probabilities of one class sum to 1 over the batch: the samples compete with each other, a sample's output
depends on its neighbours, and a lone sample gets probability 1 for every class. The loss falls all the same.
Source: torch.nn.functional.softmax, "dim (int): a dimension along which softmax will be computed"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html).

## Example
```python
loss = F.nll_loss(F.log_softmax(scores, dim=0), labels)
```

Use instead:
```python
loss = F.nll_loss(F.log_softmax(scores, dim=1), labels)
```

## Fix safety
Unsafe: another dimension changes what the network computes; a saved network was trained with the old one.

## Witness
The probabilities do not sum to 1 over the classes of each sample.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import LossComputed, ModelCalled, Run, ValueSeen
from nnlint.facts.layers import made_by, place_of, related_call, wiring
from nnlint.facts.ranks import dimension_given, rank_of, sizes_of
from nnlint.facts.scales import SCALES, Ending, Scale, endings
from nnlint.facts.softmax_by_hand import Misnormalised, misnormalised
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.graph import ancestors, content
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import WEIGHTED
from nnlint.records import dataclass
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, External
from nnlint.values import Data, Items, Site, Value, number
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers
from nnlint.words import NETWORKS, names_of

CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
LOSSES = CLASS_LOSSES | {"kl_div"}
SOFTMAXES = frozenset({"softmax", "log_softmax"})
IN_PLACE = frozenset("output identity to detach clone contiguous dropout index".split())
"""Operations that leave the dimensions of a batch where they are; an index picks rows."""

FLATTENING = IN_PLACE | {"view", "reshape"}
MAKES = frozenset({"tensor", "array"})
ROWWISE = (IN_PLACE - {"index"}) | MAKES | frozenset("linear relu tanh sigmoid leaky_relu elu gelu silu".split())
PICKS = frozenset({"argmax", "max", "topk"})
TORCH = ("softmax", "log_softmax", "Softmax", "LogSoftmax")
LAST = -1
ROUNDING = 1e-3


@dataclass(frozen=True)
class Misplaced:
    """A softmax over dimension `taken` where the classes lie in dimension `classes`; `loss` is where that shows, if it does."""

    data: Data
    taken: int
    classes: int
    loss: Site | None


def check(run: Run) -> Iterator[Problem]:
    """One problem for each softmax over a wrong dimension, and one for each that leaves its dimension to be guessed."""
    found: set[int] = set()
    for misplaced in (*_before_losses(run), *_put_out(run), *_picked_from(run), *_drawn_from(run)):
        if id(misplaced.data) not in found:
            found.add(id(misplaced.data))
            yield _problem(misplaced)
    for operation in SOFTMAXES:
        for data in made_by(run, operation):
            if id(data) not in found and _is_silent_about_it(data):
                yield _implied(data)
    for by_hand in misnormalised(run):
        yield from _by_hand(by_hand, found)


def _before_losses(run: Run) -> Iterator[Misplaced]:
    for event in run.events(LossComputed):
        if event.kind not in LOSSES:
            continue
        sides = [event.prediction] if event.kind in CLASS_LOSSES else [event.prediction, event.target]
        for ending in [each for side in sides for each in _softmaxes(side)]:
            if event.kind == "cross_entropy" and ending.scale is Scale.PROBABILITIES:
                continue  # softmax-before-cross-entropy is the fault there
            misplaced = _misplaced(event, ending)
            if misplaced is not None:
                yield misplaced


def _drawn_from(run: Run) -> Iterator[Misplaced]:
    """Softmaxes over the samples whose rows a distribution takes for the probabilities of each sample: a policy's, say."""
    for data in made_by(run, "call"):
        if not data.name.startswith("torch.distributions.") or not data.name.endswith("Categorical"):
            continue
        for ending in (each for value in (*data.inputs, *data.options.values()) for each in _softmaxes(value)):
            rank = rank_of(ending.data.inputs[0]) if ending.data.inputs else None
            has_rows = rank == 2 or (rank is None and _is_of_one_row(ending.data))
            over_samples = has_rows and _taken(ending.data, rank) == 0 and ending.passed <= IN_PLACE
            if over_samples and _is_of_layer(ending.data):
                yield Misplaced(ending.data, 0, LAST, data.at)


def _is_of_one_row(softmax: Data) -> bool:
    """Whether it is computed of one state in a list, `torch.tensor([state])`, or given a first dimension: the sample's own."""
    for data in _between(softmax.inputs[0], softmax):
        given = data.inputs[0] if data.inputs else None
        if data.operation in MAKES and isinstance(given, Items):
            return not given.open and len(given.items) == 1 and number(given.items[0]) is None
        if data.operation == "unsqueeze":
            return number(dimension_given(data)) == 0
        if data.operation not in ROWWISE:
            return False
    return False


def _softmaxes(value: Value | None) -> list[Ending]:
    """The softmaxes in which a value ends, also behind a logarithm."""
    found: list[Ending] = []
    for ending in endings(value):
        if ending.data.operation == "log" and ending.data.inputs:
            inner = [each for each in endings(ending.data.inputs[0]) if each.data.operation == "softmax"]
            found += [Ending(Scale.LOGARITHMS, each.data, each.passed | ending.passed) for each in inner]
        elif ending.data.operation in SOFTMAXES:
            found.append(ending)
    return found


def _misplaced(event: LossComputed, ending: Ending) -> Misplaced | None:
    data = ending.data
    rank = rank_of(data.inputs[0]) if data.inputs else None
    taken = _taken(data, rank)
    if taken is None or rank == 1:
        return None
    classes = _dimension_of_classes(event, ending, rank, taken)
    if classes is None or _is_same(taken, classes, rank) or not _is_of_layer(data):
        return None
    return Misplaced(data, taken, classes, event.at)


def _dimension_of_classes(event: LossComputed, ending: Ending, rank: int | None, taken: int) -> int | None:
    """Where a softmax would have to find the classes that the loss has in its second dimension; None where that is not known."""
    if "index" in ending.passed and _loses_dimensions(event.prediction, ending.data):
        return None
    if ending.passed <= IN_PLACE and event.kind in CLASS_LOSSES:
        return None if rank is not None and _may_be_one_sequence(ending.data) else 1
    if rank is None and taken != 0:
        return None
    is_flat = ending.passed <= FLATTENING and _flattens_rows(event.prediction, ending.data)
    is_first = ending.passed <= IN_PLACE and taken == 0 and rank is not None
    return LAST if is_flat or is_first else None


def _loses_dimensions(prediction: Value, data: Data) -> bool:
    """Whether an index between picks one of the first dimension: `both[0, :, :]`, of two answers that were stacked."""
    picked = (
        each for each in _between(prediction, data) if each.operation == "index" and isinstance(each.at, CodeSite)
    )
    slices = (each.at.node.slice for each in picked if isinstance(each.at.node, ast.Subscript))  # type: ignore[union-attr]
    firsts = (each.elts[0] if isinstance(each, ast.Tuple) and each.elts else each for each in slices)
    return any(isinstance(each, ast.Constant) and isinstance(each.value, int) for each in firsts)


def _may_be_one_sequence(data: Data) -> bool:
    """Whether a recurrent layer may have been given one sequence, not a batch, and so puts out a matrix."""
    return any(each.operation == "recurrent" for each in ancestors(data))


def _taken(data: Data, rank: int | None) -> int | None:
    """The dimension over which a softmax runs: the one given, or that which torch takes where none is."""
    if _is_silent_about_it(data):
        return None if rank is None else 0 if rank in (1, 3) else 1
    given = data.layer.arguments.get("dim") if data.layer is not None else data.options.get("dim")
    known = number(given)
    return None if known is None else int(known)


def _is_same(first: int, second: int, rank: int | None) -> bool:
    if rank is None:
        # only the first dimension is certainly no class of a batch
        return first != 0
    return first % rank == second % rank


def _flattens_rows(prediction: Value, data: Data) -> bool:
    """Whether the view between a softmax and its loss makes rows of the classes: `view(-1, classes)`."""
    views = [each for each in _between(prediction, data) if each.operation in ("view", "reshape")]
    sizes = sizes_of(views[-1]) if len(views) == 1 else None
    width = data.width
    return (
        sizes is not None
        and len(sizes) == 2
        and number(sizes[0]) == -1
        and width is not None
        and number(sizes[1]) == width
    )


def _between(value: Value, data: Data) -> Iterator[Data]:
    """The operations from a value back to the data, along their first inputs."""
    current: Value | None = value
    for _ in range(20):
        if not isinstance(current, Data) or current is data:
            return
        yield current
        current = current.inputs[0] if current.inputs else None


def _is_of_layer(data: Data) -> bool:
    """Whether the scores are those that a layer gives, not products of features: a matrix of similarities has two batches."""
    made = content(data.inputs[0]) if data.inputs else []
    kinds = [each.operation if isinstance(each, Data) else "" for each in made]
    return not any(each in ("matmul", "attention") for each in kinds)


def _put_out(run: Run) -> Iterator[Misplaced]:
    """A softmax over the rows of a matrix that a network puts out, and does nothing else with."""
    wires = None
    for event in run.events(ModelCalled):
        for ending in endings(event.output):
            data = ending.data
            if data.operation not in SOFTMAXES or not ending.passed <= IN_PLACE or not _comes_from_layer(data):
                continue
            rank = rank_of(data.inputs[0])
            if rank != 2 or _taken(data, rank) != 0 or data.width == 1:
                continue
            wires = wires or wiring(run)
            if all(each.operation in IN_PLACE for each in wires.used_by(data)):
                yield Misplaced(data, 0, 1, None)


def _picked_from(run: Run) -> Iterator[Misplaced]:
    """A softmax over the first dimension of a network's output, of which the best of the second one is picked."""
    for operation in SOFTMAXES:
        for data in made_by(run, operation):
            if not data.inputs or _taken(data, rank_of(data.inputs[0])) != 0 or not _is_of_layer(data):
                continue
            given = endings(data.inputs[0])
            if not given or not all("output" in each.passed and each.scale is Scale.RAW for each in given):
                continue
            if any(_picks_class(each) for each in wiring(run).after(data, through=_keeps_rows)):
                yield Misplaced(data, 0, 1, None)


def _keeps_rows(data: Data) -> bool:
    """Whether an operation leaves the dimensions of a batch where they are, or puts batches one after the other."""
    return data.operation in IN_PLACE or (
        data.operation == "concatenate" and number(data.options.get("dim")) in (None, 0)
    )


def _picks_class(data: Data) -> bool:
    """Whether it is an `argmax`, `max` or `topk` over the second dimension, which a lone sample's vector does not have."""
    if data.operation not in PICKS:
        return False
    position = number(data.options.get("dim"))
    return position == 1 or (position == LAST and rank_of(data.inputs[0]) == 2)


def _comes_from_layer(data: Data) -> bool:
    found = endings(data.inputs[0]) if data.inputs else []
    return (
        bool(found)
        and all(SCALES.get(each.data.operation) is Scale.RAW for each in found)
        and any(each.data.operation in WEIGHTED for each in found)
    )


def _is_silent_about_it(data: Data) -> bool:
    """Whether no dimension is given to torch's softmax, which then guesses one."""
    if data.layer is not None:
        return data.layer.kind in TORCH and "dim" not in data.layer.arguments
    if "dim" in data.options or not isinstance(data.at, CodeSite) or not isinstance(data.at.node, ast.Call):
        return False
    return not any(isinstance(each, ast.Starred) for each in data.at.node.args) and _is_torch_function(data.at)


def _is_torch_function(site: CodeSite) -> bool:
    """Whether the call is of `torch.softmax` or the like: not numpy's, not a method, which has no default."""
    function = site.node.func if isinstance(site.node, ast.Call) else None
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    bound = site.module.names.get(function.id) if isinstance(function, ast.Name) else None
    if not isinstance(bound, External):
        return False
    name = ".".join([bound.name, *reversed(parts)])
    return name.startswith("torch.") and name.rpartition(".")[2] in TORCH


def _problem(misplaced: Misplaced) -> Problem:
    data = misplaced.data
    at = place_of(data)
    assert at is not None, "a softmax stands somewhere"
    is_first = misplaced.taken == 0
    what = "the samples of the batch" if is_first else f"dimension {misplaced.taken}"
    tail = "so samples compete with each other and not classes" if is_first else "where the classes do not lie"
    loss = ((misplaced.loss, "has the classes in another dimension"),) if misplaced.loss is not None else ()
    return Problem(
        at,
        f"this softmax runs over {what}, {tail}",
        label=f"over dimension {misplaced.taken}",
        related=(*related_call(data, "applied here"), *loss),
        help=f"use `dim={misplaced.classes}`",
        fix=_fix(data, misplaced.classes),
    )


def _by_hand(softmax: Misnormalised, found: set[int]) -> Iterator[Problem]:
    site = softmax.quotient.at
    node = site.node if isinstance(site, CodeSite) else None
    if site is None or id(node) in found:
        return
    found.add(id(node))
    what = "all numbers of the batch" if softmax.taken is None else "the samples of the batch"
    yield Problem(
        site,
        f"this softmax runs over {what}, so samples compete with each other and not classes alone",
        label="divided by a sum over the samples",
        help=f"sum over the classes: `axis={softmax.classes}, keepdims=True`",
    )


def _implied(data: Data) -> Problem:
    at = place_of(data)
    assert at is not None, "a softmax stands somewhere"
    rank = rank_of(data.inputs[0]) if data.inputs else None
    return Problem(
        at,
        "this softmax does not say over which dimension: torch takes the first of a tensor of three dimensions, else the second",
        label="without `dim`",
        related=related_call(data, "applied here"),
        help="say which dimension has the classes, such as `dim=1`",
        fix=_fix(data, LAST if rank == 3 else 1),
        severity=Severity.ADVICE,
    )


def _fix(data: Data, dimension: int) -> Fix | None:
    site = place_of(data)
    node = site.node if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(node, ast.Call):
        return None
    return edits.fix(Applicability.UNSAFE, f"use dim={dimension}", _edit(data, site, node, dimension))


def _edit(data: Data, site: CodeSite, node: ast.Call, dimension: int) -> Edit | None:
    named = next((each.value for each in node.keywords if each.arg in ("dim", "axis")), None)
    own = node.args if data.layer is not None or not _is_torch_function(site) else node.args[1:]
    given = named or (own[0] if own else None)
    if given is not None:
        return edits.replace(CodeSite(site.module, given), str(dimension))
    if not node.args and not node.keywords:
        text = edits.code_of(site)
        return edits.replace(site, f"{text[:-1]}dim={dimension})") if text.endswith("()") else None
    last = [*node.args, *(each.value for each in node.keywords)][-1]
    return edits.insert_after_node(CodeSite(site.module, last), f", dim={dimension}")


def witness(case: Case) -> Verdict:
    """Whether the probabilities of a sample sum to something else than 1."""
    places = [case.finding.place, *(each.place for each in case.finding.related)]
    values = [each for each in case.at(ValueSeen, *places) if "sum_gap_1" in each.numbers]
    if values:
        help_ = case.finding.help
        name = "sum_gap_last" if f"dim={LAST}" in help_ else "sum_gap_0" if "axis=0" in help_ else "sum_gap_1"
        return _by_sums(numbers(values, name))
    seen = [
        each for each in case.at(LossComputed, *places) if each.kind in LOSSES and "exp_row_sum_max" in each.numbers
    ]
    if not seen:
        return not_reached(case)
    gaps = [abs(each - 1) for name in ("exp_row_sum_min", "exp_row_sum_max") for each in numbers(seen, name)]
    return _by_sums(gaps)


def _by_sums(gaps: list[float]) -> Verdict:
    gap = max(gaps)
    if gap < ROUNDING:
        return harmless("here the probabilities of each sample sum to 1")
    return confirmed(f"the probabilities of a sample sum to something up to {gap:.3g} away from 1", gap=gap)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN208",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS | names_of(*SOFTMAXES, "exp"),),
    needs=needs(SOFTMAXES | {"exp"}),
)
