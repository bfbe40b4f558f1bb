"""What the augmentations have in common: draw numbers for an epoch, change some of a batch."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What changes uint8 images by a row of numbers each."""


class Operation(Protocol):
    """One augmentation, set up for images of one size."""

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw for ``count`` images: float32 (count, k) on the CPU.

        The first column is 1 where the image is to be changed and 0 where it stays.
        """

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return uint8 images (m, 3, h, w) changed by their rows of further columns, on the CPU.

        ``images``, of which there is at least one, may be changed in place.
        """


def draw_chances(count: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Draw 1 with ``probability`` and else 0, as float32 (count, 1)."""
    return (torch.rand(count, 1, generator=generator) < probability).float()


def draw_between(
    low: float, high: float, count: int, columns: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw evenly between two limits, as float32 (count, columns)."""
    return low + (high - low) * torch.rand(count, columns, generator=generator)


def both_ends(value: Any, *, signed: bool = False) -> tuple[Any, Any]:
    """Return a range as it is; a number as that and itself, or as the largest either way."""
    if isinstance(value, tuple):
        return value
    return (-value if signed else value), value


def move(numbers: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a small tensor from the CPU to ``device`` without waiting for what runs there."""
    return numbers.to(device, non_blocking=True)


def change_groups(
    images: torch.Tensor,
    groups: torch.Tensor,
    changes: Sequence[Change],
    numbers: torch.Tensor,
) -> torch.Tensor:
    """Return images (n, 3, h, w) changed by groups: 0 stays, k goes through ``changes[k - 1]``.

    ``groups``, int64 (n,), is on the CPU as ``numbers`` (n, k) is, so that nobody waits for a GPU
    to learn how large they are. A change gets its images and their rows of ``numbers``.
    """
    sizes = groups.bincount(minlength=len(changes) + 1).tolist()
    if sizes[0] == len(images):
        return images
    order = groups.argsort(stable=True)
    unchanged, *parts = images.index_select(0, move(order, images.device)).split(sizes)
    rows = numbers[order].split(sizes)[1:]
    changed = [
        change(part, row)
        for change, part, row in zip(changes, parts, rows, strict=True)
        if len(part)
    ]
    # Sorting, joining and sorting back copies whole images; putting them back in place does it
    # pixel by pixel and takes five times as long.
    back = move(order.argsort(), images.device)
    return torch.cat([unchanged, *changed]).index_select(0, back)


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Convert float images between 0 and 255, dropping fractions.

    By way of int16, which the CPU's vector units do; directly it takes five times as long.
    """
    return images.to(torch.int16).to(torch.uint8)
