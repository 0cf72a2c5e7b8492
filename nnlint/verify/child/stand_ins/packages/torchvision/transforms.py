"""Transforms that keep shapes, types and ranges right. What is random changes an image a little each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnlint.verify.child.stand_ins.pictures import picture, resized

Transform = Callable[[Any], Any]


class Compose:
    """One transform after another."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any, *rest: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class RandomApply(Compose):
    """All of them, half of the time."""

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = p

    def __call__(self, image: Any, *rest: Any) -> Any:
        return super().__call__(image) if random.random() < self.p else image


class RandomChoice(Compose):
    """One of them."""

    def __call__(self, image: Any, *rest: Any) -> Any:
        return random.choice(list(self.transforms))(image)


class RandomOrder(Compose):
    """In the order given."""


class Lambda:
    """A function of the user's."""

    def __init__(self, lambd: Transform) -> None:
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)


def to_tensor(image: Any) -> Tensor:
    """An image of bytes as numbers from 0 to 1, channels first."""
    if isinstance(image, Tensor):
        return image
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    return tensor.float().div(255) if array.dtype == np.uint8 else tensor


def pil_to_tensor(image: Any) -> Tensor:
    """An image of bytes as bytes, channels first."""
    array = np.asarray(image)
    return torch.from_numpy(np.ascontiguousarray((array[:, :, None] if array.ndim == 2 else array).transpose(2, 0, 1)))


def to_pil_image(image: Any, mode: Any = None) -> Any:
    """An image of a tensor or an array."""
    if isinstance(image, Tensor):
        array = image.detach().cpu().numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
        image = array if array.dtype == np.uint8 else (array * 255).clip(0, 255).astype(np.uint8)
    return picture(np.asarray(image))


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """Minus the mean, by the deviation, of each channel."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    channels = tensor.shape[-3]  # one channel may be given the mean of three, as in early versions
    mean = torch.as_tensor(mean, dtype=tensor.dtype).reshape(-1, 1, 1)[:channels]
    std = torch.as_tensor(std, dtype=tensor.dtype).reshape(-1, 1, 1)[:channels]
    result: Tensor = (tensor - mean) / std
    return result


def resize(image: Any, size: Any, *rest: Any, **keywords: Any) -> Any:
    """To this size; a single number is the length of the shorter edge."""
    height, width = _size_of(image)
    if isinstance(size, Sequence) and len(size) == 1:
        size = size[0]
    if isinstance(size, Sequence):
        return _to(image, int(size[0]), int(size[1]))
    short = min(height, width)
    return _to(image, round(height * int(size) / short), round(width * int(size) / short))


def crop_to(image: Any, size: Any, *rest: Any, **keywords: Any) -> Any:
    """To exactly this size: its middle where it is larger, scaled up where it is not."""
    high, wide = (int(size), int(size)) if not isinstance(size, Sequence) else (int(size[0]), int(size[-1]))
    height, width = _size_of(image)
    if height < high or width < wide:
        return _to(image, high, wide)
    return crop(image, (height - high) // 2, (width - wide) // 2, high, wide)


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of an image."""
    if isinstance(image, Tensor):
        return image[..., top : top + height, left : left + width]
    return picture(np.asarray(image)[top : top + height, left : left + width])


def scale_to(image: Any, size: Any, *rest: Any, **keywords: Any) -> Any:
    """The whole image in exactly this size."""
    high, wide = (int(size), int(size)) if not isinstance(size, Sequence) else (int(size[0]), int(size[-1]))
    return _to(image, high, wide)


def grey(image: Any, num_output_channels: int = 1) -> Any:
    """Without colour."""
    if isinstance(image, Tensor):
        return image.mean(-3, keepdim=True).expand(*image.shape[:-3], num_output_channels, *image.shape[-2:])
    array = np.asarray(image)
    one = array if array.ndim == 2 else array.mean(2).astype(array.dtype)
    return picture(one if num_output_channels == 1 else np.stack([one] * 3, -1))


def pad(image: Any, padding: Any, *rest: Any, **keywords: Any) -> Any:
    """With a black margin."""
    sides = [padding] * 4 if isinstance(padding, int) else list(padding) * (4 // len(padding))
    left, top, right, bottom = (int(each) for each in sides)
    if isinstance(image, Tensor):
        return torch.nn.functional.pad(image, [left, right, top, bottom])
    array = np.asarray(image)
    return picture(np.pad(array, [(top, bottom), (left, right)] + [(0, 0)] * (array.ndim - 2)))


def hflip(image: Any) -> Any:
    """Left and right exchanged."""
    return image.flip(-1) if isinstance(image, Tensor) else picture(np.ascontiguousarray(np.asarray(image)[:, ::-1]))


def vflip(image: Any) -> Any:
    """Top and bottom exchanged."""
    return image.flip(-2) if isinstance(image, Tensor) else picture(np.ascontiguousarray(np.asarray(image)[::-1]))


def half_the_time(image: Any, p: float = 0.5) -> Any:
    """A mirror image with this probability."""
    return hflip(image) if random.random() < p else image


def random_crop(image: Any, size: Any, padding: Any = None, *rest: Any, **keywords: Any) -> Any:
    """A part of exactly this size, anywhere."""
    image = image if padding is None else pad(image, padding)
    high, wide = (int(size), int(size)) if not isinstance(size, Sequence) else (int(size[0]), int(size[-1]))
    height, width = _size_of(image)
    if height < high or width < wide:
        return _to(image, high, wide)
    return crop(image, random.randint(0, height - high), random.randint(0, width - wide), high, wide)


def random_part(image: Any, size: Any, *rest: Any, **keywords: Any) -> Any:
    """Most of the image, anywhere, in exactly this size."""
    height, width = _size_of(image)
    high, wide = (max(1, round(random.uniform(0.8, 1.0) * each)) for each in (height, width))
    return scale_to(crop(image, random.randint(0, height - high), random.randint(0, width - wide), high, wide), size)


def flipped_over(image: Any, p: float = 0.5) -> Any:
    """Upside down with this probability."""
    return vflip(image) if random.random() < p else image


def moved(image: Any, *rest: Any, **keywords: Any) -> Any:
    """In place of whatever moves the parts of an image: shifted by a few pixels, which leaves the values of a mask."""
    by = (random.randint(-2, 2), random.randint(-2, 2))
    if isinstance(image, Tensor):
        return image.roll(by, (-2, -1))
    return picture(np.roll(np.asarray(image), by, (0, 1)))


def brightened(image: Any, *rest: Any, **keywords: Any) -> Any:
    """In place of whatever changes the colours of an image: a little lighter or darker."""
    factor = random.uniform(0.8, 1.2)
    if isinstance(image, Tensor):
        return image * factor if image.is_floating_point() else (image * factor).clamp(0, 255).to(image.dtype)
    array = np.asarray(image)
    return picture((array * factor).clip(0, 255).astype(array.dtype))


def _now_and_then(change: Callable[..., Any], usually: float) -> Callable[..., Any]:
    """A change with the probability that is asked for."""

    def changed(image: Any, *rest: Any, p: float = usually, **keywords: Any) -> Any:
        return change(image) if random.random() < p else image

    return changed


def five(image: Any, size: Any) -> tuple[Any, ...]:
    """Five crops, all of the middle."""
    return tuple(crop_to(image, size) for _ in range(5))


def to_type(image: Any, dtype: torch.dtype = torch.float32, scale: bool = True) -> Any:
    """Bytes to numbers from 0 to 1, or the other way."""
    if not isinstance(image, Tensor):
        return image
    if dtype.is_floating_point and not image.is_floating_point() and scale:
        return image.to(dtype) / 255
    return image.to(dtype)


def same(image: Any, *arguments: Any, **keywords: Any) -> Any:
    """The image as it is."""
    return image


def _size_of(image: Any) -> tuple[int, int]:
    shape = image.shape[-2:] if isinstance(image, Tensor) else np.asarray(image).shape[:2]
    return int(shape[0]), int(shape[1])


def _to(image: Any, height: int, width: int) -> Any:
    if isinstance(image, Tensor):
        rows = torch.arange(max(1, height)) * image.shape[-2] // max(1, height)
        columns = torch.arange(max(1, width)) * image.shape[-1] // max(1, width)
        return image[..., rows, :][..., columns]
    return picture(resized(np.asarray(image), height, width))


class Function:
    """A transform that calls a function on each image."""

    function: Callable[..., Any]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.arguments, self.keywords = arguments, keywords

    def __call__(self, image: Any, *rest: Any) -> Any:
        return type(self).function(image, *self.arguments, **self.keywords)


def _no_settings(function: Transform) -> Callable[..., Any]:
    return lambda image, *arguments, **keywords: function(image)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ToTensor": _no_settings(to_tensor),
    "PILToTensor": _no_settings(pil_to_tensor),
    "ToImage": _no_settings(to_tensor),
    "ToPILImage": to_pil_image,
    "Normalize": normalize,
    "Resize": resize,
    "Scale": resize,
    "CenterCrop": crop_to,
    "RandomCrop": random_crop,
    "RandomResizedCrop": random_part,
    "RandomSizedCrop": random_part,
    "FiveCrop": five,
    "TenCrop": lambda image, size, *rest: five(image, size) * 2,
    "Pad": pad,
    "Grayscale": grey,
    "RandomHorizontalFlip": half_the_time,
    "ConvertImageDtype": to_type,
    "ToDtype": to_type,
}
FUNCTIONS |= {"RandomVerticalFlip": flipped_over}
FUNCTIONS |= dict.fromkeys("RandomRotation RandomAffine ElasticTransform RandomZoomOut".split(), moved)
FUNCTIONS |= dict.fromkeys(
    "ColorJitter GaussianBlur AutoAugment RandAugment TrivialAugmentWide AugMix".split(), brightened
)
FUNCTIONS |= {"RandomPerspective": _now_and_then(moved, 0.5), "RandomGrayscale": _now_and_then(brightened, 0.1)}
FUNCTIONS |= dict.fromkeys(
    (
        "RandomErasing RandomInvert RandomPosterize RandomSolarize RandomAdjustSharpness RandomAutocontrast RandomEqualize "
        "RandomPhotometricDistort"
    ).split(),
    _now_and_then(brightened, 0.5),
)
UNCHANGED = ("LinearTransformation", "Identity")

UNCHANGED_FUNCTIONS = (
    "rotate affine adjust_brightness adjust_contrast adjust_saturation adjust_hue adjust_gamma gaussian_blur perspective"
).split()


def _made(name: str, function: Callable[..., Any]) -> type[Function]:
    return type(name, (Function,), {"function": staticmethod(function), "__module__": __name__})


MADE = {name: _made(name, function) for name, function in FUNCTIONS.items()}
MADE |= {name: _made(name, same) for name in UNCHANGED}
globals().update(MADE)


class AutoAugmentPolicy:
    """Which one changes nothing here."""

    IMAGENET = CIFAR10 = SVHN = "policy"


class InterpolationMode:
    """The nearest pixels are taken whatever is asked for."""

    NEAREST = BILINEAR = BICUBIC = LANCZOS = BOX = HAMMING = NEAREST_EXACT = "nearest"


functional = SimpleNamespace(
    to_tensor=to_tensor,
    pil_to_tensor=pil_to_tensor,
    to_pil_image=to_pil_image,
    normalize=normalize,
    resize=resize,
    crop=crop,
    center_crop=crop_to,
    resized_crop=lambda image, top, left, height, width, size, *rest, **keywords: scale_to(image, size),
    pad=pad,
    hflip=hflip,
    vflip=vflip,
    horizontal_flip=hflip,
    vertical_flip=vflip,
    to_grayscale=grey,
    rgb_to_grayscale=grey,
    five_crop=five,
    convert_image_dtype=to_type,
    InterpolationMode=InterpolationMode,
    **dict.fromkeys(UNCHANGED_FUNCTIONS, same),
)
