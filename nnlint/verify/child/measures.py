"""Numbers of tensors, arrays and whatever else a script computes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

LARGEST_MEASURED = 4_000_000
"""Of larger arrays only the first elements are measured."""

MOST_ROWS = 1000
"""Of more rows, only the first are compared column by column."""

MOST_DIMENSIONS = 5
"""Of arrays with more dimensions, no transpositions are tried."""

Numbers = dict[str, float]


def norm(tensors: Iterable[Tensor]) -> float:
    """The Euclidean norm of all elements together; 0 for none."""
    return math.sqrt(sum(_norm(tensor) ** 2 for tensor in tensors))


def _norm(tensor: Tensor) -> float:
    if tensor.layout is torch.strided and tensor.is_floating_point():
        return float(torch.linalg.vector_norm(tensor.detach(), dtype=torch.float32))
    return float(tensor.detach().float().norm())


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest size of an element; 0 for none."""
    sizes = [tensor.detach().float().abs().max().cpu() for tensor in tensors if tensor.numel() and not tensor.is_sparse]
    return float(torch.stack(sizes).max()) if sizes else 0.0


def as_tensor(value: Any) -> Tensor | None:
    """The value as a tensor of floating-point numbers, where it is an array of numbers of any kind."""
    if isinstance(value, Tensor):
        found = value.detach()
    elif isinstance(value, bool) or value is None or isinstance(value, str):
        return None
    elif isinstance(value, (int, float)):
        return torch.tensor(float(value))
    else:
        found_array = _from_array(value)
        if found_array is None:
            return None
        found = found_array
    if found.is_sparse or found.is_complex() or found.layout != torch.strided:
        return None
    return found.to("cpu").double()


def _from_array(value: Any) -> Tensor | None:
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if not hasattr(value, "__array__") and not isinstance(value, (list, tuple)):
        return None
    try:
        import numpy

        array = numpy.asarray(value)
        return torch.from_numpy(array.astype("float64")) if array.dtype.kind in "fiub" and array.size else None
    except (ImportError, TypeError, ValueError, RuntimeError):
        return None


def summary(value: Any) -> Numbers:
    """Minimum, maximum, mean, deviation and shape of an array; the value of a number; nothing of anything else."""
    numbers: Numbers = {}
    held = list(tensors_in(value))
    if held:
        numbers["requires_grad"] = float(any(tensor.requires_grad for tensor in held))
    tensor = as_tensor(value)
    if tensor is None or tensor.numel() == 0:
        return numbers
    numbers["size"] = float(tensor.numel())
    numbers["dimensions"] = float(tensor.dim())
    if tensor.dim():
        numbers["rows"] = float(tensor.shape[0])
        numbers["width"] = float(tensor.shape[-1])
    flat = tensor.reshape(-1)[:LARGEST_MEASURED]
    numbers |= {"min": float(flat.min()), "max": float(flat.max()), "mean": float(flat.mean())}
    numbers["deviation"] = float(flat.std(unbiased=False))
    numbers["positive"] = float((flat > 0).double().mean())
    if tensor.dim() == 1:
        numbers["order"] = _weighted_sum(tensor)
    numbers["mean_size"] = float(flat.abs().mean())
    if tensor.dim() > 1 and len(tensor) > 1:
        numbers["row_deviation"] = float(tensor.reshape(len(tensor), -1).std(0, unbiased=False).max())
    if tensor.dim() > 1 and tensor.shape[-1] > 1:
        columns = tensor.reshape(-1, tensor.shape[-1])[:MOST_ROWS]
        numbers["column_deviation"] = float(columns.std(1, unbiased=False).max())
    numbers["finite"] = float(bool(torch.isfinite(flat).all()))
    return numbers


def _weighted_sum(tensor: Tensor) -> float:
    """A sum that tells the order of the elements, too: of a picture and its mirror image."""
    flat = tensor.detach().reshape(-1)[:LARGEST_MEASURED].cpu().double()
    return float((flat * torch.linspace(1, 2, len(flat), dtype=torch.float64)).sum())


def batch(value: Any) -> Numbers:
    """A batch's rows, a sum by which it is known again, and how many classes are in it, where its last part are class numbers."""
    parts = [tensor for tensor in tensors_in(value) if tensor.numel()]
    numbers: Numbers = {}
    sums = [_weighted_sum(each) for each in parts if not each.is_complex() and not each.is_sparse]
    if sums and all(map(math.isfinite, sums)):
        numbers["sum"] = sum((place + 1) * each for place, each in enumerate(sums))
    if parts and parts[0].dim():
        numbers["rows"] = float(parts[0].shape[0])
    if len(parts) > 1 and parts[-1].dim() == 1 and not parts[-1].is_floating_point():
        numbers["classes"] = float(len(set(parts[-1].tolist())))
    return numbers


def row_sums(tensor: Tensor) -> Numbers:
    """The smallest and largest sum over classes (dimension 1, or 0 of a vector), of the values and of their exponentials."""
    detached = tensor.detach().float()
    dimension = 1 if detached.dim() > 1 else 0
    if detached.dim() == 0:
        return {}
    sums, exponentials = detached.sum(dimension), detached.exp().sum(dimension)
    return {
        "classes": float(detached.shape[dimension]),
        "row_sum_min": float(sums.min()),
        "row_sum_max": float(sums.max()),
        "exp_row_sum_min": float(exponentials.min()),
        "exp_row_sum_max": float(exponentials.max()),
    }


def tensors_in(value: Any, depth: int = 3) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, dicts and objects that models return."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, Mapping):
        for each in list(value.values())[:64]:
            yield from tensors_in(each, depth - 1)
    elif depth and isinstance(value, (tuple, list)):
        for each in value[:64]:
            yield from tensors_in(each, depth - 1)
    elif depth and hasattr(value, "__dataclass_fields__"):
        for each in list(vars(value).values())[:64]:
            yield from tensors_in(each, depth - 1)


def sum_gaps(value: object) -> Numbers:
    """How far sums over a dimension are from 1 at most: of probabilities, or of what log-probabilities are logarithms of."""
    tensor = value if isinstance(value, Tensor) else as_tensor(value) if hasattr(value, "__array__") else None
    if tensor is None or not tensor.is_floating_point() or not 1 < tensor.dim() < 6 or not tensor.numel():
        return {}
    detached = tensor.detach().float()
    if float(detached.max()) <= 0:
        detached = detached.exp()
    elif float(detached.min()) < 0 or float(detached.max()) > 1:
        return {}
    dimensions = {"0": 0, "1": 1, "last": -1}
    return {f"sum_gap_{name}": float((detached.sum(each) - 1).abs().max()) for name, each in dimensions.items()}


def displaced(before: Any, after: Any) -> Numbers:
    """The share of elements that no transposition to the second shape puts where they are; nothing if none leads there."""
    if not isinstance(before, Tensor) and not hasattr(before, "__array__"):
        return {}
    first, second = as_tensor(before), as_tensor(after)
    if first is None or second is None or not 1 < first.dim() <= MOST_DIMENSIONS or first.numel() > LARGEST_MEASURED:
        return {}
    if sorted(first.shape) != sorted(second.shape) or not first.numel():
        return {}
    moved = (first.permute(order) for order in permutations(range(first.dim())))
    shares = [float((each != second).double().mean()) for each in moved if each.shape == second.shape]
    return {"displaced": min(shares)}


def finite(value: float) -> float | None:
    """The number, or None where it is none that JSON can carry."""
    return value if math.isfinite(value) else None


def unit_spread(weight: Tensor) -> Numbers:
    """How much a matrix deviates over its units, or over what they take, whichever is less: 0 where all are alike."""
    if weight.dim() < 2 or min(weight.shape[:2]) < 1:
        return {}
    values = weight.detach().float()
    spreads = [float(values.std(dim, unbiased=False).max()) for dim in (0, 1) if values.shape[dim] > 1]
    return {"unit_spread": min(spreads, default=0.0), "weight_size": float(values.abs().max())}
