"""Which further runs a script gets: every finding mended alone, all of them, all but one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nnlint.finding import Finding
from nnlint.reading.document import Document
from nnlint.trials import ALL_MENDED
from nnlint.verify.scripts import Lint, Script, all_mended, is_mendable, mended

MOST_ALONE = 8
"""More findings than these are not mended one by one."""

MOST_LEFT = 4
"""With more harmful codes than these, no run leaves one of them alone."""


@dataclass(frozen=True)
class Plan:
    """A run to be made: its label, the findings mended in it, the code that is left when all others are, and its files.

    `documents` are the files that were changed for it.
    """

    label: str
    mended: tuple[Finding, ...]
    texts: dict[str, str]
    but: str = ""
    documents: tuple[Document, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all findings that can be are mended in it."""
        return self.label == ALL_MENDED


def first_plans(script: Script, lint: Lint) -> list[Plan]:
    """Every finding mended alone, and all together."""
    plans = []
    for finding in [finding for finding in script.findings if is_mendable(finding)][:MOST_ALONE]:
        documents = mended(script, finding)
        if documents:
            label = f"{finding.code} mended (line {finding.place.line})"
            plans.append(Plan(label, (finding,), script.texts(documents), documents=tuple(documents)))
    if len({plan.mended[0].code for plan in plans}) > 1 or len(plans) > 1:
        documents, findings = all_mended(script, lint)
        if len(findings) > 1:
            plans.append(Plan(ALL_MENDED, tuple(findings), script.texts(documents), documents=tuple(documents)))
    return plans


def left_plans(script: Script, lint: Lint, harmful: Iterable[str], hidden: Iterable[str]) -> list[Plan]:
    """All mended but the findings of one code, for each of these codes: the `harmful` ones, where there are several and not too
    many, and those whose harm others may have `hidden`.
    """
    codes, open_codes = dict.fromkeys(harmful), dict.fromkeys(hidden)
    asked = {**open_codes, **codes} if 1 < len({**codes, **open_codes}) <= MOST_LEFT else open_codes
    plans = []
    for code in list(asked)[:MOST_LEFT]:
        documents, findings = all_mended(script, lint, but=code)
        if findings:
            label, texts = f"all but {code} mended", script.texts(documents)
            plans.append(Plan(label, tuple(findings), texts, but=code, documents=tuple(documents)))
    return plans
