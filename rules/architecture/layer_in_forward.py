"""A layer with weights is made anew in every forward pass.

## What it does
Reports a layer with weights, or a network, that is constructed while a forward pass runs and applied in that pass: in
`forward`, in a method or function that it calls. Normalisations, whose fresh weights do nothing, are a warning. Layers
without weights are left alone, and layers that are built once, under a test, and kept; whose weights are set by hand (a fixed
filter); that an optimizer is given; and those that nothing is trained through.

## Why it matters
Every pass draws new random weights, uses them once and throws them away. No optimizer ever sees them: this layer never
learns, and what follows it is trained on noise that changes from step to step. A BatchNorm made this way has no running
statistics.
Source: https://docs.pytorch.org/docs/stable/notes/modules.html#modules-as-building-blocks

## Example
```python
def forward(self, x):
    x = nn.Linear(128, 64)(x)
    return self.out(x.relu())
```

Use instead:
```python
def __init__(self):
    super().__init__()
    self.hidden = nn.Linear(128, 64)
    self.out = nn.Linear(64, 10)

def forward(self, x):
    x = self.hidden(x)
    return self.out(x.relu())
```

## Fix safety
Unsafe: the layer is made in the constructor, where its arguments allow it, and is trained from now on; saved weights have
none for it.

## Witness
The line makes a layer during more than one forward pass.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelBuilt, Run, WeightsSeen
from nnlint.facts.networks import TRAINABLE, applied_layers, methods_of_networks, networks, optimized, trainable_layers
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import parameters_of
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.needs import needs
from nnlint.operations import NORMALIZATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, FunctionNode
from nnlint.values import FROZEN_KEY, Data, Instance, Layer, Value, truth
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

PREPARES = regex(
    r"^(?:__init__|_*(?:build|make|init|reset|setup|create|configure|add|load|get|register|replace|convert|as|to|upgrade"
    r"|extend|append|insert|grow)(?:_|$).*)$"
)
"""Methods of such names make layers for later passes."""

GUARDS = (ast.If, ast.Try, ast.ExceptHandler)


def check(run: Run) -> Iterator[Problem]:
    """One problem for each layer or network made and applied in the same forward pass."""
    for operation in TRAINABLE:
        for data in run.operations.get(operation, ()):
            if isinstance(data, Data) and data.layer is not None and data.gradient is not False:
                yield from _problem(run, data.layer, data.layer.at, (*data.calls, data.at))
    for built in run.events(ModelBuilt):
        if built.calls and any(id(layer) in applied_layers(run) for layer in trainable_layers(built.model)):
            yield from _problem(run, built.model, built.at, (*built.calls, built.at))


def _problem(run: Run, made: Value, at: object, stack: tuple[object, ...]) -> Iterator[Problem]:
    if not isinstance(at, CodeSite) or at.function is None or isinstance(at.function, ast.Lambda):
        return
    running = [site.function for site in stack if isinstance(site, CodeSite) and site.function is not None]
    functions = _from_network_on(run, running)
    if not any(function is at.function for function in functions) or not _is_forward(run, functions):
        return
    if id(made) in optimized(run) or _is_kept_once(at) or _has_own_weights(made):
        return
    if _is_another_of_its_kind(made, at) or _is_view_of_its_maker(run, made, at):
        return
    severity = _severity_of_norm(made) if isinstance(made, Layer) and made.operation in NORMALIZATIONS else None
    if severity is not None and isinstance(made, Layer) and _has_no_weights(made):
        return
    yield Problem(
        at,
        "this layer is never trained, because every forward pass makes a new one with fresh weights",
        label="made anew in every pass",
        help="make it in `__init__`, keep it as an attribute, and call that",
        fix=_in_constructor(at, made) if isinstance(made, Layer) else None,
        severity=severity,
    )


def _severity_of_norm(layer: Layer) -> Severity:
    """One that is told to keep no statistics does what a function would, with weights of one and zero."""
    is_told = truth(layer.arguments.get("track_running_stats")) is False
    return Severity.ADVICE if is_told else Severity.WARNING


def _from_network_on(run: Run, functions: list[FunctionNode]) -> list[FunctionNode]:
    """The functions that are running, outermost first, from a network's method on: who calls the network makes no part of it."""
    methods = methods_of_networks(run)
    first = next((n for n, function in enumerate(functions) if id(function) in methods), len(functions))
    return functions[first:]


def _is_forward(run: Run, functions: list[FunctionNode]) -> bool:
    """Whether the calls go through a method of a network that makes nothing for later."""
    methods = methods_of_networks(run)
    names = [getattr(function, "name", "") for function in functions if id(function) in methods]
    return bool(names) and not any(PREPARES.match(name) for name in names)


def _is_kept_once(at: CodeSite) -> bool:
    """Whether it is kept on an object under a test: built in the first pass alone."""
    statement = at.statement
    kept = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)) and not _is_local(statement)
    return kept and any(isinstance(each, GUARDS) for each in edits.blocks_around(at))


def _is_another_of_its_kind(made: Value, at: CodeSite) -> bool:
    """Whether a method makes a network of its own class: a copy, as `new` or `clone` give it, and no part of the pass."""
    return isinstance(made, Instance) and _is_method_of(made, at)


def _is_view_of_its_maker(run: Run, made: Value, at: CodeSite) -> bool:
    """Whether all that has weights in it is part of the network whose method makes it: a view, as for inference.

    So are layers that another network has, which does not hold what is made: it was given them.
    """
    own = {id(layer) for layer in trainable_layers(made)}
    others = [each for each in networks(run) if own and each is not made]
    return any(
        (_is_method_of(other, at) or not _holds(other, made)) and own <= {id(each) for each in trainable_layers(other)}
        for other in others
    )


def _holds(network: Instance, made: Value) -> bool:
    """Whether one of the two is a part of the other."""
    return any(part is made for part in parameters_of(network)) or any(part is network for part in parameters_of(made))


def _is_method_of(network: Instance, at: CodeSite) -> bool:
    return any(at.function in cls.node.body for cls in network.cls.lineage())


def _is_local(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return all(isinstance(each, (ast.Name, ast.Tuple)) for each in targets)


def _has_own_weights(made: Value) -> bool:
    """Whether the code reaches for its weights, or freezes it: a fixed filter, or shared weights."""
    if not isinstance(made, Layer):
        return False
    touched = {"weight", ("parameter", "weight")} & set(made.attributes)
    return bool(touched) or truth(made.attributes.get(FROZEN_KEY)) is True


def _has_no_weights(layer: Layer) -> bool:
    given = [layer.arguments.get(name) for name in ("affine", "elementwise_affine")]
    return any(truth(each) is False for each in given if each is not None)


def _in_constructor(at: CodeSite, layer: Layer) -> Fix | None:
    """The constructor's call moved to the end of `__init__`, where all it needs is there; None elsewhere."""
    owner = next(
        (each for each in at.module.tree.body if isinstance(each, ast.ClassDef) and at.function in each.body), None
    )
    function = at.function
    if (
        owner is None
        or edits.loops_around(at)
        or not isinstance(function, ast.FunctionDef)
        or not isinstance(at.node, ast.Call)
    ):
        return None
    initializer = next(
        (each for each in owner.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None
    )
    if initializer is None or not _can_move(at, function):
        return None
    name = _free_name(owner, layer.kind.lower())
    last = edits.statement_site(CodeSite(at.module, initializer, initializer, initializer), initializer.body[-1])
    text = edits.code_of(at)
    if last is None or "\n" in text:
        return None
    return edits.fix(
        Applicability.UNSAFE,
        f"make it in `__init__`, as `self.{name}`",
        edits.insert_after(last, f"self.{name} = {text}"),
        edits.replace(at, f"self.{name}"),
    )


def _can_move(at: CodeSite, function: ast.FunctionDef) -> bool:
    """Whether nothing in the call depends on the pass: names of the module, and attributes of `self`."""
    if not function.args.args or function.args.args[0].arg != "self":
        return False
    own = {each.arg for each in [*function.args.args[1:], *function.args.kwonlyargs]}
    own |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return not any(isinstance(node, ast.Name) and node.id in own for node in ast.walk(at.node))


def _free_name(owner: ast.ClassDef, name: str) -> str:
    taken = {node.attr for node in ast.walk(owner) if isinstance(node, ast.Attribute)}
    taken |= {node.name for node in owner.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    numbered = (f"{name}{number}" for number in range(2, 100))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def witness(case: Case) -> Verdict:
    """Whether the line made a layer during more than one forward pass."""
    seen = [event for event in case.at(WeightsSeen) if "made" in event.numbers]
    if not seen:
        return not_reached(case)
    made = max(event.numbers["made_in_forward"] for event in seen)
    if made > 1:
        return confirmed(f"{made:.0f} layers were made there in the course of forward passes", made=made)
    return refuted("no more than one layer was made there in forward passes", made=made)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN306",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(ModelBuilt),
)
