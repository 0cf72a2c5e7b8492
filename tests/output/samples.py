"""Short ways to make findings and reports."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from nnlint.finding import Applicability, Edit, Finding, Fix, Place, Related, Severity
from nnlint.output import FORMATS, Presentation
from nnlint.report import InternalError, Report, SourceText

LOOP = """\
for epoch in range(5):
    for images, labels in loader:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
"""
CRASH = InternalError("broken.py", 7, "rule NN101 (rules/a.py) raised KeyError: 'x'")


def spot(line: int, column: int, end_column: int, path: str = "train.py", cell: int | None = None) -> Place:
    """A span within one line."""
    return Place(path, cell, line, column, line, end_column)


def mend(applicability: Applicability = Applicability.SAFE, path: str = "train.py") -> Fix:
    """A fix of one edit, an insertion."""
    edit = Edit(spot(4, 1, 1, path), "        optimizer.zero_grad()\n")
    return Fix(applicability, "clear the gradients", (edit,))


def fault(place: Place, severity: Severity = Severity.ERROR, **fields: Any) -> Finding:
    """A finding of NN102 with few words."""
    fields = {"code": "NN102", "name": "missing-zero-grad", "message": "gradients pile up", **fields}
    return Finding(severity=severity, place=place, **fields)


def zero_grad_fault() -> Finding:
    """The finding of `LOOP`, complete."""
    return fault(
        spot(4, 9, 24),
        label="adds to the gradients of every earlier step",
        related=(Related(spot(5, 9, 25), "steps on their sum"),),
        help="call `optimizer.zero_grad()` before the backward pass",
        url="https://example.org/rules#nn102",
        fix=mend(),
    )


def report(*findings: Finding, errors: tuple[InternalError, ...] = (), **texts: str) -> Report:
    """A report over one file `train.py`, given as `train`, and others: `net="..."` is `net.py`."""
    sources = {f"{name}.py": SourceText({None: dedent(text).splitlines()}) for name, text in texts.items()}
    return Report(findings, errors, files=3, texts=sources)


def rendered(name: str, shown: Report, **presentation: Any) -> str:
    """The report in the named format, paths relative to the current folder."""
    return "".join(FORMATS[name](shown, Presentation(**{"base": Path.cwd(), **presentation})))
