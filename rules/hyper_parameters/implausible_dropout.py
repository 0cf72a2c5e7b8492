"""A dropout that drops nearly everything, or takes the share to keep for the share to drop.

## What it does
Reports a dropout of 0.9 or more, as a module, a function, or between the layers of a recurrent network or a transformer; and one
whose probability is called a "keep" probability in the code and is above 0.5. A default of the command line or of a settings
class is reported where it is written. The raw features of a graph's nodes (`F.dropout(data.x, ...)`) are left alone.

## Why it matters
`p` is the probability of a unit to be dropped, and the rest is scaled up by 1 / (1 - p): at 0.9 one unit in ten passes, ten
times as large, and the noise drowns what the layer says. TensorFlow 1 counted what is kept; 0.8 carried over from there drops
four units of five.
Source: torch.nn.Dropout, "p: probability of an element to be zeroed"
(https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html); Srivastava et al., "Dropout", JMLR 2014, section A.4.

## Example
```python
self.dropout = nn.Dropout(p=0.95)
```

Use instead:
```python
self.dropout = nn.Dropout(p=0.5)
```

## Witness
At most 0.12 of the units pass; of a share to keep, less than half of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import Backward, LayerApplied, OptimizerStepped, Run
from nnlint.facts.hyper_parameters import place_of_number
from nnlint.facts.identity import words_of
from nnlint.facts.layers import made_by, related_call
from nnlint.finding import Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.mending.controls import other_number
from nnlint.needs import needs
from nnlint.records import dataclass, replace
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Site, Value, number
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import NETWORKS, names_of

LARGEST = 0.9
KEEPS_LESS = 0.5
"""Above this, a share to keep that is taken for a share to drop makes a difference for the worse."""

FEW = 0.12
NAMES = {
    **dict.fromkeys(("dropout", "alpha_dropout"), "p"),
    **dict.fromkeys(("recurrent", "transformer", "attention"), "dropout"),
}
"""What the probability is called where an operation is made, by operation."""

GRAPHS = regex(r"^[ \t]*(?:import|from)[ \t]+(?:dgl|torch_geometric)\b", re.MULTILINE)

KEEP = frozenset({"keep", "keeps", "kept", "retain"})


@dataclass(frozen=True)
class Drop:
    """A dropout with a known probability: the constant, its argument, and the call that it is given to."""

    data: Data
    given: Constant
    argument: Site | None
    call: Site

    @property
    def probability(self) -> float:
        """The probability to be dropped."""
        return number(self.given) or 0.0


def check(run: Run) -> Iterator[Problem]:
    """One problem for each dropout that leaves too little."""
    seen: set[int] = set()
    for operation in NAMES:
        for data in made_by(run, operation):
            key = id(data.layer) if data.layer is not None else id(data)
            drop = None if key in seen else _drop(data)
            seen.add(key)
            if drop is None or data.option("training") is False or _drops_node_features(data) or _is_told_apart(drop):
                continue
            is_keep = drop.probability > KEEPS_LESS and _is_called_keep(drop)
            if drop.probability > LARGEST or (drop.probability == LARGEST and not _is_on_a_graph(drop)) or is_keep:
                problem = _problem(drop, is_keep)
                yield problem if _may_train(run) else replace(problem, severity=Severity.ADVICE)


def _drops_node_features(data: Data) -> bool:
    """Whether the raw features of a graph's nodes are dropped: bags of words with thousands of entries stand that."""
    given = data.inputs[0] if data.inputs else None
    return isinstance(given, Data) and given.operation == "attribute" and given.name == "x"


def _is_on_a_graph(drop: Drop) -> bool:
    """Whether the network is one on graphs, where next to nothing is labelled: 0.9 is what some are published with."""
    module = drop.call.module if isinstance(drop.call, CodeSite) else None
    return module is not None and GRAPHS.search(module.source.text) is not None


def _is_told_apart(drop: Drop) -> bool:
    """Whether a test around the dropout compares its probability with this one: a default that stands for something else."""
    spelled = _spelled(drop)
    tests = (block.test for block in edits.blocks_around(drop.call) if isinstance(block, ast.If))
    return bool(spelled) and any(spelled in ast.unparse(test) and _names(test, drop.probability) for test in tests)


def _names(test: ast.expr, wanted: float) -> bool:
    numbers_in = (node.value for node in ast.walk(test) if isinstance(node, ast.Constant))
    return any(isinstance(each, (int, float)) and each == wanted for each in numbers_in)


def _spelled(drop: Drop) -> str:
    """The name or attribute that is given as the probability; "" for anything else."""
    argument = drop.argument.node if isinstance(drop.argument, CodeSite) else None
    value = argument.value if isinstance(argument, ast.keyword) else argument
    return ast.unparse(value) if isinstance(value, (ast.Name, ast.Attribute)) else ""


def _may_train(run: Run) -> bool:
    """Whether the run trains, or is none of a whole script: one that only shows or tests a layer may drop what it likes."""
    return run.symbolic or any(run.events(Backward)) or any(run.events(OptimizerStepped))


def _drop(data: Data) -> Drop | None:
    name = NAMES[data.operation]
    given: Value | None = data.layer.arguments.get(name) if data.layer is not None else data.options.get(name)
    call = data.layer.at if data.layer is not None else data.at
    if not isinstance(given, Constant) or number(given) is None or call is None:
        return None
    return Drop(data, given, _argument(data, call, name), call)


def _argument(data: Data, call: Site, name: str) -> Site | None:
    """The argument of the probability, by name or by its position."""
    node = call.node if isinstance(call, CodeSite) else None
    if not isinstance(call, CodeSite) or not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == name:
            return CodeSite(call.module, keyword, call.statement, call.function)
    position = 0 if data.layer is not None else 1
    if name != "p" or position >= len(node.args):
        return None
    return CodeSite(call.module, node.args[position], call.statement, call.function)


def _is_called_keep(drop: Drop) -> bool:
    """Whether the argument, or the option that it comes from, is named after what is kept."""
    argument = drop.argument.node if isinstance(drop.argument, CodeSite) else None
    value = argument.value if isinstance(argument, ast.keyword) else argument
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    return not KEEP.isdisjoint(words_of(name))


def _problem(drop: Drop, is_keep: bool) -> Problem:
    place, is_default = place_of_number(drop.given, drop.call, drop.argument, may_be_default=not is_keep)
    probability = drop.probability
    related = ((drop.call, "given to a dropout here"),) if is_default else ()
    return Problem(
        place,
        _message(probability, is_keep),
        label="drops this share" if is_keep else "usual values are 0.1 to 0.5",
        related=(*related, *related_call(drop.data, "applied here")),
        help="give it the share to drop: 1 minus the share to keep" if is_keep else "use 0.5 or less",
        severity=Severity.ERROR if probability >= 1 else None,
        control=other_number(place, "drop less", "1 - {}" if is_keep else "0.5"),
    )


def _message(probability: float, is_keep: bool) -> str:
    if is_keep:
        return f"the share to keep, {probability:g}, is taken for the share to drop"
    if probability >= 1:
        return f"a dropout of {probability:g} lets nothing through"
    factor = f"{1 / (1 - probability):.0f}"
    return f"a dropout of {probability:g} lets one unit in {factor} through, {factor} times as large"


def witness(case: Case) -> Verdict:
    """How many units pass."""
    places = [case.finding.place, *(each.place for each in case.finding.related)]
    events = [*case.made_at(LayerApplied, *places), *case.at(LayerApplied, *places)]
    seen = [each for each in events if "passed" in each.numbers]
    if not seen:
        return not_reached(case)
    passed = max(numbers(seen, "passed"))
    limit = KEEPS_LESS if "share to keep" in case.finding.message else FEW
    words = f"{passed:.3f} of the units pass"
    return confirmed(words, passed=passed) if passed <= limit else refuted(words, passed=passed)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN604",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(NETWORKS | names_of(*NAMES),),
    needs=needs(NAMES),
)
