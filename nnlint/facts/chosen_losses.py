"""Losses that a setting has chosen out of several: what is done to the prediction may have been chosen with them."""

from __future__ import annotations

from collections.abc import Iterable

from nnlint.events import LossComputed, OneOf, Run
from nnlint.static.objects import CodeSite
from nnlint.values import Data


def is_chosen_with(run: Run, loss: LossComputed, kinds: frozenset[str], ends: Iterable[Data]) -> bool:
    """Whether a call may compute this loss or another, not of these kinds or not known, and is given what the prediction ends in.

    What the chosen function itself does to the prediction is no part of the choice.
    """
    if loss.one_of is None:
        return False
    alike = [each for each in run.events(LossComputed) if each.one_of is loss.one_of and each.kind in kinds]
    return len(alike) < loss.one_of.count and not any(_is_inside(end, loss.one_of) for end in ends)


def _is_inside(data: Data, call: OneOf) -> bool:
    return any(isinstance(site, CodeSite) and site.node is call.node for site in data.calls)
