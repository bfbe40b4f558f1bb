"""Random crop and horizontal flip, the usual augmentation on CIFAR."""

import torch
from torch.nn import functional as F

from resray.study.augmentation_spec import Augmentation

Parameters = torch.Tensor
"""int64 (n, 3): top and left edge of the crop in the padded image, and whether (1) to flip."""


def draw_parameters(
    count: int, augmentation: Augmentation, generator: torch.Generator
) -> Parameters:
    """Draw the parameters of ``count`` images; an edge lies in 0 ... 2 * crop_padding.

    An image that is not cropped has both edges at crop_padding.
    """
    padding = augmentation.crop_padding
    edges = torch.randint(0, 2 * padding + 1, (count, 2), generator=generator)
    flips = torch.rand(count, 1, generator=generator) < augmentation.flip
    # Drawn last, for it came last: what trials without it draw is as it was.
    cropped = torch.rand(count, 1, generator=generator) < augmentation.crop_probability
    return torch.cat([torch.where(cropped, edges, padding), flips.long()], dim=1)


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
