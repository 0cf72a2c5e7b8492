"""Losses of regression that a script writes by hand, `((model(x) - target) ** 2).mean()`: which target belongs to a call.

A difference between what a network has just given and a target is noted in the graph behind it. When a loss is differentiated,
the graph is followed from it back over means, sums and factors to a square, a size or a norm, and on to such a difference. What
is not clear is left out: a target that may come from a network (another one was called in between), masks and weights, parts of
an output, functions that tell too high from too low.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nnlint.verify.child import measures, numbers_of
from nnlint.verify.child.recorder import Call, Recorder

LOSS = "by hand"
"""What these losses are called, beside those of torch."""

MOST_NODES = 400

NOTE = "nnlint: the target and the call"

SUBTRACTIONS = ((Tensor, "__sub__"), (Tensor, "sub"), (Tensor, "subtract"), (torch, "sub"), (torch, "subtract"))

RESHAPED = frozenset(
    ("Clone", "Permute", "Reshape", "Squeeze", "T", "ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View")
)
REDUCED = frozenset(("Add", "Mean", "Nansum", "Sqrt", "Stack", "Sum"))
"""What may be done with the sizes of errors, so that each counts, and counts alike; errors themselves may cancel in it."""

SCALED = {"Mul": ("_saved_self", "_saved_other"), "Div": ("_saved_other",)}
"""What may be done with a single number, and where torch keeps that number."""

SIZES = frozenset(("Abs", "LinalgVectorNorm", "Norm"))

Compared = tuple[Tensor, Call]
"""A target, and the call whose output was compared with it."""


class Differences:
    """Notes the differences between outputs and targets, and hands on those that a loss is made of."""

    def __init__(self, recorder: Recorder, keep: Callable[[str, Tensor, Call], None]) -> None:
        self.recorder = recorder
        self.keep = keep
        self.latest: Call | None = None
        self.calls = 0
        self.is_noted = False

    def install(self) -> None:
        """Put the hooks in place."""
        for owner, name in SUBTRACTIONS:
            self.recorder.wrap(owner, name, self._subtracted)
        self.recorder.on_call.append(self._called)
        self.recorder.on_backward.append(self._differentiated)

    def _called(self) -> None:
        """Count the networks that are called; what has no weights only changes how data look."""
        call = self.recorder.last_call
        if call is None or call is self.latest:
            return
        self.latest = call
        self.calls = 0 if self.is_noted else self.calls
        self.is_noted = False
        self.calls += next(call[0].parameters(), None) is not None

    def _subtracted(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        call = self.recorder.last_call
        if call is not None and self.calls == 1 and len(arguments) == 2 and not keywords:
            with self.recorder.pause():
                target = _target(*arguments, call[3])
                if target is not None and result.grad_fn is not None:
                    result.grad_fn.metadata[NOTE] = target, call
                    self.is_noted = True
        return result

    def _differentiated(self, roots: Any) -> None:
        self.calls = 0
        for root in [roots] if isinstance(roots, Tensor) else list(roots or ()):
            for target, call in _compared_in(getattr(root, "grad_fn", None)):
                self.keep(LOSS, target, call)


def _target(left: Any, right: Any, output: Any) -> Tensor | None:
    """The one of two operands that the other, a network's whole output, can be compared with number by number."""
    if not isinstance(left, Tensor) or not isinstance(right, Tensor) or left.requires_grad == right.requires_grad:
        return None
    prediction, target = (left, right) if left.requires_grad else (right, left)
    size = target.numel()
    if prediction.numel() != size or not size or target.is_complex():
        return None
    fitting = next((each for each in measures.tensors_in(output) if each.numel() == size), None)
    if fitting is None or not numbers_of.is_part(prediction, fitting):
        return None
    in_order = prediction is fitting or (prediction.is_contiguous() and fitting.is_contiguous())
    return target if in_order else None


def _compared_in(root: Any) -> list[Compared]:
    """The differences that a loss is made of; none where parts of its graph are freed."""
    found: list[Compared] = []
    pending, seen = [(root, False)], 0
    try:
        while pending and seen < MOST_NODES:
            node, is_size = pending.pop()
            seen += 1
            if is_size and NOTE in node.metadata:
                found.append(node.metadata.pop(NOTE))
            elif node is not None:
                pending += _behind(node, is_size)
    except RuntimeError:
        return []
    return found[::-1]


def _behind(node: Any, is_size: bool) -> list[tuple[Any, bool]]:
    """What a node was computed from, where that may be errors or, if it is not a `size` itself yet, sizes of errors."""
    name = _name(node)
    behind = [each for each, _ in node.next_functions if each is not None]
    if name in RESHAPED or (name in REDUCED and not is_size):
        return [(each, is_size) for each in behind]
    if name in SCALED and len(behind) == 1 and _is_by_a_number(node, SCALED[name]):
        return [(behind[0], is_size)]
    if name in SIZES or (name == "Pow" and len(behind) == 1 and _exponent(node) % 2 == 0):
        return [(each, True) for each in behind]
    if name in ("Mul", "Dot") and len(behind) == 2:
        first, second = map(_noted, behind)
        return [(behind[0], True)] if first is not None and first is second else []
    return []


def _name(node: Any) -> str:
    """The name of the operation that a node is the derivative of."""
    return str(node.name()).partition("Backward")[0]


def _exponent(node: Any) -> float:
    exponent = node._saved_exponent
    return float(exponent) if isinstance(exponent, (int, float)) or exponent.numel() == 1 else 1.0


def _is_by_a_number(node: Any, places: tuple[str, ...]) -> bool:
    kept = [getattr(node, place, None) for place in places]
    return all(each.numel() == 1 for each in kept if isinstance(each, Tensor))


def _noted(node: Any) -> Tensor | None:
    """The target of the difference that a node gives, perhaps in another shape."""
    while node is not None and NOTE not in node.metadata:
        node = node.next_functions[0][0] if _name(node) in RESHAPED else None
    return None if node is None else node.metadata[NOTE][0]
