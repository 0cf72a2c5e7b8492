"""Comments that silence findings: `# nnlint: ignore[...]`, `# nnlint: ignore-file[...]` and `# noqa: ...`."""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from nnlint.catalogue import rules_by_code
from nnlint.finding import Finding
from nnlint.lazy import regex
from nnlint.program import UNUSED_SUPPRESSION
from nnlint.records import dataclass, field
from nnlint.rule import Rule
from nnlint.selection import matches
from nnlint.source import Source

MENTION = regex(r"nnlint\s*:|noqa", re.IGNORECASE)
MENTION_OF_OURS = regex(r"nnlint\s*:|noqa\s*:.*(?:NN\d|\w-\w)", re.IGNORECASE)
"""What is looked for where nothing was found: a comment that names a rule. Their names have a hyphen each."""

OWN = regex(r"#\s*nnlint\s*:\s*(?P<word>[\w-]*)\s*(?:\[(?P<codes>[^\]#]*)\])?", re.IGNORECASE)
NOQA = regex(r"#\s*noqa(?:\s*:\s*(?P<codes>\w[\w-]*(?:\s*,\s*\w[\w-]*|\s+[A-Za-z]+[0-9]+)*)?|(?!\w))", re.IGNORECASE)
FIRST_WORD = regex(r"[\s:=(,]*(?P<word>[\w-]+)")
CODE = regex(r"NN\d+$", re.IGNORECASE)
WORDS = ("ignore", "ignore-file")


@dataclass
class Directive:
    """One suppression in one comment. `codes` None silences everything; `used` are the codes it has silenced."""

    line: int
    column: int
    end_column: int
    lines: range | None
    codes: tuple[str, ...] | None
    is_noqa: bool = False
    malformed: bool = False
    used: set[str] = field(default_factory=set)

    def silences(self, finding: Finding, line: int) -> bool:
        """Whether it silences a finding on that line of the text, and if so remembers it."""
        if self.malformed or (self.lines is not None and line not in self.lines):
            return False
        if self.codes is None:
            silenced = finding.code != UNUSED_SUPPRESSION.code
            self.used |= {finding.code} if silenced else set()
            return silenced
        rule = rules_by_code().get(finding.code)
        meant = {code for code in self.codes if rule and means(code, rule, self.is_noqa)}
        self.used |= meant
        return bool(meant)


class Suppressions:
    """The suppressions of one source. Where nothing was found, those that cannot be unused are not read."""

    def __init__(self, source: Source, found_any: bool = True) -> None:
        self.source = source
        mention = MENTION if found_any else MENTION_OF_OURS
        self.directives = tuple(_directives(source.text)) if mention.search(source.text) else ()
        self._answers: dict[tuple[range | None, str], bool] = {}
        self._of_file = [directive for directive in self.directives if directive.lines is None]
        self._of_statement: dict[range, list[Directive]] = {}
        for directive in self.directives:
            if directive.lines is not None:
                self._of_statement.setdefault(directive.lines, []).append(directive)
        self._statements = sorted(self._of_statement, key=lambda lines: lines.start)

    def unsilenced(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings of this source that no comment silences."""
        return [finding for finding in findings if not self._is_silenced(finding)]

    def _is_silenced(self, finding: Finding) -> bool:
        line = self.source.text_line(finding.place)
        at = bisect_right(self._statements, line, key=lambda lines: lines.start) - 1
        statement = self._statements[at] if at >= 0 and line in self._statements[at] else None
        if (statement, finding.code) not in self._answers:
            here = self._of_statement[statement] if statement else []
            silencing = [directive for directive in (*self._of_file, *here) if directive.silences(finding, line)]
            self._answers[statement, finding.code] = bool(silencing)  # all of them count as used, not the first alone
        return self._answers[statement, finding.code]


def _directives(text: str) -> Iterator[Directive]:
    comments, statements = _comments_and_statements(text)
    starts = [lines.start for lines in statements]
    for (line, column), comment in comments:
        at = bisect_right(starts, line) - 1
        lines = statements[at] if at >= 0 and line in statements[at] else range(line, line + 1)
        yield from _in_comment(line, column, comment, lines)


def _comments_and_statements(text: str) -> tuple[list[tuple[tuple[int, int], str]], list[range]]:
    """The comments that mention a suppression, and the lines of every statement (of a compound one, its header)."""
    comments: list[tuple[tuple[int, int], str]] = []
    statements: list[range] = []
    start = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and MENTION.search(token.string):
                comments.append((token.start, token.string))
            elif token.type == tokenize.NEWLINE:
                statements.append(range(start or token.start[0], token.start[0] + 1))
                start = 0
            elif not start and token.type not in _BETWEEN_STATEMENTS:
                start = token.start[0]
    except (tokenize.TokenError, SyntaxError):  # what stands before the place that cannot be read still counts
        pass
    return comments, statements


_BETWEEN_STATEMENTS = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}


def _in_comment(line: int, column: int, comment: str, lines: range) -> Iterator[Directive]:
    for found in OWN.finditer(comment):
        span = (line, column + found.start() + 1, column + len(found.group().rstrip()) + found.start() + 1)
        word, listed = found["word"].lower(), found["codes"]
        codes = _split(listed) if listed is not None else None
        whole_file = word == "ignore-file"
        behind = comment[found.end() :]
        malformed = word not in WORDS or codes == () or behind.startswith("[") or _lists_otherwise(behind)
        yield Directive(*span, None if whole_file else lines, codes, malformed=malformed)
    for found in NOQA.finditer(comment):
        span = (line, column + found.start() + 1, column + len(found.group().rstrip()) + found.start() + 1)
        bare = ":" not in found.group()
        yield Directive(*span, lines, None if bare else _split(found["codes"] or ""), is_noqa=True)


def _lists_otherwise(text: str) -> bool:
    """Whether what stands behind a suppression begins with a rule: it was to silence that one, and not all."""
    first = FIRST_WORD.match(text)
    if first is None:
        return False
    names = {rule.name for rule in rules_by_code().values()}
    return CODE.match(first["word"]) is not None or first["word"].lower() in names


def _split(listed: str) -> tuple[str, ...]:
    return tuple(code for code in re.split(r"[,\s]+", listed) if code)


def means(code: str, rule: Rule, is_noqa: bool) -> bool:
    """A prefix after `noqa` may belong to another tool; ours means every rule that it begins."""
    return code.upper() == rule.code or code.lower() == rule.name or (not is_noqa and matches((code,), rule))
