"""A loader in the style of airbench's (Keller Jordan, github.com/KellerJordan/cifar10-airbench).

An epoch's images are augmented at once on the device, in half precision and channels-last: padded
by reflection, cropped by copying, for each shift, the images that have it, and flipped; batches are
then slices in a random order.
"""

from collections.abc import Iterator

import torch
from torch.nn import functional

PADDING = 4


def airbench_epoch(
    pixels: torch.Tensor,
    labels: torch.Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    batch_size: int,
    epoch: int,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield an epoch's whole batches of uint8 pixels (n, 3, h, w) that lie on the device."""
    device, side = pixels.device, pixels.shape[-1]
    kind = torch.half if device.type == "cuda" else torch.float32
    centre, spread = (torch.tensor(each, device=device, dtype=kind).view(3, 1, 1) for each in
                      (mean, std))  # fmt: skip
    images = ((pixels.to(kind) / 255 - centre) / spread).to(memory_format=torch.channels_last)
    images = cropped(functional.pad(images, (PADDING,) * 4, "reflect"), side)
    flips = torch.rand(len(images), device=device) < 0.5
    images = torch.where(flips.view(-1, 1, 1, 1), images.flip(-1), images)
    order = torch.randperm(len(images), device=device)
    for start in range(0, len(images) - batch_size + 1, batch_size):
        index = order[start : start + batch_size]
        yield images[index], labels[index]


def cropped(padded: torch.Tensor, side: int) -> torch.Tensor:
    """Return a crop of each image, the same rows and then the same columns copied at once."""
    count = len(padded)
    shifts = torch.randint(0, 2 * PADDING + 1, (2, count), device=padded.device)
    rows = torch.empty(count, 3, side, padded.shape[-1], device=padded.device, dtype=padded.dtype)
    for shift in range(2 * PADDING + 1):
        chosen = shifts[0] == shift
        rows[chosen] = padded[chosen, :, shift : shift + side]
    images = torch.empty(count, 3, side, side, device=padded.device, dtype=padded.dtype)
    for shift in range(2 * PADDING + 1):
        chosen = shifts[1] == shift
        images[chosen] = rows[chosen, :, :, shift : shift + side]
    return images
