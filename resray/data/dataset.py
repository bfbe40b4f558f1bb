"""What every source of images gives: uint8 tensors, labels, class names and a checksum."""

import hashlib
from dataclasses import dataclass

import torch

from resray.data.table import CIFAR
from resray.study.reduction import Reduction


@dataclass(frozen=True)
class Images:
    """Images with their labels, in memory or mapped from a file that other processes share."""

    images: torch.Tensor
    """uint8 (n, 3, height, width), RGB."""
    labels: torch.Tensor
    """int64 (n,)."""

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: torch.Tensor) -> "Images":
        """Return a copy of the images at ``indices`` (int64), in that order."""
        return Images(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A whole dataset as its source gives it, before any split."""

    name: str
    """As in the recipe, e.g. ``cifar10``."""
    source: str
    """How it was stored, for people: ``CIFAR-10 (Parquet folder, JPEG)``."""
    train: Images
    test: Images
    class_names: tuple[str, ...]
    checksum: str
    """SHA-256 of the decoded images and labels, hexadecimal."""
    validation: Images | None = None
    """Where the source has such a part of its own and the recipe takes it."""

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """How many images there are, where CIFAR has another number."""
        whole = CIFAR.get(self.name)
        if whole is None:
            return ()
        parts = {
            "training_images": (self.train, whole.train),
            "test_images": (self.test, whole.test),
        }
        return tuple(
            Reduction(kind, len(images), count, self.name)
            for kind, (images, count) in parts.items()
            if len(images) != count
        )


def checksum(*parts: Images) -> str:
    """Return the SHA-256 of shapes, pixels and labels of all parts, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(str(tuple(part.images.shape)).encode())
        for tensor in (part.images, part.labels):
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
