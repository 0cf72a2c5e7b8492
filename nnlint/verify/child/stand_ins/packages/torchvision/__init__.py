"""torchvision: data sets of synthetic images, transforms that keep shapes right, small networks with the usual attributes."""

from nnlint.verify.child.stand_ins.packages.torchvision import datasets, models, transforms, utils

__all__ = ["datasets", "models", "transforms", "utils"]
__version__ = "0.99.0"


def set_image_backend(backend: str) -> None:
    """There is but one."""
