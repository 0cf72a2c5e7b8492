"""The words of what is assigned at a place in the code: by them, an optimizer is known to be meant for a network."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nnlint.lazy import regex
from nnlint.static.objects import CodeSite

WORD = regex(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
OPTIMIZER_WORDS = frozenset("self opt optim optimizer optimiser solver adam sgd net network model".split())
"""Words of an optimizer's or a network's name that do not tell which one it is."""


def words_of_target(site: object) -> frozenset[str]:
    """The words, and the first letters, of what is assigned at a place, but for those that every optimizer or network has."""
    names = [each.attr if isinstance(each, ast.Attribute) else each.id for each in _targets(site)]
    words = {word.lower() for name in names for word in WORD.findall(name)} - OPTIMIZER_WORDS
    return frozenset(words | {word[0] for word in words})


def _targets(site: object) -> Iterator[ast.Attribute | ast.Name]:
    statement = site.statement if isinstance(site, CodeSite) else None
    if not isinstance(site, CodeSite) or not isinstance(statement, ast.Assign):
        return
    for target in statement.targets:
        if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
            pairs = zip(target.elts, statement.value.elts, strict=False)
            made = [name for name, value in pairs if any(each is site.node for each in ast.walk(value))]
            yield from (each for each in made if isinstance(each, (ast.Attribute, ast.Name)))
        elif isinstance(target, (ast.Attribute, ast.Name)):
            yield target
