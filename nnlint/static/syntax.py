"""Text to tree. Python's own parser reads it: it takes a tenth of the time of libcst's, survives any nesting, and says well what
is wrong. libcst is asked only where that parser gives up, for syntax newer than the Python that runs nnlint."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from contextlib import suppress

from nnlint.finding import Place
from nnlint.records import dataclass

DEEPEST_NESTING = 60
LONGEST_IN_DOUBT = 500_000
"""Characters. libcst takes seconds for more of them, and what is so long was written by a program, which knows no new syntax."""


class Newer(Exception):
    """The text is valid in a newer Python than the one that runs nnlint."""


@dataclass(frozen=True)
class Unparsable(Exception):
    """The text does not parse: where (1-based line and column) and what the parser said."""

    line: int
    column: int
    message: str


@dataclass(frozen=True)
class SyntaxProblem:
    """A file that does not parse: where in the user's file the parser gave up, what it said, and whether it was read as meant."""

    place: Place
    message: str
    is_read: bool = False


class MeantModule(ast.Module):
    """The tree of what was meant by a text that does not parse, and that text."""

    text = ""


def meant(text: str) -> MeantModule | None:
    """The tree of what is meant by a text that does not parse, where that is clear."""
    from nnlint.reading.pasted import as_meant

    found = as_meant(text)
    if found is None:
        return None
    tree = MeantModule(parse(found).body, [])
    tree.text = found
    return tree


def parse(text: str) -> ast.Module:
    """The tree of a module. Raises Unparsable, or Newer for syntax that only a newer Python knows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        if _may_be_newer(error) and _is_newer(text):
            raise Newer from error
        raise Unparsable(error.lineno or 1, max(error.offset or 1, 1), error.msg or "invalid syntax") from error
    except (RecursionError, MemoryError) as error:
        raise Unparsable(*_longest_statement(text), "the code is nested too deeply for Python's parser") from error
    except ValueError as error:
        raise Unparsable(*_null_byte(text), str(error)) from error


def _longest_statement(text: str) -> tuple[int, int]:
    """Where the statement with the most operators and brackets starts: what is nested too deeply."""
    longest, found = 0, (1, 1)
    operators, start = 0, (1, 0)
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NEWLINE:
                operators, start = 0, (token.start[0] + 1, 0)
            elif token.type == tokenize.OP or token.string in ("not", "lambda", "if"):
                operators += 1
                start = start if operators > 1 else (token.start[0], len(token.line) - len(token.line.lstrip()))
            if operators > longest:
                longest, found = operators, (start[0], start[1] + 1)
    return found


def _null_byte(text: str) -> tuple[int, int]:
    before = text.partition("\0")[0]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _may_be_newer(error: SyntaxError) -> bool:
    """Whether the parser's complaint is one that syntax it has not learnt yet would cause."""
    newest_known = sys.version_info >= (3, 14)
    message = error.msg or ""
    return not newest_known and (message.startswith(("invalid syntax", "f-string", "expected ':'")) or "(" in message)


def _is_newer(text: str) -> bool:
    """Whether libcst, which knows the newest grammar, can read it. Not asked of deep nesting, on which its parser dies."""
    if (
        len(text) > LONGEST_IN_DOUBT
        or _nesting(text) > DEEPEST_NESTING
        or not re.search(r"except\s*\*|\btype\s|\[|f[\"']|t[\"']|match\s", text)
    ):
        return False
    import libcst

    try:
        libcst.parse_module(text)
    except Exception:
        return False
    return True


def _nesting(text: str) -> int:
    """How deeply brackets and operators may nest at the most: an upper bound read off the characters."""
    deepest = depth = 0
    for character in re.findall(r"[\[({\])}]", text):
        depth += 1 if character in "[({" else -1
        deepest = max(deepest, depth)
    longest = max((len(re.findall(r"[-+~.*/]|\bnot\b|\blambda\b", line)) for line in text.splitlines()), default=0)
    return max(deepest, longest // 4)
