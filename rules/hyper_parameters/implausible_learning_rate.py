"""A learning rate far out of the optimizer's range.

## What it does
Reports a rate above 1 for SGD, above 0.05 for Adam and its kin, below 1e-8 for any of them; and 0.05 or more for steps on single
samples of a deep network without normalisation. A default of the command line or of a settings class is reported where it is
written. Nothing is said where a schedule or a helper writes the rate during training, for one layer or a plain tensor, or for
LBFGS, Adadelta, Rprop and optimizers that scale the step by themselves, where SGD's gradients are clipped, where the network
divides its weights by their norm, of SGD up to 10 where sigmoids are compared by squares, for an optimizer that nothing steps,
or of small rates where the loss is a sum over samples or pixels.

## Why it matters
Adam moves every weight by about its rate in each step, whatever the gradient: at 0.1 a few steps carry the units of a deep
network out of their range, ReLUs die, sigmoids saturate, and the output is flat from then on. Below 1e-8 nothing moves.
Source: Kingma and Ba, "Adam", ICLR 2015, section 2.1 (https://arxiv.org/abs/1412.6980).

## Example
```python
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
```

Use instead:
```python
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
```

## Witness
The loss rises, is NaN, or units die within a few steps; the control at a tenth of the rate does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnlint.events import GradientsClipped, OptimizerMade, OptimizerStepped, Run, Scored
from nnlint.facts.hyper_parameters import Setting, is_explained, is_never_used, settings
from nnlint.facts.samples import single_sample_steps
from nnlint.facts.schedules import sets_rate
from nnlint.facts.squashed import compares_sigmoids
from nnlint.facts.summed_losses import sums_its_loss
from nnlint.facts.trained import is_deep, learns_few_numbers, weighted_layers, widest_input
from nnlint.facts.tried_out import is_left_unused
from nnlint.finding import Fix, Place, Severity, Verdict
from nnlint.graph import ancestors, content, parameters_of
from nnlint.lazy import regex
from nnlint.mending.controls import other_number
from nnlint.needs import needs
from nnlint.operations import NORMALIZATIONS, WEIGHTED
from nnlint.rule import Problem, Rule
from nnlint.static.objects import CodeSite
from nnlint.values import Data, Layer, Optimizer, Site, Value, alternatives
from nnlint.witness import Case, confirmed, harmless_here, last, numbers, settled, unverified
from nnlint.words import NETWORKS

LARGEST = {
    "SGD": 1.0,
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax"), 0.05),
    "RMSprop": 0.1,
}
"""The largest plausible rate of torch.optim's classes; those that are not listed are not judged."""

LARGEST_OF_OTHERS = {**LARGEST, **dict.fromkeys(("Adagrad", "Adadelta", "ASGD"), 10.0)}
"""The same for classes that are given the same default as one of those."""

USUAL = {"SGD": "0.001 to 0.1", "RMSprop": "1e-4 to 1e-2"}
SMALLEST = 1e-8
LARGEST_FOR_ONE_SAMPLE = 0.05
DEEP = 3
NARROW = 16
TOLERANCE_OF_NARROW = 2.0
TOLERANCE_OF_SIGMOIDS = 10.0
FLAT = 0.2
"""Predictions that spread by less than this part of the control's are flat."""

SCALES_GRADIENT = regex(r"\.grad(?:\.data)?(?:\.(?:mul_|div_|clamp_|copy_)\(|(?:\[:\])?\s*[*/]=)")

WORSE = 1.5
"""A loss is worse from this multiple of the control's on."""


def check(run: Run) -> Iterator[Problem]:
    """One problem for each rate that is out of range."""
    for made in run.events(OptimizerMade):
        optimizer = made.optimizer
        if not isinstance(optimizer, Optimizer) or optimizer.kind not in LARGEST or sets_rate(run, optimizer):
            continue
        if is_left_unused(run, made):
            continue
        for setting in settings(run, made, "lr"):
            message = _message(run, made, optimizer, setting)
            if message and not is_explained(setting) and not is_never_used(run, setting):
                yield _problem(made, optimizer, setting, message)


def _message(run: Run, made: OptimizerMade, optimizer: Optimizer, setting: Setting) -> str:
    """What is wrong with a rate; "" if nothing is."""
    smallest = min(setting.tried)
    if 0 < smallest < SMALLEST:
        if sums_its_loss(run):
            return ""
        return f"at a learning rate of {smallest:g} the weights do not move"
    largest = max(setting.tried)
    if not is_deep(run, optimizer):
        return ""
    if _keeps_its_scale(run, optimizer) or learns_few_numbers(optimizer):
        return ""
    if optimizer.kind == "SGD" and _is_clipped(run, made):
        return ""
    if largest > max(LARGEST_OF_OTHERS.get(kind, math.inf) for kind in setting.kinds) * _tolerance(run, optimizer):
        return f"a learning rate of {largest:g} throws the weights out of range within a few {optimizer.kind} steps"
    if largest >= LARGEST_FOR_ONE_SAMPLE and _steps_on_one(run, optimizer) and _is_plain(optimizer.owners):
        return f"a learning rate of {largest:g} is too much for steps on single samples of a deep network"
    return ""


def _keeps_its_scale(run: Run, optimizer: Optimizer) -> bool:
    """Whether the network's weights are all of its own making and divided by their norm: no step throws them out of range."""
    parts = (part for owner in optimizer.owners for each in alternatives(owner) for part in parameters_of(each))
    return run.remember("weights divided by their norm", run, _divides_by_norm) and not any(
        isinstance(part, Layer) and part.operation in WEIGHTED for part in parts
    )


def _divides_by_norm(run: Run) -> bool:
    divisions = (data.inputs for data in run.operations.get("divide", ()) if isinstance(data, Data))
    return any(
        len(inputs) == 2
        and any(isinstance(each, Data) and each.operation == "norm" for each in content(inputs[1]))
        and any(each.operation == "parameter" for each in ancestors(inputs[0]))
        for inputs in divisions
    )


def _tolerance(run: Run, optimizer: Optimizer) -> float:
    """By how much the rate may be larger: a unit with a handful of inputs has weights as large as a large step, and the slope of
    a sigmoid makes SGD's steps small."""
    if optimizer.kind == "SGD" and compares_sigmoids(run):
        return TOLERANCE_OF_SIGMOIDS
    widest = widest_input(optimizer.owners)
    return TOLERANCE_OF_NARROW if widest is not None and widest <= NARROW else 1.0


def _is_clipped(run: Run, made: OptimizerMade) -> bool:
    return any(run.events(GradientsClipped)) or _is_clipped_elsewhere(run, made) or _is_clipped_by_hand(run)


def _is_clipped_by_hand(run: Run) -> bool:
    """Whether a file in which an optimizer steps scales gradients in place: `p.grad.mul_(bound / norm)`."""
    sites = (site for step in run.events(OptimizerStepped) for site in (step.at, *step.calls))
    modules = {id(site.module): site.module for site in sites if isinstance(site, CodeSite)}
    return any(SCALES_GRADIENT.search(module.source.text) for module in modules.values())


def _is_clipped_elsewhere(run: Run, made: OptimizerMade) -> bool:
    """Whether a Trainer steps the optimizer, which clips by an option of its own, or is not at hand."""
    function = made.at.function if isinstance(made.at, CodeSite) else None
    if getattr(function, "name", "") != "configure_optimizers":
        return False
    return run.symbolic or any(
        isinstance(data, Data) and "gradient_clip_val" in data.options for data in run.operations.get("call", ())
    )


def _steps_on_one(run: Run, optimizer: Optimizer) -> bool:
    return any(step.event.optimizer is optimizer for step in single_sample_steps(run))


def _is_plain(owners: tuple[Value, ...]) -> bool:
    """Whether the networks are deep and have no normalisation."""
    networks = [each for owner in owners for each in alternatives(owner)]
    return all(len(weighted_layers(each)) >= DEEP and not _normalises(each) for each in networks)


def _normalises(network: Value) -> bool:
    return any(isinstance(part, Layer) and part.operation in NORMALIZATIONS for part in parameters_of(network))


def _problem(made: OptimizerMade, optimizer: Optimizer, setting: Setting, message: str) -> Problem:
    usual = USUAL.get(optimizer.kind, "1e-4 to 1e-2")
    related: tuple[tuple[Site, str], ...] = ()
    if setting.default:
        related = ((made.at, f"given to {optimizer.kind} here"),)
    elif setting.written is not None and len(setting.tried) > 1:
        related = ((setting.written, "one of the values tried"),)
    return Problem(
        setting.at,
        message,
        label=f"usual for {optimizer.kind}: {usual}",
        related=related,
        help=f"begin with {'0.01' if optimizer.kind == 'SGD' else '1e-3'}",
        control=_control(optimizer, setting),
        severity=Severity.ADVICE if _trains_what_others_give(optimizer) else None,
    )


def _trains_what_others_give(optimizer: Optimizer) -> bool:
    """Whether a function makes the optimizer over whatever its callers give, and none of these is known: it may be no network."""
    given = optimizer.arguments.get("params")
    return isinstance(given, Data) and given.operation == "argument"


def _control(optimizer: Optimizer, setting: Setting) -> Fix | None:
    if min(setting.tried) < SMALLEST:
        return other_number(setting.at, "a usual rate", "0.01" if optimizer.kind == "SGD" else "1e-3")
    return other_number(setting.at, "a tenth of the rate", "({}) / 10")


def witness(case: Case) -> Verdict:
    """Whether training fails at this rate, by its losses and its predictions, and not at a tenth of it."""
    steps = list(case.run.events(OptimizerStepped))
    rates = numbers(steps, "lr")
    if not rates:
        return unverified("the run took no step")
    if max(rates) < SMALLEST:
        moved = abs(last(steps, "weight_norm") / numbers(steps, "weight_norm")[0] - 1)
        return confirmed(
            f"after {len(steps)} steps the norm of the weights has moved by {moved:.1g} of itself", moved=moved
        )
    if not all(map(math.isfinite, case.losses(*_places(case)))):
        return confirmed(f"the loss is no finite number any more within {len(steps)} steps", rate=max(rates))
    if case.mended is None or not any(case.mended.events(OptimizerStepped)):
        return unverified("the control at a tenth of the rate was not run")
    return _compared(case)


def _places(case: Case) -> list[Place]:
    """Where the optimizer may be made: a default of an option is named in place of the constructor."""
    return [case.finding.place, *(related.place for related in case.finding.related)]


def _compared(case: Case) -> Verdict:
    assert case.mended is not None
    losses, losses_at_a_tenth = case.compared_losses(*_places(case))
    loss, control = settled(losses), settled(losses_at_a_tenth)
    if not losses or not losses_at_a_tenth:
        return unverified("the run differentiated no loss")
    if not math.isfinite(control):
        return unverified("at a tenth of the rate the loss is no finite number either")
    spread = last(list(case.run.events(Scored)), "spread")
    control_spread = last(list(case.mended.events(Scored)), "spread")
    evidence = {"loss": loss, "loss_at_a_tenth": control, "spread": spread, "spread_at_a_tenth": control_spread}
    if spread < FLAT * control_spread:
        return confirmed(
            f"the predictions hardly differ any more: their spread is {spread:.2g}, at a tenth of the rate {control_spread:.2g}",
            **evidence,
        )
    if loss > WORSE * control and loss - control > WORSE * abs(control) / 10:
        return confirmed(f"the loss settles at {loss:.3g}, at a tenth of the rate at {control:.3g}", **evidence)
    return harmless_here(f"the loss settles at {loss:.3g}, at a tenth of the rate at {control:.3g}", **evidence)


rule = Rule(
    __name__,
    __doc__,
    check,
    code="NN602",
    severity=Severity.WARNING,
    since="0.1",
    witness=witness,
    words=(NETWORKS | frozenset(LARGEST),),
    needs=needs(OptimizerMade),
)
