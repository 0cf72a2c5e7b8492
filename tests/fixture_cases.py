"""The fixtures as test cases: which files a case has, and what its comments expect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nnlint
from nnlint import Finding
from nnlint.catalogue import all_rules
from nnlint.settings import Settings

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOT_RULES = frozenset({"broken"})
OPT_IN = frozenset(rule.name for rule in all_rules() if not rule.default)
CLAIM = r"(?:error|warning|advice):\s*[a-z0-9-]+(?:\s*\((?:confirmed|harmless|refuted|unverified)\))?"
EXPECTATION = re.compile(rf"#\s*({CLAIM}(?:,\s*{CLAIM})*)")

Expected = tuple[str, int | None, int, str, str]
"""Path within the case, cell, line, severity, rule name."""

Spot = tuple[str, int | None, int, str]
"""Path within the case, cell, line, rule name."""


@dataclass(frozen=True)
class Case:
    """One script, notebook or folder of scripts, linted as one project."""

    name: str
    path: Path

    @property
    def rule_name(self) -> str:
        """The rule whose folder the case lies in."""
        return self.name.partition("/")[0].replace("_", "-")

    @property
    def is_faulty(self) -> bool:
        """Whether the case shows a fault of its rule."""
        return self.path.name.startswith(("faulty", "story"))

    def files(self) -> list[Path]:
        """The case's own files."""
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.rglob("*") if file.suffix in (".py", ".ipynb"))

    def expected(self) -> set[Expected]:
        """What the comments of the case say."""
        return {found for found, _ in self._claims()}

    def expected_verdicts(self) -> dict[Spot, str]:
        """The verdicts that the comments of the case say a short run gives."""
        return {(path, cell, line, name): said for (path, cell, line, _, name), said in self._claims() if said}

    def _claims(self) -> list[tuple[Expected, str]]:
        return [found for file in self.files() for found in _expected_in(file, self._relative(file))]

    def found(self) -> set[Expected]:
        """What nnlint says, with its default settings; of a folder of an opt-in rule, with that rule too."""
        return {self._seen(finding) for finding in self.findings()}

    def findings(self) -> list[Finding]:
        """The findings of the case."""
        own = (self.rule_name,) if self.rule_name in OPT_IN else ()
        return nnlint.lint_paths([self.path], Settings(extend_select=own))

    def spot(self, finding: Finding) -> Spot:
        """Where in the case a finding stands."""
        place = finding.place
        return (self._relative(Path(place.path)), place.cell, place.line, finding.name)

    def _seen(self, finding: Finding) -> Expected:
        path, cell, line, name = self.spot(finding)
        return (path, cell, line, finding.severity.value, name)

    def _relative(self, file: Path) -> str:
        base = self.path if self.path.is_dir() else self.path.parent
        return file.resolve().relative_to(base.resolve()).as_posix()


def all_cases() -> Iterator[Case]:
    """Every case of every rule's folder, and the seed stories."""
    for folder in sorted(FIXTURES.iterdir()):
        if folder.name in NOT_RULES or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if (path.is_dir() and path.name != "__pycache__") or path.suffix in (".py", ".ipynb"):
                yield Case(f"{folder.name}/{path.name}", path)


def _expected_in(file: Path, shown: str) -> Iterator[tuple[Expected, str]]:
    for cell, lines in _texts(file):
        for number, line in enumerate(lines, start=1):
            for match in EXPECTATION.finditer(line):
                for claim in match.group(1).split(","):
                    severity, _, rest = claim.partition(":")
                    name, _, verdict = rest.partition("(")
                    yield (shown, cell, number, severity.strip(), name.strip()), verdict.rstrip(" )")


def _texts(file: Path) -> Iterator[tuple[int | None, list[str]]]:
    if file.suffix != ".ipynb":
        yield None, file.read_text(encoding="utf-8").splitlines()
        return
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), start=1):
        yield number, "".join(cell["source"]).splitlines()
