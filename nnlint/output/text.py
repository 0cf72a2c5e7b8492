"""The format for people: every finding with its code, the span underlined, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnlint.finding import Finding, Place
from nnlint.output import Presentation
from nnlint.output.failures import error_line
from nnlint.output.frame import Canvas, Mark, frame
from nnlint.output.places import position
from nnlint.output.summary import fix_mark, statistics, summary
from nnlint.output.terminal import columns, paint, visible, wrap
from nnlint.output.trials import effect_words, table
from nnlint.records import replace
from nnlint.report import Report, SourceText

_NEAR = 8
_NARROWEST = 40


def render(report: Report, presentation: Presentation) -> Iterator[str]:
    """The whole report; empty where a quiet run has nothing to say."""
    between = ""
    for block in _blocks(report, presentation):
        yield between + "".join(f"{line}\n" for line in block)
        between = "\n"


def _blocks(report: Report, presentation: Presentation) -> Iterator[list[str]]:
    width = max(_NARROWEST, presentation.width) if presentation.width else 0
    for finding in report.findings:
        yield _finding(finding, report, width, presentation.colour, presentation.encoding)
    yield from (table(trial, width, presentation.colour) for trial in report.trials)
    yield from ([error_line(error, presentation.colour)] for error in report.errors)
    if presentation.statistics and report.findings:
        yield statistics(report.findings)
    if not presentation.quiet:
        yield summary(report, presentation)


def finding_lines(finding: Finding, report: Report) -> list[str]:
    """One finding with its code frames, without colours and without what a verifying run said."""
    return _finding(replace(finding, verdict=None), report, 0, colour=False)


def _finding(finding: Finding, report: Report, width: int, colour: bool, encoding: str = "utf-8") -> list[str]:
    groups = _grouped(_marks(finding))
    canvas = Canvas(_gutter(groups, report), width, colour, encoding)
    frames: list[str] = []
    for index, group in enumerate(groups):
        frames += _frame_of(group, report, canvas, first=index == 0)
    remarks = list(_remarks(finding, canvas))
    if remarks and frames:
        frames.append(canvas.row(None, ""))
    return _headline(finding, width, colour) + frames + remarks


def _headline(finding: Finding, width: int, colour: bool) -> list[str]:
    path, rest = visible(finding.place.path), position(finding.place)[len(finding.place.path) :]
    severity = finding.severity.value
    lead = f"{path}{rest}: {severity} {finding.code} {finding.name}:"
    first, *others = wrap(visible(finding.message), width and width - 4, columns(lead) + 1 - 4 if width else 0)
    kind = paint(f"{severity} {finding.code}", severity, colour)
    head = f"{paint(path, 'strong', colour)}{rest}: {kind} {paint(finding.name, 'strong', colour)}:"
    return [f"{head} {first}".rstrip(), *(f"    {line}" for line in others)]


def _marks(finding: Finding) -> list[Mark]:
    """The finding's span and the related ones, each place once with all that is said of it."""
    marks = {finding.place: Mark(finding.place, finding.label, "^", finding.severity.value)}
    for item in finding.related:
        known = marks.get(item.place)
        if known is None:
            marks[item.place] = Mark(item.place, item.message, "-", "related")
        else:
            marks[item.place] = replace(known, label="; ".join(filter(None, (known.label, item.message))))
    return list(marks.values())


def _grouped(marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks by frame: each joins the first frame whose first mark is near in the same text."""
    groups: list[list[Mark]] = []
    for mark in marks:
        home = next((group for group in groups if _near(group[0].place, mark.place)), None)
        if home is None:
            groups.append([mark])
        else:
            home.append(mark)
    return groups


def _near(anchor: Place, place: Place) -> bool:
    same_text = (anchor.path, anchor.cell) == (place.path, place.cell)
    return same_text and anchor.line - _NEAR <= place.line <= anchor.end_line + _NEAR


def _gutter(groups: Sequence[Sequence[Mark]], report: Report) -> int:
    """The width of the largest line number that a frame of the finding may show."""
    last = 1
    for anchor, *others in groups:
        if lines := _lines(anchor.place, report):
            below = min(anchor.place.end_line + 1, len(lines))
            last = max(last, below, anchor.place.end_line, *(mark.place.line for mark in others))
    return len(str(last))


def _lines(place: Place, report: Report) -> Sequence[str]:
    return report.texts.get(place.path, SourceText({})).lines(place.cell)


def _frame_of(marks: Sequence[Mark], report: Report, canvas: Canvas, first: bool) -> list[str]:
    lines = _lines(marks[0].place, report)
    rows: list[str] = []
    if not first:
        rows.append(canvas.row(None, ""))
        rows.append(_signpost(marks[0], canvas, bool(lines)))
    return rows + (frame(marks, lines, canvas, context=first) if lines else [])


def _signpost(mark: Mark, canvas: Canvas, framed: bool) -> str:
    arrow = paint(f"{'':>{canvas.gutter}}-->", "quiet", canvas.colour)
    words = "" if framed else f": {visible(mark.label)}"
    return f"{arrow} {visible(position(mark.place))}{words}"


def _remarks(finding: Finding, canvas: Canvas) -> Iterator[str]:
    """The `= help:` line and what a verifying run said."""
    help_text = finding.help or (finding.fix.message if finding.fix else "")
    if help_text:
        yield from _remark("help", help_text, fix_mark(finding.fix), canvas)
    if finding.verdict:
        yield from _remark(finding.verdict.status.value, finding.verdict.reason, "", canvas)
        if effect := effect_words(finding.verdict):
            yield from _remark("effect", effect, "", canvas)


def _remark(head: str, text: str, mark: str, canvas: Canvas) -> Iterator[str]:
    lead = f"{'':>{canvas.gutter}} = "
    indent = " " * (len(lead) + len(head) + 2)
    room = canvas.width and max(1, canvas.width - len(indent))
    lines = wrap(visible(text), room)
    if mark and room and columns(lines[-1]) + 1 + len(mark) > room:
        lines.append("")
    lines[-1] = f"{lines[-1]} {paint(mark, 'good', canvas.colour)}".strip()
    start = paint(lead, "quiet", canvas.colour) + paint(head, "strong", canvas.colour)
    yield f"{start}: {lines[0]}"
    yield from (f"{indent}{line}" for line in lines[1:])
