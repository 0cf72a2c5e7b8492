"""The roles of data in a run: what a network learns, what it learns from, and what it is only asked about.

Roles follow from flow: what reaches the target of a loss that is differentiated, the second argument of `fit`, the other side of
a difference with a prediction. Names (`y`, `labels`) count only where a hand-written network leaves no
other evidence, or where two of them form a pair (`X_train`, `X_test`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterator

from nnlint.events import Backward, LossComputed, ModelCalled, Run
from nnlint.facts.differentiated import differentiated
from nnlint.facts.identity import key_of, label_of, uncopied, wholes, words_of
from nnlint.facts.rebuilt_models import is_weightless
from nnlint.facts.split_names import HELD_OUT, PREFIXED, TRAINING, parts_named
from nnlint.facts.users import users
from nnlint.garbage import remembered
from nnlint.graph import ancestors, ancestors_of_all
from nnlint.lazy import regex
from nnlint.operations import REGRESSION_LOSSES
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite
from nnlint.values import Constant, Data, Items, Site, Value, elements

LEARNS_VALUES = REGRESSION_LOSSES | {"poisson_nll_loss", "gaussian_nll_loss"}
"""Losses whose target is a quantity."""

CLASSIFIER = regex(r"classif|logistic|svc|bayes|kmeans|pca|encoder|vectorizer|imput", re.IGNORECASE)
ASKS = frozenset({"predict", "score", "predict_proba", "decision_function", "evaluate", "predict_on_batch"})
TARGET_NAME = regex(r"^_*y(?![a-z_]*(?:hat|pred))|label|target|truth|price|^t$|^gt", re.IGNORECASE)
ASKED_ABOUT = HELD_OUT | {"new"}
"""Words that tell one of two names of a pair for that of evaluation data; by itself, something new may be anything."""

UNKNOWN = frozenset({"argument", "name", "attribute", "element", "batch"})
REWARDS = regex(r"return|reward|advantage|discount|gae|episode|q_?value|td_", re.IGNORECASE)
PLAYS = regex(r"\bgymnasium\b|\bimport gym\b|\.step\(action|env\.step\(|env\.reset\(")


TURNS = frozenset({"transpose", "permute", "view", "reshape", "squeeze", "unsqueeze", "attribute"})
MOST_TURNS = 10


@dataclass(frozen=True)
class Comparison:
    """A prediction is compared with a target: by a loss, by a difference, by `fit`. `at` is where.

    Of `fit`, the prediction is not seen: the inputs stand for it.
    """

    prediction: Value | None
    target: Value
    at: Site | None
    trains: bool


@dataclass(frozen=True)
class Feed:
    """Data are given to a network: `network` identifies it, `trains` tells whether the answer is learned from."""

    network: Hashable
    value: Value
    trains: bool


@remembered(2)
def comparisons(run: Run) -> tuple[Comparison, ...]:
    """Where predictions of quantities are compared with targets."""
    return (*_by_loss(run), *_by_fit(run), *_by_difference(run))


def _by_loss(run: Run) -> Iterator[Comparison]:
    for event in run.events(LossComputed):
        if event.kind in LEARNS_VALUES and event.target is not None:
            yield Comparison(event.prediction, event.target, event.at, _is_learned(run, event.value))


def _is_learned(run: Run, value: Value) -> bool:
    if any(True for _ in run.events(Backward)):
        return any(id(each) in differentiated(run) for each in elements(value))
    return not (isinstance(value, Data) and value.gradient is False)


def _by_fit(run: Run) -> Iterator[Comparison]:
    for call in run.operations.get("method", ()):
        if (
            isinstance(call, Data)
            and call.name == "fit"
            and len(call.inputs) > 2
            and not _is_classifier(call.inputs[0])
        ):
            yield Comparison(call.inputs[1], call.inputs[2], call.at, True)


def _is_classifier(value: Value) -> bool:
    return isinstance(value, Data) and CLASSIFIER.search(f"{value.name} {value.bound}") is not None


def _by_difference(run: Run) -> Iterator[Comparison]:
    predicts_by_network = any(True for _ in run.events(ModelCalled))
    for data in run.operations.get("subtract", ()):
        if not isinstance(data, Data) or len(data.inputs) != 2:
            continue
        if predicts_by_network:
            yield from _network_difference(run, data)
        elif _is_made_use_of(run, data):
            yield from _hand_written_difference(data)


def _network_difference(run: Run, data: Data) -> Iterator[Comparison]:
    if id(data) not in run.remember("nearest to losses", run, _nearest_to_losses):
        return
    predicted = [any(_is_prediction(run, each) for each in ancestors(side)) for side in data.inputs]
    if predicted in ([True, False], [False, True]):
        prediction, target = data.inputs if predicted[0] else data.inputs[::-1]
        yield Comparison(prediction, target, data.at, True)


def _nearest_to_losses(run: Run) -> frozenset[int]:
    """The identities of all data behind losses that are no question to another network: a picture that a classifier is asked
    about on the way back from noise is no error."""
    losses = [event.loss for event in run.events(Backward)]
    return frozenset(map(id, ancestors_of_all(losses, _is_answer, filled=True)))


def _is_prediction(run: Run, data: Data) -> bool:
    """Whether it is what a network gave that may learn: not a function that is written as a module."""
    return data.operation == "output" and not run.remember("weightless", data.inputs[1], is_weightless)


def _is_answer(data: Data) -> bool:
    return data.operation == "output" and not is_weightless(data.inputs[1])


def _hand_written_difference(data: Data) -> Iterator[Comparison]:
    for position in (0, 1):
        target, prediction = data.inputs[position], data.inputs[1 - position]
        named = TARGET_NAME.search(_written(data, position)) or TARGET_NAME.search(label_of(target))
        if named and not is_computed_by_weights(target) and is_computed_by_weights(prediction):
            yield Comparison(prediction, target, data.at, True)
            return


def _is_made_use_of(run: Run, difference: Data) -> bool:
    """Whether anything is worked out from a difference: what is only turned round and handed back may be no error at all."""
    following = list(users(run).of(difference))
    for _ in range(MOST_TURNS):
        if not following or any(each.operation not in TURNS for each in following):
            break
        following = [later for each in following for later in users(run).of(each)]
    return bool(following) or not run.symbolic


def _written(data: Data, position: int) -> str:
    """The name of one side of a difference, as the code has it."""
    node = data.at.node if isinstance(data.at, CodeSite) else None
    side = (node.left, node.right)[position] if isinstance(node, ast.BinOp) else None
    return side.id if isinstance(side, ast.Name) else side.attr if isinstance(side, ast.Attribute) else ""


def is_computed_by_weights(value: Value) -> bool:
    """Whether a value comes out of a network, or of a hand-written one: a product of matrices is behind it."""
    return any(data.operation in ("output", "matmul") for data in ancestors(value))


@remembered(2)
def feeds(run: Run) -> tuple[Feed, ...]:
    """Everything that is given to networks, in order within each kind."""
    if any(True for _ in run.events(ModelCalled)):
        return (*_by_call(run), *_by_estimator(run))
    return (*_by_estimator(run), *_by_product(run))


def _by_call(run: Run) -> Iterator[Feed]:
    for event in run.events(ModelCalled):
        trains = any(id(each) in differentiated(run) for each in elements(event.output))
        for value in event.inputs:
            yield Feed(id(event.model), value, trains)


def _by_estimator(run: Run) -> Iterator[Feed]:
    for call in run.operations.get("method", ()):
        if isinstance(call, Data) and len(call.inputs) > 1 and (call.name == "fit" or call.name in ASKS):
            yield Feed(id(call.inputs[0]), call.inputs[1], call.name == "fit")


def _by_product(run: Run) -> Iterator[Feed]:
    """In a hand-written network: what is multiplied by weights, at the same place of the code, first of all for training."""
    seen: set[int] = set()
    for data in run.operations.get("matmul", ()):
        node = data.at.node if isinstance(data, Data) and isinstance(data.at, CodeSite) else None
        if isinstance(data, Data) and node is not None and data.inputs and not is_computed_by_weights(data.inputs[0]):
            yield Feed(node, data.inputs[0], id(node) not in seen)
            seen.add(id(node))


def is_target_in_input(comparison: Comparison) -> bool:
    """Whether the network is given the target itself, clean or noisy, whole or reduced: it learns to reconstruct."""
    target = uncopied(comparison.target)
    wanted = key_of(target)
    for data in ancestors(comparison.prediction):
        if data is target:
            return True
        if data.operation == "output" and any(key_of(given) == wanted for given in data.inputs[2:]):
            return True
    return False


def masks_prediction(comparison: Comparison) -> bool:
    """Whether what is subtracted only rules scores out that the prediction was multiplied away from: `z * (1 - y) - y * 1e5`."""
    prediction = comparison.prediction
    if not isinstance(prediction, Data) or prediction.operation != "multiply":
        return False
    behind = {
        id(data) for data in ancestors(comparison.target) if data.inputs or data.operation in ("argument", "name")
    }
    return any(
        id(data) in behind
        for factor in prediction.inputs
        if not any(each.operation == "output" for each in ancestors(factor))
        for data in ancestors(factor)
    )


# Which part of the data


def pair_name(name: str) -> tuple[str, ...] | None:
    """What is left of a name without the word that makes it that of evaluation data. None where there is no such word."""
    return _without(name, ASKED_ABOUT)


def training_name(name: str) -> tuple[str, ...] | None:
    """What is left of a name without the word that makes it that of training data. None where there is no such word."""
    return _without(name, TRAINING)


def is_pair_of_names(training: str, evaluation: str) -> bool:
    """Whether two names differ in their part of the data only: `x_train` (or `x`) and `x_test`."""
    rest = pair_name(evaluation)
    if rest is None or pair_name(training) is not None:
        return False
    own = training_name(training)
    return rest == own if own is not None else bool(rest) and rest == words_of(training)


def _without(name: str, wanted: frozenset[str]) -> tuple[str, ...] | None:
    words: list[str] = []
    for word in parts_named(name):
        match = PREFIXED.match(word) if word not in ASKED_ABOUT | TRAINING else None
        words.extend(part for part in match.groups() if part) if match else words.append(word)
    rest = tuple(word for word in words if word not in wanted)
    return None if len(rest) == len(words) else rest


def is_test_split(value: Value) -> bool:
    """Whether the data are the test part of `train_test_split` or `random_split`."""
    return any(isinstance(each, Data) and each.operation == "test split" for each in wholes(value))


def lower_bound_of_rows(value: Value) -> tuple[Hashable, Hashable] | None:
    """Of `x[n:]`, the keys of `x` and `n`: the second part of data that are split by hand."""
    return _bound(value, 0)


def upper_bound_of_rows(value: Value) -> tuple[Hashable, Hashable] | None:
    """Of `x[:n]`, the keys of `x` and `n`."""
    return _bound(value, 1)


def _bound(value: Value, which: int) -> tuple[Hashable, Hashable] | None:
    for each in wholes(value):
        rows = _rows(each)
        if rows is None or not isinstance(each, Data):
            continue
        bound, other = rows.inputs[which], rows.inputs[1 - which]
        is_given = not (isinstance(bound, Constant) and bound.value in (None, 0))
        is_open = isinstance(other, Constant) and other.value in (None, 0)
        if is_given and (is_open or which == 0):
            return key_of(each.inputs[0]), key_of(bound)
    return None


def loses_one_row(value: Value) -> bool:
    """Whether rows lack the first or the last of all alone, which a shift has left without a value: `x[:-1]`."""
    rows = _rows(value)
    bounds = [each.value if isinstance(each, Constant) else value for each in rows.inputs[:2]] if rows else []
    return bounds in ([None, -1], [0, -1], [1, None])


def _rows(value: Value) -> Data | None:
    if not isinstance(value, Data) or value.operation != "index" or len(value.inputs) < 2:
        return None
    key = value.inputs[1]
    if isinstance(key, Items) and key.items:
        key = key.items[0]
    key = uncopied(key) or key
    if isinstance(key, Data) and key.operation == "index":
        return None if picks_columns(key) else _rows(key)
    return key if isinstance(key, Data) and key.operation == "slice" else None


def picks_columns(key: Value | None) -> bool:
    """Whether the key picks columns of a frame, by their names: `frame[frame.columns[1:]]`."""
    return any(each.operation == "attribute" and each.name == "columns" for each in ancestors(key))


def is_other_data(first: Value, second: Value) -> bool:
    """Whether two values are certainly of two arrays, or of different rows of one; columns are not told apart."""
    roots = [list(wholes(each))[-1:] for each in (first, second)]
    if not all(root and isinstance(root[0], Data) and root[0].operation not in UNKNOWN for root in roots):
        return False
    if key_of(roots[0][0]) != key_of(roots[1][0]):
        return True
    rows = [_rows_taken(each) for each in (first, second)]
    return bool(rows[0]) and bool(rows[1]) and rows[0] != rows[1]


def _rows_taken(value: Value) -> tuple[Hashable, ...]:
    """Which rows of an array a value holds: by splits and by slices."""
    found: list[Hashable] = []
    for each in wholes(value):
        rows = _rows(each)
        if rows is not None:
            found.append(key_of(rows))
        elif isinstance(each, Data) and each.operation in ("train split", "test split"):
            found.append(each.operation)
    return tuple(found)


def is_of_batch(value: Value) -> bool:
    """Whether the data are one batch, or one element, of a loop over more."""
    return any(
        isinstance(each, Data) and each.operation in ("batch", "batch part", "element") for each in wholes(value)
    )


def is_reward(value: Data) -> bool:
    """Whether the data are returns or advantages of reinforcement learning: by name, or by what else the file does."""
    site = value.at
    function = getattr(site.function, "name", "") if isinstance(site, CodeSite) else ""
    names = " ".join([function, value.bound, *(label_of(each) for each in value.inputs[:1])])
    if REWARDS.search(names):
        return True
    return isinstance(site, CodeSite) and PLAYS.search(site.module.source.text) is not None
