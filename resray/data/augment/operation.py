"""What the augmentations have in common: draw numbers for an epoch, change some of a batch."""

from collections.abc import Callable
from typing import Protocol

import torch


class Operation(Protocol):
    """One augmentation, set up for images of one size."""

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw for ``count`` images: float32 (count, k) on the CPU.

        The first column is 1 where the image is to be changed and 0 where it stays.
        """

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return uint8 images (m, 3, h, w) changed by their rows of further columns, on the CPU.

        ``images`` may be changed in place.
        """


def draw_chances(count: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Draw 1 with ``probability`` and else 0, as float32 (count, 1)."""
    return (torch.rand(count, 1, generator=generator) < probability).float()


def draw_between(
    low: float, high: float, count: int, columns: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw evenly between two limits, as float32 (count, columns)."""
    return low + (high - low) * torch.rand(count, columns, generator=generator)


def move(numbers: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a small tensor from the CPU to ``device`` without waiting for what runs there."""
    return numbers.to(device, non_blocking=True)


def change_some(
    images: torch.Tensor,
    chosen: torch.Tensor,
    change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    numbers: torch.Tensor,
) -> torch.Tensor:
    """Put in place of the ``chosen`` images what ``change`` makes of them and their numbers.

    ``chosen``, bool (n,), is on the CPU as ``numbers`` (n, k) is, so that nobody waits for a GPU
    to learn how many there are.
    """
    index = chosen.nonzero().flatten()
    if len(index) == 0:
        return images
    if len(index) == len(images):
        return change(images, numbers)
    place = move(index, images.device)
    return images.index_copy_(0, place, change(images.index_select(0, place), numbers[index]))


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Convert float images between 0 and 255, dropping fractions.

    By way of int16, which the CPU's vector units do; directly it takes five times as long.
    """
    return images.to(torch.int16).to(torch.uint8)
