"""The command line: options in, exit status out."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nnlint import __version__
from nnlint.command.exit_status import CLEAN, FAILED, INTERRUPTED
from nnlint.settings import (
    COLOURS,
    NOTHING_SELECTED,
    OUTPUT_FORMATS,
    STANDARD_OUTPUT,
    Settings,
    SettingsError,
    load_settings,
    overridden,
    split_codes,
)

if TYPE_CHECKING:
    from nnlint.command.run import Request
    from nnlint.rule import Rule

CODE_LISTS = ("select", "extend_select", "ignore")
PAGE_FORMATS = (None, "text", "json")
"""The formats of what tells about rules."""
WORK = frozenset(
    "paths fix unsafe_fixes diff verify verify_steps verify_timeout report executor baseline write_baseline diff_base statistics "
    "stdin_filename".split()
)
"""What asks for files to be linted, or for what is done with the findings."""

NOT_SETTINGS = (
    "paths",
    "stdin_filename",
    "explain",
    "list_rules",
    "server",
    "executor",
    "write_baseline",
    "config",
    "isolated",
    *CODE_LISTS,
)
"""Parameters that have no key in a settings file, or need a closer look before they replace one."""


def main() -> None:
    """Runs the command and ends the process with its exit status; no traceback reaches the user."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path or a line of source may not fit the encoding of the terminal
            stream.reconfigure(errors="backslashreplace")
    _buffer_output()
    gc.disable()
    _on_interrupt(signal.default_int_handler)
    status = exit_status(sys.argv[1:])
    _on_interrupt(signal.SIG_DFL)
    gc.freeze()  # the process ends, and its memory with it: Python need not look for garbage first
    if "nnlint.verify" not in sys.modules and "coverage" not in sys.modules and _is_all_written():
        os._exit(status)  # nor take every object apart
    sys.exit(status)


def _buffer_output() -> None:
    """Has standard output written whole where Python was told not to buffer it, which loses what a signal leaves unwritten."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.RawIOBase):
        encoding, errors = stream.encoding, stream.errors
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(stream.detach()), encoding, errors)


def _on_interrupt(handler: Any) -> None:
    """What an interrupt does from here on, unless whoever started the process wants none."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _is_all_written() -> bool:
    """Whether nothing waits to be written any more."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    return True


def exit_status(arguments: list[str]) -> int:
    """Runs the command with these arguments and returns its exit status."""
    from nnlint.command.console import OutputError, say

    try:
        return int(command.main(arguments, prog_name="nnlint", standalone_mode=False) or CLEAN)
    except click.ClickException as error:
        say(f"error: {_in_one_line(error)}")
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OutputError as error:
        say(f"error: {error}")
        return FAILED
    except Exception as error:
        from nnlint.catalogue import CatalogueMissing

        if isinstance(error, CatalogueMissing):
            say(f"error: {error}")
            return FAILED
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        say(f"internal error: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})")
        return FAILED


def _in_one_line(error: click.ClickException) -> str:
    """What click has to say about the options, in the form of all other errors."""
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        import difflib  # a mistake is rare, and the module large

        nearest = difflib.get_close_matches(error.option_name, error.possibilities, n=1, cutoff=0.0)
        error = click.NoSuchOption(error.option_name, possibilities=nearest)
    message = " ".join(error.format_message().split()).removesuffix(".").replace(". Did you", "; did you")
    return f"{message[:1].lower()}{message[1:]}"


def _prints(text: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """What an option does that prints something and ends the command."""

    def show(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
        from nnlint.command.console import emit

        if is_given and not context.resilient_parsing:
            emit(f"{text(context)}\n", None)
            context.exit()

    return show


def _printing(name: str, text: Callable[[click.Context], str], help: str) -> Callable[[Any], Any]:
    return click.option(name, is_flag=True, is_eager=True, expose_value=False, callback=_prints(text), help=help)


def _codes(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code for value in values for code in split_codes(value))


def _file(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value == "":  # an unset variable of a script, most likely
        raise click.UsageError(f"{parameter.opts[0]}: an empty name is no file")
    return value


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.UsageError(f"{parameter.opts[0]}: an empty text is no address")
    return value


def _number(kind: click.IntRange | click.FloatRange) -> click.IntRange | click.FloatRange:
    """A kind of numbers that is called by no word of click's."""
    kind.name = "number" if isinstance(kind, click.FloatRange) else "whole number"
    return kind


@click.command(context_settings={"max_content_width": 100}, add_help_option=False)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("--select", multiple=True, callback=_codes, metavar="CODES", help="Ask only these rules.")
@click.option("--extend-select", multiple=True, callback=_codes, metavar="CODES", help="Ask these rules as well.")
@click.option("--ignore", multiple=True, callback=_codes, metavar="CODES", help="Do not ask these rules.")
@click.option("--output-format", type=click.Choice(OUTPUT_FORMATS), help="Default: text on a terminal, else concise.")
@click.option("--output-file", metavar="PATH", callback=_file, help="Write there instead of to standard output.")
@click.option("--fix", is_flag=True, help="Apply the safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: the unsafe fixes too.")
@click.option("--diff", is_flag=True, help="Show what --fix would change; write nothing.")
@click.option("--verify", is_flag=True, help="Confirm each finding with a short run (needs the extra `verify`).")
@click.option("--verify-steps", type=_number(click.IntRange(1)), metavar="N", help="Optimizer steps of each run.")
@click.option(
    "--verify-timeout",
    type=_number(click.FloatRange(1)),
    metavar="SECONDS",
    help="For all runs of a script, once PyTorch has been started; default: 60.",
)
@click.option(
    "--jobs",
    type=_number(click.IntRange(1)),
    metavar="N",
    help="Processes, and runs of --verify, at a time; default: the cores.",
)
@click.option(
    "--executor", metavar="ADDRESS", callback=_address, help="Lint on the Dask cluster there (needs the extra `dask`)."
)
@click.option("--report", metavar="FILE.html", help="With --verify: write a page with curves there.")
@click.option("--explain", metavar="CODE", help="Print the page of a rule.")
@click.option("--list-rules", is_flag=True, help="Print all rules, with --output-format json too.")
@click.option("--baseline", metavar="FILE", callback=_file, help="Do not report the findings that this file knows.")
@click.option("--write-baseline", metavar="FILE", callback=_file, help="Write all findings there as known.")
@click.option(
    "--diff-base",
    metavar="REV",
    help="Report only findings on lines changed since that git revision, or caused by the change.",
)
@click.option("--statistics", is_flag=True, help="Add the counts per rule.")
@click.option("--verbose", is_flag=True, help="Also say what was cut short, skipped or not followed, and why.")
@click.option("--quiet", is_flag=True, help="Print the findings and nothing else.")
@click.option("--config", metavar="FILE", callback=_file, help="Read the settings from this file.")
@click.option("--isolated", is_flag=True, help="Ignore every settings file.")
@click.option("--stdin-filename", metavar="NAME", help="The name of the file that comes on standard input.")
@click.option("--no-cache", is_flag=True, help="Take and keep no results of earlier runs.")
@click.option("--cache-dir", metavar="DIR", callback=_file, help="Keep them there; default: .nnlint_cache.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option("--color", type=click.Choice(COLOURS), help="Default: auto, colours on a terminal.")
@click.option(
    "--server", is_flag=True, help="Serve an editor over standard input and output (needs the extra `server`)."
)
@_printing("--version", lambda context: f"nnlint {__version__}", "Show the version and exit.")
@_printing("--help", lambda context: context.get_help(), "Show this message and exit.")
@click.pass_context
def command(context: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Find the silent faults of neural-network training code: in Python files and Jupyter notebooks.

    PATHS are files, folders (walked, without what .gitignore names) or - for standard input; the current folder if
    none is given. CODES are codes (NN102), prefixes (NN1) or names (missing-zero-grad), separated by commas.

    Exit status: 0 nothing to report, 1 findings, 2 the run itself failed, 130 it was interrupted.
    """
    if options["server"]:
        _check_alone(context)
        context.exit(_serve())
    elif options["explain"] is not None or options["list_rules"]:
        _check_shown_alone(context)
        context.exit(_show_rules(options))
    else:
        context.exit(_run(context, paths or (".",), options))


def _has_current_folder() -> bool:
    try:
        return Path.cwd().is_dir()
    except OSError:
        return False


def _show_rules(options: dict[str, Any]) -> int:
    from nnlint import output
    from nnlint.catalogue import unloadable
    from nnlint.command.console import emit, is_coloured, tell_errors, terminal_width
    from nnlint.command.targets import check_target
    from nnlint.selection import UnknownSelectorError, find_rule

    if options["output_format"] not in PAGE_FORMATS:
        option = "--list-rules" if options["list_rules"] else "--explain"
        raise click.UsageError(f"{option} prints text or json, not {options['output_format']}")
    target = None if options["output_file"] == STANDARD_OUTPUT else options["output_file"]
    if target is not None:
        check_target(target)
    tell_errors(unloadable())
    as_json = options["output_format"] == "json"
    if options["list_rules"]:
        emit(output.list_rules(_listed(options), as_json, terminal_width(target)), target)
    else:
        try:
            rule = find_rule(options["explain"])
        except UnknownSelectorError as error:
            raise click.UsageError(f"--explain: {error}") from error
        is_painted = is_coloured(options["color"] or "auto", target)
        emit(output.explain(rule, is_painted, terminal_width(target), as_json), target)
    return FAILED if unloadable() else CLEAN


def _listed(options: dict[str, Any]) -> tuple[Rule, ...]:
    """All rules; where some are selected or ignored, those that are asked then."""
    from nnlint.catalogue import all_rules
    from nnlint.selection import matches, select_rules

    codes = {name: options[name] for name in CODE_LISTS if options[name]}
    if not codes:
        return all_rules()
    _check_codes(codes)
    select, extended, ignored = (options[name] for name in CODE_LISTS)
    asked = select_rules(select or None, extended, ignored)
    return tuple(rule for rule in asked if not select or matches((*select, *extended), rule))


def _check_alone(context: click.Context) -> None:
    """Raises UsageError where anything but --server is given: it would be passed by."""
    given = [_spelled(name) for name in _on_command_line(context) if name != "server"]
    if given:
        raise click.UsageError(
            f"--server takes the files from the editor and the settings from their own file: {given[0]} has no place beside it"
        )


def _check_shown_alone(context: click.Context) -> None:
    """Raises UsageError where --explain or --list-rules is given with work that it would pass by."""
    given = _on_command_line(context)
    if {"explain", "list_rules"} <= {*given}:
        raise click.UsageError("--explain and --list-rules exclude each other: the one prints a page, the other a list")
    work = [_spelled(name) for name in given if name in WORK]
    if work:
        shown = "--list-rules" if context.params["list_rules"] else "--explain"
        raise click.UsageError(f"{shown} prints what the rules say and lints nothing: {work[0]} has no place beside it")


def _on_command_line(context: click.Context) -> list[str]:
    """The names of what was typed, paths and options."""
    return [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _spelled(name: str) -> str:
    return "a path" if name == "paths" else f"--{name.replace('_', '-')}"


def _serve() -> int:
    from nnlint.command.console import say

    try:
        from nnlint.editor.server import serve
    except ModuleNotFoundError as error:
        say(f"error: --server needs the package {error.name}: install it with `pip install 'nnlint[server]'`")
        return FAILED
    serve()
    return CLEAN


def _run(context: click.Context, paths: tuple[str, ...], options: dict[str, Any]) -> int:
    from nnlint.command.console import say
    from nnlint.interrupts import ended_cleanly

    if not _has_current_folder():
        say("error: the current folder is not there any more")
        return FAILED
    try:
        with ended_cleanly():
            return _linted(context, paths, options)
    except SettingsError as error:
        say(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:  # click would end a line that no prompt of ours has begun
        return INTERRUPTED


def _linted(context: click.Context, paths: tuple[str, ...], options: dict[str, Any]) -> int:
    from nnlint.command.console import say
    from nnlint.interrupts import finished_first

    request: Request | None = None
    try:
        with finished_first():  # the settings say how an interrupt is told
            from nnlint.command import run

            request = _request(context, paths, options)
    except KeyboardInterrupt:
        if request is None:
            raise
        return run.end_unread(request)
    try:
        return run.run(request)
    except run.RunError as error:
        say(f"error: {error}")
        return FAILED


def _request(context: click.Context, paths: tuple[str, ...], options: dict[str, Any]) -> Request:
    from nnlint.command.run import Request

    settings = load_settings(_first_path(paths, options), options["config"], options["isolated"])
    settings = overridden(settings, _given(context, options))
    _check_together(settings, paths, options)
    others = {name: options[name] for name in ("stdin_filename", "write_baseline", "config", "executor")}
    return Request(paths, settings, **others)


def _check_together(settings: Settings, paths: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raises UsageError for options that cannot be meant together, and says which one does nothing alone."""
    from nnlint.command.console import say

    if options["quiet"] and options["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other")
    if settings.diff and options["write_baseline"] is not None:
        raise click.UsageError("--diff and --write-baseline exclude each other: the one writes nothing")
    if options["stdin_filename"] is not None and "-" not in paths:
        raise click.UsageError("--stdin-filename: standard input is not read; name it as -")
    for name in ("report", "verify_steps", "verify_timeout"):
        if options[name] is not None and not settings.verify:
            raise click.UsageError(f"--{name.replace('_', '-')} is about the runs of --verify: give both")
    if options["unsafe_fixes"] and not (settings.fix or settings.diff or settings.quiet):
        say("--unsafe-fixes does nothing without --fix or --diff")


def _first_path(paths: tuple[str, ...], options: dict[str, Any]) -> str:
    if options["isolated"] and options["config"]:
        raise click.UsageError("--isolated and --config exclude each other")
    is_named = paths[0] == "-" and options["stdin_filename"]
    return str(options["stdin_filename"]) if is_named else paths[0]


def _given(context: click.Context, options: dict[str, Any]) -> dict[str, object]:
    """The options that stand on the command line and replace a setting. Raises UsageError for an unknown code."""
    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    codes = {name: given[name] for name in CODE_LISTS if name in given}
    if codes:
        _check_codes(codes)
    return {name: value for name, value in given.items() if name not in NOT_SETTINGS} | codes


def _check_codes(codes: dict[str, tuple[str, ...]]) -> None:
    from nnlint.selection import UnknownSelectorError, check_selectors

    if codes.get("select") == ():  # an unset variable of a script, most likely
        raise click.UsageError(f"--select: {NOTHING_SELECTED}")
    for name, selectors in codes.items():
        try:
            check_selectors(selectors)
        except UnknownSelectorError as error:
            raise click.UsageError(f"--{name.replace('_', '-')}: {error}") from error
