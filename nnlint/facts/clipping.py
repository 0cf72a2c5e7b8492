"""Where gradients are clipped: what is in them at that moment, on every path, and which step they are clipped for."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterator
from functools import partial
from typing import NamedTuple

from nnlint.events import (
    Backward,
    Escaped,
    Event,
    GradientsCleared,
    GradientsClipped,
    GradientsUnscaled,
    OptimizerStepped,
    Run,
)
from nnlint.facts.gradients import Trained, is_stepped_as_one, parts_of, trained, trained_apart
from nnlint.lazy import regex
from nnlint.records import dataclass
from nnlint.static.objects import CodeSite, node_at
from nnlint.trace import Step, follow, select
from nnlint.values import Value

CLIP_EVENTS: tuple[type[Event], ...] = (
    Backward,
    Escaped,
    GradientsClipped,
    GradientsCleared,
    GradientsUnscaled,
    OptimizerStepped,
)
NO_BOUND = regex(r"\binf\b|1e\+?\d\d|max_norm=1e[6-9]", re.IGNORECASE)


class Filling(NamedTuple):
    """What is in the gradients on one path: "start", "unknown", "filled", "scaled" (filled, times a scale), "stepped" or
    "cleared"; and the last backward pass."""

    state: str
    backward: Backward | None = None


@dataclass(frozen=True)
class Clip:
    """A clip of what one optimizer trains, and what is in the gradients there on the paths that come to it."""

    event: GradientsClipped
    trained: Trained
    fillings: frozenset[Filling]

    @property
    def states(self) -> frozenset[str]:
        """What may be in the gradients."""
        return frozenset(each.state for each in self.fillings)


def clips(run: Run) -> tuple[Clip, ...]:
    """The clips of a run that certainly concern an optimizer; all passes of one clip together."""
    return run.remember("clips", run, _clips)


def is_bounded(clip: GradientsClipped) -> bool:
    """Whether the clip changes anything: with an infinite bound it only measures the norm."""
    node = clip.at.node if isinstance(clip.at, CodeSite) else None
    given = [*node.args[1:], *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
    return not any(NO_BOUND.search(ast.unparse(each)) for each in given)


def _clips(run: Run) -> tuple[Clip, ...]:
    if not any(run.events(GradientsClipped)):
        return ()
    block = select(run.trace, lambda event: isinstance(event, CLIP_EVENTS))
    is_only = len(trained(run)) == 1 or is_stepped_as_one(run)
    found: list[Clip] = []
    for each in trained_apart(run):
        if not any(_concerns(run, each, clip.target, is_only) for clip in run.events(GradientsClipped)):
            continue
        arriving: dict[GradientsClipped, set[Filling]] = {}
        concerning = select(block, partial(_may_matter, each, is_only))
        follow(concerning, Filling("start"), _protocol(run, each, is_only, arriving))
        found += _gathered(each, arriving)
    return tuple(found)


def _may_matter(each: Trained, is_only: bool, event: Event) -> bool:
    """Whether an event may concern what is in the gradients of an optimizer."""
    if isinstance(event, (GradientsClipped, GradientsUnscaled)):
        return True
    return bool(each.effect_of(event)) or (is_only and isinstance(event, OptimizerStepped))


def _gathered(each: Trained, arriving: dict[GradientsClipped, set[Filling]]) -> Iterator[Clip]:
    """One for each place: what is in the gradients in the first pass and in later ones."""
    by_place: dict[object, list[GradientsClipped]] = {}
    for event in arriving:
        node = node_at(event.at)
        by_place.setdefault(node, []).append(event)
    for events in by_place.values():
        yield Clip(events[0], each, frozenset().union(*(arriving[event] for event in events)))


def _protocol(run: Run, each: Trained, is_only: bool, arriving: dict[GradientsClipped, set[Filling]]) -> Step:
    def advance(before: Hashable, event: object) -> Hashable:
        filling = before if isinstance(before, Filling) else Filling("start")
        effect = each.effect_of(event) if isinstance(event, Event) else ""
        if isinstance(event, Backward) and effect:
            return Filling("filled" if event.scaler is None else "scaled", event)
        if isinstance(event, GradientsCleared) and effect:
            certain = each.is_cleared_by(event) or is_only
            return filling._replace(state="cleared" if certain and not event.replaced else "unknown")
        if isinstance(event, GradientsUnscaled) and filling.state == "scaled":
            return filling._replace(state="filled")
        if effect == "escapes":
            return filling._replace(state="unknown")
        if isinstance(event, GradientsClipped) and _concerns(run, each, event.target, is_only):
            arriving.setdefault(event, set()).add(filling)
        if isinstance(event, OptimizerStepped) and (is_only or effect):
            return filling._replace(state="stepped")
        return filling

    return advance


def _concerns(run: Run, each: Trained, target: Value, is_only: bool) -> bool:
    """Whether a clip concerns what the optimizer trains: its parameters, or those of the only optimizer there is."""
    clipped = run.remember("parts", target, parts_of)
    if each.parts is None or clipped is None:
        return is_only
    return bool(each.parts & clipped)
