"""What a rule is: a value of metadata, a page (its module's docstring) and a `check` that reads a run and yields problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from nnlint.events import Run, Site
from nnlint.finding import Applicability, Fix, Severity
from nnlint.records import dataclass

if TYPE_CHECKING:
    from nnlint.needs import Needs
    from nnlint.witness import Witness
    from nnlint.words import Words

PAGES = "https://github.com/nnlint/nnlint/blob/main/rules/README.md"

Check = Callable[[Run], Iterable["Problem"]]


@dataclass(frozen=True)
class Problem:
    """What a rule's `check` yields: one fault, in the terms of the run.

    `message` says in one sentence what happens to the training (lower case, no full stop); `label` is the few words under
    the marked span; `related` are the other places that belong to the fault, each with its few words; `help` says how to
    mend it; `severity` replaces the rule's own where the case is milder or graver. For a verifying run, `probes` are further
    places whose values its witness reads, `control` is the change whose effect it measures, where that is not the fix, and
    `exposure` a change that makes the run come to the fault early.
    """

    at: Site
    message: str
    label: str = ""
    related: tuple[tuple[Site, str], ...] = ()
    help: str = ""
    fix: Fix | None = None
    severity: Severity | None = None
    probes: tuple[Site, ...] = ()
    control: Fix | None = None
    exposure: Fix | None = None


def no_problems(run: Run) -> Iterator[Problem]:
    """The check of the program's own codes, which no run decides."""
    yield from ()


@dataclass(frozen=True, eq=False)
class Rule:
    """One entry of the catalogue.

    `module` and `page` are the rule file's `__name__` and `__doc__`: the name and the topic follow from the first, the
    title is the first line of the second. `witness` reads a verdict off a real run; where none can, `undecidable` says why.
    `words` are those without which no file holds the fault, as `nnlint.words` has them; none where it may be in any. `needs`
    are the events and operations without which `check` finds nothing in a run, as `nnlint.needs` has them.
    `trains` says whether the fault can change what the network learns; `shows_in_other_rows` that the network then answers a
    sample by its row, and fits what it was trained on all the same. Raises ValueError where the metadata are not those of
    a rule.
    """

    module: str
    page: str | None
    check: Check
    code: str
    severity: Severity
    since: str
    default: bool = True
    fix: Applicability | None = None
    witness: Witness | None = None
    undecidable: str = ""
    trains: bool = True
    shows_in_other_rows: bool = False
    words: Words = ()
    needs: Needs = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"NN[0-9]{3}", self.code):
            raise ValueError(f"{self.module}: the code {self.code!r} is not of the form NN123")
        if not (self.page or "").strip():
            raise ValueError(f"{self.module}: a rule needs a page, its module's docstring")

    @property
    def name(self) -> str:
        """The name people use, from the module's: missing_zero_grad is missing-zero-grad."""
        return self.module.rpartition(".")[2].replace("_", "-")

    @property
    def topic(self) -> str:
        """The folder the rule lies in: gradient_step, loss, architecture, ..."""
        return self.module.split(".")[-2]

    @property
    def title(self) -> str:
        """The first line of the page, without the full stop."""
        return (self.page or "").strip().splitlines()[0].rstrip(".")

    @property
    def url(self) -> str:
        """Where the page can be read."""
        return f"{PAGES}#{self.code.lower()}-{self.name}"
