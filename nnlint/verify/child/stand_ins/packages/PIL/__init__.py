"""Pillow: images of missing files, with what training scripts ask of one."""

from nnlint.verify.child.stand_ins.packages.PIL import Image

__all__ = ["Image"]
__version__ = "99.0.0"
