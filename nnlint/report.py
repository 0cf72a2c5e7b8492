"""What one lint run hands to the output formats: plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nnlint.finding import Finding
from nnlint.records import dataclass, field

if TYPE_CHECKING:
    from nnlint.trials import Trial


@dataclass(frozen=True)
class InternalError:
    """The run itself failed at this place: an unreadable path, a rule that raised (the message names rule and file).

    `kind` is what it is called: what comes from outside is no `internal error`.
    """

    path: str
    line: int | None
    message: str
    cell: int | None = None
    kind: str = "internal error"


def outer_error(path: str, message: str) -> InternalError:
    """A path that the run cannot do its work on, through no fault of its own."""
    return InternalError(path, None, message, kind="error")


CUT_SHORT = "the analysis was cut short"
"""How the message of a note on a file begins whose analysis was given up."""

NEWER_SYNTAX = "the syntax needs a newer Python than the one that runs nnlint"
"""How the message of a note ends on what cannot be read for that reason."""


@dataclass(frozen=True)
class Note:
    """Something that was cut short, skipped or not followed; told under `--verbose`."""

    path: str
    line: int | None
    message: str
    cell: int | None = None

    @property
    def is_of_cut(self) -> bool:
        """Whether findings may be missing in that file."""
        return self.message.startswith(CUT_SHORT)

    @property
    def is_of_newer_syntax(self) -> bool:
        """Whether the file, or a cell of it, was not analysed because only a newer Python can read it."""
        return self.message.endswith(NEWER_SYNTAX)


@dataclass(frozen=True)
class SourceText:
    """The lines of one file as the user sees them: keyed by code cell in a notebook, under None elsewhere.

    `notebook` are the bytes of the notebook that the cells come from.
    """

    by_cell: Mapping[int | None, Sequence[str]]
    notebook: bytes = b""

    def lines(self, cell: int | None) -> Sequence[str]:
        """The lines of the file (None) or of one code cell, without line ends; empty where there is no such cell."""
        return self.by_cell.get(cell, ())


@dataclass(frozen=True)
class Report:
    """Everything that one run found.

    `findings` are sorted and final (suppressed and known ones are gone); `files` counts the files that were read;
    `texts` holds, for every path with a finding, the lines that its code frames show. `withdrawn` are findings that a verifying
    run refuted, `trials` what such runs measured; it is `interrupted` where the user ended the run early, and then tells what
    was known, and `files` counts those whose analysis was finished.
    """

    findings: Sequence[Finding] = ()
    errors: tuple[InternalError, ...] = ()
    notes: tuple[Note, ...] = ()
    files: int = 0
    texts: Mapping[str, SourceText] = field(default_factory=dict)
    withdrawn: tuple[Finding, ...] = ()
    trials: tuple[Trial, ...] = ()
    interrupted: bool = False


class Interrupted(KeyboardInterrupt):
    """The user ended the run early; `report` is what was known by then."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
