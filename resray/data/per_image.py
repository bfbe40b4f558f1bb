"""The classic loader: PyTorch's DataLoader over single images and torchvision's transforms.

What most published CIFAR code does, kept so that a study can measure what it costs: every image
becomes a Pillow image, is cropped and flipped there, turned into a float tensor, normalised, and
collated into a batch, by the training process itself or by workers beside it.

As with `resray.data.loader.TrainLoader`, what an epoch looks like follows from (seed, epoch): every
image brings the seed of its own augmentation, so the number of workers and of ranks changes
nothing, and neither does resuming.
"""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from resray.data.dataset import Images
from resray.data.loader import Batch, epoch_generator, epoch_order, rank_share, require_shares
from resray.study.augmentation_spec import Augmentation

Draw = tuple[int, int]
"""An image's index, and the seed of its augmentation."""


class PerImageLoader:
    """One rank's augmented batches of the training images, prepared image by image.

    The order of images and the shares of ranks are those of `resray.data.loader.TrainLoader`; the
    parameters of crop and flip are drawn by torchvision and so are others.
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
        rank: int = 0,
        world_size: int = 1,
        channels_last: bool = False,
        workers: int = 0,
        pinned_memory: bool = False,
    ) -> None:
        """Keep the images on the CPU; ``batch_size`` is that of the global batch.

        ``workers`` are processes of this rank; they live for an epoch. ``pinned_memory`` has an
        effect only where ``device`` is a GPU.
        """
        require_shares(len(images), batch_size, world_size)
        self.device = torch.device(device)
        self.labels = images.labels
        self.pixels = images.images.permute(0, 2, 3, 1).contiguous()
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.augmentation, self.mean, self.std = augmentation, mean, std
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.workers = workers
        self.pinned = pinned_memory and self.device.type == "cuda"

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, epoch: int, augmentation: Augmentation | None = None) -> Iterator[Batch]:
        """Yield the batches of one epoch, counted from 1.

        ``augmentation`` takes the place of the loader's own for this epoch.
        """
        transform = classic_transform(
            augmentation or self.augmentation, self.pixels.shape[1], self.mean, self.std
        )
        shares = self._shares(epoch)
        batches = DataLoader(
            SingleImages(self.pixels, self.labels, transform),
            batch_sampler=[draws for draws, _, _ in shares],
            num_workers=self.workers,
            pin_memory=self.pinned,
            # PyTorch draws the workers' seeds from it, else from the generator that dropout uses.
            generator=epoch_generator(self.seed, epoch),
        )
        for (images, labels), (_, weight, size) in zip(batches, shares, strict=True):
            images = images.to(self.device, memory_format=self.layout, non_blocking=self.pinned)
            labels = labels.to(self.device, non_blocking=self.pinned)
            yield Batch(images, labels, weight, size)

    def _shares(self, epoch: int) -> list[tuple[list[Draw], float, int]]:
        """Return this rank's images of each batch, their weight, and the global batch's size."""
        generator = epoch_generator(self.seed, epoch)
        order = epoch_order(len(self.labels), self.shuffle, generator)
        seeds = torch.randint(2**32, (len(order),), generator=generator)
        draws = list(zip(order.tolist(), seeds.tolist(), strict=True))
        shares = []
        for start in range(0, len(draws), self.batch_size):
            batch = draws[start : start + self.batch_size]
            share = rank_share(len(batch), self.rank, self.world_size)
            shares.append((batch[share.start : share.stop], len(share) / len(batch), len(batch)))
        return shares


class SingleImages(Dataset[tuple[torch.Tensor, int]]):
    """Images that are transformed one by one, each with random numbers of its own."""

    def __init__(self, pixels: torch.Tensor, labels: torch.Tensor, transform: v2.Compose) -> None:
        """Take uint8 pixels (n, h, w, 3) and int64 labels (n,)."""
        self.pixels, self.labels = pixels.numpy(), labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, draws: Sequence[Draw]) -> list[tuple[torch.Tensor, int]]:
        """Return a batch's images, float32 (3, h, w), with their labels.

        The process's random numbers go on afterwards as if nothing had been drawn.
        """
        state = torch.default_generator.get_state()
        items = [self._item(index, seed) for index, seed in draws]
        torch.default_generator.set_state(state)
        return items

    def _item(self, index: int, seed: int) -> tuple[torch.Tensor, int]:
        torch.default_generator.manual_seed(seed)
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def classic_transform(
    augmentation: Augmentation, size: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> v2.Compose:
    """Return torchvision's usual CIFAR transform: a Pillow image to float32 (3, h, w).

    It knows crop and flip; `resray.study.recipe_spec` refuses anything else beside this loader.
    """
    steps: list[torch.nn.Module] = []
    if augmentation.crop_padding and augmentation.crop_probability:
        crop = v2.RandomCrop(size, padding=augmentation.crop_padding)
        steps.append(v2.RandomApply([crop], p=augmentation.crop_probability))
    if augmentation.flip:
        steps.append(v2.RandomHorizontalFlip(augmentation.flip))
    to_tensor = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*steps, *to_tensor, v2.Normalize(mean, std)])
