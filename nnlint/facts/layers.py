"""The structure of networks: which layer stands before another one, and which after it, along each path.

A network's structure is the graph behind its output: every application of a layer is `Data` made from others. What lies before
one is behind its inputs; what comes after it is looked up in `Wiring`, which knows who uses what.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from nnlint.events import Backward, Run
from nnlint.facts.users import users
from nnlint.graph import data_in, only_looks, sources
from nnlint.operations import ACTIVATIONS, LOSS_OPERATIONS, POOLINGS, TRANSPARENT
from nnlint.static.objects import CodeSite, FunctionNode
from nnlint.values import Data, Site, Value, alternatives, number

Through = Callable[[Data], bool]

JOINING = frozenset({"concatenate", "stack"})
REARRANGING = TRANSPARENT - JOINING - {"output"}
"""Operations of a network that keep the numbers of their one input."""

ELEMENTWISE = ACTIVATIONS | REARRANGING
"""What may stand between two layers that are called neighbours: nothing that mixes features or combines paths."""

BETWEEN = ELEMENTWISE | POOLINGS | {"mean"}
"""`ELEMENTWISE` with pooling; a mean is one over the pixels or the time steps."""

LITTLE = 0.1
HALF = 0.5
MOST_VISITED = 4000


def passes_between(data: Data) -> bool:
    """Whether the operation may stand between two layers that follow each other."""
    return data.operation in BETWEEN


def inputs_of(data: Data) -> list[Data]:
    """The data that an operation is made from, in tuples and lists and on every path; of an output, what was put out."""
    return data_in(data.inputs[:1] if data.operation == "output" else data.inputs)


def before(data: Data, through: Through = passes_between) -> list[Value]:
    """What feeds an operation's first input, one value for each path, the operations for which `through` holds peeled off."""
    return sources(data.inputs[0], through) if data.inputs else []


def made_by(run: Run, operation: str) -> Iterator[Data]:
    """All data of a run that an operation made."""
    for value in run.operations.get(operation, ()):
        if isinstance(value, Data):
            yield value


class Wiring:
    """Who uses the data of a run: the way from a layer towards the output."""

    def __init__(self, run: Run) -> None:
        self.users = users(run).next

    def used_by(self, data: Data) -> list[Data]:
        """The operations that take the data."""
        return self.users.get(id(data), [])

    def after(self, data: Data, through: Through = passes_between) -> list[Data]:
        """The nearest operations behind one, those for which `through` holds passed over, and those that only ask for a size."""
        found: list[Data] = []
        pending, seen = list(self.used_by(data)), set[int]()
        while pending:
            current = pending.pop()
            if id(current) in seen:
                continue
            seen.add(id(current))
            if through(current):
                pending.extend(self.used_by(current))
            elif not only_looks(current):
                found.append(current)
        return found

    def downstream(self, data: Data, stops: frozenset[str] = frozenset()) -> Iterator[Data]:
        """Everything on the way from an operation to the loss, nearest first, not beyond a loss or a cut of the graph, nor
        beyond the operations that are named as stops."""
        ends = LOSS_OPERATIONS | stops | {"detach", "item", "argmax", "compare"}
        pending, seen = list(self.used_by(data)), {id(data)}
        while pending and len(seen) < MOST_VISITED:
            current = pending.pop(0)
            if id(current) not in seen:
                seen.add(id(current))
                yield current
                if current.operation not in ends:
                    pending.extend(self.used_by(current))


def wiring(run: Run) -> Wiring:
    """The wiring of a run, made once."""
    return run.remember("wiring", run, Wiring)


def place_of(data: Data) -> Site | None:
    """Where a layer is reported: its constructor (in a `Sequential`, its place there); of a function, its call."""
    return data.layer.at if data.layer is not None else data.at


def related_call(data: Data, message: str) -> tuple[tuple[Site, str], ...]:
    """The call of a layer in `forward`, as a related place; nothing where it has none of its own."""
    constructor = data.layer.at if data.layer is not None else None
    if data.at is None or constructor is None or _is_within(constructor, data.at):
        return ()
    return ((data.at, message),)


def _is_within(first: Site, second: Site) -> bool:
    """Whether the two places overlap: a `Sequential` that is called where it is made."""
    a, b = first.place, second.place
    return a.path == b.path and a.line == b.line


def names_around(data: Data) -> Iterator[str]:
    """The names that the code gives to a layer: what it is assigned to, and the function and class it is made in."""
    site = place_of(data)
    if not isinstance(site, CodeSite):
        return
    statement = site.statement
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    for target in targets:
        if isinstance(target, (ast.Name, ast.Attribute)):
            yield target.id if isinstance(target, ast.Name) else target.attr
    if isinstance(site.function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield site.function.name
        for node in site.module.tree.body:
            if isinstance(node, ast.ClassDef) and site.function in node.body:
                yield node.name


def is_active_dropout(data: Data) -> bool:
    """Whether the dropout drops anything: unless its probability is known to be 0, or is 0 where nobody asks for another, or
    the dropout is known to be switched off."""
    if data.operation != "dropout" or data.option("training") is False:
        return False
    given = data.layer.arguments.get("p") if data.layer is not None else data.options.get("p")
    if given is None:
        return True
    rates = [number(each) for each in alternatives(given)]
    return any(rate != 0 for rate in rates) and not (None in rates and _is_zero_by_default(place_of(data)))


def _is_zero_by_default(place: Site | None) -> bool:
    """Whether a call is given an argument of the function around it, or of its class's constructor, whose default is 0."""
    if not isinstance(place, CodeSite) or not isinstance(place.node, ast.Call) or place.function is None:
        return False
    written = [*place.node.args, *(each.value for each in place.node.keywords)]
    named = {each.id for each in written if isinstance(each, ast.Name)}
    kept = {each.attr for each in written if isinstance(each, ast.Attribute)}
    return not named.isdisjoint(_zeros(place.function)) or any(
        not kept.isdisjoint(_kept_zeros(each)) for each in _constructors_around(place)
    )


def _zeros(function: FunctionNode) -> set[str]:
    """The arguments of a function whose default is 0."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(plain), reversed(arguments.defaults), strict=False), *_keyword_defaults(arguments)]
    return {each.arg for each, default in pairs if _is_zero(default)}


def _keyword_defaults(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def _is_zero(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def _constructors_around(place: CodeSite) -> Iterator[ast.FunctionDef]:
    for cls in place.module.tree.body:
        if isinstance(cls, ast.ClassDef) and place.function in cls.body:
            yield from (each for each in cls.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")


def _kept_zeros(constructor: ast.FunctionDef) -> set[str]:
    """The attributes that keep an argument of a constructor whose default is 0: `self.rate = rate`."""
    zeros = _zeros(constructor)
    kept = (each for each in constructor.body if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name))
    return {
        target.attr
        for each in kept
        if isinstance(each.value, ast.Name) and each.value.id in zeros
        for target in each.targets
        if isinstance(target, ast.Attribute)
    }


def drops_in_every_mode(data: Data) -> bool:
    """Whether a dropout is a function that is not told the mode, or told another setting: what it does is the same in both."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    if data.layer is not None or not isinstance(node, ast.Call):
        return False
    if "training" in data.options:
        names = {getattr(each, "attr", getattr(each, "id", "")) for each in ast.walk(node)}
        return data.option("training") is True and "training" not in names
    return not any(isinstance(each, ast.Starred) for each in node.args) and not any(
        each.arg is None for each in node.keywords
    )


def drops_little(data: Data) -> bool:
    """Whether the dropout is known to drop no more than a tenth."""
    rates = _rates(data)
    return bool(rates) and all(each is not None and each <= LITTLE for each in rates)


def is_rate_unknown(dropout: Data) -> bool:
    """Whether a caller that is not at hand says how much is dropped: neither torch's default nor a number."""
    given = dropout.layer.arguments.get("p") if dropout.layer is not None else dropout.options.get("p")
    return given is not None and None in _rates(dropout)


def noise_of_sum(dropout: Data, units: float) -> float | None:
    """The variance that dropout adds to a sum of so many units of about one size, as a share of that sum's square.

    A rate that is not known is taken for torch's default.
    """
    rates = [HALF if each is None else each for each in _rates(dropout)]
    known = [each for each in rates if each < 1]
    return max(each / (1 - each) / units for each in known) if known and len(known) == len(rates) else None


def _rates(dropout: Data) -> list[float | None]:
    given = dropout.layer.arguments.get("p") if dropout.layer is not None else dropout.options.get("p")
    return [number(each) for each in alternatives(given)]


def tracks_statistics(data: Data) -> bool:
    """Whether the operation is a BatchNorm with running statistics, which evaluation mode uses."""
    if data.operation != "batch_norm" or data.option("training") is True:
        return False
    tracked = data.layer.arguments.get("track_running_stats") if data.layer is not None else None
    return getattr(tracked, "value", True) is not False


def is_only_shown(run: Run, place: Site) -> bool:
    """Whether something stands at the top level of a file that trains nothing: it is made to be looked at."""
    at_top = isinstance(place, CodeSite) and place.function is None
    return at_top and not any(run.events(Backward))
