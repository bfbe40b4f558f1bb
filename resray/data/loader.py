"""Batches from a dataset that lives as uint8 on the device: no per-image Python, no waiting.

What an epoch looks like follows from (seed, epoch) alone: order and augmentation are drawn on the
CPU for all images, moved to the device at once, then sliced by batch and rank. So one rank and many
see the same images, and a resumed training the same as an unbroken one.
"""

from collections.abc import Iterator

import torch

from resray.data.augment.augmenter import Augmenter
from resray.data.dataset import Images
from resray.data.randomness import epoch_generator
from resray.errors import InputError
from resray.study.augmentation_spec import Augmentation

Inputs = tuple[torch.Tensor, ...]
"""What a loader's ``prepare`` makes images of: a row for each of this rank's images of a batch, on
the device."""


class Normalise:
    """Turn uint8 images (n, 3, h, w) into float32 ones: (pixel / 255 - mean) / std."""

    def __init__(
        self,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device,
        channels_last: bool,
    ) -> None:
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -255 * torch.tensor(mean, dtype=torch.float64) * scale
        self.scale = scale.float().view(3, 1, 1).to(device)
        self.shift = shift.float().view(3, 1, 1).to(device)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        # The layout last: arithmetic by channel is three times as fast on a channel's own plane.
        scaled = images.to(torch.float32).mul_(self.scale).add_(self.shift)
        return scaled.contiguous(memory_format=self.layout)


class TrainLoader:
    """One rank's augmented batches of the training images, shuffled anew for each epoch or in their
    own order.

    A global batch, the last and smaller one too, is split over the ranks as evenly as possible;
    lower ranks get the larger shares. Raises InputError if a rank's share is empty.
    """

    def __init__(
        self,
        images: Images,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str,
        augmentation: Augmentation,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        channels_last: bool = False,
    ) -> None:
        """Put the images on ``device``; ``batch_size`` is that of the global batch."""
        require_shares(len(images), batch_size, world_size, drop_last=drop_last)
        self.device = torch.device(device)
        self.images = images.images.to(self.device)
        self.labels = images.labels.to(self.device)
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.sizes = batch_sizes(len(self.labels), batch_size, drop_last)
        """Images of each global batch of an epoch."""
        self.counts = [len(rank_share(size, rank, world_size)) for size in self.sizes]
        """This rank's images of each."""
        self.normalise = Normalise(mean, std, self.device, channels_last)
        self.augmenter = self._augmenter(augmentation)

    def augment_by(self, augmentation: Augmentation) -> None:
        """Set the augmentation of the epochs that follow."""
        if augmentation != self.augmenter.augmentation:
            self.augmenter = self._augmenter(augmentation)

    def _augmenter(self, augmentation: Augmentation) -> Augmenter:
        height, width = self.sides
        return Augmenter(
            augmentation, self.normalise, height=height, width=width, device=self.device
        )

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[-2], self.images.shape[-1]

    def epoch(self, epoch: int) -> Iterator[Inputs]:
        """Yield each batch's part of what is drawn, at once, for an epoch, counted from 1."""
        drawn = self._draw(len(self.labels), epoch)
        start = 0
        for size in self.sizes:
            share = rank_share(size, self.rank, self.world_size)
            rows = slice(start + share.start, start + share.stop)
            yield tuple(each[rows] for each in drawn)
            start += size

    def prepare(
        self, order: torch.Tensor, *drawn: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch's inputs as float32 images (n, 3, h, w), augmented and normalised, and
        int64 labels (n,). Computed on the device alone, so that it may be captured."""
        images = self.augmenter(self.images.index_select(0, order), drawn)
        return images, self.labels.index_select(0, order)

    def example(self, count: int) -> Inputs:
        """Return inputs of ``count`` images, as those of a batch are, to warm up with."""
        return self._draw(count, epoch=0)

    def _draw(self, count: int, epoch: int) -> Inputs:
        """Draw an epoch's order and its augmentation, and move both to the device."""
        generator = epoch_generator(self.seed, epoch)
        order = epoch_order(count, self.shuffle, generator)
        drawn = self.augmenter.draw(count, self.seed, epoch, generator)
        return tuple(to_device(each, self.device) for each in (order, *drawn))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor from the CPU to ``device`` without waiting for what runs there."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def batch_sizes(images: int, batch_size: int, drop_last: bool) -> list[int]:
    """Return how many images each global batch of an epoch has."""
    whole, rest = divmod(images, batch_size)
    return [batch_size] * whole + ([rest] if rest and not (drop_last and whole) else [])


def epoch_order(images: int, shuffle: bool, generator: torch.Generator) -> torch.Tensor:
    """Return the places of an epoch's images (int64) in the order in which training takes them."""
    return torch.randperm(images, generator=generator) if shuffle else torch.arange(images)


class EvalLoader:
    """One rank's share of images to evaluate on, in their own order: each on exactly one rank."""

    def __init__(
        self,
        images: Images,
        *,
        batch_size: int,
        device: torch.device | str,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        rank: int = 0,
        world_size: int = 1,
        channels_last: bool = False,
    ) -> None:
        """Put this rank's share on ``device``; ``batch_size`` is that of each rank."""
        share = rank_share(len(images), rank, world_size)
        self.device = torch.device(device)
        self.images = images.images[share.start : share.stop].to(self.device)
        self.labels = images.labels[share.start : share.stop].to(self.device)
        self.batch_size = batch_size
        self.normalise = Normalise(mean, std, self.device, channels_last)

    def __len__(self) -> int:
        """Return the batches of this rank's share, which may be none."""
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield float32 images (n, 3, h, w), normalised, with int64 labels (n,)."""
        for start in range(0, len(self.labels), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self.normalise(self.images[part]), self.labels[part]


def smallest_share(
    images: int, batch_size: int, world_size: int, *, drop_last: bool = False
) -> int:
    """Return the fewest images that a rank gets of a batch in an epoch of ``images``."""
    return batch_sizes(images, batch_size, drop_last)[-1] // world_size


def require_shares(
    images: int, batch_size: int, world_size: int, at_least: int = 1, *, drop_last: bool = False
) -> None:
    """Raise InputError if a rank's share of a batch has fewer images than ``at_least``."""
    if smallest_share(images, batch_size, world_size, drop_last=drop_last) >= at_least:
        return
    nearest = sorted(range(1, 2 * batch_size), key=lambda size: abs(size - batch_size))
    fitting = (size for size in nearest if smallest_share(images, size, world_size) >= at_least)
    advice = f"batch_size: {found}" if (found := next(fitting, None)) else "fewer ranks"
    last = images % batch_size or batch_size
    of_ranks = f" for {world_size} ranks" if world_size > 1 else ""
    raise InputError(
        f"batch_size {batch_size}: the last batch of {images:,} training images has {last}"
        f"{of_ranks}, and {'each' if world_size > 1 else 'it'} needs {at_least} or more; choose "
        f"{advice}"
    )


def rank_share(size: int, rank: int, world_size: int) -> range:
    """Return the positions, within ``size`` of them, that belong to ``rank``."""
    quotient, remainder = divmod(size, world_size)
    start = rank * quotient + min(rank, remainder)
    return range(start, start + quotient + (rank < remainder))
