"""Text that is put together from known parts: names of layers, keys of tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from nnlint.lazy import regex
from nnlint.values import Constant, Site, Value

LONGEST = 200
PLAIN = (str, int, float)
PERCENT = regex(r"%(?:%|0?\d?[sdi])")
BRACES = regex(r"\{\{|\}\}|\{(\w*)\}")
CASES: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "strip": str.strip,
    "title": str.title,
    "capitalize": str.capitalize,
}


def known_text(pieces: Sequence[Value | str], at: Site | None) -> Constant | None:
    """The pieces one after the other, as an f-string has them; None where one is not known."""
    held = [piece for piece in pieces if not isinstance(piece, str)]
    if not all(isinstance(piece, Constant) and isinstance(piece.value, PLAIN) for piece in held):
        return None
    text = "".join(piece if isinstance(piece, str) else str(_plain(piece)) for piece in pieces)
    return _made(text, held, at)


def percent(pattern: Constant, values: Sequence[Value], at: Site | None) -> Constant | None:
    """`pattern % values`, for plain patterns."""
    if not isinstance(pattern.value, str) or PERCENT.sub("", pattern.value).count("%") or not _all_plain(values):
        return None
    try:
        return _made(pattern.value % tuple(_plain(each) for each in values), [pattern, *values], at)
    except (TypeError, ValueError):
        return None


def braces(pattern: Constant, values: Sequence[Value], named: Mapping[str, Value], at: Site | None) -> Constant | None:
    """`pattern.format(...)`, for plain patterns."""
    text = pattern.value
    if (
        not isinstance(text, str)
        or re.search(r"[{}]", BRACES.sub("", text))
        or not _all_plain([*values, *named.values()])
    ):
        return None
    try:
        made = text.format(*map(_plain, values), **{name: _plain(each) for name, each in named.items()})
    except (LookupError, TypeError, ValueError):
        return None
    return _made(made, [pattern, *values, *named.values()], at)


def cased(name: str, text: Constant, at: Site | None) -> Constant | None:
    """`text.lower()` and the like."""
    change = CASES.get(name)
    return None if change is None or not isinstance(text.value, str) else _made(change(text.value), [text], at)


def _all_plain(values: Sequence[Value]) -> bool:
    return all(isinstance(each, Constant) and isinstance(each.value, PLAIN) for each in values)


def _plain(value: Value) -> object:
    return value.value if isinstance(value, Constant) else None


def _made(text: str, parts: Sequence[Value], at: Site | None) -> Constant | None:
    if len(text) > LONGEST:
        return None
    return Constant(text, at, any(isinstance(part, Constant) and part.overridable for part in parts))
