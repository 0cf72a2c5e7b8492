"""Which of several values that may be meant are called, and what a name of a value stands for where it is called."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.operations import METHODS
from nnlint.static.knowledge import dispatch as knowledge
from nnlint.static.objects import Bound, External
from nnlint.values import NONE, Constant, Data, Entries, Items, Layer, Optimizer, Value

MOST_CALLED = 2


def having(values: Sequence[Value], name: str) -> list[Value]:
    """The values that have a method: no None has, and a tuple none of a tensor's."""
    known = [each for each in values if each is not NONE]
    if name not in METHODS or any(hasattr(kind, name) for kind in (tuple, list, dict, set)):
        return known
    tensors = [each for each in known if not isinstance(each, (Items, Entries))]
    return tensors or known


def affordable(callees: Sequence[Value]) -> list[Value]:
    """All that costs nothing to call, and the first few whose source is at hand, which are followed."""
    followed, found = 0, []
    for callee in callees:
        followed += _is_followed(callee)
        if followed <= MOST_CALLED or not _is_followed(callee):
            found.append(callee)
    return found


def _is_followed(callee: Value) -> bool:
    owner = callee.receiver if isinstance(callee, Bound) else callee
    return not isinstance(owner, (Data, Layer, External, Constant, Optimizer))


def was_only_read(receiver: Data, name: str) -> bool:
    """Whether a method that is known by its name was looked at before, as in `print(model.parameters)`, and never set."""
    held = receiver.parts[name]
    is_read = isinstance(held, Data) and held.operation == "attribute" and held.inputs[:1] == (receiver,)
    return is_read and (name in knowledge.METHODS or name in METHODS)
