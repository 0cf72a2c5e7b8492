"""Images side by side; writing them goes nowhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, *rest: Any, **keywords: Any) -> Tensor:
    """The images of a batch in rows."""
    images = torch.stack(list(tensor)) if isinstance(tensor, (list, tuple)) else tensor
    images = images.detach()
    images = images[None, None] if images.dim() == 2 else images[None] if images.dim() == 3 else images
    images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    padded = torch.nn.functional.pad(images, [padding] * 4)
    rows = [torch.cat(list(padded[i : i + nrow]), 2) for i in range(0, len(padded) // nrow * nrow, nrow)]
    return torch.cat(rows, 1) if rows else torch.cat(list(padded), 2)


def save_image(*arguments: Any, **keywords: Any) -> None:
    """Writes nothing."""


def draw_bounding_boxes(image: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
    """The image without them."""
    return image


draw_segmentation_masks = draw_keypoints = draw_bounding_boxes
