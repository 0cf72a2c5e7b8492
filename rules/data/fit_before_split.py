"""A transform is fitted on all data before a part of them is held out.

## What it does
Reports a scaler, imputer, feature selector, decomposition or text weighting of scikit-learn that is fitted on data of which a
part is then held out: by `train_test_split`, `random_split`, the folds of a cross-validation or two slices at one bound, also
after windows were cut, and also where the parts are transformed one by one by the fit of the whole; and inputs that are scaled by
their own mean and deviation, or range, written out, before `train_test_split` or `random_split`. A fit on the training part is
right, and so is a pipeline inside a cross-validation. Two domains that are mapped into one space together are left alone.

## Why it matters
The held-out rows have told their mean, their range or even which features go with their labels, and the model is trained on
numbers that contain it. The test result is too good, and nobody sees by how much: little for a mean over many rows, for a
maximum of a rising series or a selection of features all of the accuracy.
Source: scikit-learn, "Common pitfalls: data leakage" (https://scikit-learn.org/stable/common_pitfalls.html#data-leakage).

## Example
```python
x = StandardScaler().fit_transform(x)
x_train, x_test, y_train, y_test = train_test_split(x, y)
```

Use instead:
```python
x_train, x_test, y_train, y_test = train_test_split(x, y)
scaler = StandardScaler().fit(x_train)
x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
```

## Witness
The fit saw as many rows as are split afterwards, the held-out ones among them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import Run
from nnlint.facts.fits import Leak, leaks
from nnlint.facts.held_out import foreign_scalings
from nnlint.finding import Severity, Verdict
from nnlint.needs import needs
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted, unverified
from nnlint.words import ARRAYS, FITTED


def check(run: Run) -> Iterator[Problem]:
    """One problem for each fit that saw held-out data."""
    reported: set[int] = set()
    for leak in leaks(run):
        site = leak.transform.at
        if isinstance(site, CodeSite) and id(site.node) not in reported and not _is_of_held_out_data(run, leak):
            reported.add(id(site.node))
            yield _problem(leak)


def _is_of_held_out_data(run: Run, leak: Leak) -> bool:
    """Whether the fit is of data that are held out as a whole, which are told of as scaled by themselves."""
    results = {id(each) for each in leak.transform.results}
    return any(id(each.scaling.result) in results for each in foreign_scalings(run))


def _problem(leak: Leak) -> Problem:
    split = leak.split.held_out.at
    return Problem(
        leak.transform.at,
        "the transform learns from the held-out data, too, so the test result is too good",
        label="fitted on all rows",
        related=((split, "a part is held out here"),) if split is not None else (),
        help="split first, fit on the training part, and transform the other parts by that fit",
    )


def witness(case: Case) -> Verdict:
    """Whether the rows that the fit saw are those that were split."""
    fitted = numbers(list(case.values()), "argument_rows")
    places = [related.place for related in case.finding.related]
    seen = case.values(*places) if places else []
    if not fitted:
        return not_reached(case)
    parted = [*numbers(seen, "argument_rows"), *numbers(seen, "left_rows")]
    held_out = [rows for rows in numbers(seen, "rows") if rows < fitted[0]]
    if parted and fitted[0] < max(parted):
        return refuted(f"the fit saw {fitted[0]:.0f} rows of {max(parted):.0f}")
    if parted:
        return confirmed(f"the fit saw all {fitted[0]:.0f} rows that are split", rows=fitted[0], split=max(parted))
    if held_out:
        return confirmed(
            f"the fit saw {fitted[0]:.0f} rows, {held_out[0]:.0f} of which are held out",
            rows=fitted[0],
            held_out=held_out[0],
        )
    return unverified("the run did not come to the split")


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN405",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    trains=False,
    words=(FITTED | {"train_test_split", "random_split"}, ARRAYS),
    needs=needs(("fitted", "method", "divide")),
)
