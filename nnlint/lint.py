"""The pipeline: documents in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nnlint.analyses import Analyses, analyses_of
from nnlint.analysis import Analysis, Kept, Progress
from nnlint.catalogue import all_rules, unloadable
from nnlint.finding import Finding
from nnlint.garbage import uncollected
from nnlint.interrupts import held_back
from nnlint.program import PROGRAM_RULES, UNUSED_SUPPRESSION
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.patterns import Patterns
from nnlint.reading.shown import texts_of
from nnlint.records import dataclass, field
from nnlint.report import Interrupted, Report
from nnlint.rule import Rule
from nnlint.selection import matches, select_rules
from nnlint.settings import Settings
from nnlint.silencing.suppressions import Suppressions
from nnlint.units import units
from nnlint.words import Vocabulary


@dataclass
class Lint:
    """What one lint run goes by, and what it has gathered so far."""

    documents: dict[str, Document]
    rules: tuple[Rule, ...]
    settings: Settings
    disk: Disk = DISK
    analysis: Analysis = field(default_factory=Analysis)
    analysed: int = 0
    is_interrupted: bool = False


def lint_documents(
    documents: Sequence[Document],
    settings: Settings,
    progress: Progress = lambda path: None,
    disk: Disk = DISK,
    kept: Kept | None = None,
    jobs: int = 1,
    analyses: Analyses | None = None,
) -> Report:
    """The report on these documents, whose imports are found on that disk, by so many processes where that pays.

    Units that are `kept` are not analysed anew. `analyses` makes the analyses of all units, in their order, in another way.
    What a rule or the abstract run fails on becomes an error of the report. Raises Interrupted where the user interrupts.
    """
    rules = select_rules(settings.select, settings.extend_select, settings.ignore)
    lint = Lint({document.path: document for document in documents}, rules, settings, disk)
    lint.analysis.errors += unloadable()
    for document in documents:
        lint.analysis.add(document.broken)
        lint.analysis.notes += document.notes
    try:
        _analyse(lint, documents, progress, kept, analyses or partial(analyses_of, jobs=jobs))
        if not lint.is_interrupted:
            return _report(lint)
    except KeyboardInterrupt:
        lint.is_interrupted = True
    raise Interrupted(_report(lint))


def _analyse(
    lint: Lint, documents: Sequence[Document], progress: Progress, kept: Kept | None, analyses: Analyses
) -> None:
    with uncollected():
        words = {rule.code: rule.words for rule in lint.rules if rule not in PROGRAM_RULES}
        todo = units(documents, lint.disk, Vocabulary(words))
        with held_back():
            for unit, analysis in zip(todo, analyses(todo, lint.rules, lint.disk, progress, kept), strict=True):
                if analysis is None:
                    lint.is_interrupted = True
                    continue
                lint.analysis.join(analysis)
                lint.analysed += len(unit.documents)


def _report(lint: Lint) -> Report:
    findings = sorted(_reported(lint), key=lambda finding: finding.sort_key)
    return Report(
        findings=tuple(findings),
        errors=tuple(lint.analysis.errors),
        notes=tuple(dict.fromkeys(lint.analysis.notes)),
        files=lint.analysed,
        texts=texts_of(findings, lint.documents, lint.disk),
        interrupted=lint.is_interrupted,
    )


def _reported(lint: Lint) -> list[Finding]:
    """The findings that no setting and no comment silences, and those about comments that silence nothing."""
    by_path: dict[str, list[Finding]] = {path: [] for path in lint.documents}
    for finding in lint.analysis.findings.values():
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
        if path in lint.documents:
            lint.documents[path].release()
    return reported


def _unsilenced(lint: Lint, path: str, findings: Sequence[Finding], rules: Sequence[Rule]) -> list[Finding]:
    codes = {rule.code for rule in rules}
    asked = [finding for finding in findings if finding.code in codes]
    document = _document(lint, path) if asked or path in lint.documents else None
    if document is None or document.source is None:
        return asked
    suppressions = Suppressions(document.source)
    kept = suppressions.unsilenced(asked)
    is_judged = bool(suppressions.directives) and path in lint.documents
    is_judged = is_judged and not lint.analysis.errors and not lint.is_interrupted
    is_judged = is_judged and UNUSED_SUPPRESSION.code in codes
    if is_judged and not any(finding.code == "NN901" for finding in findings):
        from nnlint.silencing.unused_suppressions import unused_suppressions

        all_defaults = all(rule.code in codes for rule in all_rules() if rule.default)
        kept += unused_suppressions(suppressions, rules, all_defaults)
    return kept


def _document(lint: Lint, path: str) -> Document | None:
    """The document of a path: one of those given, or a file that an import led to."""
    return lint.documents.get(path) or lint.disk.read(path)
