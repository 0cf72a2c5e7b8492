"""NN902: a comment that silences nothing, and how to take out no more than what is unused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from nnlint.catalogue import all_rules
from nnlint.finding import Applicability, Edit, Finding, Fix, Place
from nnlint.lazy import regex
from nnlint.program import UNUSED_SUPPRESSION
from nnlint.rule import Rule
from nnlint.silencing.suppressions import Directive, Suppressions, means
from nnlint.source import Source

CODE = regex(r"NN[0-9]{3}", re.IGNORECASE)


def unused_suppressions(suppressions: Suppressions, judged: Sequence[Rule], all_defaults: bool) -> list[Finding]:
    """The NN902 findings of one source, to be asked for after its findings went through `suppressions`.

    Only codes of the `judged` rules, and codes that no rule has, can be unused; a comment without codes is judged only
    where all the default rules were (`all_defaults`), and a bare `noqa` never, as it may speak to other tools.
    """
    source = suppressions.source
    may_be_unused = cache(
        lambda code, is_noqa: _is_judged(code, is_noqa, judged)
    )  # few codes stand in thousands of comments
    found = (_unused(source, directive, may_be_unused, all_defaults) for directive in suppressions.directives)
    return suppressions.unsilenced([finding for finding in found if finding])


def _unused(
    source: Source, directive: Directive, may_be_unused: Callable[[str, bool], bool], all_defaults: bool
) -> Finding | None:
    if directive.malformed:
        return _malformed(source, directive)
    if directive.codes is None:
        is_judged = all_defaults and not directive.is_noqa and not directive.used
        return _finding(source, directive, "this comment silences nothing", ()) if is_judged else None
    listed = (code for code in _each_once(directive.codes) if code not in directive.used)
    unused = [code for code in listed if may_be_unused(code, directive.is_noqa)]
    if not unused:
        return None
    kept = tuple(code for code in _each_once(directive.codes) if code not in unused)
    return _finding(source, directive, f"this comment silences nothing: {_reason(unused)}", kept)


def _each_once(codes: Sequence[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(codes))


def _is_judged(code: str, is_noqa: bool, judged: Sequence[Rule]) -> bool:
    meant = [rule for rule in all_rules() if means(code, rule, is_noqa)]
    if not meant:
        return not is_noqa or CODE.fullmatch(code) is not None
    return all(rule in judged and rule is not UNUSED_SUPPRESSION for rule in meant)


def _reason(codes: Sequence[str]) -> str:
    unknown = [code for code in codes if not any(means(code, rule, False) for rule in all_rules())]
    known = [code for code in codes if code not in unknown]
    parts = [f"no {', '.join(known)} is found here"] if known else []
    return " and ".join([*parts, f"no rule is called {', '.join(unknown)}"] if unknown else parts)


def _malformed(source: Source, directive: Directive) -> Finding:
    return Finding(
        UNUSED_SUPPRESSION.code,
        UNUSED_SUPPRESSION.name,
        UNUSED_SUPPRESSION.severity,
        "this comment silences nothing, because it is not of a form that nnlint knows",
        _place(source, directive),
        label="not understood",
        help="write `# nnlint: ignore[NN102]`, or `# nnlint: ignore-file[NN102]` for the whole file",
        url=UNUSED_SUPPRESSION.url,
    )


def _finding(source: Source, directive: Directive, message: str, kept: tuple[str, ...]) -> Finding:
    before = source.lines[directive.line - 1][: directive.column - 1]
    what = "remove the unused codes" if kept else "remove the comment"
    stands_alone = directive.lines == range(directive.line, directive.line + 1) and not before.strip()
    hint = ", or put it on a line of the statement that is reported" if stands_alone else ""
    return Finding(
        UNUSED_SUPPRESSION.code,
        UNUSED_SUPPRESSION.name,
        UNUSED_SUPPRESSION.severity,
        message,
        _place(source, directive),
        label="silences nothing",
        help=what + hint,
        url=UNUSED_SUPPRESSION.url,
        fix=Fix(Applicability.SAFE, what, (_removal(source, directive, kept),)),
    )


def _place(source: Source, directive: Directive) -> Place:
    return source.place(directive.line, directive.column, directive.line, directive.end_column)


def _removal(source: Source, directive: Directive, kept: tuple[str, ...]) -> Edit:
    """The edit that leaves the `kept` codes, other comments on the line and the words of a reason as they are."""
    text = source.lines[directive.line - 1]
    start, end = directive.column - 1, directive.end_column - 1
    before, written, after = text[:start], text[start:end], text[end:]
    content = ""
    if kept:
        content = _with_codes(written, kept)
    elif after.lstrip().startswith("#"):
        end += len(after) - len(after.lstrip())
    elif after.strip():
        content = "#"
    elif before.strip():
        start, end = len(before.rstrip()), len(text)
    else:
        return _without_line(source, directive.line, len(text))
    return Edit(source.place(directive.line, start + 1, directive.line, end + 1), content)


def _with_codes(written: str, kept: tuple[str, ...]) -> str:
    bracket = "[" in written
    opening = written.index("[" if bracket else ":") + 1
    gap = " " if written[opening] == " " else ""
    separator = ", " if "," in written else " "
    return written[:opening] + gap + separator.join(kept) + ("]" if bracket else "")


def _without_line(source: Source, line: int, length: int) -> Edit:
    here = source.place(line, 1, line, length + 1)
    is_last = source.place(line + 1, 1, line + 1, 1).cell != here.cell or line >= len(source.lines)
    return Edit(here if is_last else source.place(line, 1, line + 1, 1), "")
