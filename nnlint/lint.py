"""The pipeline: documents in, a report out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from nnlint.catalogue import all_rules, unloadable
from nnlint.events import Run
from nnlint.finding import Finding, Place, Plan, Related
from nnlint.program import UNUSED_SUPPRESSION
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.patterns import Patterns
from nnlint.reading.shown import texts_of
from nnlint.reading.syntax_messages import syntax_finding
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Note, Report
from nnlint.rule import Problem, Rule
from nnlint.selection import matches, select_rules
from nnlint.settings import Settings
from nnlint.silencing.suppressions import Suppressions
from nnlint.silencing.unused_suppressions import unused_suppressions
from nnlint.source import Source
from nnlint.static.project import Project
from nnlint.static.syntax import SyntaxProblem

MOST_LEFT_BEHIND = 500_000
"""Objects, 50 MB or so, that may wait for the garbage collector."""

Progress = Callable[[str], None]
"""Called with the path of each run before the rules look at it."""


@dataclass
class Lint:
    """What one lint run has gathered so far."""

    documents: dict[str, Document]
    rules: tuple[Rule, ...]
    settings: Settings
    progress: Progress
    disk: Disk = DISK
    findings: dict[tuple[str, Place], Finding] = field(default_factory=dict)
    errors: list[InternalError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    runs_seen: set[str] = field(default_factory=set)


def lint_documents(
    documents: Sequence[Document],
    settings: Settings,
    progress: Progress = lambda path: None,
    disk: Disk = DISK,
) -> Report:
    """The report on these documents, whose imports are found on that disk.

    What a rule or the abstract run fails on becomes an error of the report.
    """
    rules = select_rules(settings.select, settings.extend_select, settings.ignore)
    lint = Lint({document.path: document for document in documents}, rules, settings, progress, disk)
    lint.errors += unloadable()
    for document in documents:
        _add(lint, document.broken)
        lint.notes += document.notes
    with _uncollected():
        _analyse(lint, [document.source for document in documents if document.source])
    findings = sorted(_reported(lint), key=lambda finding: finding.sort_key)
    return Report(
        findings=tuple(findings),
        errors=tuple(lint.errors),
        notes=tuple(dict.fromkeys(lint.notes)),
        files=len(documents),
        texts=texts_of(findings, lint.documents, disk),
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps the garbage collector from looking through trees and values, of which nearly all live as long as the analysis.

    On large repositories it would take half of the time, and free a tenth of the memory. What is left at the end is not looked
    through at once either, but with the next whole collection, or when enough of it has gathered.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _leave_for_later()
            gc.enable()


_left_behind: list[int] = []
"""How many objects each analysis has left since the last collection of them all."""


def _leave_for_later() -> None:
    """Moves young objects to the oldest generation, unless somebody keeps objects frozen, which would thaw."""
    _left_behind.append(gc.get_count()[0])
    if sum(_left_behind) > MOST_LEFT_BEHIND:
        _left_behind.clear()
        gc.collect()
    elif not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def _analyse(lint: Lint, sources: Sequence[Source]) -> None:
    """Gathers the findings of all runs. Where the abstract run fails as a whole, each source is read by itself."""
    project = Project(sources, disk=lint.disk)
    failure = None
    try:
        for run in project.runs():
            lint.progress(run.path)
            lint.runs_seen.add(run.path)
            _ask_rules(lint, run)
    except Exception as error:
        failure = _described(error)
    lint.notes += project.notes
    _add(lint, (_from_syntax(lint, problem) for problem in project.broken))
    if failure and len(sources) == 1:
        lint.errors.append(InternalError(sources[0].path, None, f"the analysis of this file failed with {failure}"))
    elif failure:
        for source in [source for source in sources if source.path not in lint.runs_seen]:
            _analyse(lint, [source])


def _ask_rules(lint: Lint, run: Run) -> None:
    for rule in lint.rules:
        try:
            for problem in rule.check(run):
                _add(lint, [_from_problem(rule, problem, run)])
        except Exception as error:
            message = f"the rule {rule.code} {rule.name} failed on this file with {_described(error)}"
            lint.errors.append(InternalError(run.path, None, message))


def _described(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _add(lint: Lint, findings: Iterable[Finding]) -> None:
    """Keeps one finding for each code and place: the gravest, and of those alike the first."""
    for finding in findings:
        key = (finding.code, finding.place)
        known = lint.findings.get(key)
        if known is None or finding.severity.rank < known.severity.rank:
            lint.findings[key] = finding


def _from_problem(rule: Rule, problem: Problem, run: Run) -> Finding:
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=problem.severity or rule.severity,
        message=problem.message,
        place=problem.at.place,
        label=problem.label,
        related=tuple(Related(site.place, message) for site, message in problem.related),
        help=problem.help,
        url=rule.url,
        fix=problem.fix,
        plan=Plan(
            run.path,
            not run.symbolic,
            tuple(site.place for site in problem.probes),
            problem.control,
            problem.exposure,
        ),
    )


def _from_syntax(lint: Lint, problem: SyntaxProblem) -> Finding:
    document = lint.documents.get(problem.place.path)
    lines = document.text.lines(problem.place.cell) if document else ()
    return syntax_finding(problem.place, problem.message, lines)


def _reported(lint: Lint) -> list[Finding]:
    """The findings that no setting and no comment silences, and those about comments that silence nothing."""
    by_path: dict[str, list[Finding]] = {path: [] for path in lint.documents}
    for finding in lint.findings.values():
        by_path.setdefault(finding.place.path, []).append(finding)
    exclude = Patterns(lint.settings.root, lint.settings.exclude)
    for path in [path for path in by_path if path not in lint.documents and exclude.cover(path)]:
        del by_path[path]  # an import led there
    ignores = [(Patterns(lint.settings.root, (glob,)), codes) for glob, codes in lint.settings.per_file_ignores]
    reported = []
    for path, findings in by_path.items():
        ignored = [code for patterns, codes in ignores if patterns.verdict(path) for code in codes]
        rules = [rule for rule in lint.rules if not matches(ignored, rule)]
        reported += _unsilenced(lint, path, findings, rules)
    return reported


def _unsilenced(lint: Lint, path: str, findings: Sequence[Finding], rules: Sequence[Rule]) -> list[Finding]:
    codes = {rule.code for rule in rules}
    asked = [finding for finding in findings if finding.code in codes]
    document = _document(lint, path) if asked or path in lint.documents else None
    if document is None or document.source is None:
        return asked
    suppressions = Suppressions(document.source)
    kept = suppressions.unsilenced(asked)
    is_judged = bool(suppressions.directives) and path in lint.documents and not lint.errors
    is_judged = is_judged and UNUSED_SUPPRESSION.code in codes
    if is_judged and not any(finding.code == "NN901" for finding in findings):
        all_defaults = all(rule.code in codes for rule in all_rules() if rule.default)
        kept += unused_suppressions(suppressions, rules, all_defaults)
    return kept


def _document(lint: Lint, path: str) -> Document | None:
    """The document of a path: one of those given, or a file that an import led to."""
    return lint.documents.get(path) or lint.disk.read(path)
