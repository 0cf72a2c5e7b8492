"""IPython's own syntax, turned into plain Python with the same number of lines."""

from __future__ import annotations

import ast
import re

from nnlint.lazy import regex
from nnlint.records import dataclass

BODY_KEPT = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun", "wandb", "notify", "debug", "heat"})
"""Cell magics that run their body as Python, in the notebook's own names."""
BODY_APART = frozenset({"python", "python2", "python3", "pypy", "writefile", "file", "cython", "script"})
"""Cell magics whose body may look like Python but does not run in the notebook's own names."""

LINE_RUNNING_CODE = regex(r"%(?:time|timeit|prun|memit|mprun)\b((?:\s+-\w+(?:\s+\d+)?)*)\s+(?=\S)")
MAGIC_LINE = regex(r"\s*(?:!|%%?[A-Za-z_]|\?{1,2}[%A-Za-z_]|\?{1,2}\s*$)")
HELP_LINE = regex(r"\s*(?:[\w.,\s]+=\s*)?%{0,2}[A-Za-z_][\w.\[\]'\"*]*\?{1,2}\s*(?:#.*)?$")
ASSIGNED_MAGIC = regex(r"(\s*[A-Za-z_][\w.,\s*\[\]'\"]*=\s*)(?:!|%[A-Za-z_])")
BARE_MAGIC = regex(
    r"\s*(?:pip|conda|mamba|cd|ls|ll|mkdir|rmdir|cp|mv|rm|cat|pwd|who|whos|load_ext|reload_ext|matplotlib|pylab|run|env)"
    r"(?:\s+(?!(?:=|\(|\[|:|in\b|is\b|and\b|or\b|not\b|if\b)).*)?$"
)
TOKEN = regex(
    r"""\#.*|[rRbBuUfF]{0,2}(?:\"{3}|'{3})|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[(\[{]|[)\]}]|\\$""",
)
CLOSING = {'"""': regex(r'(?:\\.|[^\\])*?"""'), "'''": regex(r"(?:\\.|[^\\])*?'''")}


@dataclass(frozen=True)
class _State:
    """What a line leaves open for the next one."""

    quote: str = ""
    depth: int = 0
    continued: bool = False

    @property
    def inside(self) -> bool:
        return bool(self.quote or self.depth or self.continued)


def plain_python(text: str) -> str:
    """The cell with magics, shell lines and help requests replaced by statements that do nothing; lines are kept."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if not line.startswith("%%"):
            break
        name = re.sub(r"\W.*", "", line[2:])
        if not _keeps_body(name, "\n".join(lines[number + 1 :])):
            return "\n" * (len(lines) - 1)
        lines[number] = ""
    return "\n".join(_plain_lines(_flush_left(lines)))


def _flush_left(lines: list[str]) -> list[str]:
    """The lines without the indentation of the first, as IPython runs them; a form feed, which ends it, keeps columns."""
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    if not indent:
        return lines
    return [f"{indent[:-1]}\f{line[len(indent) :]}" if line.startswith(indent) else line for line in lines]


def _keeps_body(magic: str, body: str) -> bool:
    if magic in BODY_KEPT or magic in BODY_APART:
        return magic in BODY_KEPT
    return parses(body)


def _plain_lines(lines: list[str]) -> list[str]:
    state = _State()
    plain: list[str] = []
    in_magic = False
    for line in lines:
        if in_magic:
            replaced: str | None = ""
        else:
            replaced = None if state.inside else _replacement(line)
        in_magic = replaced is not None and line.rstrip().endswith("\\")
        if replaced is None:
            state = _advance(line, state)
        plain.append(line if replaced is None else replaced)
    return plain


def _replacement(line: str) -> str | None:
    """The line without magic; None where it has none."""
    indent = line[: len(line) - len(line.lstrip())]
    timed = LINE_RUNNING_CODE.match(line.lstrip())
    if timed:
        start = len(indent) + timed.end()
        same_columns = "pass".ljust(timed.end() - 2) + "; " + line[start:]
        return indent + (same_columns if parses(same_columns) else "pass")
    if MAGIC_LINE.match(line) or HELP_LINE.match(line) or _is_bare_magic(line):
        return f"{indent}pass"
    assigned = ASSIGNED_MAGIC.match(line)
    return f"{assigned.group(1)}get_ipython()" if assigned else None


def _is_bare_magic(line: str) -> bool:
    return bool(BARE_MAGIC.match(line)) and not parses(line.strip())


def _advance(line: str, state: _State) -> _State:
    position, quote, depth = 0, state.quote, state.depth
    continued = False
    while position < len(line) or quote:
        if quote:
            closing = CLOSING[quote].match(line, position)
            if not closing:
                return _State(quote, depth)
            position, quote = closing.end(), ""
        token = TOKEN.search(line, position)
        if not token:
            break
        position, found = token.end(), token.group()
        continued = found == "\\"
        if found[-3:] in CLOSING and not found.startswith("#") and len(found) <= 5:
            quote = found[-3:]
        depth = max(0, depth + (found in "([{") - (found in ")]}"))
    return _State("", depth, continued)


def parses(text: str) -> bool:
    """Whether a text is plain Python for the parser that runs nnlint."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
