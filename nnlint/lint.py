"""The pipeline: documents in, a report out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial

from nnlint.analyses import Analyses, analyses_of
from nnlint.analysis import Analysis, Kept, Progress
from nnlint.catalogue import all_rules, unloadable
from nnlint.finding import Finding
from nnlint.found import Found
from nnlint.garbage import uncollected
from nnlint.interrupts import held_back
from nnlint.program import PROGRAM_RULES, SYNTAX_ERROR, UNUSED_SUPPRESSION
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.patterns import Patterns
from nnlint.reading.shown import Texts, paths_of
from nnlint.records import dataclass, field
from nnlint.report import Interrupted, Report
from nnlint.rule import Rule
from nnlint.selection import matches, select_rules
from nnlint.settings import Settings
from nnlint.silencing.suppressions import Suppressions
from nnlint.units import Unit, units
from nnlint.words import Vocabulary


@dataclass
class Lint:
    """What one lint run goes by, and what it has gathered so far.

    `analysis` has the findings of files that are not done with, `found` those to report of all others, by file; `shown` are
    the paths whose texts are shown with them, of which `others` are none of the documents.
    """

    documents: dict[str, Document]
    rules: tuple[Rule, ...]
    settings: Settings
    disk: Disk = DISK
    analysis: Analysis = field(default_factory=Analysis)
    found: Found = field(default_factory=Found)
    shown: set[str] = field(default_factory=set)
    others: dict[str, Document | None] = field(default_factory=dict)
    analysed: int = 0
    is_interrupted: bool = False

    @cached_property
    def exclude(self) -> Patterns:
        """What is not linted, wherever an import led."""
        return Patterns(self.settings.root, self.settings.exclude)

    @cached_property
    def ignores(self) -> list[tuple[Patterns, tuple[str, ...]]]:
        """The codes that are not reported in some files."""
        return [(Patterns(self.settings.root, (glob,)), codes) for glob, codes in self.settings.per_file_ignores]

    def document(self, path: str) -> Document | None:
        """The document of a path: one of those given, or a file that an import led to."""
        given = self.documents.get(path)
        if given is None and path not in self.others:
            self.others[path] = self.disk.read(path)
        return given or self.others[path]


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
        is_each_once = len(lint.documents) == len(documents)
        with held_back():
            made = analyses(todo, lint.rules, lint.disk, progress, kept)
            for number, (unit, analysis) in enumerate(zip(todo, made, strict=True)):
                if _is_first(number, todo):
                    _add_broken(lint, unit.together)
                if analysis is None:
                    lint.is_interrupted = True
                else:
                    lint.analysis.join(analysis)
                    lint.analysed += len(unit.documents)
                if is_each_once and _is_first(number + 1, todo):
                    _gather(lint, [document.path for document in unit.together])


def _add_broken(lint: Lint, documents: Iterable[Document]) -> None:
    for document in documents:
        lint.analysis.add(document.broken)


def _is_first(number: int, todo: Sequence[Unit]) -> bool:
    """Whether no unit before this one has files that hang together with its own."""
    return number in (0, len(todo)) or todo[number - 1].together is not todo[number].together


def _report(lint: Lint) -> Report:
    with held_back():
        left = [path for path in lint.documents if path not in lint.found]
        _add_broken(lint, [lint.documents[path] for path in left])
        _gather(lint, left)
        by_path = {finding.place.path for finding in lint.analysis.findings.values()}
        _gather(lint, sorted(by_path))
    is_judged = not lint.analysis.errors and not lint.is_interrupted
    others = {path: document for path in sorted(lint.shown) if (document := lint.others.get(path)) is not None}
    return Report(
        findings=lint.found.all(but="" if is_judged else UNUSED_SUPPRESSION.code),
        errors=tuple(lint.analysis.errors),
        notes=tuple(dict.fromkeys(lint.analysis.notes)),
        files=lint.analysed,
        texts=Texts(lint.shown, lint.documents, others),
        interrupted=lint.is_interrupted,
    )


def _gather(lint: Lint, paths: Iterable[str]) -> None:
    """Keeps what is to be reported of these files, of which everything is known, and of others that are no documents."""
    by_path: dict[str, list[Finding]] = {path: [] for path in paths}
    waiting = lint.analysis.findings
    lint.analysis.findings = {}
    for key, finding in waiting.items():
        path = finding.place.path
        if path in by_path or path not in lint.documents:
            by_path.setdefault(path, []).append(finding)
        else:
            lint.analysis.findings[key] = finding
    for path, findings in by_path.items():
        if path in lint.documents or not lint.exclude.cover(path):  # an import led there
            _keep(lint, path, findings)


def _keep(lint: Lint, path: str, findings: Sequence[Finding]) -> None:
    ignored = [code for patterns, codes in lint.ignores if patterns.verdict(path) for code in codes]
    rules = [rule for rule in lint.rules if not matches(ignored, rule)] if ignored else lint.rules
    reported = _unsilenced(lint, path, findings, rules)
    lint.found.put(path, reported)
    for shown in {shown for finding in reported for shown in paths_of(finding)}:
        lint.document(shown)
        lint.shown.add(shown)
    if path in lint.documents:
        lint.documents[path].release()


def _unsilenced(lint: Lint, path: str, findings: Sequence[Finding], rules: Sequence[Rule]) -> list[Finding]:
    """The findings that no setting and no comment silences, and those about comments that silence nothing."""
    codes = {rule.code for rule in rules}
    asked = [finding for finding in findings if finding.code in codes]
    if lint.is_interrupted and not asked:  # no comment is judged then, and the user waits for the end
        return asked
    document = lint.document(path) if asked or path in lint.documents else None
    if document is None or document.source is None:
        return asked
    suppressions = Suppressions(document.source, bool(asked))
    kept = suppressions.unsilenced(asked)
    is_judged = bool(suppressions.directives) and path in lint.documents and path not in lint.found
    is_judged = is_judged and UNUSED_SUPPRESSION.code in codes
    if is_judged and not any(finding.code == SYNTAX_ERROR.code for finding in findings):
        from nnlint.silencing.unused_suppressions import unused_suppressions

        all_defaults = all(rule.code in codes for rule in all_rules() if rule.default)
        kept += unused_suppressions(suppressions, rules, all_defaults)
    return kept
