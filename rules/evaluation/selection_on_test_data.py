"""The test set decides which model is kept, or when training ends.

## What it does
Reports where a measure over data that are certainly called a test set (`test_loader`, `testset`, `X_test`) is compared with the
best so far, and the comparison decides which weights are saved or kept or when the training stops; and where it is what
`ReduceLROnPlateau` or early stopping is told. A validation split (also one that is called a test set where it is made and
validation where it decides), measures over several parts, and a best figure that is only printed are left alone. Off by default:
on benchmarks without a validation split this is a custom, if a bad one.

## Why it matters
The figure that is reported is the largest of as many draws as there were epochs, so it is too good, and the more so the smaller
the test set is and the longer the training. Nothing is left to measure what the chosen model does on unseen data, and methods
compared in this way are ranked in part by their noise.
Source: Cawley, Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation"
(https://www.jmlr.org/papers/v11/cawley10a.html).

## Example
```python
accuracy = evaluate(model, test_loader)
if accuracy > best_accuracy:
    best_accuracy = accuracy
    torch.save(model.state_dict(), "best.pt")
```

Use instead:
```python
accuracy = evaluate(model, val_loader)
if accuracy > best_accuracy:
    best_accuracy = accuracy
    torch.save(model.state_dict(), "best.pt")
```

## Witness
None: a run sees the choice, but not what the data are meant for, and the bias shows only on other data.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.selection import Selection, selections_on_test_data
from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.values import Data, Loader


def check(run: Run) -> Iterator[Problem]:
    """One problem for each place where the test set decides."""
    for found in selections_on_test_data(run):
        yield _problem(found)


def _problem(found: Selection) -> Problem:
    made = found.data.at if isinstance(found.data, (Data, Loader)) else None
    related = [] if made is None else [(made, "the test set")]
    if found.decided is not None:
        related.append((found.decided, "compared with the best so far here"))
    return Problem(
        found.at,
        f"the test set decides {found.what}, so its figures are no longer those of unseen data",
        label="a measure over the test set",
        related=tuple(related),
        help="decide by a validation split of the training data, and measure the test set once, at the end",
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN505",
    severity=Severity.WARNING,
    since="0.1",
    default=False,
    undecidable="a run sees the choice, but not what the data are meant for",
    trains=False,
)
