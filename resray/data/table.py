"""What the datasets that a recipe can name are made of, known without opening them."""

from dataclasses import dataclass

from resray.study.data_spec import Data, Embedded


@dataclass(frozen=True)
class DatasetSize:
    """Images before the validation split, test images, classes, and pixels a side."""

    train: int
    test: int
    classes: int
    side: int


CIFAR = {
    "cifar10": DatasetSize(50_000, 10_000, 10, 32),
    "cifar100": DatasetSize(50_000, 10_000, 100, 32),
}
EMBEDDED = DatasetSize(5_000, 1_000, 10, 32)
"""Embedded images where a recipe says nothing else; a fifth as many for test as for training."""


def embedded_size(data: Embedded) -> DatasetSize:
    """Return what embedded images are made of as ``data`` has them."""
    train = EMBEDDED.train if data.images is None else data.images
    return DatasetSize(
        train=train,
        test=max(train // 5, 1),
        classes=EMBEDDED.classes if data.classes is None else data.classes,
        side=EMBEDDED.side if data.image_size is None else data.image_size,
    )


def dataset_size(data: Data) -> DatasetSize | None:
    """Return what a recipe's dataset is made of; None for a folder, which has to be opened."""
    return embedded_size(data) if isinstance(data, Embedded) else CIFAR.get(data.name)
