"""Networks with a flagged layer that the script never calls: put together and called once at the end of a run, for their wiring.

A notebook writes a network down twice and trains one of them; a script fails for want of its data before it makes any. Which
layer feeds which can be seen all the same. What the numbers are cannot: the inputs are noise, and the weights untrained.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child.experiments import affine_twice
from nnlint.verify.child.harness.probing import BATCH, fitted
from nnlint.verify.child.harness.roles import Cast
from nnlint.verify.child.places import Spot
from nnlint.verify.child.recorder import Recorder

MOST = 4
"""So many networks are put together."""


def call_uncalled(recorder: Recorder, spots: Iterable[Spot], has_time: Callable[[], bool]) -> None:
    """Tell of the layers of user's networks in whose text these lines stand, where an affine one feeds them.

    That none does is not told: the script might have made the network otherwise.
    """
    classes = dict.fromkeys(cls for spot in spots for cls in _classes_at(recorder, spot))
    for cls in list(classes)[:MOST]:
        if not has_time():
            return
        try:
            _call(recorder, cls)
        except Exception:  # it needs what nobody knows
            continue


def _call(recorder: Recorder, cls: type[nn.Module]) -> None:
    positional, named = Cast([], frozenset()).arguments(cls)
    if not _has_one_wiring(cls, [*positional, *named.values()]):
        return
    model = cls(*positional, **named)
    with recorder.pause():
        fit = fitted(model)
    if fit is None:
        return
    inputs = fit.inputs(BATCH, torch.Generator().manual_seed(0))
    found = affine_twice(recorder, model, (inputs, *[inputs if each is Tensor else each for each in fit.further]))
    if found:
        recorder.send({"kind": "StoodIn", "words": {"what": f"a call of the network {cls.__name__}"}})
    for spot in found:
        record = {"kind": "LayerApplied", "calls": [spot], "numbers": {"after_affine": 1.0}, "subject_at": list(spot)}
        recorder.send({**record, "subject": 0, "words": {"does": ""}})


def _has_one_wiring(cls: type[nn.Module], given: list[Any]) -> bool:
    """Whether a network is made with sizes alone, of which its wiring does not depend as it may on a switch or a function."""
    parameters = list(inspect.signature(cls).parameters.values())
    defaults = [each.default for each in parameters if each.default is not each.empty]
    plain = all(type(each) in (int, float) for each in (*given, *defaults))
    return plain and not any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters)


def _classes_at(recorder: Recorder, spot: Spot) -> Iterator[type[nn.Module]]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and file and recorder.places.of_file(file) == spot.path:
            held = [
                each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__
            ]
            yield from (cls for cls in held if issubclass(cls, nn.Module) and _spans(cls, spot.line))


def _spans(cls: type[Any], line: int) -> bool:
    """Whether a line stands in a method of a class."""
    codes = [each.__code__ for each in vars(cls).values() if inspect.isfunction(each)]
    return any(code.co_firstlineno <= line <= _last_line(code) for code in codes)


def _last_line(code: Any) -> int:
    return max((line for _, _, line in code.co_lines() if line), default=0)
