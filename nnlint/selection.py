"""Which rules are asked: codes, prefixes and names, resolved against the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nnlint.catalogue import all_rules, unloadable
from nnlint.rule import Rule

EXACT_LENGTH = 99
NEAR = 0.7
"""How alike a name must be to be suggested, as difflib counts."""
DIGITS = str.maketrans("OILSBZ", "011582")
"""The letters that are taken for digits."""
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

    if text.upper().startswith("NN"):
        written, known = text.upper(), [rule.code for rule in all_rules()]
        near = _near_codes(written)
    else:
        written, known = text.lower(), [rule.name for rule in all_rules()]
        near = difflib.get_close_matches(written, known, n=1, cutoff=NEAR)
    if near:
        return f"no rule is called {text!r}; did you mean {near[0]}?"
    nearest = difflib.get_close_matches(written, known, n=1, cutoff=0) if text.strip() else []
    return f"no rule is called {text!r}" + (f"; the nearest is {nearest[0]}" if nearest else "")


def _near_codes(text: str) -> list[str]:
    """The codes that may be meant, the nearest first: one whose digits were typed as letters, else those one key away."""
    codes = [rule.code for rule in all_rules()]
    meant = "NN" + text[2:].translate(DIGITS)
    if meant in codes:
        return [meant]
    near = [code for code in codes if _is_one_key_away(meant, code)]
    number = int(meant[2:]) if meant[2:].isdecimal() else 0
    return sorted(near, key=lambda code: abs(int(code[2:]) - number))


def _is_one_key_away(text: str, code: str) -> bool:
    """Whether one character is another one, missing or too many, or two are swapped."""
    if len(text) == len(code):
        places = [place for place, pair in enumerate(zip(text, code, strict=True)) if pair[0] != pair[1]]
        swapped = len(places) == 2 and [text[place] for place in places] == [code[place] for place in places[::-1]]
        return len(places) == 1 or swapped
    shorter, longer = sorted((text, code), key=len)
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))
