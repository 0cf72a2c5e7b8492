"""Ready-made networks of libraries: which layers they hold whose work depends on the mode."""

from __future__ import annotations

import re

from nnlint.lazy import regex

BATCH_NORM = frozenset({"batch_norm"})
DROPOUT = frozenset({"dropout"})
BOTH = BATCH_NORM | DROPOUT

FAMILIES: tuple[tuple[str, frozenset[str]], ...] = (
    (r"resnet\d+|resnext\d+|wide_resnet\d+|seresnet\d+|se_resnet\d+|resnest\d+", BATCH_NORM),
    (r"densenet\d+|shufflenet_v2|regnet_|mnasnet|hrnet|dpn\d+|xception|res2net\d+", BATCH_NORM),
    (r"mobilenet_v[23]|mobilenetv[23]|efficientnet_|googlenet|inception_v[34]", BOTH),
    (r"alexnet|squeezenet1_|vgg\d+$", DROPOUT),
    (r"vgg\d+_bn", BOTH),
    (r"(fcn|deeplabv3|lraspp)_(resnet|mobilenet)", BOTH),
)
"""By the constructor's name, in torchvision 0.2x and timm 1.x (read in their sources)."""

LIBRARIES = frozenset(
    "transformers timm torchvision segmentation_models_pytorch efficientnet_pytorch monai pretrainedmodels open_clip peft "
    "sentence_transformers fairseq".split()
)
"""Libraries whose networks hold Dropout or BatchNorm with few exceptions."""

CONSTRUCTORS = regex(r"^torchvision\.models(\.\w+)*\.[a-z]\w*$")
"""Constructors by function: their networks are in training mode, pretrained or not, until somebody calls `eval()`."""

BY_NAME = frozenset({"timm.create_model", "torch.hub.load", "torchvision.models.get_model"})
"""Constructors that are given the network's name."""


def layers_of(network: str) -> frozenset[str]:
    """The operations ("dropout", "batch_norm") in a ready-made network that depend on the mode; empty where not known."""
    for pattern, operations in FAMILIES:
        if re.match(pattern, network):
            return operations
    return frozenset()
