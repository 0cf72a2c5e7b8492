"""One self-contained page for a verified run: curves, verdicts and code frames, for a browser, a phone or a printer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from nnlint import __version__
from nnlint.finding import Finding
from nnlint.output import Presentation
from nnlint.output.curves import Curve, Look, drawn
from nnlint.output.terminal import visible
from nnlint.output.text import finding_lines
from nnlint.output.trials import effect_words, legend, rows_of, seconds_told
from nnlint.report import Report
from nnlint.trials import Arm, Points, Trial

INK = "#123456"
"""Stands for the colour of the page's text in what the plotting library draws, and is replaced by it."""

COLOURS = ("#888888", "#e05a47", "#3d8fd1", "#c98a1b", "#a569bd", "#22a385", "#d35400", "#7f8c9b", "#38a860")
"""Seen well on white and on black."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #ffffff; --line: #d0d0d0; --soft: #f4f4f4; --good: #1e7e34;
  --bad: #b02a37; --mild: #946200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --line: #444444; --soft: #222222;
  --good: #6fcf97; --bad: #ff8f8f; --mild: #f2c94c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; padding: 1rem;
  max-width: 60rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.15rem; overflow-wrap: anywhere; border-top: 1px solid var(--line); padding-top: 1rem; }
.conclusion { font-size: 1.05rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .25rem .75rem .25rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; } th { border-bottom: 1px solid var(--line); }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; font-size: .85rem; line-height: 1.35; }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { width: 100%; min-width: 34rem; height: auto; color: var(--ink); } figcaption { font-size: .9rem; }
.confirmed { color: var(--bad); } .harmless, .refuted { color: var(--good); } .unverified { color: var(--mild); }
.verdict { font-weight: 600; }
@media print { body { max-width: none; } figure svg { min-width: 0; }
  pre { white-space: pre-wrap; } figure, .finding { break-inside: avoid; } }
"""


def render(report: Report, presentation: Presentation) -> str:
    """The whole page as HTML, with no reference to anything outside it. Raises PlotsMissing."""
    parts = [_script(trial, _findings_of(trial, report), report) for trial in report.trials]
    body = "\n".join(parts) or "<p>There was nothing to verify.</p>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>nnlint: what the runs showed</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>nnlint: what the runs showed</h1>\n{body}\n<footer><p>nnlint {escape(__version__)}</p></footer>\n</body>\n</html>\n"
    )


def _findings_of(trial: Trial, report: Report) -> list[Finding]:
    everything = (*report.findings, *report.withdrawn)
    return [finding for finding in everything if finding.plan is not None and finding.plan.script == trial.path]


def _script(trial: Trial, findings: Iterable[Finding], report: Report) -> str:
    way = f"Run {escape(trial.way)}, {seconds_told(trial)}." if trial.way else "It could not be run."
    stood_in = f"<p>Stood in for: {_text(', '.join(trial.stood_in))}.</p>" if trial.stood_in else ""
    notes = "".join(f"<p>Note: {_text(note)}.</p>" for note in trial.notes)
    conclusion = f'<p class="conclusion">{_text(trial.conclusion)}</p>' if trial.conclusion else ""
    sections = [f"<h2>{_text(trial.path)}</h2>", f"<p>{way}</p>", stood_in, notes, conclusion, _table(trial)]
    sections.append(_figures(trial))
    return "\n".join(filter(None, [*sections, *(_finding(finding, report) for finding in findings)]))


def _text(text: str) -> str:
    return escape(visible(text))


def _table(trial: Trial) -> str:
    if not trial.measure:
        return ""
    head, *rows = rows_of(trial)
    body = "".join(_cells(row, "td") for row in rows)
    table = f"<table><thead>{_cells(head, 'th')}</thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>\n<p>{_text(legend(trial))}.</p>'


def _cells(row: Sequence[str], kind: str) -> str:
    return f"<tr>{''.join(f'<{kind}>{_text(cell)}</{kind}>' for cell in row)}</tr>"


def _finding(finding: Finding, report: Report) -> str:
    frame = _text_block("\n".join(finding_lines(finding, report)))
    verdict = ""
    if finding.verdict is not None:
        status = finding.verdict.status.value
        verdict = f'<p><span class="verdict {status}">{status}</span>: {_text(finding.verdict.reason)}</p>'
        effect = effect_words(finding.verdict)
        verdict += f"<p>{_text(effect)}</p>" if effect else ""
    return f'<div class="finding">\n{verdict}\n<pre>{frame}</pre>\n</div>'


def _text_block(text: str) -> str:
    return escape("\n".join(visible(line) for line in text.split("\n")))


def _figures(trial: Trial) -> str:
    seed = ", first seed" if any(arm.seeds > 1 for arm in trial.arms) else ""
    kinds: tuple[tuple[str, Callable[[Arm], Points], bool], ...] = (
        (f"{trial.measure} on batches of the training data{seed}", lambda arm: arm.scores, False),
        (f"Loss of each step{seed}", lambda arm: arm.losses, True),
        (f"Norm of the gradient{seed}", lambda arm: arm.gradients, True),
    )
    figures = []
    for title, points_of, is_logarithmic in kinds:
        curves = [(arm, points_of(arm)) for arm in trial.arms if not arm.but and points_of(arm)]
        if curves:
            drawn = _plot(title, curves, is_logarithmic)
            figures.append(f"<figure>\n{drawn}\n<figcaption>{_text(title)}</figcaption>\n</figure>")
    return "\n".join(figures)


def _plot(title: str, curves: Sequence[tuple[Arm, Points]], is_logarithmic: bool) -> str:
    """An SVG of these curves, in the colours of the page."""
    lines = [
        Curve(arm.label, points, COLOURS[place % len(COLOURS)], 2.0 if place == 0 or arm.is_whole else 1.0)
        for place, (arm, points) in enumerate(curves)
    ]
    return drawn(title, lines, Look(ink=INK, is_logarithmic=is_logarithmic)).replace(INK, "currentColor")
