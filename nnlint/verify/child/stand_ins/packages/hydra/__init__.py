"""hydra: a main function gets the settings of the files it names, as far as they can be read, and plausible ones for the rest."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.packages.hydra import utils
from nnlint.verify.child.stand_ins.packages.hydra.reading import settings_of
from nnlint.verify.child.stand_ins.packages.omegaconf import DictConfig
from nnlint.verify.child.stand_ins.permissive import permissive

__all__ = ["compose", "initialize", "initialize_config_dir", "main", "utils"]
__version__ = "1.3.2"


def main(config_path: Any = None, config_name: Any = None, *rest: Any, **keywords: Any) -> Callable[..., Any]:
    """Calls the function with its settings, which stand in a folder beside the file that it is in."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*given: Any) -> Any:
            if given:
                return function(*given)
            folder = os.path.dirname(getattr(sys.modules.get(function.__module__), "__file__", None) or os.getcwd())
            stood_in("settings of hydra")
            return function(settings_of(os.path.join(folder, config_path or ""), str(config_name or "config")))

        return call

    return decorated


def initialize(*arguments: Any, **keywords: Any) -> Any:
    """There is nothing to do."""
    return permissive("hydra")


initialize_config_dir = initialize


def compose(config_name: Any = None, *rest: Any, **keywords: Any) -> DictConfig:
    """The settings of a name in the current folder."""
    return settings_of(os.getcwd(), str(config_name or "config"))
