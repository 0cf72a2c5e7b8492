"""Training a Lightning module that no Trainer of the file is given: as the Trainer would, on data that its own step takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child import measures
from nnlint.verify.child.harness.probing import BATCH, Fit, candidates
from nnlint.verify.child.harness.roles import REGRESSION, Cast
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.packages.lightning.trainer import Trainer

EPOCHS = 8


def is_of_lightning(subject: Any) -> bool:
    """Whether a class has what a Trainer calls."""
    return hasattr(subject, "training_step") and hasattr(subject, "configure_optimizers")


def train(cls: type[nn.Module], cast: Cast) -> bool:
    """Train a module of a class in some epochs; whether data were found that its step takes."""
    positional, named = cast.arguments(cls)
    module: Any = cls(*positional, **named)
    fit = _fitted(module, cast)
    if fit is None:
        return False
    cast.use(fit)
    _Trainer(max_epochs=EPOCHS).fit(module, cast.loader(), cast.loader())
    return True


class _Trainer(Trainer):
    """One that makes an optimizer where the module is given its own by settings that are not at hand."""

    def configured(self, model: Any) -> Any:
        """What the module configures."""
        try:
            return super().configured(model)
        except (TypeError, AttributeError, KeyError):
            stood_in("an optimizer that settings choose")
            return torch.optim.Adam(model.parameters(), lr=1e-3)


def _fitted(module: Any, cast: Cast) -> Fit | None:
    """What the step takes as a pair of inputs and targets; the output is that of the layer that is called last."""
    for shape, words in candidates(module):
        fit = Fit(module, shape, words)
        inputs = fit.inputs(BATCH, torch.Generator().manual_seed(0))
        output = _last_output(module, inputs)
        if output is None or output.shape[:1] != inputs.shape[:1]:
            continue
        fit.output = output
        if any(_step(module, inputs, targets) for targets in _targets(output, bool(cast.names & REGRESSION))):
            return fit
    return None


def _targets(output: Tensor, are_numbers: bool) -> Iterator[Tensor]:
    if are_numbers or output.dim() < 2:
        yield torch.zeros(output.shape)
    else:
        yield torch.zeros(output.shape[0], *output.shape[2:], dtype=torch.long)
        yield torch.zeros(output.shape)


def _last_output(module: Any, inputs: Tensor) -> Tensor | None:
    """What the last layer that the step calls gives, whether or not the step comes to its end."""
    found: list[Tensor] = []
    hooks = [
        leaf.register_forward_hook(lambda layer, given, output: found.extend(measures.tensors_in(output)))
        for leaf in module.modules()
        if not list(leaf.children()) and not isinstance(leaf, nn.modules.loss._Loss)
    ]
    _step(module, inputs, torch.zeros(len(inputs), dtype=torch.long))
    for hook in hooks:
        hook.remove()
    return found[-1].detach() if found else None


def _step(module: Any, inputs: Tensor, targets: Tensor) -> bool:
    try:
        Trainer().one_step(module, (inputs, targets))
    except Exception:  # whatever the user's code raises, these are not the data
        return False
    return True
