"""Data sets of the usual names: synthetic images with the right shape, type and number of classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nnlint.verify.child.stand_ins import synthetic
from nnlint.verify.child.stand_ins.ledger import ledger, stood_in
from nnlint.verify.child.stand_ins.pictures import Picture, picture

USUAL = "root train transform target_transform download"
SPLIT = "root split transform target_transform download"
FOLDER = "root transform target_transform loader is_valid_file"
FOLDER_IMAGE = 128


@dataclass(frozen=True)
class Kind:
    """What a data set holds: shape of its images (0: as the hints say) and classes; the order of its constructor's arguments."""

    shape: tuple[int, int, int]
    classes: int
    parameters: str = USUAL
    target: str = "class"
    layout: str = "tensor"


DIGITS = Kind((28, 28, 1), 10)
SMALL = (32, 32, 3)
WIDE = (0, 0, 3)
KINDS = {
    "MNIST": DIGITS,
    "FashionMNIST": DIGITS,
    "KMNIST": DIGITS,
    "QMNIST": Kind((28, 28, 1), 10, "root what compat train transform target_transform download"),
    "EMNIST": Kind((28, 28, 1), 47, "root split train transform target_transform download"),
    "USPS": Kind((16, 16, 1), 10, layout="array"),
    "CIFAR10": Kind(SMALL, 10, layout="array"),
    "CIFAR100": Kind(SMALL, 100, layout="array"),
    "SVHN": Kind(SMALL, 10, SPLIT, layout="channels first"),
    "STL10": Kind((96, 96, 3), 10, "root split folds transform target_transform download", layout="channels first"),
    "GTSRB": Kind((48, 48, 3), 43, SPLIT),
    "Omniglot": Kind((105, 105, 1), 964, "root background transform target_transform download"),
    "SEMEION": Kind((16, 16, 1), 10, "root transform target_transform download"),
    "ImageFolder": Kind(WIDE, 0, FOLDER),
    "DatasetFolder": Kind(WIDE, 0, "root loader extensions transform target_transform is_valid_file"),
    "ImageNet": Kind((256, 256, 3), 1000, "root split transform target_transform"),
    "Caltech101": Kind(WIDE, 101, "root target_type transform target_transform download"),
    "Caltech256": Kind(WIDE, 257, "root transform target_transform download"),
    "Flowers102": Kind(WIDE, 102, SPLIT),
    "Food101": Kind(WIDE, 101, SPLIT),
    "OxfordIIITPet": Kind(WIDE, 37, "root split target_types transform target_transform transforms download"),
    "StanfordCars": Kind(WIDE, 196, SPLIT),
    "DTD": Kind(WIDE, 47, "root split partition transform target_transform download"),
    "EuroSAT": Kind((64, 64, 3), 10, "root transform target_transform download"),
    "LSUN": Kind(WIDE, 10, "root classes transform target_transform"),
    "CelebA": Kind((218, 178, 3), 40, "root split target_type transform target_transform download", "attributes"),
    "VOCSegmentation": Kind(WIDE, 21, "root year image_set download transform target_transform transforms", "mask"),
    "VOCDetection": Kind(WIDE, 20, "root year image_set download transform target_transform transforms", "boxes"),
    "Cityscapes": Kind(WIDE, 19, "root split mode target_type transform target_transform transforms", "mask"),
    "SBDataset": Kind(WIDE, 21, "root image_set mode download transforms", "mask"),
    "CocoDetection": Kind(WIDE, 90, "root annFile transform target_transform transforms", "boxes"),
    "CocoCaptions": Kind(WIDE, 10, "root annFile transform target_transform transforms", "captions"),
}


def kind_of(name: str, parameters: str) -> Kind:
    """What the data set of a name holds; images of the script's size and classes where it is not known."""
    return replace(KINDS.get(name, Kind(WIDE, 0)), parameters=parameters)


class VisionDataset(Dataset[Any]):
    """The base class of all of them; a class of the user's may derive from it too."""

    kind = DIGITS

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        given = dict(zip(self.kind.parameters.split(), arguments, strict=False)) | keywords
        self.root = str(given.get("root", ""))
        self.transform: Callable[[Any], Any] | None = given.get("transform")
        self.target_transform: Callable[[Any], Any] | None = given.get("target_transform")
        self.transforms: Callable[[Any, Any], Any] | None = given.get("transforms")
        split = str(given.get("split") or given.get("image_set") or given.get("what") or "train")
        self.train = bool(given.get("train", "test" not in split and "val" not in split))
        self.split = split
        self.shape, self.count = self._shape(), self._length(given)
        self.class_names = self._class_names()
        self._labels = synthetic.labels(self.count, len(self.class_names), 0 if self.train else 1)
        stood_in(f"data set {type(self).__name__}")

    def _shape(self) -> tuple[int, int, int]:
        height, width, channels = self.kind.shape
        size = ledger.hints.image_size() or FOLDER_IMAGE
        return height or size, width or size, channels

    def _length(self, given: dict[str, Any]) -> int:
        return synthetic.TRAINING_SAMPLES if self.train else synthetic.TEST_SAMPLES

    def _class_names(self) -> list[str]:
        if self.kind.classes:
            return [f"class_{i:03}" for i in range(self.kind.classes)]
        found = sorted(each.name for each in os.scandir(self.root) if each.is_dir()) if os.path.isdir(self.root) else []
        return found or [f"class_{i:03}" for i in range(ledger.hints.classes() or 10)]

    # What people read off a data set

    @property
    def is_tensor(self) -> bool:
        """Whether data and targets are tensors, as digits are, or arrays and lists."""
        return self.kind.layout == "tensor" and self.shape[2] == 1

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return self.class_names

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class, by its name."""
        return {name: number for number, name in enumerate(self.class_names)}

    @property
    def targets(self) -> Any:
        """The class of every sample, as the original has them: a tensor for digits, a list for others."""
        held = self.__dict__.get("_targets")
        if held is None:
            held = torch.from_numpy(self._labels) if self.is_tensor else self._labels.tolist()
            self.__dict__["_targets"] = held
        return held

    @targets.setter
    def targets(self, value: Any) -> None:
        self.__dict__["_targets"] = value
        self._labels = np.asarray(value)

    @property
    def data(self) -> Any:
        """All images together."""
        held = self.__dict__.get("_data")
        if held is None:
            images = np.stack([self._array(index) for index in range(self.count)])
            if self.kind.layout == "channels first":
                images = images.transpose(0, 3, 1, 2)
            held = torch.from_numpy(images[..., 0]) if self.is_tensor else images
            self.__dict__["_data"] = held
        return held

    @data.setter
    def data(self, value: Any) -> None:
        self.__dict__["_data"] = value
        self.count = len(value)

    @property
    def labels(self) -> Any:
        """The classes as an array."""
        return self._labels

    @labels.setter
    def labels(self, value: Any) -> None:
        self.targets = value

    @property
    def samples(self) -> list[tuple[str, int]]:
        """File names, which nothing needs, and classes."""
        held = self.__dict__.get("_samples")
        if held is None:
            held = [(os.path.join(self.root, f"{i}.png"), int(label)) for i, label in enumerate(self._labels)]
            self.__dict__["_samples"] = held
        return held

    @samples.setter
    def samples(self, value: Any) -> None:
        self.__dict__["_samples"] = value
        self.count = len(value)
        self._labels = np.asarray([label for _, label in value])

    imgs = samples
    train_data = test_data = data
    train_labels = test_labels = targets

    # Samples

    def _array(self, index: int) -> synthetic.Array:
        sparse = self.kind.shape[2] == 1
        part = 0 if self.train else 1_000_003
        return synthetic.image(int(self._labels[index]), index + part, len(self.class_names), self.shape, sparse)

    def _image(self, index: int) -> Any:
        held = self.__dict__.get("_data")
        if held is None:
            return picture(self._array(index))
        array = np.asarray(held[index])
        return picture(array.transpose(1, 2, 0) if self.kind.layout == "channels first" else array)

    def _target(self, index: int, image: Any) -> Any:
        label = int(self._labels[index])
        if self.kind.target == "attributes":
            return torch.from_numpy((synthetic.prototypes(40, (8, 5, 1))[label].reshape(-1) > 120).astype(np.int64))
        if self.kind.target == "mask":
            mask = synthetic.prototypes(len(self.class_names), (*self.shape[:2], 1))[label, :, :, 0] > 150
            return picture((mask * max(1, label)).astype(np.uint8))
        if self.kind.target == "captions":
            return [synthetic.sentence(5 * index + each, label) for each in range(5)]
        if self.kind.target == "boxes":
            side = self.shape[0] // 2
            box = {"bbox": [side // 2, side // 2, side, side], "category_id": label + 1, "image_id": index}
            return [{**box, "area": side * side, "iscrowd": 0}]
        return label

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        index = int(index)
        if index < 0:
            index += self.count
        index %= self.count
        image = self._image(index)
        target = self._target(index, image)
        if self.transforms is not None:
            both = self.transforms(image, target)
            return both[0], both[1]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(self.count))

    def loader(self, path: str) -> Picture:
        """The picture of a file name: any."""
        picture_: Picture = self._image(0)
        return picture_


class FakeData(VisionDataset):
    """The original is synthetic too."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Any = None,
        target_transform: Any = None,
        random_offset: int = 0,
    ) -> None:
        channels, height, width = image_size
        self.kind = Kind((height, width, channels), num_classes)
        super().__init__("", transform=transform, target_transform=target_transform)
        self.count = size
        self._labels = synthetic.labels(size, num_classes)


def _made(name: str, kind: Kind) -> type[VisionDataset]:
    return type(name, (VisionDataset,), {"kind": kind, "__module__": __name__})


MADE = {name: _made(name, kind) for name, kind in KINDS.items()}
globals().update(MADE)


def __getattr__(name: str) -> Any:
    """The modules in which the original has its classes: all of them are here."""
    if name in MODULES:
        return sys.modules[__name__]
    raise AttributeError(name)


MODULES = frozenset("mnist cifar folder svhn stl10 celeba coco voc imagenet lsun usps vision fakedata utils".split())
