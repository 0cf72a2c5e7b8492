"""Data sets and their loaders: which loader a network is trained on, what a data set is, and whether its order means anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from nnlint.events import ModelCalled, Run
from nnlint.facts.differentiated import training_calls
from nnlint.facts.evaluation import TRAINS
from nnlint.facts.lengths import length_of
from nnlint.facts.split_names import ABBREVIATED, HELD_OUT, is_held_out_name, parts_named
from nnlint.graph import ancestors
from nnlint.lazy import regex
from nnlint.mending import edits
from nnlint.static.objects import CodeSite, Function
from nnlint.values import NONE, Constant, Data, Either, Instance, Items, Loader, Value, alternatives, number, truth

TRANSFORM = regex(r"^_?(\w+_)?transforms?$|^_?augment\w*$|^_?preprocess$")
"""Names under which data sets keep what they do to a sample."""

SPLITS = frozenset({"train split", "test split"})
PARTS = SPLITS | {"index"}
"""Operations that take some samples of a data set."""

LIBRARIES = regex(
    r"^(?!torchtext|datasets\.|tensorflow|tfds).*((^|\.)(torchvision|torchaudio|medmnist|torch_geometric)(\.|$)|(^|\.)datasets?\.[A-Z]\w+$|"
    r"(^|\.)(CIFAR10|CIFAR100|F?MNIST|FashionMNIST|KMNIST|ImageFolder|DatasetFolder|SVHN|STL10|ImageNet|CelebA)$)"
)
"""Constructors of libraries' data sets, all with an index."""

UNKNOWN = frozenset({"argument", "name", "attribute", "element", "unknown"})
LOADS = regex(r"^sklearn\.datasets\.(load|fetch)|read|load|open|join|glob|astype|reshape")
"""Calls that give data in the order in which they are stored."""

DRAWN = regex(r"^random\.(?:rand(?:int|om|range)|uniform|choices?|sample|gauss|normalvariate)$")
"""What Python itself draws: places in a picture, say."""

DRAWS_HERE = regex(r"\brandom\.\w+\(|\brandint\(|\brandrange\(")
"""Code that draws which sample to give."""

MIXES = regex(r"shuffle\s*\(|\bfrac\s*=\s*1|KFold|\bShuffleSplit")
"""Code that brings data into a random order before a loader gets them."""

ORDERED = regex(
    r"time.?series|forecast|stock|sliding|look_?back|\bhorizons?\b|chronolog|autoregress|continual|streaming|online.learning|"
    r"curriculum|trajector|\bvideo",
    re.IGNORECASE,
)
"""Words of tasks in which the order of the samples means something."""


def is_constructed(value: Value | None) -> bool:
    """Whether it is an object of the project whose constructor was followed: no more than its class is known of another."""
    if not isinstance(value, Instance):
        return False
    has_own = any(isinstance(name, str) for name in value.attributes)
    return has_own or not isinstance(value.cls.find("__init__"), Function)


def training_loaders(run: Run) -> list[tuple[Loader, ModelCalled]]:
    """The loaders on whose batches a network is trained, each with the first such call."""
    return run.remember("training loaders", run, _training_loaders)


def _training_loaders(run: Run) -> list[tuple[Loader, ModelCalled]]:
    found: dict[int, tuple[Loader, ModelCalled]] = {}
    drawn_from = len(_loaders(run))
    for call in training_calls(run) if drawn_from else ():
        for loader in loaders_behind(call.inputs):
            found.setdefault(id(loader), (loader, call))
        if len(found) == drawn_from:
            break
    return list(found.values())


def _loaders(run: Run) -> set[int]:
    """The identities of all loaders from which anything is drawn."""
    drawn = [*run.operations.get("batch", ()), *run.operations.get("element", ())]
    given = [value for data in drawn if isinstance(data, Data) for value in data.inputs]
    return {id(each) for value in given for each in alternatives(value) if isinstance(each, Loader)}


def loaders_behind(values: tuple[Value, ...]) -> Iterator[Loader]:
    """The loaders from whose batches any of these values was made."""
    seen: set[int] = set()
    for value in values:
        for data in _drawn_behind(value):
            for given in data.inputs:
                for loader in alternatives(given):
                    if isinstance(loader, Loader) and id(loader) not in seen:
                        seen.add(id(loader))
                        yield loader


def _drawn_behind(value: Value) -> Iterator[Data]:
    """The batches and elements that a value was made from, but not those from which the data set's transform has learned."""
    pending, seen = [value], set[int]()
    while pending:
        for data in ancestors(pending.pop(), stop=_is_drawn):
            if data.operation in ("batch", "element"):
                yield data
            elif data.operation == "batch part" and id(data) not in seen:
                seen.add(id(data))
                pending.append(data.inputs[1])


def _is_drawn(data: Data) -> bool:
    return data.operation in ("batch", "batch part")


def is_drawn_before(loader: Loader, call: ModelCalled) -> bool:
    """Whether the loader gave all that the network is called with before the loop in which it is trained: one batch that is to be
    learned by heart, or what was gathered of all batches, and joined to one."""
    behind = [data for value in call.inputs for data in _drawn_behind(value)]
    batches = [data for data in behind if any(each is loader for given in data.inputs for each in alternatives(given))]
    sites = [each for each in (*call.calls, call.at) if isinstance(each, CodeSite)]
    is_joined = any(data.operation == "concatenate" for value in call.inputs for data in ancestors(value))
    return bool(batches) and all(
        _is_one_batch_again(batch, sites) or (is_joined and _is_gathered(batch, sites)) for batch in batches
    )


def _is_one_batch_again(batch: Data, sites: list[CodeSite]) -> bool:
    """Whether `next()` drew it outside of the loops of the function in one of which it is learned."""
    at = batch.at if "iterator" in batch.options else None
    return (
        isinstance(at, CodeSite)
        and not edits.loops_around(at)
        and bool(edits.loops_around(sites[-1]))
        and (at.function is sites[-1].function)
    )


def _is_gathered(batch: Data, sites: list[CodeSite]) -> bool:
    """Whether it was drawn in a loop that trains nothing, and gives nothing to one that does."""
    at = batch.at
    if not isinstance(at, CodeSite):
        return False
    loop = at.statement if isinstance(at.statement, ast.For) else next(reversed(edits.loops_around(at)), None)
    inside = [*ast.walk(loop)] if loop is not None else []
    nodes = {id(node) for node in inside}
    return (
        bool(inside)
        and not any(isinstance(each, ast.Yield) for each in inside)
        and not any(id(site.node) in nodes for site in sites)
    )


def whole_of(dataset: Value | None) -> Value | None:
    """The data set of which this is a part."""
    while isinstance(dataset, Data) and dataset.operation in PARTS and dataset.inputs:
        dataset = dataset.inputs[0]
    return dataset


def is_map_style(dataset: Value | None) -> bool:
    """Whether the data set is certainly one whose samples are taken by their number; of several, each of them."""
    if isinstance(dataset, Either):
        return not dataset.open and all(each is NONE or is_map_style(each) for each in dataset.alternatives)
    whole = whole_of(dataset)
    if isinstance(whole, Items):
        return True
    if isinstance(whole, Instance):
        bases = list(whole.cls.external_bases())
        if any("Iterable" in base for base in bases):
            return False
        return isinstance(whole.cls.find("__getitem__"), Function) or any(LIBRARIES.search(base) for base in bases)
    if not isinstance(whole, Data):
        return False
    if whole.operation == "dataset":
        return all(_is_known_array(each) for each in whole.inputs[:1])
    return whole.operation == "call" and LIBRARIES.search(whole.name) is not None


def _is_known_array(value: Value) -> bool:
    """Whether an array was read or made here: what a caller or a library gives may be shuffled already."""
    return all(data.inputs or data.operation not in UNKNOWN for data in ancestors(value)) and not any(
        data.operation in ("call", "method") and not LOADS.search(data.name) for data in ancestors(value)
    )


def is_in_random_order(dataset: Value | None) -> bool:
    """Whether the samples are, or may be, in a random order already: split at random, shuffled, or random numbers themselves."""
    if isinstance(dataset, Either):
        return any(is_in_random_order(each) for each in dataset.alternatives)
    if isinstance(dataset, Instance):
        parts: list[Value] = list(dataset.attributes.values())
    else:
        parts = [dataset] if dataset is not None else []
    if any(_is_random(data) for part in parts for data in ancestors(part, stop=_lines_up)):
        return True
    texts = (*_sources_of(dataset), *_sources_of_parts(parts))
    return any(MIXES.search(text) for text in texts)


def _sources_of_parts(parts: list[Value]) -> Iterator[str]:
    """The text of the files in which what a data set is given was read and put together."""
    sites = [data.at for part in parts for data in ancestors(part)]
    modules = {id(site.module): site.module for site in sites if isinstance(site, CodeSite)}
    yield from (module.source.text for module in modules.values())


def _lines_up(data: Data) -> bool:
    """Whether parts are put one after the other: random numbers of one class, then of the next."""
    return data.operation in ("concatenate", "stack")


def _is_random(data: Data) -> bool:
    if data.operation in SPLITS:
        shuffle = data.option("shuffle")
        return shuffle is not False
    is_drawn = data.operation == "call" and DRAWN.match(data.name) is not None
    return is_drawn or data.operation in ("random", "randperm")


def is_one_batch(loader: Loader) -> bool:
    """Whether one batch holds all the data, or the data set makes the batches itself."""
    size = loader.arguments.get("batch_size")
    if isinstance(size, Constant) and size.value is None:
        return True
    if isinstance(size, Data):
        return size.operation in ("length", "attribute", "index") and not _is_called_batch(size)
    rows, samples = number(size), length_of(loader.dataset)
    return rows is not None and samples is not None and samples <= rows


def _is_called_batch(size: Data) -> bool:
    """Whether settings have the size of a batch by that name: `params.batch_size`, `config["train_batch"]`."""
    key = size.inputs[1] if size.operation == "index" and len(size.inputs) > 1 else None
    name = key.value if isinstance(key, Constant) and isinstance(key.value, str) else size.name
    return "batch" in name.lower() or name.lower() == "bs"


def ignores_the_index(dataset: Value | None) -> bool:
    """Whether the data set makes up a sample, or a batch, wherever it is asked: there is no order to speak of."""
    get = dataset.cls.find("__getitem__") if isinstance(dataset, Instance) else None
    if not isinstance(get, Function) or isinstance(get.node, ast.Lambda) or len(get.node.args.args) < 2:
        return False
    index = get.node.args.args[1].arg
    elsewhere = {id(node) for node in _in_place_of_draws(get.node)}
    return not any(
        isinstance(node, ast.Name) and node.id == index and id(node) not in elsewhere for node in ast.walk(get.node)
    )


def _in_place_of_draws(function: ast.AST) -> Iterator[ast.AST]:
    """The code of the arms beside which another arm draws: a validation goes by number, and training is random."""
    for choice in ast.walk(function):
        if isinstance(choice, ast.If) and choice.orelse:
            for arm, other in ((choice.body, choice.orelse), (choice.orelse, choice.body)):
                if any(DRAWS_HERE.search(ast.unparse(statement)) for statement in other):
                    yield from (node for statement in arm for node in ast.walk(statement))


def sampler_of(loader: Loader) -> Value:
    """What picks samples for a loader by itself; None where nothing does but one that shares them out among processes."""
    for name in ("sampler", "batch_sampler"):
        given = loader.arguments.get(name, NONE)
        shared_out = [_shares_out(each) for each in alternatives(given) if each is not NONE]
        if shared_out and not all(shared_out):
            return given
    return NONE


def _shares_out(sampler: Value) -> bool:
    """Whether all processes together have all the data: not where one rank is written there."""
    return is_distributed(sampler) and isinstance(sampler, Data) and number(sampler.options.get("rank")) is None


def is_distributed(sampler: Value) -> bool:
    """Whether it is torch's sampler that gives each process a share of the data."""
    return (
        isinstance(sampler, Data)
        and sampler.operation == "call"
        and sampler.name.rpartition(".")[2] == "DistributedSampler"
    )


def keeps_order(loader: Loader) -> bool | None:
    """Whether the loader takes the samples in their order: by neither shuffling nor a sampler; None where that is not known."""
    given = loader.arguments
    if any(not _is_none(given.get(name, NONE)) for name in ("sampler", "batch_sampler")):
        return False
    shuffle = given.get("shuffle", NONE)
    if not isinstance(shuffle, Constant) or shuffle.overridable:
        return None
    return not shuffle.value


def _is_none(value: Value) -> bool:
    return isinstance(value, Constant) and value.value is None


def is_in_order_on_purpose(loader: Loader) -> bool:
    """Whether the task is one in which the order of the samples means something, by the words of the files it is made of."""
    texts = [text for each in alternatives(loader.dataset) for text in _sources_of(each)]
    if isinstance(loader.at, CodeSite):
        texts.append(loader.at.module.source.text)
    return any(ORDERED.search(text) for text in texts)


def _sources_of(dataset: Value | None) -> Iterator[str]:
    """The text of the files in which a data set, or what it is a part of, is made and defined."""
    whole = whole_of(dataset)
    modules = []
    if isinstance(whole, Instance):
        modules = [cls.module for cls in whole.cls.lineage()]
    if isinstance(whole, (Instance, Data)) and isinstance(whole.at, CodeSite):
        modules.append(whole.at.module)
    yield from {id(module): module.source.text for module in modules}.values()


def is_for_evaluation(loader: Loader) -> bool:
    """Whether the loader is one for held-out data: by its name, its function's, or else by what its data set is asked for."""
    function = getattr(loader.at.function, "name", "") if isinstance(loader.at, CodeSite) else ""
    words = set(parts_named(loader.bound) or parts_named(function))
    if words & (HELD_OUT | TRAINS):
        return bool(words & HELD_OUT) and not words & TRAINS
    return ABBREVIATED.match(loader.bound) is not None or is_held_out_part(loader.dataset)


def is_held_out_part(dataset: Value | None) -> bool:
    """Whether a library's data set is asked for its test part: `CIFAR10(root, train=False)`, `ImageNet(root, split="val")`."""
    if not isinstance(dataset, Data) or dataset.operation != "call" or not LIBRARIES.search(dataset.name):
        return False
    split = dataset.option("split")
    return dataset.option("train") is False or (isinstance(split, str) and is_held_out_name(split))


def transforms_of(dataset: Value | None) -> Iterator[Value]:
    """What a data set certainly does to its samples; nothing where the transform is given to it later."""
    current = dataset
    while isinstance(current, Data) and current.operation in PARTS:
        if _is_given_a_transform(current.parts) or not current.inputs:
            return
        current = current.inputs[0]
    if isinstance(current, Instance):
        held = {
            name: each for name, each in current.attributes.items() if isinstance(name, str) and TRANSFORM.match(name)
        }
        for name, each in held.items() if len(held) == 1 else ():
            if isinstance(each, Data) and not _is_left_out(current, name):
                yield each
    elif isinstance(current, Data) and current.operation == "call" and not _is_given_a_transform(current.parts):
        given = (*current.inputs, *current.options.values()) if LIBRARIES.search(current.name) else ()
        yield from (each for each in given if isinstance(each, Data))


def _is_left_out(dataset: Instance, name: str) -> bool:
    """Whether items go through the transform only where a setting holds that is off here: `if self.train and ...`."""
    get = dataset.cls.find("__getitem__")
    nodes = [*ast.walk(get.node)] if isinstance(get, Function) else []
    uses = [each for each in nodes if _is_own(each, name)]
    guarded = {
        id(each)
        for choice in nodes
        if isinstance(choice, ast.If) and any(_is_off(dataset, each) for each in _needed(choice.test))
        for statement in choice.body
        for each in ast.walk(statement)
    }
    return bool(uses) and all(id(each) in guarded for each in uses)


def _needed(test: ast.expr) -> list[ast.expr]:
    """The parts of a condition that all have to hold."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


def _is_off(dataset: Instance, test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Attribute)
        and _is_own(test, test.attr)
        and truth(dataset.attributes.get(test.attr)) is False
    )


def _is_own(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def _is_given_a_transform(parts: dict[Any, Value]) -> bool:
    """Whether `part.dataset.transform = ...` or the like was stored."""
    return any(
        (isinstance(name, str) and TRANSFORM.match(name) and not _is_read(each, name))
        or (name == "dataset" and isinstance(each, Data) and _is_given_a_transform(each.parts))
        for name, each in parts.items()
    )


def _is_read(value: Value, name: str) -> bool:
    return isinstance(value, Data) and value.operation == "attribute" and value.name == name
