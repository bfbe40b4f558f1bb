"""A loader's batches as training sees them."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from resray.data.loader import TrainLoader
from resray.data.per_image import PerImageLoader


class Prepared(NamedTuple):
    """A batch whose images are made."""

    images: torch.Tensor
    labels: torch.Tensor
    weight: float
    size: int


def prepared(loader: TrainLoader | PerImageLoader, epoch: int) -> Iterator[Prepared]:
    """Yield the batches of an epoch."""
    for size, inputs in zip(loader.sizes, loader.epoch(epoch), strict=True):
        images, labels = loader.prepare(*inputs)
        yield Prepared(images, labels, len(labels) / size, size)
