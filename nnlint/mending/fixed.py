"""What mending leaves: the documents as they are now, and the report on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from nnlint.reading.document import Document
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Report


@dataclass
class Fixed:
    """The documents after fixing, the report on them by `lint`, and how many findings were mended."""

    documents: list[Document]
    report: Report
    count: int = 0
    errors: list[InternalError] = field(default_factory=list)
    lint: Callable[[Sequence[Document]], Report] | None = None

    def take_back(self, before: Iterable[Document], paths: Set[str]) -> None:
        """Reports on these paths as they were: their fixes could not be written."""
        self.documents = [old if old.path in paths else new for old, new in zip(before, self.documents, strict=True)]
        if self.lint is not None:
            mended = len(self.report.findings)
            self.report = self.lint(self.documents)
            self.count = max(0, self.count - (len(self.report.findings) - mended))
