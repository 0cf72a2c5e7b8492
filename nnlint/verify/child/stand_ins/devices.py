"""Accelerators that are not there: what asks for one gets the processor, and what steers one does nothing."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from nnlint.verify.child.stand_ins.callers import caller, demands, is_users
from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.patching import put
from nnlint.verify.child.stand_ins.permissive import Permissive, permissive

ABSENT = frozenset({"cuda", "mps", "xpu", "hip", "npu", "privateuseone"})
FACTORIES = (
    "tensor as_tensor zeros ones empty full rand randn randint randperm arange linspace logspace eye zeros_like ones_like "
    "empty_like full_like rand_like randn_like randint_like tril_indices triu_indices asarray"
).split()
OF_TENSOR = "to new_tensor new_zeros new_ones new_empty new_full type".split()
DEVICES = 8
"""As many as a script may insist on."""

MOST_ASKING = 3
"""A script may ask in a function that answers to one that ends the run."""

DEFAULTS = "set_default_device set_default_tensor_type".split()
NOTHING = (
    "set_device synchronize empty_cache reset_peak_memory_stats reset_max_memory_allocated manual_seed manual_seed_all seed "
    "ipc_collect set_per_process_memory_fraction set_rng_state set_rng_state_all init"
).split()
ZERO = "current_device memory_allocated max_memory_allocated memory_reserved max_memory_reserved memory_cached".split()
OF_ACCELERATOR = "set_device_index set_device_idx set_stream synchronize empty_cache reset_peak_memory_stats".split()
INDICES = "current_device_index current_device_idx memory_allocated max_memory_allocated memory_reserved".split()
TENSORS = "FloatTensor DoubleTensor HalfTensor LongTensor IntTensor ByteTensor BoolTensor ShortTensor".split()


def install() -> None:
    """From now on the processor stands in for any accelerator."""
    for name in FACTORIES:
        _redirect(torch, name)
    for name in DEFAULTS:
        _redirect(torch, name)
    for name in OF_TENSOR:
        _redirect(torch.Tensor, name)
    _redirect(nn.Module, "to")
    put(torch, Generator=_OfProcessor("Generator", (), {}))
    put(nn.Module, cuda=_itself, xpu=_itself)
    put(torch.Tensor, cuda=_itself, xpu=_itself, pin_memory=_itself)
    put(torch.cuda, **dict.fromkeys(NOTHING, _nothing), **dict.fromkeys(ZERO, _zero), **NAMED)
    put(torch.cuda, **{name: getattr(torch, name) for name in TENSORS})
    put(torch.cuda, is_available=_on_demand(True), device_count=_on_demand(DEVICES), is_initialized=_on_demand(True))
    if hasattr(torch, "accelerator"):
        put(torch.accelerator, is_available=_on_demand(True), device_count=_on_demand(DEVICES))
        put(torch.accelerator, current_accelerator=lambda *arguments, **keywords: torch.device("cpu"))
        put(torch.accelerator, **dict.fromkeys(OF_ACCELERATOR, _nothing), device_index=_context)
        put(torch.accelerator, **dict.fromkeys(INDICES, _zero))
    put(torch.backends.mps, is_available=_on_demand(True))
    put(torch, compile=_unchanged)
    put(torch.jit, script=_unchanged, trace=_unchanged)


def _on_demand(wanted: Any) -> Callable[[], Any]:
    """Whether, or how many, accelerators there are: none, but for a script that ends where there is none."""

    def answer() -> Any:
        frame, asking = caller(), 0
        while frame is not None and is_users(frame) and asking < MOST_ASKING:
            if demands(frame):
                stood_in("CUDA device")
                return wanted
            frame, asking = frame.f_back, asking + 1
        return type(wanted)(0)

    return answer


def _nothing(*arguments: Any, **keywords: Any) -> None:
    return None


def _zero(*arguments: Any, **keywords: Any) -> int:
    return 0


def _context(*arguments: Any, **keywords: Any) -> Any:
    return contextlib.nullcontext()


def _stream(*arguments: Any, **keywords: Any) -> Any:
    return permissive("stream")


NAMED: dict[str, Any] = {
    "get_device_name": lambda *arguments: "cpu",
    "get_device_properties": lambda *arguments: SimpleNamespace(name="cpu", total_memory=1 << 34, major=0, minor=0),
    "get_device_capability": lambda *arguments: (7, 0),
    "mem_get_info": lambda *arguments: (1 << 33, 1 << 34),
    "memory_stats": lambda *arguments: Counter(),
    "memory_summary": lambda *arguments, **keywords: "",
    "is_bf16_supported": lambda *arguments, **keywords: False,
    "device": _context,
    "stream": _context,
    "Stream": type("Stream", (Permissive,), {}),
    "Event": type("Event", (Permissive,), {}),
    "current_stream": _stream,
}


def _unchanged(function: Any = None, *arguments: Any, **keywords: Any) -> Any:
    return function if function is not None else _unchanged


def _itself(owner: Any, *arguments: Any, **keywords: Any) -> Any:
    stood_in("CUDA device")
    return owner


def is_absent(value: Any) -> bool:
    """Whether a value names an accelerator."""
    if isinstance(value, torch.device):
        return value.type in ABSENT
    return isinstance(value, str) and (value.partition(":")[0] in ABSENT or value.startswith("torch.cuda."))


def _present(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("torch.cuda."):
        return value.replace("torch.cuda.", "torch.")
    return "cpu"


GENERATOR = torch.Generator


class _OfProcessor(type):
    """A class that makes generators of the processor; libraries name it in annotations and checks, so it stays a class."""

    def __call__(cls, device: Any = "cpu") -> Any:
        return GENERATOR("cpu" if is_absent(device) or isinstance(device, int) else device)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, GENERATOR)


def _redirect(owner: Any, name: str) -> None:
    """Let a function of torch take an absent device for the processor."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original, updated=())
    def redirected(*arguments: Any, **keywords: Any) -> Any:
        if any(is_absent(each) for each in arguments) or is_absent(keywords.get("device")):
            stood_in("CUDA device")
            arguments = tuple(_present(each) if is_absent(each) else each for each in arguments)
            keywords = {key: _present(each) if is_absent(each) else each for key, each in keywords.items()}
        elif name == "to" and len(arguments) > 1 and type(arguments[1]) is int:
            arguments = (arguments[0], "cpu", *arguments[2:])
        elif type(keywords.get("device")) is int:
            keywords["device"] = "cpu"
        return original(*arguments, **keywords)

    setattr(owner, name, redirected)
