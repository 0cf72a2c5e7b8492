"""What a state dictionary is taken apart into: its tensors are the live ones until something copies them."""

from __future__ import annotations

import ast

from nnlint.graph import STATE_TENSOR
from nnlint.static.arguments import Arguments
from nnlint.static.knowledge.common import escape, method
from nnlint.static.machine import Machine
from nnlint.values import Items, State, Value


@method("items", "values")
def _tensors(machine: Machine, receiver: Value, given: Arguments, node: ast.AST) -> Value | None:
    if not isinstance(receiver, State):
        return None
    name = getattr(getattr(node, "func", None), "attr", "items")
    escape(machine, (receiver,), name, node)
    tensor: Value = machine.data(STATE_TENSOR, (receiver,), node)
    pair = Items([machine.data("text", (), node), tensor], "tuple")
    return Items([tensor if name == "values" else pair], "list", open=True)
