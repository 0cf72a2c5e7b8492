"""What to say about a file that does not parse: the parser's words, and what lies behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nnlint.finding import Finding, Place
from nnlint.lazy import regex
from nnlint.program import SYNTAX_ERROR

CONFLICT_MARKER = regex(r"(?:<{7}|>{7})(?: |$)|(?:={7}|\|{7})(?: |$)")
CONFLICT_OPENS = regex(r"<{7}(?: |$)")
CONFLICT_CLOSES = regex(r">{7}(?: |$)")

PYTHON_2 = regex(
    r"""^\s*print\s+[^\s(=.,\[]          # print "loss", loss
      | ^\s*print\s*>>                   # print >>sys.stderr
      | ^\s*exec\s+["'\w]                # exec "code"
      | ^\s*except\s+[\w.()]+[^:]*,\s*\w+\s*:   # except ValueError, error:
      | ^\s*raise\s+\w+\s*,              # raise ValueError, "reason"
      | ^\s*def\s+\w+\s*\((?:[^()=]*,)?\s*\(   # def move(start, (x, y)):
      | \blambda\s*(?:[\w\s,]*,\s*)?\([\w\s,]*\)\s*:   # lambda (x, y): x
      | \b\d+[lL]\b | <> | \bur["']
      """,
    re.VERBOSE,
)
PYTHON_2_SAYINGS = (
    "Missing parentheses in call to 'print'",
    "Missing parentheses in call to 'exec'",
    "multiple exception types must be parenthesized",
    "leading zeros in decimal integer literals",
)
NAMED_ASYNC = regex(r"\basync\b(?!\s+(?:def|for|with)\b)")
"""`async` as a name, as in `tensor.cuda(async=True)`, which torch has called `non_blocking` since 0.4."""

NOTEBOOK_LINE = regex(r"^\s*(?:(?:\w+\s*=\s*)?[%!]{1,2}[A-Za-z]|[\w.]+\?{1,2}\s*$)")

LONGEST_LINE = 500
"""What is longer was not written by hand, and would keep the patterns busy."""

HELP = (
    ("was never closed", "close the bracket"),
    ("unmatched", "remove the bracket, or open it before"),
    ("expected an indented block", "indent the body below this line, or write `pass` there"),
    ("unexpected indent", "align the line with the lines around it"),
    ("unindent does not match", "align the line with one of the blocks above it"),
    ("inconsistent use of tabs", "indent with spaces only"),
    ("unterminated", "close the string"),
    ("expected ':'", "end the line with a colon"),
    ("nested", "split the expression into several statements"),
)
"""What helps, by what the parser said."""


def syntax_finding(place: Place, said: str, lines: Sequence[str], help: str = "", is_read: bool = False) -> Finding:
    """The NN901 finding for a place where parsing stopped, `said` by the parser, in a file of these lines.

    `is_read` where the file was checked all the same, because it is clear what was meant.
    """
    what = "the cell" if place.cell else "the file"
    reason, advice = _behind(said, place, lines)
    return Finding(
        SYNTAX_ERROR.code,
        SYNTAX_ERROR.name,
        SYNTAX_ERROR.severity,
        f"{what} does not parse: {reason}; {'it was checked as it is meant' if is_read else 'nothing else in it was checked'}",
        place,
        label="parsing stops here",
        help=help or advice,
        url=SYNTAX_ERROR.url,
    )


def _behind(said: str, place: Place, lines: Sequence[str]) -> tuple[str, str]:
    """The reason and the help."""
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    conflict = conflict_in(lines)
    if conflict:
        return f"an unresolved merge conflict begins at line {conflict}", "resolve the conflict and remove its markers"
    if CONFLICT_MARKER.match(line) and any(CONFLICT_OPENS.match(each) or CONFLICT_CLOSES.match(each) for each in lines):
        return (
            f"there is a piece of an unresolved merge conflict at line {place.line}",
            "remove the rest of the conflict",
        )
    start = line[:LONGEST_LINE]
    if said.startswith(PYTHON_2_SAYINGS) or PYTHON_2.search(start) or line[place.column - 1 : place.column] == "`":
        return "this is Python 2, and nnlint reads Python 3", "convert the file to Python 3"
    if said.startswith("invalid syntax") and NAMED_ASYNC.search(start):
        return "`async` is a keyword since Python 3.7", "write `non_blocking=`, or choose another name"
    if place.cell is None and NOTEBOOK_LINE.match(start):
        return "this line belongs into a notebook", "remove it, or give nnlint the notebook (.ipynb)"
    return _plain(said), next((help for words, help in HELP if words in said), "")


def conflict_in(lines: Sequence[str]) -> int:
    """The line at which a merge conflict begins; 0 where there is none. A line of equals signs alone is no conflict."""
    if not any(CONFLICT_CLOSES.match(line) for line in lines):
        return 0
    return next((number for number, line in enumerate(lines, 1) if CONFLICT_OPENS.match(line)), 0)


def _plain(said: str) -> str:
    text = said.split(" (<unknown>")[0].strip().rstrip(".") or "invalid syntax"
    return text[0].lower() + text[1:]
