"""One unit in, what the rules find in its runs out: a pure function, whose result can be sent from process to process."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from nnlint.events import Run
from nnlint.finding import Finding, Place, Plan, Related
from nnlint.frames import with_room
from nnlint.garbage import collect_between_units, forget
from nnlint.graph import settled
from nnlint.needs import are_met, held_by
from nnlint.program import SYNTAX_ERROR
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Note
from nnlint.rule import Problem, Rule
from nnlint.source import Source
from nnlint.static.objects import CodeSite
from nnlint.static.project import Project
from nnlint.static.syntax import MeantModule, SyntaxProblem
from nnlint.units import Unit

if TYPE_CHECKING:
    from nnlint.reading.asked_disk import Answer

Progress = Callable[[str], None]
"""Called with the path of each run before the rules look at it."""


@dataclass
class Analysis:
    """What was found, by code and place, before anything is silenced; what failed, and what was cut short."""

    findings: dict[tuple[str, Place], Finding] = field(default_factory=dict)
    errors: list[InternalError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Keeps one finding for each code and place: the gravest, and of those alike the first."""
        for finding in findings:
            key = (finding.code, finding.place)
            known = self.findings.get(key)
            if known is None or finding.severity.rank < known.severity.rank:
                self.findings[key] = finding

    def join(self, other: Analysis) -> None:
        """Adds all of another analysis."""
        self.add(other.findings.values())
        self.errors += other.errors
        self.notes += other.notes


class Kept(Protocol):
    """Analyses of units that were made before, asked for and added to by one process alone."""

    def get(self, unit: Unit) -> Analysis | None:
        """What was found in the unit, where all that it depends on is as it was."""

    def put(self, unit: Unit, analysis: Analysis, answers: Sequence[Answer]) -> None:
        """Keeps an analysis that rests upon these answers of the disk."""


Trees = dict[str, ast.Module]
"""The trees of files that hang together, by their paths: they serve all units of these files."""

Analysed = tuple[Analysis, "list[Answer]"]
"""What was found in a unit, and what it rests upon, where that is asked for."""

Work = Callable[[Unit, Trees, Progress], Analysed]
"""What is done to each unit, in this process or another, for which it must be picklable."""


@dataclass
class Group:
    """Files that hang together, while one unit of them after the other is analysed in this process, and their trees."""

    together: tuple[Document, ...] = ()
    trees: Trees = field(default_factory=dict)

    def trees_of(self, unit: Unit) -> Trees:
        """The trees that serve a unit. What belongs to the files before is given up."""
        if unit.together is not self.together:
            self.leave()
            self.together, self.trees = unit.together, {}
        collect_between_units()
        return self.trees

    def leave(self) -> None:
        """Frees what is only needed while these files are analysed."""
        forget()
        for document in self.together:
            document.release()


def analyse_asking(unit: Unit, rules: Sequence[Rule], disk: Disk, trees: Trees, progress: Progress) -> Analysed:
    """The analysis of a unit, and all that was asked of the disk for it: what `Kept.put` takes, from whatever process."""
    from nnlint.reading.asked_disk import AskedDisk

    asked = AskedDisk(disk=disk)
    return analyse(unit, rules, asked, trees, progress), asked.plain()


def analyse(
    unit: Unit,
    rules: Sequence[Rule],
    disk: Disk = DISK,
    trees: Trees | None = None,
    progress: Progress = lambda path: None,
) -> Analysis:
    """The analysis of the runs of a unit. What a rule or the abstract run fails on becomes an error of it."""
    analyst = _Analyst(unit, rules, disk, {} if trees is None else trees, progress)
    sources = [document.source for document in unit.documents if document.source]
    if not any(rule.code == SYNTAX_ERROR.code for rule in rules):
        idle = unit.idle
        sources = [source for source in sources if source.path not in idle]
    analyst.analyse(sources)
    return analyst.analysis


@dataclass
class _Analyst:
    unit: Unit
    rules: Sequence[Rule]
    disk: Disk
    trees: Trees
    progress: Progress
    analysis: Analysis = field(default_factory=Analysis)
    runs_seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.silent = self.unit.silent

    @with_room
    def analyse(self, sources: Sequence[Source]) -> None:
        """Gathers the findings of all runs. Where the abstract run fails as a whole, each source is read by itself."""
        together = [document.source for document in self.unit.together if document.source]
        project = Project(sources, together, self.trees, idle=self.unit.idle, disk=self.disk)
        failure = None
        try:
            for run in project.runs():
                self.progress(run.path)
                self.runs_seen.add(run.path)
                with settled():
                    self._ask_rules(run)
        except Exception as error:
            failure = _described(error)
        self.analysis.notes += project.notes
        self.analysis.add(self._from_syntax(problem) for problem in project.broken)
        if failure and len(sources) == 1:
            message = f"the analysis of this file failed with {failure}"
            self.analysis.errors.append(InternalError(sources[0].path, None, message))
        elif failure:
            for source in [source for source in sources if source.path not in self.runs_seen]:
                self.analyse([source])

    def _ask_rules(self, run: Run) -> None:
        silent, held = self.silent.get(run.path, ()), held_by(run)
        for rule in [rule for rule in self.rules if rule.code not in silent and are_met(rule.needs, held)]:
            try:
                self.analysis.add(_from_problem(rule, problem, run) for problem in rule.check(run))
            except Exception as error:
                message = f"the rule {rule.code} {rule.name} failed on this file with {_described(error)}"
                self.analysis.errors.append(InternalError(run.path, None, message))

    def _from_syntax(self, problem: SyntaxProblem) -> Finding:
        from nnlint.reading.syntax_messages import syntax_finding

        documents = [document for document in self.unit.documents if document.path == problem.place.path]
        lines = documents[0].text.lines(problem.place.cell) if documents else ()
        return syntax_finding(problem.place, problem.message, lines, is_read=problem.is_read)


def _described(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_meant(problem: Problem) -> bool:
    """Whether it stands in a file that was not read as it is written: nothing can be mended there before that parses."""
    return isinstance(problem.at, CodeSite) and isinstance(problem.at.module.tree, MeantModule)


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
        fix=None if _is_meant(problem) else problem.fix,
        plan=Plan(
            run.path,
            not run.symbolic,
            tuple(site.place for site in problem.probes),
            problem.control,
            problem.exposure,
        ),
    )
