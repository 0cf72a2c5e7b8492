"""timm: networks by name, those of torchvision or one of the same interface; narrow inside."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import nn

from nnlint.verify.child.stand_ins.packages.torchvision import models, transforms


def create_model(name: str, pretrained: bool = False, num_classes: int = 1000, **keywords: Any) -> Any:
    """The network of a name; without classes it gives what its last layer is given."""
    known = next((each for each in models.CONSTRUCTORS if name.startswith(each)), "resnet18")
    network: Any = models.CONSTRUCTORS[known](num_classes=num_classes or 1000)
    last_name, last = [(path, part) for path, part in network.named_modules() if isinstance(part, nn.Linear)][-1]
    network.num_features, network.num_classes = last.in_features, num_classes
    network.default_cfg = {"input_size": (3, 224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3, "classifier": last_name}
    if num_classes == 0:
        parent = network.get_submodule(last_name.rpartition(".")[0])
        setattr(parent, last_name.rpartition(".")[2], nn.Identity())
    return network


def list_models(*arguments: Any, **keywords: Any) -> list[str]:
    """The names of all networks."""
    return list(models.CONSTRUCTORS)


def _nothing(*arguments: Any, **keywords: Any) -> dict[str, Any]:
    return {}


def _transform(*arguments: Any, **keywords: Any) -> Any:
    return transforms.Compose([transforms.MADE["Resize"]((224, 224)), transforms.to_tensor])


data = SimpleNamespace(resolve_data_config=_nothing, resolve_model_data_config=_nothing, create_transform=_transform)
