"""Text that does not parse as it stands, and what was meant by it, where no word of it has to be guessed.

Code that was copied out of a page, a terminal or a notebook is indented as a whole, has prompts, magics, or quotation marks of
a word processor; old code prints without parentheses. Lines are kept, and columns as far as they can be.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nnlint.lazy import regex
from nnlint.reading.magics import parses, plain_python

LONGEST = 200_000
"""Characters of a text that somebody may have pasted."""

ODD = str.maketrans(
    {
        "\N{NO-BREAK SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
        "\N{IDEOGRAPHIC SPACE}": " ",
        "\N{ZERO WIDTH SPACE}": " ",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{FULLWIDTH LEFT PARENTHESIS}": "(",
        "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
        "\N{FULLWIDTH COMMA}": ",",
        "\N{FULLWIDTH COLON}": ":",
    }
)
"""Characters that look like those of Python."""

PROMPT = regex(r"^(?:>>> ?|\.\.\. ?|In ?\[\d*\]: ?| {3,7}\.{3}: ?)", re.MULTILINE)
HAS_PROMPT = regex(r"^(?:>>> |In ?\[\d*\]: )", re.MULTILINE)
ANSWER = regex(r"^Out ?\[\d*\]:.*$", re.MULTILINE)
PRINTED = regex(
    r"""^(?P<before>[ \t]*(?:(?:if|else|elif|for|while|try|except|with)\b[^\n#'"]*:[ \t]*)?)
        print[ \t]+(?P<what>[^\s=(>].*|\([^\n]*)$""",
    re.MULTILINE | re.VERBOSE,
)
FIRST_WORD = regex(r"(?:import|from)\b|[A-Za-z_]\w*[ \t]*=[^=]")


def as_meant(text: str) -> str | None:
    """The text that was meant, of as many lines, where it parses; None where nothing that is known helps."""
    if len(text) > LONGEST:
        return None
    meant = text
    for step in STEPS:
        changed = step(meant)
        if changed != meant and parses(changed):
            return changed
        meant = changed
    return None


def _without_odd_characters(text: str) -> str:
    return text if text.isascii() else text.translate(ODD)


def _without_prompts(text: str) -> str:
    """The lines behind prompts; what was answered between them becomes empty."""
    if not HAS_PROMPT.search(text):
        return text
    return "\n".join(_said(line) for line in ANSWER.sub("", text).split("\n"))


def _said(line: str) -> str:
    prompt = PROMPT.match(line)
    return "" if prompt is None else f"{' ' * (prompt.end() - 1)}\f{line[prompt.end() :]}"


def _printing(text: str) -> str:
    """With parentheses around what Python 2 prints."""
    return PRINTED.sub(lambda found: f"{found['before']}print({_closed(found['what'])}", text)


def _closed(what: str) -> str:
    code, mark, comment = _parted(what)
    return f"{code.rstrip()}){' ' if mark else ''}{mark}{comment}"


def _parted(what: str) -> tuple[str, str, str]:
    """A line's code and its comment."""
    quote = ""
    for position, character in enumerate(what):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return what[:position], "#", what[position + 1 :]
    return what, "", ""


def _flush_below_first(text: str) -> str:
    """Without the indentation that all lines have but the first, which was copied from its first letter on."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    below = [line for line in lines[first + 1 :] if line.strip()]
    if not below or not FIRST_WORD.match(lines[first]):
        return text
    indent = min(len(line) - len(line.lstrip(" \t")) for line in below)
    start = below[0][:indent]
    if not indent or not all(line.startswith(start) for line in below):
        return text
    moved = [f"{start[:-1]}\f{line[indent:]}" if line.strip() else line for line in lines[first + 1 :]]
    return "\n".join([*lines[: first + 1], *moved])


STEPS: tuple[Callable[[str], str], ...] = (
    _without_odd_characters,
    _without_prompts,
    plain_python,
    _flush_below_first,
    _printing,
)
"""What is tried, one upon the other."""
