"""A layer is made in the constructor and used nowhere.

## What it does
Reports a layer with weights, or a network, that the constructor of a network assigns to an attribute and that nothing names
again, but to fill its weights: not `forward`, no other method, no code around the class. Classes that others derive from, and
classes that reach their parts by name or by iteration (`getattr`, `children()`, `modules()`, `_modules`) are left alone, and so
are those whose `forward` computes nothing.

## Why it matters
The layer was meant to do something, and the network does without it: a forgotten hidden layer or normalisation makes the
model another one than the one that is described. Its weights get no gradient, yet they count, are saved, are decayed by the
optimizer, and make DistributedDataParallel wait for gradients that never come.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
(`find_unused_parameters`).

## Example
```python
def __init__(self):
    super().__init__()
    self.fc1, self.fc2, self.out = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 2)

def forward(self, x):
    return self.out(self.fc1(x).relu())
```

Use instead:
```python
def forward(self, x):
    return self.out(self.fc2(self.fc1(x).relu()).relu())
```

## Witness
At the end of the run the layer has not been called, and its weights have no gradient.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import ModelBuilt, OptimizerMade, Run, StateUsed, WeightsSeen
from nnlint.facts.gradients import parts_of
from nnlint.facts.networks import applied_layers, assignment_of, is_module, networks, trainable_layers
from nnlint.finding import Severity, Verdict
from nnlint.lazy import regex
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import Class, CodeSite, Function, Module
from nnlint.values import Instance, Value, alternatives
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS

BY_NAME = regex(r"getattr|_modules|children\(|modules\(|__dict__|eval\(|vars\(|locals\(|functional_call|trace")
"""How code reaches parts without naming them."""

PREPARES = regex(r"(?:.*_)?(?:init|reset)")
FILLS = r"(?m)^\s*(?:(?:\w+\.)*init\.\w+\(\s*self\.{name}|self\.{name}\.(?:weight|bias)(?:\.data)?\.\w+_\().*$"
"""Statements that give a layer its first weights."""
PLAIN = "torch.nn.Module"
OVER_ALL = regex(r"\b(?:named_)?modules\(")


def check(run: Run) -> Iterator[Problem]:
    """One problem for each layer that only its assignment names."""
    if not run.by_kind.get(ModelBuilt) or run.cut_short:
        return
    for network in networks(run):
        parts = [(name, held) for name, held in network.attributes.items() if isinstance(name, str) and is_module(held)]
        problems = [problem for name, held in parts for problem in _problem(run, network, name, held)]
        if not problems or _is_loaded_alone(run, network) or not _is_known(run, network):
            continue
        if any(id(layer) in applied_layers(run) for layer in trainable_layers(network)):
            yield from problems


def _is_loaded_alone(run: Run, network: Instance) -> bool:
    """Whether weights of another making are loaded, and never trained here: what they hold, the network has to have."""
    if not any(network in alternatives(used.into) for used in run.events(StateUsed)):
        return False
    trained = [run.remember("parts", made.optimizer, parts_of) for made in run.events(OptimizerMade)]
    return all(parts is not None and id(network) not in parts for parts in trained)


def _is_known(run: Run, network: Instance) -> bool:
    """Whether the class shows all that is done with its parts, and its forward was followed."""
    cls = network.cls
    if not isinstance(cls, Class) or cls.node.name in run.base_names() or len(list(cls.lineage())) > 1:
        return False
    if any(base.startswith("torch.nn.") and base != PLAIN for base in cls.external_bases()):
        return False  # one of torch's own networks, whose methods name its parts
    forward = cls.find("forward")
    if not isinstance(forward, Function) or forward.node not in forward.module.followed or _is_blank(forward):
        return False
    return not any(_reaches_by_name(cls.module, node) for node in cls.node.body)


def _is_blank(forward: Function) -> bool:
    """Whether the forward pass computes nothing: still to be written, or a stand-in."""
    return not any(isinstance(part, (ast.Call, ast.BinOp, ast.Subscript)) for part in ast.walk(forward.node))


def _reaches_by_name(module: Module, node: ast.stmt) -> bool:
    """Whether a part of the class gets at layers without naming them; going over all modules to fill them is no use."""
    text = module.text_of(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and PREPARES.match(node.name):
        text = OVER_ALL.sub("", text)
    return BY_NAME.search(text) is not None


def _problem(run: Run, network: Instance, name: str, held: Value) -> Iterator[Problem]:
    layers = trainable_layers(held)
    if not layers or any(id(layer) in applied_layers(run) for layer in layers):
        return
    statement = assignment_of(network, name)
    if statement is None or not _is_made_there(statement, held) or _is_named_again(run, network, name):
        return
    yield Problem(
        statement,
        "this layer is made and never used: the network does without it",
        label="nothing names it again",
        help=f"use `self.{name}` in `forward`, or do not make it",
    )


def _is_made_there(statement: CodeSite, held: Value) -> bool:
    """Whether the constructor's statement makes the layer for this one attribute."""
    node, made = statement.node, getattr(held, "at", None)
    if getattr(statement.function, "name", "") != "__init__" or not isinstance(made, CodeSite):
        return False
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return False
    return any(each is made.node for each in ast.walk(node.value)) or _is_made_by_helper(node.value, made)


def _is_made_by_helper(value: ast.expr, made: CodeSite) -> bool:
    """Whether a function is called that makes it: `self.down = double_conv(3, 64)`."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    return made.function in made.module.tree.body and getattr(made.function, "name", "") == value.func.id


def _is_named_again(run: Run, network: Instance, name: str) -> bool:
    """Whether the class names the attribute more than once, or code outside of classes does, or that of another file."""
    module, own = network.cls.module, network.cls.node
    named = rf"\b{re.escape(name)}\b"
    if len(re.findall(named, re.sub(FILLS.format(name=named), "", module.text_of(own)))) > 1:
        return True
    reached = re.compile(rf"(?<!self)\.{re.escape(name)}\b|[\"']{re.escape(name)}\b")
    outside = "\n".join((*module.lines[: own.lineno - 1], *module.lines[own.end_lineno or own.lineno :]))
    others = (source.text for source in run.sources if source is not module.source)
    return any(name in text and reached.search(text) for text in (outside, *others))


def witness(case: Case) -> Verdict:
    """Whether the layer has never been called by the end of the run."""
    seen = [event for event in case.at(WeightsSeen) if "calls" in event.numbers]
    if not seen:
        return not_reached(case)
    calls = sum(event.numbers["calls"] for event in seen)
    gradient = max(event.numbers.get("gradient", 0.0) for event in seen)
    if calls or gradient:
        return refuted(f"the layer was called {calls:.0f} times, or has a gradient", calls=calls, gradient=gradient)
    return confirmed("the layer was never called, and its weights never had a gradient", calls=calls)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN314",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(NETWORKS,),
    needs=needs(ModelBuilt),
)
