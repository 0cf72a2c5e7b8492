"""A plausible value for something of which only the name, the type and the choices are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

FAVOURITES = (
    "train",
    "training",
    "mnist",
    "cifar10",
    "resnet18",
    "adam",
    "sgd",
    "lstm",
    "mlp",
    "cnn",
    "cpu",
    "none",
    "gloo",
)
"""Of several choices, the first of these."""

NUMBERS: tuple[tuple[str, float], ...] = (
    (r"lr|learning_?rate|rate", 0.001),
    (r"interval|freq|every|period|patience", 10),
    (r"clip|temperature|weight|scale|coef", 1.0),
    (r"momentum|beta|gamma|decay", 0.9),
    (r"dropout|p_?drop|ratio|fraction|alpha", 0.2),
    (r"epoch|iter|steps", 3),
    (r"batch", 32),
    (r"world|nproc|num_?gpu|gpus|nodes", 1),
    (r"rank|gpu|device|seed|fold|idx|index|resume", 0),
    (r"class", 10),
    (r"hidden|dim|size|width|units|feature|embed", 32),
    (r"layer|depth|head|worker|block", 2),
)
TEXTS: tuple[tuple[str, str], ...] = (
    (r"dataset|data_?name|task", "mnist"),
    (r"csv|table", "data.csv"),
    (r"json|config|cfg", "config.json"),
    (r"corpus|text|vocab", "data.txt"),
    (r"checkpoint|ckpt|resume|weights|pretrained|load|model_?path", "checkpoint.pt"),
    (r"arch|backbone|model|net", "resnet18"),
    (r"optim", "adam"),
    (r"device", "cpu"),
    (r"mode|phase|split|action", "train"),
    (r"env", "CartPole-v1"),
    (r"data|root|dir|path|folder|train|val|test", "data"),
    (r"lang|src|source", "en"),
    (r"tgt|target", "de"),
    (r"backend", "gloo"),
)


def number(name: str) -> float:
    """A number for something of this name; 1 for an unknown one."""
    return next((value for pattern, value in NUMBERS if re.search(pattern, name.lower())), 1)


def text(name: str) -> str:
    """A text for something of this name; the name itself for an unknown one."""
    return next((value for pattern, value in TEXTS if re.search(pattern, name.lower())), name or "value")


def setting(name: str) -> Any:
    """A number for something of this name where it sounds like one, else a text."""
    if not any(re.search(pattern, name.lower()) for pattern, _ in NUMBERS):
        return text(name)
    found = number(name)
    return int(found) if found == int(found) else found


def value(name: str, kind: Callable[[str], Any] | None = None, choices: Sequence[Any] | None = None) -> Any:
    """A value of this kind."""
    if choices:
        known = {str(choice).lower(): choice for choice in choices}
        return next((known[each] for each in FAVOURITES if each in known), next(iter(choices)))
    if kind is bool:
        return True
    if kind is int:
        return max(int(number(name)), 0) or (0 if number(name) == 0 else 1)
    if kind is float:
        return number(name)
    return text(name)
