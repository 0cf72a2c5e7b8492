"""The numbers that records tell of losses, calls and steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nnlint.verify.child import measures


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """All parameters of an optimizer, group by group."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def is_number(value: Any) -> bool:
    """Whether a value is a number, and no flag."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def value_of(roots: Any) -> measures.Numbers:
    """The loss that is differentiated: the sum of all roots that are single numbers."""
    tensors = [roots] if isinstance(roots, Tensor) else list(roots or ())
    values = [float(each.item()) for each in tensors if isinstance(each, Tensor) and each.numel() == 1]
    return {"loss": sum(values)} if values else {}


def prediction_and_target(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, Any]:
    """The first two arguments of a loss."""
    given = list(arguments[:2])
    prediction = given[0] if given else keywords.get("input")
    target = given[1] if len(given) > 1 else keywords.get("target")
    return prediction, target


def is_part(prediction: Any, output: Any) -> bool:
    """Whether a prediction lies in the memory of a network's output: it is the output, or a part or a view of it."""
    if not isinstance(prediction, Tensor) or prediction.layout is not torch.strided:
        return False
    memory = prediction.untyped_storage().data_ptr()
    found = (each for each in measures.tensors_in(output) if each.layout is torch.strided)
    return any(each.untyped_storage().data_ptr() == memory for each in found)


def loss_numbers(prediction: Tensor, target: Tensor, value: Any) -> measures.Numbers:
    """What is told of a loss: its prediction, its target, and its value."""
    numbers = {f"prediction_{name}": each for name, each in measures.summary(prediction).items()}
    numbers |= {f"target_{name}": each for name, each in measures.summary(target).items()}
    numbers |= measures.row_sums(prediction)
    if isinstance(value, Tensor) and value.numel() == 1:
        numbers["loss"] = float(value.detach())
    return numbers


def call_numbers(module: nn.Module, output: Any) -> measures.Numbers:
    """What is told of a network's call: its mode, its gradient, and what in it depends on the mode."""
    outputs = list(measures.tensors_in(output))
    training = [part for part in module.modules() if part.training]
    numbers = {
        "training": float(module.training),
        "gradient": float(any(each.requires_grad for each in outputs)),
        "mode_dependent": float(sum(_depends_on_mode(part) for part in module.modules())),
        "batchnorms": float(sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in training)),
    }
    if outputs and outputs[0].dim():
        numbers["batch"] = float(outputs[0].shape[0])
    return numbers


def _depends_on_mode(part: nn.Module) -> bool:
    if isinstance(part, nn.modules.batchnorm._BatchNorm):
        return bool(part.track_running_stats)
    rate = getattr(part, "p" if isinstance(part, nn.modules.dropout._DropoutNd) else "dropout", 0)
    return isinstance(rate, float) and rate > 0


def step_numbers(optimizer: Optimizer) -> measures.Numbers:
    """What is told of an optimizer's step: rates, norms, and whether it has a state."""
    parameters = parameters_of(optimizer)
    gradients = [each.grad for each in parameters if each.grad is not None]
    group = optimizer.param_groups[0]
    numbers = {name: float(group[name]) for name in ("lr", "momentum") if is_number(group.get(name))}
    numbers |= _decay(optimizer)
    numbers["gradient_norm"] = measures.norm(gradients)
    numbers["largest_gradient"] = measures.largest(gradients)
    numbers["weight_norm"] = measures.norm(parameters)
    numbers["state"] = float(sum(len(state) for state in optimizer.state.values()))
    numbers["remembers"] = float(any(_remembers(state.values()) for state in optimizer.state.values()))
    return numbers


def _decay(optimizer: Optimizer) -> measures.Numbers:
    """The largest weight decay of a group, which group that is, and the norms of its weights and gradients."""
    given: list[Any] = [group.get("weight_decay") for group in optimizer.param_groups]
    decays = [float(each) if is_number(each) else 0.0 for each in given]
    largest = max(range(len(decays)), key=decays.__getitem__)
    parameters = optimizer.param_groups[largest]["params"]
    return {
        "weight_decay": decays[largest],
        "decayed_group": float(largest),
        "decayed_norm": measures.norm(parameters),
        "decayed_gradient_norm": measures.norm(each.grad for each in parameters if each.grad is not None),
    }


def _remembers(values: Iterable[Any]) -> bool:
    return any(isinstance(value, Tensor) and value.numel() > 1 and bool(value.any()) for value in values)
