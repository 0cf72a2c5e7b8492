"""numpy, pandas and scikit-learn: how data are read, split and scaled."""

from __future__ import annotations

import ast
import re

from nnlint.lazy import regex
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import external, is_network_like, method
from nnlint.static.machine import Machine
from nnlint.static.objects import Function
from nnlint.values import NONE, RESHAPED_KEY, TRUE, Constant, Data, Items, Value

SCALERS = frozenset(
    "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer PowerTransformer QuantileTransformer".split()
)
FITTED = "<fitted on>"


def make(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value | None:
    """What a class or function of scikit-learn makes: a scaler, or the parts of a split."""
    last = name.rpartition(".")[2]
    if last in SCALERS:
        return machine.data("scaler", (), node, name=last, options=dict(given.keywords))
    if last == "train_test_split":
        parts: list[Value] = []
        sizes = {
            name: given.keywords[name]
            for name in ("test_size", "train_size", "shuffle", "random_state")
            if name in given.keywords
        }
        for value in given.positional:
            for part in ("train split", "test split"):
                parts.append(machine.data(part, (value,), node, name=last, options=dict(sizes)))
        return Items(parts, "list")
    return _shuffled(machine, given, node) if name == "sklearn.utils.shuffle" and given.positional else None


def _shuffled(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    """Arrays in one random order, as `sklearn.utils.shuffle` gives them: one as it is, several as a list."""
    state = given.keywords.get("random_state", NONE)
    order = machine.data("randperm", (), node, name="shuffle", options={} if state is NONE else {"generator": state})
    parts: list[Value] = [machine.data("index", (value, order), node) for value in given.positional]
    return parts[0] if len(parts) == 1 else Items(parts, "list")


ENCODER = regex(r"(?:Encoder|Binarizer|Vectorizer)$")
"""Classes of scikit-learn that learn words or classes, whatever a project calls their objects."""


def _is_scaler(value: Value) -> bool:
    if not isinstance(value, Data) or (value.operation == "call" and ENCODER.search(value.name)):
        return False
    return value.operation == "scaler" or bool(re.search("scaler|normalizer", f"{value.bound} {value.name}", re.I))


@method("fit", "partial_fit")
def _fit(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data) or not _is_scaler(receiver) or not given.positional:
        return None
    machine.write(receiver.parts, FITTED, given.positional[0])
    machine.data("fitted", (given.positional[0], receiver), node)
    return receiver


@method("fit_transform")
def _fit_transform(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data) or not _is_scaler(receiver) or not given.positional:
        return None
    machine.write(receiver.parts, FITTED, given.positional[0])
    machine.data("fitted", (given.positional[0], receiver), node)
    return _scaled(machine, "scaled", receiver, given, node)


@method("transform")
def _transform(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data) or not _is_scaler(receiver) or not given.positional:
        return None
    return _scaled(machine, "scaled", receiver, given, node)


@method("inverse_transform")
def _inverse_transform(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, Data) or not _is_scaler(receiver) or not given.positional:
        return None
    return _scaled(machine, "unscaled", receiver, given, node)


def _scaled(machine: Machine, operation: str, scaler: Data, given: Arguments, node: ast.AST) -> Data:
    """Data scaled by a scaler: its inputs are the data, the scaler, and what the scaler was fitted on at that time."""
    fitted = scaler.parts.get(FITTED)
    inputs = (given.positional[0], scaler) if fitted is None else (given.positional[0], scaler, fitted)
    return machine.data(operation, inputs, node, name=scaler.name)


@external("sklearn.preprocessing.scale", "sklearn.preprocessing.minmax_scale", "sklearn.preprocessing.maxabs_scale")
def _scale_function(machine: Machine, name: str, given: Arguments, node: ast.AST) -> Value:
    scaler = machine.data("scaler", (), node, name=name.rpartition(".")[2])
    if not given.positional:
        return scaler
    scaler.parts[FITTED] = given.positional[0]
    return _scaled(machine, "scaled", scaler, given, node)


@method("resize", "resize_", "resize_as_", "squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "as_strided_")
def _reshape_in_place(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if isinstance(receiver, Data):
        machine.write(receiver.parts, RESHAPED_KEY, TRUE)
    return None


@method("tolist")
def _as_list(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """numpy computes on a list of tensors one by one, and its list is of tensors again: `np.multiply(gains, logs).tolist()`."""
    if isinstance(receiver, Data) and any(isinstance(each, Items) for each in receiver.inputs):
        return machine.data("list", (receiver,), node)
    return None


@method("apply", "applymap")
def _apply(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    """pandas calls the function with every column of a frame, or every element of a column: with its data, either way."""
    function = given.get(0, "func")
    rows = given.get(1, "axis")
    if not isinstance(receiver, Data) or not isinstance(function, Function) or is_network_like(receiver):
        return None
    if isinstance(rows, Constant) and rows.value in (1, "columns"):
        return None
    return machine.call(function, Arguments([receiver]), node)
