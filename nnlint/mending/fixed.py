"""What mending leaves: the documents as they are now, and the report on them."""

from __future__ import annotations

from nnlint.reading.document import Document
from nnlint.records import dataclass, field
from nnlint.report import InternalError, Report


@dataclass
class Fixed:
    """The documents after fixing, the report on them, and how many findings were mended."""

    documents: list[Document]
    report: Report
    count: int = 0
    errors: list[InternalError] = field(default_factory=list)
