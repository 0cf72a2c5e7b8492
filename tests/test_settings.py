"""Settings files: where they are found, what they may say, and what is said about mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.settings import SettingsError, load_settings, read_settings, settings_from
from tests.command import Command

made_up = pytest.mark.usefixtures("made_up_rules")


@made_up
def test_pyproject_of_the_nearest_folder_upwards(command: Command) -> None:
    command.write("pyproject.toml", '[tool.nnlint]\nignore = ["NN101"]\n')
    command.write("sub/deep/a.py", "FAULT = RISKY = 1\n")
    assert command("sub/deep/a.py").findings == ["sub/deep/a.py:1:9 NN102"]


@made_up
def test_nnlint_toml_wins_over_pyproject(command: Command) -> None:
    command.write("pyproject.toml", '[tool.nnlint]\nignore = ["NN101"]\n')
    command.write("nnlint.toml", 'ignore = ["NN102"]\n')
    command.write("a.py", "FAULT = RISKY = 1\n")
    assert command("a.py").findings == ["a.py:1:1 NN101"]


@made_up
def test_a_pyproject_without_the_section_is_passed_by(command: Command) -> None:
    command.write("nnlint.toml", 'select = "NN102"\n')
    command.write("sub/pyproject.toml", "[tool.other]\nnnlint = 1\n")
    command.write("sub/a.py", "FAULT = RISKY = 1\n")
    assert command("sub").findings == ["sub/a.py:1:9 NN102"]


BROKEN = "x = [\n"


@made_up
@pytest.mark.parametrize(
    "content",
    [
        "not toml at all [",
        '[project]\ndependencies = ["nnlint"]\n' + BROKEN,
        '[tool.poetry.dependencies]\nnnlint = "*"\n' + BROKEN,
        '# [tool.nnlint]\n# ignore = ["NN102"]\n' + BROKEN,
        "[tool.nnlint-report]\nnnlint = 1\n" + BROKEN,
    ],
)
@pytest.mark.parametrize("folder", ["", "sub/"])
def test_a_broken_pyproject_without_the_section_is_passed_by(command: Command, content: str, folder: str) -> None:
    command.write("nnlint.toml" if folder else "pyproject.toml", 'ignore = ["NN101"]\n' if folder else content)
    command.write(f"{folder}pyproject.toml", content)
    command.write(f"{folder}a.py", "FAULT = RISKY = 1\n")
    found = command(f"{folder}a.py").findings
    assert found == ([f"{folder}a.py:1:9 NN102"] if folder else ["a.py:1:1 NN101", "a.py:1:9 NN102"])


@pytest.mark.parametrize(
    "content",
    [
        '[tool.nnlint]\nignore = ["NN901"]\n' + BROKEN,
        '[tool.nnlint\nignore = ["NN901"]\n',
        '[ tool . "nnlint" ]\n' + BROKEN,
        "[tool.nnlint.per-file-ignores]\n" + BROKEN,
        '[tool]\nnnlint.ignore = ["NN901"]\n' + BROKEN,
        'tool.nnlint.ignore = ["NN901"]\n' + BROKEN,
        '<<<<<<< HEAD\n[tool.nnlint]\nignore = ["NN901"]\n',
        "\ufeff[tool.nnlint]\n" + BROKEN,
    ],
)
def test_a_broken_pyproject_with_the_section_is_an_error(command: Command, content: str) -> None:
    file = command.write("pyproject.toml", content)
    command.write("sub/a.py", "x = 1\n")
    outcome = command("sub/a.py")
    assert outcome.status == 2
    assert outcome.errors.startswith(f"nnlint: error: {file}: the settings are not valid TOML: ")
    assert "(at " in outcome.errors, "it says where"
    assert len(outcome.errors.splitlines()) == 1
    assert command("--isolated", "sub/a.py").status == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_settings_in_another_encoding_are_an_error(command: Command, encoding: str) -> None:
    text = '# caf\xe9\n[tool.nnlint]\nignore = ["NN901"]\n'
    file = command.write("pyproject.toml", text.encode(encoding))
    command.write("a.py", "x = 1\n")
    outcome = command("a.py")
    assert outcome.status == 2
    assert f"{file}: the settings are not UTF-8: line 1 holds byte 0x" in outcome.errors


def test_a_broken_file_above_the_nearest_one_is_not_asked(command: Command) -> None:
    command.write("pyproject.toml", "[tool.nnlint]\n" + BROKEN)
    command.write("sub/nnlint.toml", "")
    command.write("sub/a.py", "x = 1\n")
    assert command("sub/a.py").status == 0


@made_up
def test_options_replace_settings(command: Command) -> None:
    command.write("nnlint.toml", 'select = ["NN101"]\nexit-zero = true\noutput-format = "json"\n')
    command.write("a.py", "FAULT = RISKY = 1\n")
    outcome = command("--select", "NN102", "--output-format", "concise", "a.py")
    assert outcome.status == 0
    assert outcome.findings == ["a.py:1:9 NN102"]


@made_up
def test_isolated_ignores_every_settings_file(command: Command) -> None:
    command.write("nnlint.toml", 'ignore = ["NN101"]\n')
    command.write("a.py", "FAULT = 1\n")
    assert command("a.py").findings == []
    assert command("--isolated", "a.py").findings == ["a.py:1:1 NN101"]


@made_up
def test_config_names_the_file(command: Command) -> None:
    command.write("nnlint.toml", 'ignore = ["NN101"]\n')
    command.write("ci/strict.toml", 'ignore = ["NN102"]\n')
    command.write("ci/pyproject.toml", '[tool.nnlint]\nignore = ["NN1"]\n')
    command.write("a.py", "FAULT = RISKY = 1\n")
    assert command("--config", "ci/strict.toml", "a.py").findings == ["a.py:1:1 NN101"]
    assert command("--config", "ci/pyproject.toml", "a.py").findings == []


@made_up
def test_exclude_and_per_file_ignores_are_relative_to_the_settings_file(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'exclude = ["old/", "*_copy.py"]\n[per-file-ignores]\n"legacy/**" = ["NN101"]\n"legacy/b.py" = "NN102"\n'
    command.write("nnlint.toml", text)
    for path in ("a.py", "a_copy.py", "old/a.py", "legacy/a.py", "legacy/b.py"):
        command.write(path, "FAULT = RISKY = 1\n")
    expected = ["a.py:1:1 NN101", "a.py:1:9 NN102", "legacy/a.py:1:9 NN102"]
    assert command(".").findings == expected
    monkeypatch.chdir(command.folder / "legacy")
    assert command(".").findings == ["a.py:1:9 NN102"]
    assert command("../old/a.py").findings == [], "a file that is named itself is left out as well"


@made_up
def test_patterns_may_begin_at_the_current_folder(command: Command) -> None:
    command.write("nnlint.toml", 'exclude = ["./old", "./sub/a.py"]\n[per-file-ignores]\n"./b.py" = ["NN101"]\n')
    for path in ("a.py", "b.py", "old/a.py", "sub/a.py", "sub/b.py", "sub/old.py"):
        command.write(path, "FAULT = 1\n")
    assert command(".").findings == ["a.py:1:1 NN101", "sub/b.py:1:1 NN101", "sub/old.py:1:1 NN101"]


@made_up
def test_fix_in_the_settings_fixes(command: Command) -> None:
    command.write("nnlint.toml", "fix = true\nunsafe-fixes = true\n")
    file = command.write("a.py", "FAULT = RISKY = 1\n")
    assert command("a.py").status == 0
    assert file.read_text() == "MENDED = SOUND = 1\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('selct = ["NN901"]', "unknown key 'selct'; did you mean 'select'?"),
        ("per-file-ignore = {}", "did you mean 'per-file-ignores'?"),
        ("zzz = 1", "unknown key 'zzz'; the nearest is '"),
        ('config = "a.toml"', "'config' is no setting: it is for the command line alone"),
        ('paths = ["src"]', "'paths' is no setting: it is for the command line alone"),
        ('stdin-filename = "a.py"', "'stdin-filename' is no setting: it is for the command line alone"),
        ('ignore = ["NN9O1"]', "ignore: no rule is called 'NN9O1'; did you mean NN901?"),
        ('[per-file-ignores]\n"a.py" = ["sintax-error"]', "per-file-ignores: no rule is called 'sintax-error'"),
        ("select = []", "select: names no rule, so that nothing would be found"),
        ('select = ""', "select: names no rule, so that nothing would be found"),
        ("select = 1", "select: must be a list of strings, not 1"),
        ("select = [1]", "select: must be a list of strings"),
        ('fix = "yes"', "fix: must be true or false, not 'yes'"),
        ('color = "green"', "color: must be one of auto, always, never, not 'green'"),
        ("output-format = []", "output-format: must be one of text"),
        ("baseline = 3", "baseline: must be a string"),
        ("per-file-ignores = []", "must be a table"),
        ('exclude = ["!"]', "exclude: '!' is no pattern"),
        ('[per-file-ignores]\n"!" = ["NN901"]', "per-file-ignores: '!' is no pattern"),
        (
            'exclude = ["build", "[z-a"]',
            "exclude: '[z-a' matches nothing: a `[` has no `]` in the same part of the path",
        ),
        ('exclude = ["[z-a]"]', "exclude: '[z-a]' is no pattern"),
        ('exclude = ["[a/b]"]', "exclude: '[a/b]' matches nothing: a `[` has no `]` in the same part of the path"),
        ('exclude = [""]', "exclude: '' matches nothing"),
        ('exclude = ["# old"]', "exclude: '# old' matches nothing: a `#` begins a comment; write `\\#`"),
        ('[per-file-ignores]\n"[z-a" = ["NN901"]', "per-file-ignores: '[z-a' matches nothing"),
        ("select = [", "not valid TOML"),
    ],
)
def test_mistakes_name_the_file_and_the_nearest_name(command: Command, content: str, message: str) -> None:
    command.write("nnlint.toml", content)
    command.write("a.py", "x = 1\n")
    outcome = command("a.py")
    assert outcome.status == 2
    assert f"error: {command.folder / 'nnlint.toml'}: " in outcome.errors
    assert message in outcome.errors


@made_up
def test_select_may_be_empty_where_extend_select_names_rules(command: Command) -> None:
    command.write("nnlint.toml", 'select = []\nextend-select = ["NN102"]\n')
    command.write("a.py", "FAULT = RISKY = 1\n")
    assert command("a.py").findings == ["a.py:1:9 NN102"]


def test_settings_that_are_not_there(command: Command) -> None:
    outcome = command("--config", "missing.toml", ".")
    assert outcome.status == 2
    assert "missing.toml: the settings cannot be read" in outcome.errors


def test_a_section_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nnnlint = 1\n")
    with pytest.raises(SettingsError, match="must be a table"):
        read_settings(tmp_path / "pyproject.toml")


def test_keys_with_dashes_or_underscores(tmp_path: Path) -> None:
    for key in ("extend-select", "extend_select"):
        assert settings_from({key: "NN901, syntax-error"}, "here").extend_select == ("NN901", "syntax-error")


def test_paths_in_settings_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "nnlint.toml").write_text('baseline = "known.json"\n')
    settings = load_settings(str(tmp_path / "sub" / "a.py"))
    assert settings.baseline == str(tmp_path / "known.json")
    assert settings.root == str(tmp_path)
