"""The command line: options, exit status, where output goes, and that nothing ever shows a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnlint import __version__, catalogue
from nnlint.catalogue import all_rules
from tests.command import Command

made_up = pytest.mark.usefixtures("made_up_rules")


def python(*arguments: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
    )


def test_a_clean_file_exits_with_0(command: Command) -> None:
    command.write("a.py", "x = 1\n")
    assert command("a.py").status == 0


@made_up
@pytest.mark.parametrize(("text", "status"), [("FAULT = 1\n", 1), ("RISKY = 1\n", 1), ("MILD = 1\n", 0)])
def test_errors_and_warnings_exit_with_1_and_advice_with_0(command: Command, text: str, status: int) -> None:
    command.write("a.py", text)
    outcome = command("a.py")
    assert outcome.status == status
    assert len(outcome.findings) == 1


@made_up
def test_exit_zero_forgives_findings_but_no_failure(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    assert command("--exit-zero", "a.py").status == 0
    assert command("--exit-zero", "a.py", "missing.py").status == 2


@made_up
def test_a_rule_that_raises_is_an_internal_error_and_the_others_go_on(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    command.write("b.py", "RAISE = FAULT\n")
    outcome = command(".")
    assert outcome.status == 2
    assert outcome.findings == ["a.py:1:1 NN101", "b.py:1:9 NN101"]
    assert "b.py: internal error: the rule NN201 raising-rule failed on this file with LookupError" in outcome.output


@made_up
def test_an_abstract_run_that_fails_costs_that_file_alone(command: Command) -> None:
    command.write("a.py", "CRASH = FAULT\n")
    command.write("b.py", "FAULT = 1\n")
    outcome = command(".")
    assert outcome.status == 2
    assert outcome.findings == ["b.py:1:1 NN101"]
    assert "a.py: internal error: the analysis of this file failed with RuntimeError" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-such-option"], "no such option '--no-such-option'"),
        (["--quite"], "no such option '--quite'; did you mean '--quiet'?"),
        (["--output-file"], "option '--output-file' requires an argument"),
        (["--output-format", "xml"], "invalid value for '--output-format': 'xml' is not one of 'text'"),
        (["--select", "NN9O1"], "--select: no rule is called 'NN9O1'; did you mean NN901?"),
        (["--ignore", "sintax-error"], "did you mean syntax-error?"),
        (["--select", ""], "--select: names no rule, so that nothing would be found"),
        (["--select", " , "], "--select: names no rule"),
        (["--select", "", "--extend-select", "NN901"], "--select: names no rule"),
        (["--explain", ""], "--explain: no rule is called ''"),
        (["--explain", "unused-supression"], "did you mean unused-suppression?"),
        (["--explain", "NN250"], "--explain: no rule is called 'NN250'; did you mean NN2"),
        (["--explain", "nn9"], "--explain: 'nn9' is no rule but the beginning of 2 codes: NN901, NN902"),
        (["--explain", "NN"], " codes: --list-rules shows them"),
        (["--isolated", "--config", "x.toml"], "exclude each other"),
        (["--stdin-filename", "a.py"], "--stdin-filename: standard input is not read; name it as -"),
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "x"], "'--jobs': 'x' is not a valid whole number"),
        (["--verify-timeout", "x"], "'--verify-timeout': 'x' is not a valid number"),
        (["--selct", "NN1"], "no such option '--selct'; did you mean '--select'?"),
        (["--select", "NN9O2"], "did you mean NN902?"),
        (["--select", "NN092"], "did you mean NN902?"),
        (["--select", "NN9O01"], "did you mean NN901?"),
        (["--verify-steps", "5"], "--verify-steps is about the runs of --verify: give both"),
        (["--verify-timeout", "5"], "--verify-timeout is about the runs of --verify: give both"),
        (["--report", "page.html"], "--report is about the runs of --verify: give both"),
        (["--list-rules", "--output-format", "sarif"], "--list-rules prints text or json, not sarif"),
        (["--explain", "NN901", "--output-format", "concise"], "--explain prints text or json, not concise"),
        (["--list-rules", "--select", "NN9O1"], "--select: no rule is called 'NN9O1'; did you mean NN901?"),
        (["--explain", "NN901", "--list-rules"], "--explain and --list-rules exclude each other"),
        (
            ["--list-rules", "--fix"],
            "--list-rules prints what the rules say and lints nothing: --fix has no place beside it",
        ),
        (["--list-rules", "--select", "NN901", "."], "lints nothing: a path has no place beside it"),
        (["--explain", "NN901", "a.py"], "--explain prints what the rules say and lints nothing: a path has no place"),
        (["--explain", "NN901", "--diff-base", "HEAD"], "--diff-base has no place beside it"),
        (["--quiet", "--verbose", "."], "--quiet and --verbose exclude each other"),
        (["--server", "--fix"], "--fix has no place beside it"),
        (["--server", "--select", "NN1", "--quiet"], "--select has no place beside it"),
        (["--server", "."], "a path has no place beside it"),
    ],
)
def test_bad_options_exit_with_2_and_say_why(command: Command, arguments: list[str], message: str) -> None:
    outcome = command(*arguments)
    assert outcome.status == 2
    assert message in outcome.errors
    assert outcome.errors.startswith("nnlint: error: ")
    assert len(outcome.errors.splitlines()) == 1
    assert outcome.output == ""


@pytest.mark.parametrize("code", ["NN999", "NN8", "no-rule-of-this-kind"])
def test_what_is_far_from_every_rule_brings_the_nearest_and_no_guess(command: Command, code: str) -> None:
    (told,) = command("--select", code).errors.splitlines()
    assert told.startswith(f"nnlint: error: --select: no rule is called {code!r}; the nearest is ")
    assert told.rpartition(" ")[2] in {name for rule in all_rules() for name in (rule.code, rule.name)}


def test_version(command: Command) -> None:
    assert command("--version").output == f"nnlint {__version__}\n"


def test_help_names_every_option_of_the_interface(command: Command) -> None:
    text = command("--help").output
    for option in ("--select", "--diff-base", "--write-baseline", "--stdin-filename", "--statistics", "--color"):
        assert option in text
    assert "130 it was interrupted" in " ".join(text.split())


def test_explain_prints_a_page_by_code_or_name(command: Command) -> None:
    by_code = command("--explain", "nn901")
    assert by_code.status == 0
    assert "does not parse" in by_code.output
    assert command("--explain", "syntax-error").output == by_code.output


def test_list_rules_as_text_and_as_json(command: Command) -> None:
    assert "NN902" in command("--list-rules").output
    listed = json.loads(command("--list-rules", "--output-format", "json").output)
    assert {"NN901", "NN902"} <= {rule["code"] for rule in listed}
    page = json.loads(command("--explain", "NN901", "--output-format", "json").output)
    assert page == next(rule for rule in listed if rule["code"] == "NN901")


@made_up
def test_list_rules_lists_those_that_are_selected(command: Command) -> None:
    def listed(*arguments: str) -> list[str]:
        return [
            rule["code"] for rule in json.loads(command("--list-rules", "--output-format", "json", *arguments).output)
        ]

    assert listed("--select", "NN1") == ["NN101", "NN102", "NN103"]
    assert listed("--select", "NN1,rare-fault", "--ignore", "NN102") == ["NN101", "NN103", "NN104"]
    assert "NN104" in listed()
    assert "NN104" not in listed("--ignore", "NN102")


@pytest.mark.parametrize("columns", [70, 110])
def test_list_rules_fits_into_the_terminal(command: Command, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    whole = command("--list-rules").output
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    fitted = command("--list-rules").output
    assert max(map(len, fitted.splitlines())) <= columns < max(map(len, whole.splitlines()))
    assert fitted.split() == whole.split()


@made_up
def test_the_default_path_is_the_current_folder(command: Command) -> None:
    command.write("sub/a.py", "FAULT = 1\n")
    assert command().findings == ["sub/a.py:1:1 NN101"]


@made_up
def test_select_extend_select_and_ignore(command: Command) -> None:
    command.write("a.py", "FAULT = RISKY = MILD = RARE = 1\n")

    def codes(*arguments: str) -> list[str]:
        return [finding[-3:] for finding in command(*arguments, "a.py").findings]

    assert codes() == ["101", "102", "103"]
    assert codes("--select", "NN102,mild-fault") == ["102", "103"]
    assert codes("--select", "NN102", "--select", "NN101") == ["101", "102"]
    assert codes("--ignore", "NN1") == []
    assert codes("--ignore", "NN1", "--extend-select", "NN103") == ["103"]
    assert codes("--select", "NN1", "--ignore", "NN102") == ["101", "103"]
    assert codes("--extend-select", "NN104") == ["101", "102", "103", "104"]
    assert codes("--select", "NN1") == ["101", "102", "103"], "a prefix does not switch on what is off by default"
    assert codes("--select", "rare-fault") == ["104"]


@made_up
def test_empty_lists_take_those_of_the_settings_back(command: Command) -> None:
    command.write("nnlint.toml", 'ignore = ["NN101"]\nextend-select = ["NN104"]\n')
    command.write("a.py", "FAULT = RARE = 1\n")
    assert command("a.py").findings == ["a.py:1:9 NN104"]
    assert command("--ignore", "", "--extend-select", "", "a.py").findings == ["a.py:1:1 NN101"]


def test_a_file_that_does_not_parse_is_told_whatever_is_selected(command: Command) -> None:
    command.write("a.py", "x = (\n")
    assert command("--select", "NN902", "a.py").findings == ["a.py:1:5 NN901"]
    assert command("--ignore", "NN901", "a.py").status == 0


@made_up
def test_output_file_holds_the_report_and_nothing_is_printed(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    outcome = command("--output-format", "json", "--output-file", "out.json", "a.py")
    assert (outcome.status, outcome.output) == (1, "")
    assert [finding["code"] for finding in json.loads((command.folder / "out.json").read_text())] == ["NN101"]
    assert sorted(path.name for path in command.folder.iterdir()) == ["a.py", "out.json"]


def test_output_file_in_a_missing_folder_exits_with_2(command: Command) -> None:
    command.write("a.py", "x = 1\n")
    outcome = command("--output-file", "missing/out.txt", "a.py")
    assert outcome.status == 2
    assert "missing/out.txt" in outcome.errors


@made_up
def test_failures_go_to_standard_error_where_the_format_is_for_programs(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    outcome = command("--output-format", "json", "a.py", "missing.py")
    assert outcome.status == 2
    assert len(json.loads(outcome.output)) == 1
    assert "missing.py: the file cannot be read" in outcome.errors


@made_up
def test_colours_only_where_asked_for(command: Command) -> None:
    command.write("a.py", "FAULT = 1\n")
    assert "\x1b[" not in command("a.py").output
    assert "\x1b[" not in command("--color", "never", "a.py").output
    assert "\x1b[" in command("--color", "always", "a.py").output


@made_up
def test_verbose_tells_what_was_cut_short(command: Command) -> None:
    command.write("a.py", "NOTED = 1\n")
    assert "cut short" not in command("a.py").errors
    assert "a.py:1: note: the loop was cut short" in command("--verbose", "a.py").errors


def test_an_analysis_that_was_cut_short_is_told_at_the_end(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlint.static.machine.MOST_STEPS", 10)
    command.write("a.py", "import torch\n" + "x = torch.zeros(3)\n" * 40)
    outcome = command("--output-format", "text", "a.py")
    told = "The analysis of 1 file was cut short: findings may be missing; --verbose names them.\n"
    assert (outcome.status, outcome.output) == (0, f"Nothing to report in 1 file.\n{told}")
    assert "a.py: note: the analysis was cut short" in command("--verbose", "a.py").errors


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="no syntax is known that this Python cannot read")
def test_what_only_a_newer_python_can_read_is_told_at_the_end(command: Command) -> None:
    command.write("a.py", 'import torch\n\nx = t"{torch}"\n')
    outcome = command("--output-format", "text", "a.py")
    assert outcome.status == 0
    assert (
        "Of 1 file the syntax needs a newer Python than the one that runs nnlint: findings may be missing"
        in outcome.output
    )
    assert "a.py: note: not analysed" in command("--verbose", "a.py").errors


def test_an_ignored_folder_is_said_to_be_ignored(command: Command) -> None:
    command.write(".gitignore", "out/\n")
    command.write("out/a.py", "import torch\n")
    (command.folder / ".git").mkdir()
    outcome = command("out")
    assert outcome.status == 0
    assert "a .gitignore keeps out all that is here" in outcome.errors
    assert "keeps out" not in command("out/a.py").errors


def test_an_empty_folder_is_said_to_be_empty(command: Command) -> None:
    outcome = command(".")
    assert outcome.status == 0
    assert "no Python files" in outcome.errors
    assert command("--quiet", ".").errors == ""


@made_up
def test_unsafe_fixes_alone_are_said_to_do_nothing(command: Command) -> None:
    file = command.write("a.py", "RISKY = 1\n")
    hint = "nnlint: --unsafe-fixes does nothing without --fix or --diff\n"
    outcome = command("--unsafe-fixes", "a.py")
    assert (outcome.status, outcome.errors) == (1, hint)
    assert file.read_text() == "RISKY = 1\n"
    assert command("--unsafe-fixes", "--quiet", "a.py").errors == ""
    assert command("--unsafe-fixes", "--fix", "a.py").errors == "nnlint: 1 finding fixed in 1 file\n"
    command.write("nnlint.toml", "unsafe-fixes = true\n")
    assert command("a.py").errors == "", "in the settings it says what --fix is to do"


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = f"cd gone; rmdir ../gone; {sys.executable} -m nnlint; echo $?"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "2\n"
    assert done.stderr == "nnlint: error: the current folder is not there any more\n"


@made_up
def test_standard_input_under_a_name(command: Command) -> None:
    outcome = command("-", "--stdin-filename", "models/net.py", stdin=b"FAULT = 1\n")
    assert outcome.findings == ["models/net.py:1:1 NN101"]
    assert command("-", stdin=b"FAULT = 1\n").findings == ["<stdin>:1:1 NN101"]


@made_up
def test_a_notebook_on_standard_input_is_read_as_one(command: Command) -> None:
    notebook = {"cells": [{"cell_type": "code", "source": ["x = 1\n", "FAULT = 1\n"]}], "nbformat": 4, "metadata": {}}
    data = json.dumps(notebook).encode()
    assert command("-", stdin=data).findings == ["<stdin>.ipynb:cell 1:2:1 NN101"]
    fixed = json.loads(command("--fix", "-", stdin=data).output)
    assert fixed["cells"][0]["source"] == ["x = 1\n", "MENDED = 1\n"]
    assert command("-", stdin=b'{"cells": [FAULT]}').findings == ["<stdin>:1:12 NN101"]


def test_an_unexpected_failure_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("nnlint.command.run.read_paths", fail)
    outcome = command(".")
    assert outcome.status == 2
    assert outcome.errors.startswith("nnlint: internal error: ZeroDivisionError: division by zero (test_cli.py:")
    assert len(outcome.errors.splitlines()) == 1


INTERRUPTED_START = """
import os, runpy, signal, sys

class Finder:
    @staticmethod
    def find_spec(name, *others):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
sys.argv = ["nnlint", "--version"]
runpy.run_module("nnlint", run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_of_the_start_is_quiet(tmp_path: Path) -> None:
    done = python("-c", INTERRUPTED_START, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_quiet(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number:04}_with_a_name_that_is_long_enough_to_fill_the_pipe.py").write_text("x = (\n")
    script = f"{sys.executable} -m nnlint . | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "1"


def test_python_m_nnlint_is_the_same_command(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = (\n")
    done = python("-m", "nnlint", "a.py", folder=tmp_path)
    assert done.returncode == 1
    assert "a.py:1:5: error NN901 syntax-error" in done.stdout


def test_an_output_encoding_without_the_letters_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "ещё.py").write_text("x = (\n")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = python("-m", "nnlint", ".", folder=tmp_path, env=environment)
    assert done.returncode == 1
    assert "\\u0435\\u0449\\u0451.py:1:5" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_carets_stand_under_what_such_an_encoding_prints(tmp_path: Path) -> None:
    (tmp_path / "\u635f.py").write_text("\u635f\u5931 = x = (\n", encoding="utf-8")
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    done = python("-m", "nnlint", "--no-cache", "--output-format", "text", ".", folder=tmp_path, env=environment)
    head, _, line, carets = done.stdout.splitlines()[:4]
    assert head.startswith("\\xe6\\x8d\\x9f.py:1:10: error NN901")
    assert line == "1 | \\u635f\\u5931 = x = ("
    assert carets.index("^") == line.index("(")


@pytest.mark.parametrize("module", ["nnlint", "nnlint.cli"])
def test_importing_the_command_imports_neither_libcst_nor_the_engine(tmp_path: Path, module: str) -> None:
    code = (
        f"import sys, {module}; print([m for m in sys.modules if m.startswith(('libcst', 'torch', 'nnlint.static'))])"
    )
    assert python("-c", code, folder=tmp_path).stdout == "[]\n"


@made_up
def test_progress_stays_off_where_standard_error_is_no_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnlint.command.console.SILENT_SECONDS", 0.0)
    command.write("a.py", "x = 1\n")
    assert command("a.py").errors == ""


@made_up
def test_progress_on_a_terminal_is_taken_away_at_the_end(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlint.command.console.SILENT_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    command.write("a.py", "FAULT = 1\n")
    outcome = command("a.py")
    assert "nnlint: a.py" in outcome.errors
    assert outcome.errors.endswith("\r\x1b[K")
    assert "\x1b[K" not in outcome.output


@made_up
def test_text_with_colours_is_the_default_on_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    command.write("a.py", "FAULT = 1\n")
    assert "\x1b[" in command("a.py").output
    assert "1 | FAULT = 1" in command("--color", "never", "a.py").output
    assert "1 | FAULT = 1" not in command("--output-file", "out.txt", "a.py").output
    assert "1 | FAULT = 1" not in (command.folder / "out.txt").read_text()
    for name, value in (("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        assert "\x1b[" not in command("a.py").output


def test_a_catalogue_that_is_not_installed_is_said_with_its_remedy(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnlint.catalogue.CATALOGUE", "nnlint.nowhere")
    catalogue.forget()
    for arguments in ((".",), ("--list-rules",), ("--select", "NN1")):
        outcome = command(*arguments)
        assert outcome.status == 2
        assert "run `pip install -e .`" in outcome.errors
    monkeypatch.undo()
    catalogue.forget()


@made_up
def test_the_same_fault_of_several_runs_is_told_once(command: Command) -> None:
    command.write("a.py", "FAULT = TWICE\n")
    assert command("a.py").findings == ["a.py:1:1 NN101"]


@made_up
def test_statistics_count_per_rule(command: Command) -> None:
    command.write("a.py", "FAULT = FAULT = RISKY\n")
    assert "2  NN101" in command("--statistics", "a.py").output


@made_up
def test_findings_are_sorted_by_place(command: Command) -> None:
    command.write("b.py", "RISKY = FAULT\n")
    command.write("a.py", "x = 1\n" * 9 + "FAULT = 1\n" + "FAULT = 2\n")
    assert command("b.py", "a.py").findings == [
        "a.py:10:1 NN101",
        "a.py:11:1 NN101",
        "b.py:1:1 NN102",
        "b.py:1:9 NN101",
    ]
