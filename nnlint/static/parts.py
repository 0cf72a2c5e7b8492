"""Parts of arrays and frames that code assigns to, one by one: columns of a frame, slices of an array."""

from __future__ import annotations

from nnlint.facts.identity import ALLOCATED, is_locator, key_of
from nnlint.static.machine import Machine
from nnlint.values import FILLED_KEY, Constant, Data, Items, Value, join

ANY_COLUMN = "<any column>"
LISTS = frozenset({"list", "iter", "enumerate", "progress", "sorted", "reversed"})


def store_part(machine: Machine, data: Data, key: Value, stored: Value) -> None:
    """`data[key] = stored`, for arrays and frames."""
    data, key = _column_by_locator(data, key)
    whole = data.inputs[0] if data.operation == "index" and data.inputs else None
    if isinstance(whole, Data) and whole.operation in ALLOCATED:
        _fill(machine, whole, stored)
    if isinstance(key, Constant) and key.value.__hash__:
        machine.write(data.parts, ("index", key.value), stored)
    elif isinstance(key, Items) and key.kind != "tuple":
        for name in key.items:
            if isinstance(name, Constant) and isinstance(name.value, str):
                machine.write(data.parts, ("index", name.value), Data("index", (stored, name)))
    elif isinstance(key, Items):
        machine.write(data.parts, ("slice", key_of(key)), stored)
    elif _runs_over_columns(machine, data, key):
        _store_every_column(machine, data, stored)
    else:
        _fill(machine, data, stored)


def _fill(machine: Machine, data: Data, stored: Value) -> None:
    before = data.parts.get(FILLED_KEY)
    machine.write(data.parts, FILLED_KEY, stored if before is None else join(before, stored))


def stored_part(data: Data, key: Value) -> Value | None:
    """What was assigned to that part of the data, or read from it before; None where nothing was."""
    if isinstance(key, Constant) and key.value.__hash__:
        found = data.parts.get(("index", key.value))
        if found is None and isinstance(key.value, str) and ANY_COLUMN in data.parts:
            return Data("index", (data.parts[ANY_COLUMN], key))
        return found
    return data.parts.get(("slice", key_of(key))) if isinstance(key, Items) and data.parts else None


def _column_by_locator(data: Data, key: Value) -> tuple[Data, Value]:
    """Of `frame.loc[:, name]`, the frame and the name."""
    frame = data.inputs[0] if is_locator(data) and data.inputs else None
    if isinstance(frame, Data) and isinstance(key, Items) and len(key.items) == 2:
        column = key.items[1]
        if isinstance(column, Items) or (isinstance(column, Constant) and isinstance(column.value, str)):
            return frame, column
    return data, key


def _runs_over_columns(machine: Machine, data: Data, key: Value) -> bool:
    """Whether the key is, in turn, the name of each column of the data: of all columns, not of some that were picked."""
    over = key.inputs[0] if isinstance(key, Data) and key.operation == "element" and key.inputs else None
    if not isinstance(over, Data) or over.operation != "attribute" or over.name != "columns":
        return False
    return over.inputs[0] is data and any(_draws_all(machine, each.loop.over, over) for each in machine.iterations)


def _draws_all(machine: Machine, drawn: Value | None, columns: Data) -> bool:
    """Whether a loop draws from the columns themselves, or from a list of them from which nothing was taken out."""
    while isinstance(drawn, Data) and drawn is not columns and drawn.operation in LISTS and drawn.inputs:
        if any(_takes_out(call, drawn) for call in machine.operations.get("method", ())):
            return False
        drawn = drawn.inputs[0]
    return drawn is columns


def _takes_out(call: Value, values: Data) -> bool:
    return isinstance(call, Data) and call.name in ("remove", "pop", "discard") and call.inputs[0] is values


def _store_every_column(machine: Machine, frame: Data, stored: Value) -> None:
    for part in list(frame.parts):
        if isinstance(part, tuple) and part[0] == "index" and isinstance(part[1], str):
            machine.write(frame.parts, part, Data("index", (stored, Constant(part[1]))))
    machine.write(frame.parts, ANY_COLUMN, stored)
