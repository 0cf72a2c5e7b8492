"""wandb: a configuration that holds what was put in, and a log that goes nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlint.verify.child.stand_ins.permissive import Attributes, Permissive, permissive


class Config(Attributes):
    """What a run is configured with."""

    def update(self, other: Any = (), **more: Any) -> None:  # type: ignore[override]
        """Take these settings too; `allow_val_change` is none of them."""
        more.pop("allow_val_change", None)
        super().update(
            other if isinstance(other, dict) else vars(other) if hasattr(other, "__dict__") else dict(other), **more
        )

    def setdefaults(self, other: dict[str, Any]) -> None:
        """Take the settings that are not there yet."""
        for name, value in other.items():
            self.setdefault(name, value)


config = Config()
run: Any = permissive("wandb.run")
sweeps: dict[str, dict[str, Any]] = {}


def init(*arguments: Any, **keywords: Any) -> Permissive:
    """A run whose configuration is the one given."""
    given = keywords.get("config")
    if given is not None:
        config.update(given)
    run.config = config
    return permissive_run()


def permissive_run() -> Permissive:
    """The run: it takes everything."""
    current: Permissive = run
    return current


def sweep(settings: dict[str, Any], *arguments: Any, **keywords: Any) -> str:
    """Keep the settings of a sweep."""
    sweeps["sweep"] = settings
    return "sweep"


def agent(sweep_id: str, function: Callable[[], Any] | None = None, *arguments: Any, **keywords: Any) -> None:
    """Call the function once, with the first value of each parameter."""
    parameters = sweeps.get(sweep_id, {}).get("parameters", {})
    for name, choice in parameters.items():
        config[name] = choice.get("value", next(iter(choice.get("values", [])), choice.get("min", 0)))
    if function is not None:
        function()


def log(*arguments: Any, **keywords: Any) -> None:
    """Goes nowhere."""
