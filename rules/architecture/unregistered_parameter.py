"""What should be a parameter of the network is none.

## What it does
Reports an attribute of a network that forward uses and that is no `nn.Parameter`: the result of an operation on one
(`nn.Parameter(...).to(device)`, `.cuda()`, `* 0.01`), a plain tensor with `requires_grad=True`, or parameters in a plain list
or dict. Tensors that an optimizer is given by themselves or by a method that lists them, or that are updated by hand, are left
alone, and so are buffers, and what asks for the type that a parameter has anyhow (`nn.Parameter(...).to(torch.float32)`): it
gives the parameter itself.

## Why it matters
torch registers what is assigned as an `nn.Parameter`. An operation on one gives an ordinary tensor, and the parameter behind
it is lost; a plain tensor was never one. Neither is in `parameters()`: the optimizer does not train it, `state_dict()` does
not save it, `to(device)` leaves it behind. On a CPU, where `.to(device)` has nothing to move, the same line works.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html

## Example
```python
self.scale = nn.Parameter(torch.ones(width)).to(device)
```

Use instead:
```python
self.scale = nn.Parameter(torch.ones(width).to(device))
```

## Fix safety
Safe: the parameter gets the value that was assigned, and is registered.

## Witness
What the line assigns is no parameter, and is the same at the end of the run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.events import ModelBuilt, OptimizerMade, Run, ValueSeen
from nnlint.facts.layers import wiring
from nnlint.facts.networks import assignment_of, networks, optimized, overrides, registered_parameters
from nnlint.facts.tried_out import only_shows_gradients
from nnlint.finding import Applicability, Fix, Severity, Verdict
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.operations import ACTIVATIONS
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import NONE, Data, Entries, Instance, Items, Value, alternatives, elements
from nnlint.witness import Case, confirmed, harmless, not_reached, numbers, refuted
from nnlint.words import NETWORKS

MAKES_ANOTHER = ACTIVATIONS | frozenset(
    "to add subtract multiply divide negative power sqrt exp view reshape squeeze unsqueeze transpose permute expand repeat "
    "clone contiguous concatenate stack normalize".split()
)
"""Operations on a parameter whose result is a tensor of its own."""

KEEPS_ITSELF = frozenset({"requires_grad_", "share_memory_", "register_hook"})
"""Methods that give back the parameter itself."""

KEEPS_USUAL = frozenset({"float", "cpu", "contiguous"})
"""Methods that do so for what is 32 bits wide, on the CPU and in one piece, as parameters are when they are made."""

USUAL = regex(
    r"^(?:torch\.)?(?:float|float32|FloatTensor)$|^(?:torch\.device\()?['\"](?:cpu|torch\.FloatTensor)['\"]\)?$"
)
"""A type or a place that is the one of what is made without any: `to` and `type` have nothing to change then."""

OTHER_TYPE = regex(r"double|half|float64|float16|long|int|cuda|transpose|permute|expand|\bt\(|\.m?T\b")

MADE_OF = frozenset({"random", "zeros", "ones", "full", "tensor", "arange", "linspace", "array", "clone", "to"})
"""What makes a plain tensor that may be meant as a parameter."""

PREPARING = ("__init__", "reset", "init", "build", "setup")
"""Functions of such names fill parameters; they do not use them."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each attribute of a network that is trained in vain."""
    if only_shows_gradients(run):
        return
    for network in networks(run):
        for name, held in network.attributes.items():
            if isinstance(name, str) and not name.startswith("<"):
                yield from _problem(run, network, name, held)


def _problem(run: Run, network: Instance, name: str, held: Value) -> Iterator[Problem]:
    lost = [
        each for each in alternatives(held) if _is_lost(run, each) and not _is_listed_for_others(run, network, each)
    ]
    known = [each for each in alternatives(held) if each is not NONE]
    if not lost or len(lost) < len(known) or overrides(network, "parameters"):
        return
    if isinstance(lost[0], (Items, Entries)) and _is_listed_for_an_optimizer(run, network, name):
        return
    statement = assignment_of(network, name)
    if statement is None or not _is_preparing(statement) or not any(_is_used(run, each) for each in lost):
        return
    in_container = isinstance(lost[0], (Items, Entries))
    what = _described(lost[0])
    yield Problem(
        statement,
        f"this is never trained, because {what}",
        label="no parameter of the network",
        help="keep them in an `nn.ParameterList`"
        if in_container
        else "assign the `nn.Parameter` itself, as the last step",
        fix=_registering(statement, lost[0]),
        probes=(statement,),
    )


def _described(value: Value) -> str:
    if isinstance(value, (Items, Entries)):
        return "torch does not look for parameters in plain containers"
    is_of_parameter = any(each.operation == "parameter" for each in ancestors(value))
    return "an operation on a parameter gives a plain tensor" if is_of_parameter else "a plain tensor is no parameter"


def _is_lost(run: Run, value: Value) -> bool:
    """Whether the value was meant to be trained, and nothing holds it as a parameter."""
    if isinstance(value, (Items, Entries)):
        parts = elements(value)
        return (
            bool(parts)
            and all(isinstance(each, Data) and each.operation == "parameter" for each in parts)
            and not any(_is_held(run, each) for each in parts)
        )
    if not isinstance(value, Data) or _is_held(run, value) or "grad" in value.parts:
        return False
    if value.operation not in MAKES_ANOTHER | MADE_OF:
        return False
    if any(each.operation == "parameter" for each in ancestors(value)):
        return _is_made_of_parameter(run, value)
    return _is_plain_with_gradient(value)


def _is_listed_for_others(run: Run, network: Instance, value: Value) -> bool:
    """Whether the network keeps the tensor in a list, too, and this run does not show who trains what is listed."""
    if _is_differentiated_by(network, value):
        return True
    if id(network) in optimized(run):
        return False
    lists = [held for held in network.attributes.values() if isinstance(held, (Items, Entries))]
    return any(each is value for held in lists for each in elements(held))


def _is_listed_for_an_optimizer(run: Run, network: Instance, name: str) -> bool:
    """Whether a method of the network that reads the attribute is called for an optimizer: `Adam(self.trainable())`."""
    listing = {
        method.name
        for cls in network.cls.lineage()
        for method in cls.node.body
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and _reads(method, name)
    }
    return any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in listing
        for made in run.events(OptimizerMade)
        for site in (made.at, *made.calls)
        if isinstance(site, CodeSite)
        for given in _given(site.node)
        for each in ast.walk(given)
    )


def _reads(method: ast.AST, name: str) -> bool:
    return any(
        isinstance(each, ast.Attribute) and each.attr == name and isinstance(each.ctx, ast.Load)
        for each in ast.walk(method)
    )


def _given(call: ast.AST) -> list[ast.expr]:
    return [*call.args, *(each.value for each in call.keywords)] if isinstance(call, ast.Call) else []


def _is_differentiated_by(network: Instance, value: Value) -> bool:
    """Whether a method takes gradients by the tensor, as an invariance penalty does: `grad(loss, [self.scale])`."""
    names = {name for name, held in network.attributes.items() if held is value}
    calls = [
        node
        for cls in network.cls.lineage()
        for node in ast.walk(cls.node)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "grad"
    ]
    return any(
        isinstance(each, ast.Attribute) and each.attr in names
        for call in calls
        for given in (*call.args[1:], *(keyword.value for keyword in call.keywords))
        for each in ast.walk(given)
    )


def _is_held(run: Run, value: Value) -> bool:
    return id(value) in registered_parameters(run) or id(value) in optimized(run)


def _is_made_of_parameter(run: Run, value: Data) -> bool:
    """Whether operations lead from a parameter that nothing else holds to the value."""
    current, steps = value, 0
    while current.operation in MAKES_ANOTHER:
        steps += not _keeps_itself(current)
        behind = [each for each in current.inputs if isinstance(each, Data) and each.operation != "argument"]
        following = [each for each in behind if any(one.operation == "parameter" for one in ancestors(each))]
        if len(following) != 1 or "grad" in following[0].parts:
            return False
        current = following[0]
    is_frozen = current.operation == "parameter" and _is_frozen(current)
    return bool(steps) and current.operation == "parameter" and not _is_held(run, current) and not is_frozen


def _keeps_itself(data: Data) -> bool:
    node = data.at.node if isinstance(data.at, CodeSite) else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "to" and _is_there_already(node):
        return True
    is_usual = node.func.attr in KEEPS_USUAL or (node.func.attr in ("to", "type") and _asks_for_usual(node))
    return node.func.attr in KEEPS_ITSELF or (is_usual and not OTHER_TYPE.search(ast.unparse(node.func.value)))


def _asks_for_usual(node: ast.Call) -> bool:
    """Whether a type is asked for that what is made without one has anyhow: `to(torch.float32)`."""
    given = _given(node)
    return bool(given) and all(USUAL.search(ast.unparse(each)) for each in given)


def _is_there_already(node: ast.Call) -> bool:
    """Whether what is moved was moved to the same place before it became a parameter: then it stays the parameter itself."""
    moved = node.func.value if isinstance(node.func, ast.Attribute) else None
    given = moved.args[0] if isinstance(moved, ast.Call) and moved.args else None
    if not isinstance(given, ast.Call) or not isinstance(given.func, ast.Attribute) or given.func.attr != "to":
        return False
    return [ast.unparse(each) for each in given.args] == [ast.unparse(each) for each in node.args]


def _is_frozen(parameter: Data) -> bool:
    node = parameter.at.node if isinstance(parameter.at, CodeSite) else None
    given = [*node.args[1:], *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
    return any(isinstance(each, ast.Constant) and each.value is False for each in given)


def _is_plain_with_gradient(value: Data) -> bool:
    current = value
    while current.operation in MADE_OF:
        if current.option("requires_grad") is True or _asks_for_gradient(current):
            return True
        following = [each for each in current.inputs if isinstance(each, Data)]
        if len(following) != 1:
            return False
        current = following[0]
    return False


def _asks_for_gradient(data: Data) -> bool:
    node = data.at.node if isinstance(data.at, CodeSite) else None
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_"
    given = [*node.args, *(each.value for each in node.keywords)] if is_call and isinstance(node, ast.Call) else []
    return is_call and all(isinstance(each, ast.Constant) and each.value is True for each in given)


def _is_preparing(statement: CodeSite) -> bool:
    name = getattr(statement.function, "name", "")
    return name.lstrip("_").startswith(tuple(each.lstrip("_") for each in PREPARING))


def _is_used(run: Run, value: Value) -> bool:
    """Whether something other than the preparation makes use of it."""
    for each in elements(value):
        users = wiring(run).used_by(each) if isinstance(each, Data) else []
        if any(isinstance(user.at, CodeSite) and not _is_preparing(user.at) for user in users):
            return True
    return False


def _registering(statement: CodeSite, lost: Value) -> Fix | None:
    """The statement's value as a parameter: what was done to a parameter is done to its content instead."""
    node = statement.node
    value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
    kind = "ParameterDict" if isinstance(lost, Entries) else "ParameterList" if isinstance(lost, Items) else "Parameter"
    found = spelled(statement, "torch.nn", kind)
    if value is None or found is None:
        return None
    name, importing = found
    text = edits.node_code(statement, value)
    if isinstance(lost, Data) and isinstance(inner := _parameter_in(statement, value), ast.Call):
        if len(inner.args) != 1 or inner.keywords:
            return None
        content = edits.node_code(statement, inner.args[0])
        content = content if isinstance(inner.args[0], (ast.Call, ast.Name, ast.Attribute)) else f"({content})"
        text = text.replace(edits.node_code(statement, inner), content, 1)
    elif isinstance(lost, Data) and lost.at is not None and any(e.operation == "parameter" for e in ancestors(lost)):
        return None
    edit = edits.replace(CodeSite(statement.module, value), f"{name}({text})")
    return edits.fix(Applicability.SAFE, f"assign an `{name}`", edit, *((importing,) if importing is not None else ()))


def _parameter_in(statement: CodeSite, value: ast.expr) -> ast.expr | None:
    """The constructor of the parameter in an expression, if there is one."""
    found = [
        node
        for node in ast.walk(value)
        if isinstance(node, ast.Call) and edits.node_code(statement, node.func).rpartition(".")[2] == "Parameter"
    ]
    return found[0] if len(found) == 1 else None


def witness(case: Case) -> Verdict:
    """Whether what is assigned there is no parameter, and stays as it is."""
    seen = case.values()
    if not seen:
        return not_reached(case)
    if any(event.numbers.get("is_parameter") for event in seen):
        return harmless("on this device the operation has nothing to do, and gives back the parameter itself")
    kept = [event for event in case.at(ValueSeen) if event.what == "kept"]
    moved = max(numbers(kept, "change"), default=0.0)
    if moved:
        return refuted(f"it moves by {moved:.2g} in the run", moved=moved)
    return confirmed("what is assigned there is no parameter of the network, and does not move in the run", moved=moved)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN316",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(ModelBuilt),
)
