"""What a training keeps, or when it ends: the comparisons with the best so far that decide it, and the data they rest on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from nnlint.events import Run, SchedulerStepped
from nnlint.facts.identity import label_of, wholes, words_of
from nnlint.facts.split_names import TEST, TRAINING, VALIDATION, parts_named
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, node_at
from nnlint.values import Constant, Data, Instance, Loader, Scheduler, Site, Value, alternatives

ORDERINGS = (ast.Gt, ast.GtE, ast.Lt, ast.LtE)

KEEPS = regex(r"save|checkpoint|ckpt|deepcopy|state_dict|snapshot", re.IGNORECASE)
MODEL = regex(r"model|net|state|weight|param|check_?point|ckpt|encoder|classifier|^self\.save", re.IGNORECASE)
"""Calls that keep something, and words of a network or its weights."""

STOPPER = regex(r"early_?stop", re.IGNORECASE)
"""Names of early stopping that is not at hand."""

IMAGES = regex(r"fig|plot|image|img|figure|\bplt\b|csv|json|txt|pred|result|metric|log", re.IGNORECASE)
"""Calls that save something else than a network."""

OTHER = VALIDATION | TRAINING | {"holdout", "heldout", "hold", "held"}
"""Words that call data another part than the test set."""


@dataclass(frozen=True)
class Selection:
    """What is kept, or when training ends, is decided by a measure over the test set drawn from `data`.

    `at` is the comparison or step, or the call that hands the measure to it; the comparison itself is then `decided`.
    """

    at: Site
    data: Value
    what: str
    decided: Site | None = None


def selections_on_test_data(run: Run) -> Iterator[Selection]:
    """Each place where the test set decides, once."""
    seen: set[object] = set()
    for found in (*_comparisons(run), *_schedules(run), *_stoppers(run)):
        node = node_at(found.at)
        if node not in seen:
            seen.add(node)
            yield found


def _comparisons(run: Run) -> Iterator[Selection]:
    known: dict[ast.AST, tuple[str, int]] = {}
    for data in run.operations.get("compare", ()):
        if not isinstance(data, Data) or not isinstance(data.at, CodeSite) or len(data.inputs) != 2:
            continue
        node = data.at.node
        if node not in known:
            known[node] = _decided_by(data.at)
        what, measured = known[node]
        if not what:
            continue
        drawn = _test_data_behind(data.inputs[measured])
        if drawn is None or not _is_meant_as_test(data.at, drawn):
            continue
        outside = _call_from_outside(data, drawn)
        yield Selection(outside or data.at, _named(drawn), what, data.at if outside is not None else None)


def _schedules(run: Run) -> Iterator[Selection]:
    for step in run.events(SchedulerStepped):
        scheduler = step.scheduler
        if isinstance(scheduler, Scheduler) and scheduler.kind == "ReduceLROnPlateau" and step.metric is not None:
            drawn = _test_data_behind(step.metric)
            if drawn is not None and _is_meant_as_test(step.at, drawn):
                yield Selection(step.at, _named(drawn), "the learning rate")


def _stoppers(run: Run) -> Iterator[Selection]:
    """The measures that are handed to early stopping of a library."""
    for data in (*run.operations.get("call", ()), *run.operations.get("method", ())):
        if isinstance(data, Data) and len(data.inputs) > 1 and data.at is not None and STOPPER.search(data.name):
            drawn = _test_data_behind(data.inputs[1])
            if drawn is not None and _is_meant_as_test(data.at, drawn):
                yield Selection(data.at, _named(drawn), "the end of the training")


# What a comparison decides


def _decided_by(at: CodeSite) -> tuple[str, int]:
    """What depends on a comparison with the best so far ("" for nothing), and which operand is not the best."""
    node, statement = at.node, at.statement
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], ORDERINGS):
        return "", 0
    if isinstance(statement, ast.If):
        if not any(each is node for each in ast.walk(statement.test)):
            return "", 0
        branch: list[ast.stmt] = [*statement.body, *statement.orelse]
        around = _around(at)
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], (ast.Name, ast.Attribute)):
        flag = ast.unparse(statement.targets[0])
        around = _around(at)
        branch = list(_depending_on(around, flag))
    else:
        return "", 0
    measured = _operand_measured(node, _assigned(branch) | _extremes(around))
    return ("", 0) if measured is None else (_consequence(branch, around), measured)


def _around(at: CodeSite) -> list[ast.stmt]:
    return at.function.body if isinstance(at.function, (ast.FunctionDef, ast.AsyncFunctionDef)) else at.module.tree.body


def _depending_on(around: Iterable[ast.stmt], flag: str) -> Iterator[ast.stmt]:
    """The statements under an `if` on a flag, and the calls that are given it."""
    for node in _walk(around):
        if isinstance(node, ast.If) and _mentions(node.test, {flag}):
            yield from node.body
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            given = [*node.value.args, *(each.value for each in node.value.keywords)]
            if any(ast.unparse(each) == flag for each in given):
                yield node


def _operand_measured(node: ast.Compare, assigned: set[str]) -> int | None:
    """The operand that is compared with the best so far, where the other one takes its value, or is a maximum of all."""
    operands = (node.left, node.comparators[0])
    best = [_mentions(each, assigned) or _is_extreme(each) for each in operands]
    return None if best[0] == best[1] else int(best[0])


def _extremes(around: Iterable[ast.stmt]) -> set[str]:
    """The names that take a maximum of themselves: `best = max(accuracy, best)`."""
    assigned = ((each.targets[0], each.value) for each in _walk(around) if isinstance(each, ast.Assign))
    return {
        ast.unparse(target)
        for target, value in assigned
        if isinstance(value, ast.Call)
        and getattr(value.func, "id", getattr(value.func, "attr", "")) in ("max", "min", "maximum", "minimum")
        and any(ast.unparse(each) == ast.unparse(target) for each in value.args)
    }


def _is_extreme(node: ast.expr) -> bool:
    """Whether it is `max(accuracies)`."""
    name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
    return name in ("max", "min") and isinstance(node, ast.Call) and len(node.args) <= 1


def _consequence(branch: list[ast.stmt], around: list[ast.stmt]) -> str:
    if any(_keeps(node) for node in _walk(branch)):
        return "the model that is kept"
    marks = _assigned(branch)
    for node in _walk([*branch, *around]):
        if isinstance(node, ast.If) and _mentions(node.test, marks) and any(map(_ends, _walk(node.body))):
            return "the end of the training"
    return ""


def _keeps(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    if KEEPS.search(name) is None or IMAGES.search(name) is not None:
        return False
    return MODEL.search(ast.unparse(node)) is not None


def _ends(node: ast.AST) -> bool:
    if isinstance(node, ast.Break):
        return True
    stops = isinstance(node, ast.Assign) and any("stop" in ast.unparse(each).lower() for each in node.targets)
    return stops and isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is True


def _assigned(statements: Iterable[ast.stmt]) -> set[str]:
    stored = (ast.Name, ast.Attribute, ast.Subscript)
    return {
        ast.unparse(node) for node in _walk(statements) if isinstance(node, stored) and isinstance(node.ctx, ast.Store)
    }


def _mentions(node: ast.expr, names: set[str]) -> bool:
    parts = (ast.Name, ast.Attribute, ast.Subscript)
    return any(isinstance(each, parts) and ast.unparse(each) in names for each in ast.walk(node))


def _walk(statements: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    for statement in statements:
        yield from ast.walk(statement)


# The data behind a measure


def _test_data_behind(measure: Value) -> Data | None:
    """Where the test set is drawn from, or given to a network, for a measure; None unless all its data are test data."""
    found: Data | None = None
    for data in ancestors(measure):
        for source in _sources(data):
            part = part_of(source)
            if part == "test":
                found = found or data
            elif part or isinstance(source, Loader):
                return None
    return found


def _is_meant_as_test(at: Site, drawn: Data) -> bool:
    """Whether the test set is not the validation set by another name: a measure is called one of it, without more to go by."""
    text = ast.unparse(at.node) if isinstance(at, CodeSite) else ""
    if VALIDATION.isdisjoint(words_of(text)):
        return True
    loader = _named(drawn)
    whole = list(alternatives(loader.dataset)) if isinstance(loader, Loader) else []
    return bool(whole) and all(isinstance(each, Data) and each.option("train") is False for each in whole)


def _sources(data: Data) -> Iterator[Value]:
    """The loaders, arrays or masks that an operation draws from, gives to a network or takes a part by."""
    if data.operation in ("batch", "element"):
        for value in data.inputs[:1]:
            yield from alternatives(value)
    elif data.operation == "index" and isinstance(key := data.inputs[-1], Data):
        yield key  # the nodes of a graph that a mask takes
    elif data.operation == "output":
        yield from (each for each in data.inputs[2:] if not _is_drawn(each))


def _is_drawn(value: Value) -> bool:
    return any(each.operation in ("batch", "element", "batch part") for each in ancestors(value))


def part_of(value: Value) -> str:
    """Which part of the data a loader or an array is certainly called: "test", "other", or "" where its names do not say."""
    words = {word for name in _names(value) for word in parts_named(name)}
    if not OTHER.isdisjoint(words) or not VALIDATION.isdisjoint(_words_of_files(value)):
        return "other"
    return "" if TEST.isdisjoint(words) else "test"


def _names(value: Value) -> Iterator[str]:
    if isinstance(value, Loader):
        yield value.bound
        for each in alternatives(value.dataset):
            yield from _names(each)
    elif isinstance(value, Data):
        yield label_of(value)
        if value.operation == "dataset":
            for each in value.inputs:
                yield from _names(each)


def _words_of_files(value: Value) -> Iterator[str]:
    """The words of the texts that a data set was made with: the name of a split, a path."""
    whole = list(alternatives(value.dataset)) if isinstance(value, Loader) else [value]
    for each in (part for value in whole for part in (value, *wholes(value))):
        given: Iterable[Value] = ()
        if isinstance(each, Instance):
            given = each.attributes.values()
        elif isinstance(each, Data):
            given = (*each.inputs, *each.options.values())
        for text in given:
            if isinstance(text, Constant) and isinstance(text.value, str):
                yield from words_of(text.value)


def _named(drawn: Data) -> Value:
    return next(source for source in _sources(drawn) if part_of(source) == "test")


def _call_from_outside(comparison: Data, drawn: Data) -> Site | None:
    """The call that hands a measure to the function of the comparison, where its data were drawn outside of it."""
    for depth, call in enumerate(comparison.calls):
        other = drawn.calls[depth] if depth < len(drawn.calls) else None
        if not isinstance(call, CodeSite) or not isinstance(other, CodeSite) or call.node is not other.node:
            return call
    return None
