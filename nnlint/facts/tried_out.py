"""Layers that are made to be looked at, not to be trained."""

from __future__ import annotations

from nnlint.events import Run
from nnlint.facts.differentiated import differentiated
from nnlint.facts.layers import is_only_shown
from nnlint.operations import WEIGHTED
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Site


def is_tried_out(run: Run, data: Data, place: Site) -> bool:
    """Whether the layer is made at the top level of a file, and no backward pass of the run goes through it."""
    if is_only_shown(run, place):
        return True
    at_top = isinstance(place, CodeSite) and place.function is None
    return at_top and data.layer is not None and id(data.layer) not in run.remember("trained layers", run, _trained)


def _trained(run: Run) -> frozenset[int]:
    """The identities of the layers that backward passes go through, in whichever call."""
    through = differentiated(run)
    made = (each for operation in WEIGHTED for each in run.operations.get(operation, ()) if isinstance(each, Data))
    return frozenset(id(each.layer) for each in made if each.layer is not None and id(each) in through)
