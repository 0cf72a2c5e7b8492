"""Dropout as a function goes on dropping in evaluation mode.

## What it does
Reports `F.dropout` without `training=` in the forward pass of a network, or in a function that it calls; attention as a
function with a `dropout_p` above 0; and an `nn.Dropout` that is made in the forward pass, as a new module is always in
training mode. Where the probability is 0 in the script at hand it is advice. Calls under `if self.training`, a probability of
0, an explicit `training=True`, what is called Monte-Carlo dropout, noise or augmentation, and what a comment says to drop
always, as the prenet of Tacotron 2 does, is left alone.

## Why it matters
`F.dropout` does not know of `model.eval()`: its `training` is True unless it is told otherwise. Every evaluation then drops
units at random. The predictions are worse than the network is, change from call to call, and a best checkpoint is chosen by
luck.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html

## Example
```python
def forward(self, x):
    x = F.dropout(F.relu(self.hidden(x)), p=0.5)
    return self.out(x)
```

Use instead:
```python
def forward(self, x):
    x = F.dropout(F.relu(self.hidden(x)), p=0.5, training=self.training)
    return self.out(x)
```

## Fix safety
Safe: in training mode nothing changes, and evaluation mode does what it says.

## Witness
While the network is in evaluation mode, the call drops units.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nnlint.events import LayerApplied, Run
from nnlint.facts.layers import is_active_dropout, made_by
from nnlint.facts.networks import is_inside_network, methods_of_networks
from nnlint.finding import Applicability, Edit, Fix, Severity, Verdict
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.mending.importing import spelled
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite, comments
from nnlint.values import Data, number
from nnlint.witness import Case, confirmed, not_reached, refuted
from nnlint.words import NETWORKS, names_of

TOLD = regex(r"train|eval|infer|deterministic|stochastic|is_test")
"""A test of such words decides on the mode."""

MEANT = regex(
    r"mc_?drop|monte|bayes|uncertain|(?<!up)(?<!down)(?<!sub)sampl|stochastic|nois|corrupt|augment|perturb|mask|train|loss",
    re.IGNORECASE,
)
"""Functions and classes of such names drop on purpose, or only while training."""

ALWAYS = regex(
    r"\balways\b(?!-)|\b(?:even|also|both)\b.*\b(?:eval|test|infer|training)|regardless|on purpose|deliberate|intentional",
    re.I,
)
"""Comments that tell that a dropout is to drop in evaluation mode, too."""

LINES_ABOVE = 2

FUNCTIONS = {"Dropout": "dropout", "Dropout1d": "dropout1d", "Dropout2d": "dropout2d", "Dropout3d": "dropout3d"}


def check(run: Run) -> Iterator[Problem]:
    """One problem for each dropout of a forward pass that is not told the mode."""
    for dropout in made_by(run, "dropout"):
        is_new = _is_made_in_forward(dropout)
        if (dropout.layer is None or is_new) and _may_drop(dropout) and not _is_told(dropout):
            yield from _problem(run, dropout, "a new module is always in training mode" if is_new else "")
    for attention in made_by(run, "attention"):
        if attention.layer is None and (number(attention.options.get("dropout_p")) or 0) > 0:
            yield from _problem(run, attention, "drops attention weights in every mode")


def _may_drop(dropout: Data) -> bool:
    """Whether it drops anything, or would with another probability than the 0 of this run, which is not written there."""
    node = dropout.at.node if isinstance(dropout.at, CodeSite) else None
    written = [*node.args[1:], *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
    return is_active_dropout(dropout) or any(isinstance(each, (ast.Name, ast.Attribute)) for each in written)


def _is_made_in_forward(dropout: Data) -> bool:
    """Whether the module is made where it is called: `nn.Dropout(0.5)(x)`."""
    made, called = dropout.layer and dropout.layer.at, dropout.at
    if not isinstance(made, CodeSite) or not isinstance(called, CodeSite) or made.function is None:
        return False
    return made.function is called.function and isinstance(called.node, ast.Call) and called.node.func is made.node


def _is_told(dropout: Data) -> bool:
    return dropout.layer is None and not {"training", "train"}.isdisjoint(dropout.options)


def _problem(run: Run, dropout: Data, label: str) -> Iterator[Problem]:
    site = dropout.at
    if not isinstance(site, CodeSite) or not isinstance(site.node, ast.Call) or not is_inside_network(run, dropout):
        return
    sites = _within_network(run, [each for each in (*dropout.calls, site) if isinstance(each, CodeSite)])
    if any(_is_decided(each) for each in sites) or _is_meant(sites):
        return
    yield Problem(
        site,
        "units are dropped in evaluation mode, too, because this dropout is not told the mode",
        label=label or "`training` is True by default",
        help="pass `training=self.training`" if dropout.operation == "dropout" else "pass 0 unless `self.training`",
        fix=_told(dropout, site),
        severity=None if dropout.operation == "attention" or is_active_dropout(dropout) else Severity.ADVICE,
    )


def _within_network(run: Run, sites: list[CodeSite]) -> list[CodeSite]:
    """The end of a chain of calls, from the network's own method on: who calls the network is another matter."""
    methods = methods_of_networks(run)
    first = next((i for i, each in enumerate(sites) if id(each.function) in methods), len(sites))
    return sites[first:]


def _is_decided(site: CodeSite) -> bool:
    """Whether the place is only come to in one mode, or an argument depends on it."""
    statement = site.statement
    if statement is None:
        return False
    tests = [each.test for each in edits.blocks_around(site) if isinstance(each, (ast.If, ast.While))]
    tests += [each.test for each in ast.walk(statement) if isinstance(each, ast.IfExp)]
    tests += [each.values[0] for each in ast.walk(statement) if isinstance(each, ast.BoolOp)]
    tests += [each.test for each in _left_before(site)]
    tests += [each for value in _values_given(site) for each in ast.walk(value) if isinstance(each, ast.Attribute)]
    return any(TOLD.search(ast.unparse(test)) for test in tests)


def _values_given(site: CodeSite) -> Iterator[ast.expr]:
    """What the names in the arguments were bound to in the same function: `p = self.p if self.training else 0`."""
    node = site.node
    if not isinstance(node, ast.Call) or site.function is None:
        return
    data = node.args[:1] if ast.unparse(node.func).endswith("dropout") else []
    given = [*node.args[len(data) :], *(each.value for each in node.keywords)]
    names = {each.id for each in given if isinstance(each, ast.Name)}
    for each in ast.walk(site.function):
        if isinstance(each, ast.Assign) and any(isinstance(t, ast.Name) and t.id in names for t in each.targets):
            yield each.value


def _left_before(site: CodeSite) -> Iterator[ast.If]:
    """The `if` statements before the place whose body leaves the function."""
    function, line = site.function, getattr(site.node, "lineno", 0)
    if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for statement in function.body:
            if isinstance(statement, ast.If) and statement.lineno < line and isinstance(statement.body[-1], ast.Return):
                yield statement


def _is_meant(sites: list[CodeSite]) -> bool:
    functions = [each.function for each in sites if isinstance(each.function, (ast.FunctionDef, ast.AsyncFunctionDef))]
    names = [function.name for function in functions]
    for site, function in zip(sites, functions, strict=False):
        names += [
            node.name for node in site.module.tree.body if isinstance(node, ast.ClassDef) and function in node.body
        ]
    return any(MEANT.search(name) for name in names) or any(map(_is_said_to_drop_always, sites))


def _is_said_to_drop_always(site: CodeSite) -> bool:
    line = getattr(site.node, "lineno", 0)
    said = [*comments(site.module, line - LINES_ABOVE, line), *_of_dropouts(site)]
    return any(ALWAYS.search(each) for each in said)


def _of_dropouts(site: CodeSite) -> Iterator[str]:
    """The sentences about dropout in what the function and its class say of themselves."""
    classes = [node for node in site.module.tree.body if isinstance(node, ast.ClassDef) and site.function in node.body]
    for each in (site.function, *classes):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            sentences = (ast.get_docstring(each) or "").replace("\n", " ").split(".")
            yield from (sentence for sentence in sentences if "dropout" in sentence.lower())


def _told(dropout: Data, site: CodeSite) -> Fix | None:
    """The call with `training=self.training`; None in a function without `self`."""
    function, node = site.function, site.node
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or not isinstance(node, ast.Call):
        return None
    if not function.args.args or function.args.args[0].arg != "self":
        return None
    if dropout.layer is not None:
        return _as_function(dropout, site, node)
    if dropout.operation == "attention":
        given = next((each.value for each in node.keywords if each.arg == "dropout_p"), None)
        edit = given and edits.replace(
            CodeSite(site.module, given), f"{edits.node_code(site, given)} if self.training else 0.0"
        )
        return edits.fix(Applicability.SAFE, "pass 0 unless `self.training`", edit) if edit else None
    arguments = [*node.args, *(each.value for each in node.keywords)]
    last = max(arguments, key=lambda each: (each.end_lineno or 0, each.end_col_offset or 0))
    edit = edits.insert_after_node(CodeSite(site.module, last), ", training=self.training")
    return edits.fix(Applicability.SAFE, "pass `training=self.training`", edit)


def _as_function(dropout: Data, site: CodeSite, node: ast.Call) -> Fix | None:
    """`nn.Dropout(0.5)(x)` as `F.dropout(x, 0.5, training=self.training)`."""
    made = node.func
    name = FUNCTIONS.get(dropout.layer.kind) if dropout.layer is not None else None
    if name is None or not isinstance(made, ast.Call) or len(node.args) != 1 or node.keywords or len(made.args) > 1:
        return None
    found = spelled(site, "torch.nn.functional", name)
    if found is None:
        return None
    spelling, importing = found
    given = [edits.node_code(site, each) for each in (node.args[0], *made.args)]
    given += [f"{each.arg}={edits.node_code(site, each.value)}" for each in made.keywords]
    changes: list[Edit | None] = [edits.replace(site, f"{spelling}({', '.join(given)}, training=self.training)")]
    if importing is not None:
        changes.append(importing)
    return edits.fix(Applicability.SAFE, f"call `{spelling}` with `training=self.training`", *changes)


def witness(case: Case) -> Verdict:
    """Whether the call dropped units while the network was in evaluation mode."""
    calls = [event for event in case.at(LayerApplied) if "active_in_evaluation" in event.numbers]
    if not calls:
        return not_reached(case)
    active = sum(event.numbers["active_in_evaluation"] for event in calls)
    if active:
        return confirmed(
            f"with the network in evaluation mode, {active:.0f} of {len(calls)} calls dropped units", calls=active
        )
    return refuted("with the network in evaluation mode, nothing is dropped there", calls=len(calls))


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN307",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.SAFE,
    witness=witness,
    words=(NETWORKS | names_of("dropout", "attention"),),
    needs=needs(("dropout", "attention")),
)
