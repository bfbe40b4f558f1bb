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
        """Return uint8 images (m, 3, h, w) changed by their rows of further columns.

        Both are on one device; neither may be changed in place. There is at least one image. Any
        image may be there only because others are to be changed, which throws its result away.
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


def change_groups(
    images: torch.Tensor,
    groups: torch.Tensor,
    changes: Sequence[Change],
    numbers: torch.Tensor,
) -> torch.Tensor:
    """Return images (n, 3, h, w) changed by groups: 0 stays, k goes through ``changes[k - 1]``.

    ``groups``, int64 (n,), and ``numbers`` (n, k) are on the images' device. A change gets images
    and their rows of ``numbers``: on the CPU those of its group alone, elsewhere all of them.
    """
    if images.device.type == "cpu":
        return _change_each_group(images, groups, changes, numbers)
    return change_all(images, groups, changes, numbers)


def change_all(
    images: torch.Tensor,
    groups: torch.Tensor,
    changes: Sequence[Change],
    numbers: torch.Tensor,
) -> torch.Tensor:
    """Do `change_groups` without asking the device how large a group is, which would wait for it:
    every change is made of all images, and each image takes that of its group."""
    changed = images
    for group, change in enumerate(changes, start=1):
        chosen = (groups == group).view(-1, 1, 1, 1)
        changed = torch.where(chosen, change(images, numbers), changed)
    return changed


def _change_each_group(
    images: torch.Tensor,
    groups: torch.Tensor,
    changes: Sequence[Change],
    numbers: torch.Tensor,
) -> torch.Tensor:
    sizes = groups.bincount(minlength=len(changes) + 1).tolist()
    if sizes[0] == len(images):
        return images
    order = groups.argsort(stable=True)
    unchanged, *parts = images.index_select(0, order).split(sizes)
    rows = numbers[order].split(sizes)[1:]
    changed = [
        change(part, row)
        for change, part, row in zip(changes, parts, rows, strict=True)
        if len(part)
    ]
    # Sorting, joining and sorting back copies whole images; putting them back in place does it
    # pixel by pixel and takes five times as long.
    return torch.cat([unchanged, *changed]).index_select(0, order.argsort())


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Convert float images between 0 and 255, dropping fractions.

    By way of int16, which the CPU's vector units do; directly it takes five times as long.
    """
    return images.to(torch.int16).to(torch.uint8)
