"""Which part of the data a name tells of: what a network learns from, or what it is only asked about. One table for all."""

from __future__ import annotations

import re

from nnlint.facts.identity import words_of
from nnlint.lazy import regex

TEST = frozenset("test testing tst te".split())
VALIDATION = frozenset("val vali valid validate validation dev devel".split())
HELD_OUT = TEST | VALIDATION | frozenset("eval evaluation holdout heldout hold held unseen".split())
TRAINING = frozenset("train training trn tr".split())

JOINED = regex(
    r"^([xy])?(test|testing|tst|te|val|vali|valid|validation|dev|devel|eval|holdout|heldout|train|training|trn|tr)"
    r"(set|sets|loader|loaders|data|dataset|dl|ds|iter|iterator|dataloader|(?<!te)(?<!tr)[xy])?$"
)
"""Words that are written together: `xtest`, `testloader`."""

PREFIXED = regex(r"^(train|test|val|valid|dev)([a-z]\w*)$")
"""Whatever is called one part or the other: `traindata`, and `value`, too. For names of which another is the counterpart."""

ABBREVIATED = regex(r"^(v|va|te|ts|tst)_?(l|dl|ld|loader|iter)s?$", re.I)
"""Short names of loaders of held-out data: `vl`, `v_loader`, `tst_dl`; a `tl` may be of either."""


def parts_named(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, also those that are written together: `testloader` and `xtest` have two each."""
    found: list[str] = []
    for word in words_of(name):
        match = JOINED.match(word)
        found.extend(part for part in match.groups() if part) if match else found.append(word)
    return tuple(found)


def is_held_out_name(name: str) -> bool:
    """Whether a name says that the data are held out, and not that they are of both parts: `X_te`, `tst_loader`, `valset`."""
    words = set(parts_named(name))
    return not words.isdisjoint(HELD_OUT) and words.isdisjoint(TRAINING)
