"""Augmentation of whole batches of uint8 images, on whatever device they are.

Parameters are drawn on the CPU, one row per image, so that they do not depend on the device or on
how a batch is split over ranks.
"""

import torch
from torch.nn import functional as F

from resray.study.recipe_spec import Augmentation

Parameters = torch.Tensor
"""int64 (n, 3): top and left edge of the crop in the padded image, and whether (1) to flip."""


def draw_parameters(
    count: int, augmentation: Augmentation, generator: torch.Generator
) -> Parameters:
    """Draw the parameters of ``count`` images; an edge lies in 0 ... 2 * crop_padding."""
    edges = torch.randint(0, 2 * augmentation.crop_padding + 1, (count, 2), generator=generator)
    flips = torch.rand(count, 1, generator=generator) < augmentation.flip
    return torch.cat([edges, flips.long()], dim=1)


def crop_and_flip(images: torch.Tensor, parameters: Parameters, padding: int) -> torch.Tensor:
    """Pad uint8 images (n, 3, h, w) with black, crop each back to h x w, and flip some.

    The crop comes first, then the horizontal flip, as usual on CIFAR. One gather of flat pixel
    positions does both; indexing with four index tensors takes four times as long.
    """
    count, channels, height, width = images.shape
    top, left, flip = parameters.split(1, dim=1)
    padded = F.pad(images, (padding,) * 4)
    rows = torch.arange(height, device=images.device) + top
    columns = torch.arange(width, device=images.device).expand(count, width)
    columns = torch.where(flip == 1, width - 1 - columns, columns) + left
    positions = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
    positions = positions.view(count, 1, -1).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, positions).view(images.shape)
