"""Settings: what a project asks for in pyproject.toml or nnlint.toml, read and validated."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnlint.lazy import regex
from nnlint.reading.raw import read_bytes
from nnlint.records import dataclass, field, fields, replace

OUTPUT_FORMATS = ("text", "concise", "json", "github", "sarif", "gitlab", "junit")
COLOURS = ("auto", "always", "never")
OWN_FILE = "nnlint.toml"
PROJECT_FILE = "pyproject.toml"
STANDARD_OUTPUT = "-"
COMMAND_LINE_ONLY = (
    "config", "executor", "explain", "help", "isolated", "list_rules", "paths", "server", "stdin_filename", "version",
    "write_baseline",
)  # fmt: skip
SECTION = regex(r"""^[^#\n\w]*tool["'\s]*\.["'\s]*nnlint(?![-\w])""", re.MULTILINE)
"""What makes a pyproject.toml that does not parse one with settings of nnlint: `[tool.nnlint`, `tool.nnlint.select`."""
TOOL_TABLE = regex(r"^\s*\[\s*tool\s*\]", re.MULTILINE)
KEY_IN_TOOL_TABLE = regex(r"""^\s*["']?nnlint["'\s]*[.=]""", re.MULTILINE)


NOTHING_SELECTED = "names no rule, so that nothing would be found; leave it out for the default rules"


class SettingsError(Exception):
    """A setting that nnlint does not know or cannot use; the message names the file and the nearest known name."""


@dataclass(frozen=True)
class Settings:
    """How one run is done; each field is an option of the same name on the command line or a key of a settings file.

    `select` None means the rules that are on by default. `output_format` None is decided by where the output goes, `jobs` None
    by the processor's cores.
    `root` is the folder that `exclude` and `per_file_ignores` are relative to.
    """

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = ()
    output_format: str | None = None
    output_file: str | None = None
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    baseline: str | None = None
    diff_base: str | None = None
    statistics: bool = False
    verbose: bool = False
    quiet: bool = False
    exit_zero: bool = False
    color: str = "auto"
    verify: bool = False
    report: str | None = None
    verify_steps: int = 1000
    verify_timeout: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    cache_dir: str | None = None
    root: str = field(default_factory=lambda: str(Path.cwd()))


def load_settings(first_path: str, config: str | None = None, isolated: bool = False) -> Settings:
    """The settings that hold for a run over `first_path`. Raises SettingsError.

    `config` names the file to use; otherwise it is the nearest one upwards from the path. `isolated` reads none.
    """
    if isolated:
        return Settings()
    if config is not None:
        return read_settings(Path(config))
    file = nearest_file(Path(first_path))
    return read_settings(file) if file else Settings()


def nearest_file(path: Path) -> Path | None:
    """The first nnlint.toml, or pyproject.toml with a section of nnlint, upwards from `path`. Raises SettingsError."""
    start = Path.cwd() if str(path) == "-" else path.absolute()
    for folder in (start, *start.parents):
        if _is_file(folder / OWN_FILE):
            return folder / OWN_FILE
        if _is_file(folder / PROJECT_FILE) and _has_section(folder / PROJECT_FILE):
            return folder / PROJECT_FILE
    return None


def read_settings(file: Path) -> Settings:
    """The settings of one file. Raises SettingsError."""
    content = _read_toml(file)
    table = _tools(content).get("nnlint") if "tool" in content or file.name == PROJECT_FILE else content
    if table is None:
        table = {}
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: [tool.nnlint] must be a table")
    return settings_from(table, str(file), file.absolute().parent)


def settings_from(table: Mapping[str, object], where: str, root: Path | None = None) -> Settings:
    """Settings from plain keys and values. Raises SettingsError, whose message begins with `where`.

    Keys may be written with dashes or underscores.
    """
    root = root or Path.cwd()
    values: dict[str, Any] = {"root": str(root)}
    for key, value in table.items():
        name = key.replace("-", "_")
        reader = READERS.get(name)
        if name in COMMAND_LINE_ONLY:
            raise SettingsError(f"{where}: {key!r} is no setting: it is for the command line alone")
        if reader is None:
            raise SettingsError(f"{where}: unknown key {key!r}{_suggestion(name)}")
        try:
            values[name] = reader(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {key}: {error}") from error
    for name in ("baseline", "output_file", "report", "cache_dir"):
        if name in values:
            values[name] = str(root / values[name])
    settings = Settings(**values)
    check_codes(settings, where)
    return settings


def check_codes(settings: Settings, where: str) -> None:
    """Raises SettingsError where a selector means no rule, and where nothing at all is selected."""
    from nnlint.selection import UnknownSelectorError, check_selectors

    if settings.select == () and not settings.extend_select:
        raise SettingsError(f"{where}: select: {NOTHING_SELECTED}")
    named = {
        "select": settings.select or (),
        "extend-select": settings.extend_select,
        "ignore": settings.ignore,
        "per-file-ignores": tuple(code for _, codes in settings.per_file_ignores for code in codes),
    }
    for key, selectors in named.items():
        try:
            check_selectors(selectors)
        except UnknownSelectorError as error:
            raise SettingsError(f"{where}: {key}: {error}") from error


def overridden(settings: Settings, options: Mapping[str, object]) -> Settings:
    """The settings with every option that was given (is not None) in place of its own."""
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("output_file") == STANDARD_OUTPUT:
        given["output_file"] = None
    return replace(settings, **given)  # type: ignore[arg-type]


def split_codes(text: str) -> tuple[str, ...]:
    """The codes, prefixes and names of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder that may not be entered
        return False


def _has_section(project: Path) -> bool:
    """Whether a pyproject.toml is the one to use. Raises SettingsError where it would be if it parsed.

    Most files upwards are other people's: they are parsed only where they name nnlint, and what is wrong with them is told only
    where they have settings of it.
    """
    data = _read_bytes(project).removeprefix(codecs.BOM_UTF8)
    text = data.replace(b"\0", b"").decode("latin-1")  # without the zeros of UTF-16
    if "nnlint" not in text:
        return False
    try:
        return "nnlint" in _tools(_read_toml(project))
    except SettingsError:
        if SECTION.search(text) or (TOOL_TABLE.search(text) and KEY_IN_TOOL_TABLE.search(text)):
            raise
        return False


def _read_bytes(file: Path) -> bytes:
    try:
        return read_bytes(file)
    except OSError as error:
        raise SettingsError(f"{file}: the settings cannot be read: {error.strerror or error}") from error


def _read_toml(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    data = _read_bytes(file)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"line {line} holds byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise SettingsError(f"{file}: the settings are not UTF-8: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: the settings are not valid TOML: {error}") from error


def _tools(content: Mapping[str, Any]) -> Mapping[str, Any]:
    tools = content.get("tool")
    return tools if isinstance(tools, dict) else {}


def _suggestion(name: str) -> str:
    import difflib  # a mistake is rare, and the module large

    near = difflib.get_close_matches(name.lower(), READERS, n=1, cutoff=0.6)
    nearest = near or difflib.get_close_matches(name.lower(), READERS, n=1, cutoff=0)
    shown = repr(nearest[0].replace("_", "-"))
    return f"; did you mean {shown}?" if near else f"; the nearest is {shown}"


def _codes(value: object) -> tuple[str, ...]:
    return split_codes(value) if isinstance(value, str) else _strings(value)


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of strings, not {value!r}")
    return tuple(value)


def _patterns(value: object) -> tuple[str, ...]:
    """Patterns of a `.gitignore`, in which, unlike there, a leading `./` means the folder of the settings file."""
    from nnlint.reading.patterns import Patterns

    patterns = tuple(re.sub(r"^(!?)\./", r"\1/", pattern) for pattern in _strings(value))
    for pattern in patterns:
        try:
            can_match = Patterns(".", (pattern,)).can_match()
        except ValueError as error:
            raise ValueError(f"{pattern!r} is no pattern") from error
        if not can_match:
            raise ValueError(f"{pattern!r} matches nothing{_why_nothing(pattern)}")
    return patterns


def _why_nothing(pattern: str) -> str:
    if pattern.startswith("#"):
        return r": a `#` begins a comment; write `\#`"
    return ": a `[` has no `]` in the same part of the path" if "[" in pattern else ""


def _per_file(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a table of patterns, each with a list of codes, not {value!r}")
    return tuple(zip(_patterns(list(value)), (_codes(codes) for codes in value.values()), strict=True))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a string, not {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _positive(kind: type[int] | type[float]) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or value < 1:
            raise ValueError(f"must be a number from 1 on, not {value!r}")
        return kind(value)

    return read


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


READERS: dict[str, Callable[[object], object]] = {
    "select": _codes,
    "extend_select": _codes,
    "ignore": _codes,
    "per_file_ignores": _per_file,
    "exclude": _patterns,
    "output_format": _one_of(OUTPUT_FORMATS),
    "color": _one_of(COLOURS),
    "verify_steps": _positive(int),
    "jobs": _positive(int),
    "verify_timeout": _positive(float),
    **dict.fromkeys(("output_file", "report", "baseline", "diff_base", "cache_dir"), _text),
    **{f.name: _flag for f in fields(Settings) if f.type == "bool"},
}
"""How each key of a settings file is read; a reader raises ValueError with the reason."""
