"""Which rules are asked: codes, prefixes and names, resolved against the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nnlint.catalogue import all_rules, unloadable
from nnlint.rule import Rule

EXACT_LENGTH = 99
MOST_NAMED = 20
"""Codes, that one line can name."""


class UnknownSelectorError(Exception):
    """A code or name that no rule has; the message names the nearest known one."""


def find_rule(text: str) -> Rule:
    """The rule of that code or name. Raises UnknownSelectorError."""
    for rule in all_rules():
        if _names(text, rule):
            return rule
    codes = [rule.code for rule in all_rules() if _match_length(text, rule)]
    if codes:
        shown = "--list-rules shows them" if len(codes) > MOST_NAMED else ", ".join(codes)
        raise UnknownSelectorError(f"{text!r} is no rule but the beginning of {len(codes)} codes: {shown}")
    raise UnknownSelectorError(_unknown(text))


def check_selectors(selectors: Iterable[str]) -> None:
    """Raises UnknownSelectorError for the first one that means no rule at all, unless a rule that cannot be loaded may be
    meant: the run fails on that one anyway, and says so."""
    if unloadable():
        return
    for text in selectors:
        if not any(_match_length(text, rule) for rule in all_rules()):
            raise UnknownSelectorError(_unknown(text))


def matches(selectors: Iterable[str], rule: Rule) -> bool:
    """Whether any of the codes, prefixes and names means the rule."""
    return any(_match_length(text, rule) for text in selectors)


def select_rules(select: Sequence[str] | None, extend_select: Sequence[str], ignore: Sequence[str]) -> tuple[Rule, ...]:
    """The rules to ask, by code.

    Where selected and ignored meet, the longer (more exact) selector wins, and of two alike the ignored one. A rule
    that is off by default is on only where its own code or name is selected. A file that does not parse is told in any
    case, unless NN901 is ignored.
    """
    chosen = [*(select or ()), *extend_select]
    return tuple(rule for rule in all_rules() if _is_selected(rule, select is None, chosen, ignore))


def _is_selected(rule: Rule, defaults: bool, chosen: Sequence[str], ignore: Sequence[str]) -> bool:
    lengths = [_match_length(text, rule) for text in chosen if rule.default or _names(text, rule)]
    if rule.default and (defaults or rule.code == "NN901"):
        lengths.append(1)
    return max(lengths, default=0) > max((_match_length(text, rule) for text in ignore), default=0)


def _match_length(text: str, rule: Rule) -> int:
    """0 where the selector does not mean the rule."""
    if _names(text, rule):
        return EXACT_LENGTH
    is_prefix = re.fullmatch(r"NN[0-9]{0,2}", text.upper()) and rule.code.startswith(text.upper())
    return len(text) if is_prefix else 0


def _names(text: str, rule: Rule) -> bool:
    return text.upper() == rule.code or text.lower() == rule.name


def _unknown(text: str) -> str:
    import difflib  # a mistake is rare, and the module large

    is_code = text.upper().startswith("NN")
    wanted = text.upper() if is_code else text.lower()
    known = [name for rule in all_rules() for name in (rule.code, rule.name)]
    same_topic = [name for name in known if is_code and name.startswith(wanted[:3])]
    nearest = difflib.get_close_matches(wanted, same_topic or known, n=1, cutoff=0.5)
    return f"no rule is called {text!r}" + (f"; did you mean {nearest[0]}?" if nearest else "")
