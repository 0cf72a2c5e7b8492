"""What a lint run returns: plain, frozen, picklable data, with positions a person can look up.

Lines and columns are 1-based and columns count characters. In a notebook, lines count within the code cell, and `cell`
is the 1-based number of the code cell; elsewhere `cell` is None.
"""

from __future__ import annotations

from enum import Enum

from nnlint.records import dataclass, field


class Severity(str, Enum):
    """How sure and how bad: only errors and warnings make a run fail."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"

    @property
    def rank(self) -> int:
        """0 for the most severe; sorts findings and compares thresholds."""
        return list(Severity).index(self)


class Applicability(str, Enum):
    """Whether `--fix` may apply a fix (safe), or only `--fix --unsafe-fixes`."""

    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, order=True)
class Place:
    """A span of source text; the end column is that of the character after the span."""

    path: str
    cell: int | None
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Related:
    """A second place that belongs to a finding, and what it contributes: "cleared here, once per epoch"."""

    place: Place
    message: str


@dataclass(frozen=True)
class Edit:
    """Replace the text of `place` (which may be empty, to insert) by `content`."""

    place: Place
    content: str


@dataclass(frozen=True)
class Fix:
    """Edits that mend one finding; they never overlap and are applied all or none."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


class Status(str, Enum):
    """The outcome of a verifying run for one finding."""

    CONFIRMED = "confirmed"
    HARMLESS = "harmless"
    REFUTED = "refuted"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Verdict:
    """What a short run of the user's own script measured about one finding.

    It `may_be_hidden` where it acquits by the course that the training took, which another fault of the script may have changed.
    """

    status: Status
    reason: str
    evidence: tuple[tuple[str, float], ...] = ()
    effect: tuple[tuple[str, float | str], ...] | None = None
    may_be_hidden: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Plan:
    """What a verifying run needs to know of a finding.

    `script` is the path of the file whose run showed it; where `is_entry` is false, that file has no main program that leads
    there. `probes` are the spans whose values are measured besides the finding's own and its related ones. `control` is the
    change whose effect shows whether the finding matters, where that is not its fix. `exposure` is a change to all runs that
    makes them come to the fault early: of the values that a search tries, only the one found.
    """

    script: str
    is_entry: bool = True
    probes: tuple[Place, ...] = ()
    control: Fix | None = None
    exposure: Fix | None = None


@dataclass(frozen=True)
class Finding:
    """One fault at one place.

    `message` says in one sentence what happens to the training; `label` is the few words under the marked span;
    `help` says how to mend it.
    """

    code: str
    name: str
    severity: Severity
    message: str
    place: Place
    label: str = ""
    related: tuple[Related, ...] = ()
    help: str = ""
    url: str = ""
    fix: Fix | None = None
    verdict: Verdict | None = None
    plan: Plan | None = field(default=None, compare=False, repr=False)

    @property
    def sort_key(self) -> tuple[str, int, int, int, str]:
        """By path, cell, line, column, then code."""
        return (self.place.path, self.place.cell or 0, self.place.line, self.place.column, self.code)
