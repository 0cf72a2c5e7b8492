"""Networks of the usual names and attributes, narrow inside: what a script replaces or reads has its usual width."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from nnlint.verify.child.stand_ins.ledger import stood_in
from nnlint.verify.child.stand_ins.packages.torchvision import transforms

NARROW = 8


class BasicBlock(nn.Module):
    """Narrow convolutions between two of one pixel, and a way around them."""

    def __init__(self, inner: int, width: int, stride: int = 1) -> None:
        super().__init__()
        narrow = max(NARROW, width // 32)
        self.conv1 = nn.Conv2d(inner, narrow, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        first = self.relu(self.bn1(self.conv1(x)))
        second = self.relu(self.bn2(self.conv2(first))) + first
        result: Tensor = self.relu(self.bn3(self.conv3(second)))
        return result


Bottleneck = BasicBlock


class ResNet(nn.Module):
    """conv1, bn1, relu, maxpool, layer1 to layer4, avgpool, fc."""

    def __init__(self, width: int = 512, num_classes: int = 1000) -> None:
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(64, width // 8))
        self.layer2 = nn.Sequential(BasicBlock(width // 8, width // 4, 2))
        self.layer3 = nn.Sequential(BasicBlock(width // 4, width // 2, 2))
        self.layer4 = nn.Sequential(BasicBlock(width // 2, width, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        result: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return result


class Featured(nn.Module):
    """features, avgpool, classifier."""

    def __init__(self, features: nn.Sequential, side: int, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        self.classifier = classifier
        taken = [part.in_features for part in classifier.modules() if isinstance(part, nn.Linear)]
        self.last_channel = taken[-1] if taken else 0

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        result: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return result


def _convolutions(width: int, norm: bool, halvings: int = 5) -> nn.Sequential:
    layers: list[nn.Module] = []
    inner = 3
    for i in range(halvings):
        outer = width if i == halvings - 1 else NARROW * 2 ** min(i, 2)
        layers += [
            nn.Conv2d(inner, outer, 3, padding=1),
            *([nn.BatchNorm2d(outer)] if norm else []),
            nn.ReLU(inplace=True),
        ]
        layers.append(nn.MaxPool2d(2, 2))
        inner = outer
    return nn.Sequential(*layers)


BLOCKS = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
"""Convolutions in each block of a VGG, by its name."""


def _vgg(blocks: tuple[int, ...], classes: int, norm: bool) -> nn.Module:
    layers: list[nn.Module] = []
    inner = 3
    for number, count in enumerate(blocks):
        for i in range(count):
            is_last = number == len(blocks) - 1 and i == count - 1
            outer = 512 if is_last else NARROW * 2 ** min(number, 3)
            layers += [nn.Conv2d(inner, outer, 3, padding=1), *([nn.BatchNorm2d(outer)] if norm else [])]
            layers.append(nn.ReLU(inplace=True))
            inner = outer
        layers.append(nn.MaxPool2d(2, 2))
    first = [nn.Linear(512 * 49, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 4096), nn.ReLU(True), nn.Dropout()]
    return Featured(nn.Sequential(*layers), 7, nn.Sequential(*first, nn.Linear(4096, classes)))


def _alexnet(width: int, classes: int) -> nn.Module:
    layers = [
        nn.Dropout(),
        nn.Linear(256 * 36, 64),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(64, 4096),
        nn.ReLU(inplace=True),
    ]
    return Featured(_convolutions(256, False), 6, nn.Sequential(*layers, nn.Linear(4096, classes)))


def _one_linear(width: int, classes: int) -> nn.Module:
    return Featured(_convolutions(width, True), 1, nn.Linear(width, classes))


def _dropout_linear(width: int, classes: int) -> nn.Module:
    return Featured(_convolutions(width, True), 1, nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes)))


def _mobilenet_v3(width: int, classes: int) -> nn.Module:
    inner, outer = width, 1280 if width == 960 else 1024
    layers = [nn.Linear(inner, outer), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(outer, classes)]
    return Featured(_convolutions(width, True), 1, nn.Sequential(*layers))


def _squeezenet(width: int, classes: int) -> nn.Module:
    choice = [nn.Dropout(0.5), nn.Conv2d(512, classes, 1), nn.ReLU(inplace=True)]
    head = nn.Sequential(*choice, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    model = Featured(_convolutions(512, False), 7, head)
    model.forward = lambda x: head(model.features(x))  # type: ignore[method-assign]
    return model


def _resnet(width: int, classes: int) -> nn.Module:
    return ResNet(width, classes)


class VisionTransformer(nn.Module):
    """conv_proj, encoder, heads."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, 32, 32)
        self.encoder = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, width)
        )
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        result: Tensor = self.heads(self.encoder(self.conv_proj(x).flatten(2).transpose(1, 2)).mean(1))
        return result


Builder = Callable[[int, int], nn.Module]
BUILDERS: tuple[tuple[str, Builder, int], ...] = (
    ("resnet18|resnet34", _resnet, 512),
    ("resnet.*|resnext.*|wide_resnet.*", _resnet, 2048),
    ("alexnet", _alexnet, 256),
    ("densenet121", _one_linear, 1024),
    ("densenet169", _one_linear, 1664),
    ("densenet201", _one_linear, 1920),
    ("densenet161", _one_linear, 2208),
    ("mobilenet_v2|mnasnet.*|efficientnet_b[01]", _dropout_linear, 1280),
    ("efficientnet_b2", _dropout_linear, 1408),
    ("efficientnet_b3", _dropout_linear, 1536),
    ("efficientnet_b4", _dropout_linear, 1792),
    ("efficientnet_.*", _dropout_linear, 1280),
    ("mobilenet_v3_small", _mobilenet_v3, 576),
    ("mobilenet_v3_large", _mobilenet_v3, 960),
    ("squeezenet.*", _squeezenet, 512),
    ("inception_v3|shufflenet.*|googlenet|regnet.*", _resnet, 1024),
    ("convnext.*", _dropout_linear, 768),
    ("vit_l.*", lambda width, classes: VisionTransformer(width, classes), 1024),
    ("vit_.*|swin_.*", lambda width, classes: VisionTransformer(width, classes), 768),
)
WIDTHS_OF = {"inception_v3": 2048}
NAMES = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2 vgg11 vgg13 "
    "vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn alexnet densenet121 densenet161 densenet169 densenet201 "
    "mobilenet_v2 mobilenet_v3_small mobilenet_v3_large squeezenet1_0 squeezenet1_1 inception_v3 googlenet "
    "shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 "
    "efficientnet_v2_s convnext_tiny regnet_y_400mf vit_b_16 vit_b_32 vit_l_16 swin_t"
).split()


def _constructor(name: str) -> Callable[..., nn.Module]:
    matching = ((build, width) for pattern, build, width in BUILDERS if re.fullmatch(pattern, name))
    build, width = next(matching, (_resnet, 512))

    def construct(*arguments: Any, num_classes: int = 1000, **keywords: Any) -> nn.Module:
        stood_in(f"network torchvision.models.{name}")
        if name.startswith("vgg"):
            return _vgg(BLOCKS[name[3:5]], num_classes, name.endswith("_bn"))
        return build(WIDTHS_OF.get(name, width), num_classes)

    construct.__name__ = construct.__qualname__ = name
    return construct


CONSTRUCTORS = {name: _constructor(name) for name in NAMES}
globals().update(CONSTRUCTORS)


def get_model(name: str, **keywords: Any) -> nn.Module:
    """The network of this name."""
    return CONSTRUCTORS[name.lower()](**keywords)


def list_models(*arguments: Any, **keywords: Any) -> list[str]:
    """The names of all networks."""
    return list(CONSTRUCTORS)


def _preset() -> transforms.Compose:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    names = (("Resize", (256,)), ("CenterCrop", (224,)), ("ToTensor", ()), ("Normalize", (mean, std)))
    return transforms.Compose([transforms.MADE[name](*arguments) for name, arguments in names])


WEIGHTS = SimpleNamespace(transforms=_preset, meta={"categories": [f"class_{i:03}" for i in range(1000)]}, url="")


def __getattr__(name: str) -> Any:
    if name.endswith("_Weights"):
        return SimpleNamespace(
            DEFAULT=WEIGHTS, IMAGENET1K_V1=WEIGHTS, IMAGENET1K_V2=WEIGHTS, IMAGENET1K_FEATURES=WEIGHTS
        )
    raise AttributeError(name)


for _name in ("resnet", "vgg", "alexnet_", "densenet", "mobilenet", "inception", "squeezenet"):
    globals().setdefault(
        _name, SimpleNamespace(ResNet=ResNet, BasicBlock=BasicBlock, Bottleneck=Bottleneck, **CONSTRUCTORS)
    )
