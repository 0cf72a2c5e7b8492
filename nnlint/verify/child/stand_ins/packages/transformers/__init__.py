"""transformers: a tokenizer of words, small random networks with the usual outputs, schedules, collators and a plain Trainer.

Any class of the original's naming habits is there: what ends in Tokenizer, Config, Model or a `For...` of some task.
"""

from __future__ import annotations

import re
from typing import Any

from nnlint.verify.child.stand_ins.packages.transformers import networks, schedules, tokenizers, trainer
from nnlint.verify.child.stand_ins.packages.transformers.networks import Config, Network, Output
from nnlint.verify.child.stand_ins.packages.transformers.schedules import *  # noqa: F403
from nnlint.verify.child.stand_ins.packages.transformers.tokenizers import *  # noqa: F403
from nnlint.verify.child.stand_ins.packages.transformers.tokenizers import Tokenizer
from nnlint.verify.child.stand_ins.packages.transformers.trainer import *  # noqa: F403

__version__ = "4.99.0"
PreTrainedModel, PretrainedConfig, ModelOutput = Network, Config, Output

KINDS: tuple[tuple[str, Any], ...] = (
    (r"\w*Tokenizer(Fast|Base)?|AutoProcessor|AutoFeatureExtractor", lambda name: Tokenizer),
    (r"\w*(Image|Video)Processor|\w+FeatureExtractor|CLIPProcessor", lambda name: tokenizers.ImageProcessor),
    (r"\w*Config", lambda name: Config),
    (r"\w*(Model|For\w+)", networks.network_class),
)
"""What a class of some name is."""


def __getattr__(name: str) -> Any:
    found = next((make(name) for pattern, make in KINDS if re.fullmatch(pattern, name)), None)
    if found is None or name.startswith("_"):
        raise AttributeError(name)
    globals()[name] = found
    return found


__all__ = ["networks", "schedules", "tokenizers", "trainer"]
