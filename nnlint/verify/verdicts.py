"""The verdict on a finding: what its rule's witness reads off real runs, and whether another fault may have hidden the harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nnlint.catalogue import rules_by_code
from nnlint.events import Run
from nnlint.finding import Finding, Status, Verdict
from nnlint.verify.ladder import has_trained, hindrance
from nnlint.verify.made_up import reserved
from nnlint.verify.scripts import is_same_change
from nnlint.witness import Case, unverified

INTERRUPTED = "interrupted"


def verdict_of(finding: Finding, written: Run, alone: Run | None) -> Verdict:
    """What the witness of a finding's rule reads off the run as written and, where there is one, that with it alone mended."""
    rule = rules_by_code()[finding.code]
    if rule.witness is None:
        return unverified(rule.undecidable or "this rule has nothing that a run could measure")
    if written.ended == "lost":
        return unverified(f"the run was lost; {written.trouble}")
    try:
        verdict = rule.witness(Case(finding, written, alone))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        return unverified(f"its witness failed with {type(error).__name__}: {error}")
    if verdict.status is not Status.CONFIRMED and not has_trained(written):
        return unverified(hindrance(written))
    return _with_trouble(reserved(verdict, rule.topic, written), written)


def _with_trouble(verdict: Verdict, run: Run) -> Verdict:
    """A run that was ended from outside has its part in what could not be decided."""
    if verdict.status is not Status.UNVERIFIED or not run.trouble:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; {run.trouble}")


def hiding(finding: Finding, verdicts: Mapping[Finding, Verdict]) -> list[Finding]:
    """The confirmed faults that may hide what this finding does: those of other rules that change the training.

    None where the verdict on the finding is no acquittal by the course of the training.
    """
    if not verdicts[finding].may_be_hidden:
        return []
    return [
        other
        for other, verdict in verdicts.items()
        if other.code != finding.code
        and not is_same_change(other, finding)
        and verdict.status is Status.CONFIRMED
        and rules_by_code()[other.code].trains
    ]


def unhidden(
    acquitted: Verdict, others: Sequence[Finding], unmended: Sequence[Finding], left: Verdict | None
) -> Verdict:
    """The verdict on a finding that `others` may hide; `left` is that of the run with it alone left, if there was one.

    The acquittal stands where it stands there, too. `unmended` are those of the others that are still there, or would be.
    """
    if left is not None and left.status is Status.CONFIRMED:
        return replace(left, reason=f"with {'others' if unmended else 'all others'} mended: {left.reason}")
    if acquitted.status is Status.UNVERIFIED:
        return acquitted
    if unmended:
        others, what = unmended, "cannot be mended for a run"
    elif left is None:
        what = f"no run was made without {_it(others)}"
    elif left.status is acquitted.status:
        return acquitted
    else:
        what = f"without {_it(others)} {left.reason}"
    codes = ", ".join(dict.fromkeys(other.code for other in others))
    return unverified(f"{acquitted.reason}, but {codes} may hide the harm, and {what}", **dict(acquitted.evidence))


def _it(others: Sequence[Finding]) -> str:
    return "it" if len(others) == 1 else "them"
