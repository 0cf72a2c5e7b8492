"""One run of the command line: paths and settings in; files fixed, a report written, and the exit status out."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nnlint.command.console import (
    OutputError,
    Progress,
    emit,
    emit_bytes,
    encoding_of,
    is_coloured,
    is_terminal,
    say,
    tell,
    tell_errors,
    terminal_width,
)
from nnlint.command.exit_status import CLEAN, FAILED, FINDINGS, INTERRUPTED
from nnlint.command.targets import check_target
from nnlint.command.typed import as_typed
from nnlint.cores import cores
from nnlint.finding import Severity, Status
from nnlint.interrupts import finished_first
from nnlint.mending.fixed import Fixed
from nnlint.output import FORMATS, Presentation, describe_notes
from nnlint.reading.disk import DISK, Disk
from nnlint.reading.document import Document
from nnlint.reading.files import STANDARD_INPUT, Collected, read_paths
from nnlint.reading.patterns import Patterns, repository_root
from nnlint.records import dataclass, replace
from nnlint.report import Interrupted, Report
from nnlint.settings import Settings
from nnlint.silencing.hidden import Hidden
from nnlint.silencing.trouble import SilencingError

if TYPE_CHECKING:
    from nnlint.analyses import Analyses

Lint = Callable[[Sequence[Document]], Report]

SHOWS_ERRORS = ("text", "concise", "github")
"""The formats in which a person sees what the run failed on; for the others standard error tells it."""


class RunError(Exception):
    """The run cannot be done at all; the message says why."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    paths: tuple[str, ...]
    settings: Settings
    stdin_filename: str | None = None
    write_baseline: str | None = None
    config: str | None = None
    executor: str | None = None


def run(request: Request) -> int:
    """Does what is asked for and returns the exit status. Raises RunError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those that Python's parser has about the linted code
            return _run_on_cluster(request, request.executor) if request.executor else _run(request)
    except (SilencingError, OutputError) as error:
        raise RunError(str(error)) from error


def _run_on_cluster(request: Request, address: str) -> int:
    with ExitStack() as stack:
        try:
            from nnlint.cluster.spreading import ClusterError, spreading

            analyses = stack.enter_context(spreading(address))
        except KeyboardInterrupt:
            return end_unread(request)
        except ClusterError as error:
            raise RunError(f"--executor: {error}") from error
        try:
            status = _run(request, analyses)
        except ClusterError as error:
            raise RunError(f"--executor: {error}") from error
        if analyses.trouble:  # what was found by then is told
            raise RunError(f"--executor: {analyses.trouble}")
        return status


def _run(request: Request, analyses: Analyses | None = None) -> int:
    settings, progress = request.settings, Progress(not request.settings.quiet)
    try:
        collected, hidden, fixed = _read_and_linted(request, progress, analyses)
    except KeyboardInterrupt:
        return end_unread(request)
    finally:
        progress.clear()
    if fixed.report.interrupted:
        return _end_early(request, collected, fixed)
    if settings.fix and not settings.diff:
        from nnlint.mending.fixes import write_documents

        with finished_first():
            unwritten = [*write_documents(collected.documents, fixed.documents)]
            fixed.errors += unwritten
            _tell_fixed(collected.documents, fixed, len(unwritten), settings)
            if unwritten:
                fixed.take_back(collected.documents, {error.path for error in unwritten})
    if settings.verify:
        fixed.report = _verified(fixed, settings)
    elif settings.report:
        raise RunError("--report shows what the runs of --verify measured: give both")
    if fixed.report.interrupted:
        return _end(request, collected, fixed, hidden)
    with finished_first():
        return _end(request, collected, fixed, hidden)


def _read_and_linted(
    request: Request, progress: Progress, analyses: Analyses | None
) -> tuple[Collected, Hidden, Fixed]:
    """What was read, what is not shown of it, and the report. Raises KeyboardInterrupt where nothing is known yet."""
    settings = request.settings
    collected = read_paths(
        request.paths, Patterns(settings.root, settings.exclude), stdin_filename=request.stdin_filename
    )
    _check_targets(request, [document.file for document in collected.documents if document.file])
    _tell_of_cache(settings)
    if settings.fix or settings.diff or settings.verify or settings.diff_base is not None:
        gc.enable()  # each of several analyses leaves its trees behind

    def lint(documents: Sequence[Document], disk: Disk = DISK) -> Report:
        return _linted(documents, settings, progress, disk, analyses)

    hidden = Hidden(settings, request.write_baseline is not None, lint)
    return collected, hidden, _lint(collected.documents, settings, hidden, lint)


def end_unread(request: Request) -> int:
    """Shows that nothing is known, in the format asked for, where the user has interrupted before anything was linted."""
    _check_targets(request, [path for path in request.paths if path != STANDARD_INPUT])
    if not request.settings.diff:
        _show(request, Fixed([], Report()), Report(interrupted=True))
    say("interrupted before any file was linted")
    return INTERRUPTED


def _end_early(request: Request, collected: Collected, fixed: Fixed) -> int:
    """Shows what is known where the user has interrupted the linting; no file is changed."""
    report = as_typed(_whole(collected, fixed), request.paths)
    if request.settings.verbose:
        tell(describe_notes(report.notes))
    if not request.settings.diff:
        _show(request, fixed, report)
    unfixed = "; nothing was fixed" if request.settings.fix and not request.settings.diff else ""
    say(f"interrupted after {report.files} of {_files(len(collected.documents))}{unfixed}")
    return INTERRUPTED


def _end(request: Request, collected: Collected, fixed: Fixed, hidden: Hidden) -> int:
    """Shows and writes what was asked for, and returns the exit status."""
    settings, report = request.settings, _whole(collected, fixed)
    shown = as_typed(report, request.paths)
    if settings.report:
        _write_page(shown, settings)
    _tell(shown, settings, collected)
    if report.interrupted:
        _show(request, fixed, shown)
        say(f"interrupted: {_open(report)}")
        return INTERRUPTED
    if request.write_baseline is not None:
        return _write_baseline(request.write_baseline, replace(report, findings=hidden.all), settings)
    if settings.diff:
        return _show_diff(collected.documents, fixed, replace(report, findings=hidden.first or ()), settings)
    _show(request, fixed, shown)
    return _status(report, settings)


def _check_targets(request: Request, linted: Sequence[str]) -> None:
    """Raises OutputError where the run would write over what it reads."""
    config = [request.config] if request.config else []
    baseline = [request.settings.baseline] if request.settings.baseline else []
    for target in (request.settings.output_file, request.settings.report):
        if target is not None:
            check_target(target, linted, config, baseline)
    if request.write_baseline is not None:
        check_target(request.write_baseline, linted, config)


def _tell_of_cache(settings: Settings) -> None:
    """That the folder which was asked for can keep nothing: the run goes on without it."""
    if settings.cache_dir is None or settings.no_cache or settings.verify or settings.quiet:
        return
    from nnlint.caching.store import Store

    trouble = Store(settings.cache_dir).trouble()
    if trouble:
        say(f"--cache-dir {settings.cache_dir}: nothing can be kept there: {trouble}")


def _lint(documents: Sequence[Document], settings: Settings, hidden: Hidden, lint: Lint) -> Fixed:
    """The documents fixed as asked for, and the report on them; an interrupted one is on the documents as they are."""
    reports: list[Report] = []

    def unhidden(current: Sequence[Document]) -> Report:
        reports.append(lint(current))
        report = reports[-1]
        notes = (*report.notes, *hidden.stale(report, current)) if settings.verbose else report.notes
        return replace(report, notes=notes, findings=hidden.without(report, current))

    try:
        if settings.fix or settings.diff:
            from nnlint.mending.fixes import fix_documents

            return fix_documents(documents, unhidden, settings.unsafe_fixes)
        return Fixed(list(documents), unhidden(documents))
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Interrupted):
            reports.append(interrupt.report)
        if not reports:
            raise
    return Fixed(
        list(documents), replace(reports[0], findings=hidden.certainly_shown(reports[0], documents), interrupted=True)
    )


def _linted(
    documents: Sequence[Document], settings: Settings, progress: Progress, disk: Disk, analyses: Analyses | None
) -> Report:
    if settings.no_cache or settings.verify:  # what is kept of findings does not say how they are verified
        from nnlint.lint import lint_documents

        return lint_documents(documents, settings, progress, disk, jobs=settings.jobs or cores(), analyses=analyses)
    from nnlint.caching.cached_lint import lint_cached

    return lint_cached(documents, settings, progress, disk, settings.jobs or cores(), analyses)


def _verified(fixed: Fixed, settings: Settings) -> Report:
    from nnlint.lint import lint_documents
    from nnlint.verify.runner import RunnerFailed, VerifierMissing
    from nnlint.verify.verify import Limits, verify

    progress = Progress(not settings.quiet)
    limits = Limits(settings.verify_steps, settings.verify_timeout, settings.jobs or cores())
    try:
        return verify(fixed.report, fixed.documents, limits, lambda now: lint_documents(now, settings), progress)
    except (VerifierMissing, RunnerFailed) as error:
        raise RunError(str(error)) from error
    finally:
        progress.clear()


def _write_page(report: Report, settings: Settings) -> None:
    from nnlint.output.curves import PlotsMissing
    from nnlint.output.report_page import render

    try:
        emit(render(report, _presentation(settings, 0)), settings.report)
    except PlotsMissing as error:
        raise RunError(f"--report: {error}") from error


def _whole(collected: Collected, fixed: Fixed) -> Report:
    """The report with what went wrong before and after linting."""
    report = fixed.report
    errors = (*collected.errors, *report.errors, *fixed.errors)
    return replace(report, errors=errors, notes=(*collected.notes, *report.notes))


def _write_baseline(file: str, report: Report, settings: Settings) -> int:
    from nnlint.silencing.baseline import write_baseline

    write_baseline(Path(file), report.findings, report.texts)
    tell_errors(report.errors)
    if not settings.quiet:
        say(f"{_findings(len(report.findings))} written to {file} as known")
    return FAILED if report.errors else CLEAN


def _show_diff(before: Sequence[Document], fixed: Fixed, report: Report, settings: Settings) -> int:
    from nnlint.mending.fixes import unified_diff

    diff = b"".join(unified_diff(old, new) for old, new in zip(before, fixed.documents, strict=True))
    emit_bytes(diff, settings.output_file)
    tell_errors(report.errors)
    if not settings.quiet:
        say(f"{_findings(fixed.count)} would be fixed, {len(fixed.report.findings)} would be left")
    return _status(report, settings)


def _tell_fixed(before: Sequence[Document], fixed: Fixed, unwritten: int, settings: Settings) -> None:
    """How much was mended, on standard error, unless the report itself ends with that."""
    changed = sum(old.data != new.data for old, new in zip(before, fixed.documents, strict=True))
    is_in_report = _format_name(settings) == "text" and settings.output_file is None
    if not changed or settings.quiet or is_in_report:
        return
    if unwritten:
        say(f"fixes were written to {changed - unwritten} of {_files(changed)}")
    else:
        say(f"{_findings(fixed.count)} fixed in {_files(changed)}")


def _open(report: Report) -> str:
    """How much an interrupt has left open."""
    decided = sum(1 for f in report.findings if f.verdict is not None and f.verdict.status is not Status.UNVERIFIED)
    return f"{decided + len(report.withdrawn)} of {_findings(len(report.findings) + len(report.withdrawn))} verified"


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count} findings"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _format_name(settings: Settings) -> str:
    return settings.output_format or ("text" if is_terminal(settings.output_file) else "concise")


def _show(request: Request, fixed: Fixed, report: Report) -> None:
    settings, target = request.settings, request.settings.output_file
    name = _format_name(settings)
    shown = FORMATS[name](report, _presentation(settings, fixed.count))
    if target is not None or name not in SHOWS_ERRORS:
        tell_errors(report.errors)
    if settings.fix and STANDARD_INPUT in request.paths:  # standard output is the text alone, if any was read
        emit_bytes(next((document.data for document in fixed.documents if document.file is None), b""), None)
        if target is None:
            tell("".join(shown))
            return
    emit(shown, target)


def _presentation(settings: Settings, fixed: int) -> Presentation:
    target = settings.output_file
    return Presentation(
        colour=is_coloured(settings.color, target),
        width=terminal_width(target),
        statistics=settings.statistics,
        quiet=settings.quiet,
        fixed=fixed,
        encoding=encoding_of(target),
        base=Path(repository_root(str(Path.cwd())) or Path.cwd()),
    )


def _tell(report: Report, settings: Settings, collected: Collected) -> None:
    """The notes, if asked for, and that there was nothing to lint, on standard error."""
    if settings.verbose:
        tell(describe_notes(report.notes))
    if not report.files and not report.errors and not settings.quiet:
        say(_why_nothing(collected))


def _why_nothing(collected: Collected) -> str:
    if collected.excluded:
        return "the settings exclude all that was given; there is nothing to lint"
    if collected.ignored:
        return "a .gitignore keeps out all that is here; files that are named themselves are linted"
    return "there are no Python files and no notebooks here"


def _status(report: Report, settings: Settings) -> int:
    if report.errors:
        return FAILED
    fails = any(finding.severity is not Severity.ADVICE for finding in report.findings)
    return FINDINGS if fails and not settings.exit_zero else CLEAN
