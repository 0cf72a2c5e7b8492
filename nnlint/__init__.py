"""nnlint: a linter for neural-network training code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    from nnlint.finding import (
        Applicability,
        Edit,
        Finding,
        Fix,
        Place,
        Related,
        Severity,
        Status,
        Verdict,
    )
    from nnlint.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "Applicability",
    "Edit",
    "Finding",
    "Fix",
    "Place",
    "Related",
    "Severity",
    "Status",
    "Verdict",
    "__version__",
    "lint_paths",
    "lint_text",
]


def lint_paths(
    paths: Iterable[str | PathLike[str]] | str | PathLike[str], settings: Settings | Mapping[str, object] | None = None
) -> list[Finding]:
    """The findings in these files and folders, as the command line reports them; nothing is printed or written.

    Without settings, those of the nearest pyproject.toml or nnlint.toml upwards from the first path hold; a mapping is read
    like a table of such a file. Raises `nnlint.api.LintError` where a path cannot be read or a rule fails (its `findings`
    are those that were found all the same), and `nnlint.settings.SettingsError` for settings that nnlint does not know.
    """
    from nnlint import api

    return api.lint_paths(paths, settings)


def lint_text(
    text: str, path: str = "<text>", settings: Settings | Mapping[str, object] | None = None
) -> list[Finding]:
    """The findings in one text, which is read as a notebook's JSON where `path` ends with .ipynb.

    Without settings the defaults hold, and no file is read for them. Raises as `lint_paths` does.
    """
    from nnlint import api

    return api.lint_text(text, path, settings)


if not TYPE_CHECKING:

    def __getattr__(name):
        """The classes of findings, imported when they are asked for.

        `python -m nnlint` comes by here while a `signal.py` in the user's folder still hides that of Python.
        """
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from nnlint import finding

        return getattr(finding, name)

    def __dir__():
        return sorted({*globals(), *__all__})


del TYPE_CHECKING
