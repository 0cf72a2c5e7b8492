"""A ReLU cuts off what the loss needs to be negative.

## What it does
Reports a ReLU on what a network puts out as scores for cross-entropy, or as the prediction of a regression: in a
`Sequential`, at the end of `forward`, or around the call of the network; a softmax, a sigmoid or a reshape may follow. A
regression is reported where its targets are known to go below zero (standardised, centred, drawn from a normal distribution);
where that is not known, and a ReLU may be meant, it is advice. A ReLU in front of a pooling, as in SqueezeNet, is left alone.

## Why it matters
Where all scores are cut at zero, a class can never be pushed below the others, and an output that is negative for every
sample gets no gradient any more: it is dead and stays so. With a sigmoid behind, no probability is under one half. A
regression cannot reach negative targets at all, and often collapses to zero.
Source: Lu et al., "Dying ReLU and Initialization" (https://arxiv.org/abs/1903.06733), on outputs that no gradient reaches.

## Example
```python
def forward(self, x):
    x = F.relu(self.fc1(x))
    return F.relu(self.fc2(x))
```

Use instead:
```python
def forward(self, x):
    x = F.relu(self.fc1(x))
    return self.fc2(x)
```

## Fix safety
Unsafe: the ReLU is taken out, and saved weights were fitted with it.

## Witness
What the ReLU gives is never below zero, and exactly zero for some of the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlint.events import LossComputed, Run, ValueSeen
from nnlint.facts.calls import called_name
from nnlint.facts.layers import before, place_of, related_call
from nnlint.facts.regression import CLASSIFICATION_LOSSES, regression_outputs
from nnlint.finding import Applicability, Severity, Verdict
from nnlint.graph import ancestors, content, is_transparent, sources
from nnlint.mending.layer_edits import without_use
from nnlint.needs import needs
from nnlint.operations import REGRESSION_LOSSES, WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.values import Data, Site, Value
from nnlint.witness import Case, confirmed, not_reached, numbers, refuted
from nnlint.words import NETWORKS

RELUS = frozenset({"relu", "relu6"})
TAKES_PROBABILITIES = frozenset({"nll_loss", "binary_cross_entropy"})
SQUASHES = frozenset({"softmax", "log_softmax", "sigmoid"})
SIGNED = frozenset({"randn", "randn_like", "normal", "standard_normal", "sin", "cos", "StandardScaler", "scale"})
"""Functions whose results are negative about every other time."""

MADE_POSITIVE = frozenset({"abs", "square", "power", "sigmoid", "relu", "softmax", "exp", "output", "clamp"})


def check(run: Run) -> Iterator[Problem]:
    """One problem for each ReLU whose result a loss takes for scores or for a prediction."""
    predictions: set[int] | None = None
    for event in run.events(LossComputed):
        if event.kind not in CLASSIFICATION_LOSSES | REGRESSION_LOSSES:
            continue
        relus = _relus_of(event)
        if not relus:
            continue
        if event.kind in CLASSIFICATION_LOSSES:
            yield from _problems(relus, event, "scores cannot go below zero, so a class cannot be ruled out", None)
        elif event.target is not None and _may_be_negative(event.target):
            words = "predictions cannot go below zero, and the targets do"
            yield from _problems(relus, event, words, Severity.WARNING)
        else:
            predictions = {id(each) for each in regression_outputs(run)} if predictions is None else predictions
            words = "predictions cannot go below zero, and one that gets there stays zero"
            yield from _problems([each for each in relus if id(each) in predictions], event, words, Severity.ADVICE)


def _relus_of(event: LossComputed) -> list[Data]:
    """The ReLUs that a prediction comes out of, each behind a layer with weights; none where it comes another way, too."""
    passed = SQUASHES if event.kind in CLASSIFICATION_LOSSES else frozenset[str]()
    found = sources(event.prediction, lambda each: is_transparent(each) or each.operation in passed)
    relus = [each for each in found if isinstance(each, Data) and each.operation in RELUS and _is_behind_weights(each)]
    if event.kind in TAKES_PROBABILITIES and any(each is relu for each in content(event.prediction) for relu in relus):
        return []  # the missing softmax or sigmoid is the fault
    return relus if len(relus) == len(found) else []


def _is_behind_weights(relu: Data) -> bool:
    feeding = before(relu, lambda each: is_transparent(each) or each.operation in ("batch_norm", "dropout"))
    return bool(feeding) and all(isinstance(each, Data) and each.operation in WEIGHTED for each in feeding)


def _may_be_negative(target: Value) -> bool:
    """Whether the code shows that the targets go below zero."""
    return any(
        each.operation in ("subtract", "negative", "tanh")
        or (each.operation in ("random", "call", "method") and called_name(each) in SIGNED)
        for each in ancestors(target, stop=lambda each: each.operation in MADE_POSITIVE)
    )


def _problems(relus: list[Data], event: LossComputed, words: str, severity: Severity | None) -> Iterator[Problem]:
    for relu in relus:
        place = place_of(relu)
        if place is not None:
            yield Problem(
                place,
                f"{words}: a ReLU is the last thing before the loss",
                label="cuts off what is below zero",
                related=(*related_call(relu, "applied here"), (event.at, "takes the result")),
                help="leave the last layer without an activation",
                fix=without_use(relu, "take the ReLU out") if severity is not Severity.ADVICE else None,
                severity=severity,
                probes=_probes(relu, place),
            )


def _probes(relu: Data, place: Site) -> tuple[Site, ...]:
    return () if relu.at is None or relu.at is place else (relu.at,)


def witness(case: Case) -> Verdict:
    """Whether what the ReLU gives is never below zero, though it is not the same everywhere."""
    places = [related.place for related in case.finding.related[:-1]]
    seen = [event for event in case.at(ValueSeen, case.finding.place, *places) if "min" in event.numbers]
    if not seen:
        losses = [event for event in case.related(LossComputed) if "prediction_min" in event.numbers]
        least = min(numbers(losses, "prediction_min"), default=0.0)
    else:
        least = min(numbers(seen, "min"))
        losses = []
    if not seen and not losses:
        return not_reached(case)
    if least < 0:
        return refuted(f"what goes on to the loss is as low as {least:.2g}", least=least)
    return confirmed(
        f"in {len(seen) + len(losses)} batches nothing that goes on to the loss is below zero", least=least
    )


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN308",
    severity=Severity.ERROR,
    since="0.1",
    fix=Applicability.UNSAFE,
    witness=witness,
    words=(NETWORKS,),
    needs=needs(RELUS, LossComputed),
)
