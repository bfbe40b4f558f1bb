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
from resray.data.loader import Inputs, batch_sizes, epoch_order, rank_share, require_shares
from resray.data.randomness import epoch_generator
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
        drop_last: bool = False,
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
        require_shares(len(images), batch_size, world_size, drop_last=drop_last)
        self.device = torch.device(device)
        self.labels = images.labels
        self.pixels = images.images.permute(0, 2, 3, 1).contiguous()
        self.seed, self.shuffle = seed, shuffle
        self.sizes = batch_sizes(len(self.labels), batch_size, drop_last)
        self.counts = [len(rank_share(size, rank, world_size)) for size in self.sizes]
        self.rank, self.world_size = rank, world_size
        self.augmentation, self.mean, self.std = augmentation, mean, std
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.workers = workers
        self.pinned = pinned_memory and self.device.type == "cuda"

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def augment_by(self, augmentation: Augmentation) -> None:
        """Set the augmentation of the epochs that follow."""
        self.augmentation = augmentation

    def prepare(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch's inputs, which are ready: float32 (n, 3, h, w) and int64 (n,)."""
        return images, labels

    def example(self, count: int) -> Inputs:
        """Return inputs of ``count`` images, as those of a batch are, to warm up with."""
        images = torch.zeros(count, 3, *self.sides, device=self.device)
        labels = torch.zeros(count, dtype=torch.int64, device=self.device)
        return images.to(memory_format=self.layout), labels

    def epoch(self, epoch: int) -> Iterator[Inputs]:
        """Yield the batches of one epoch, counted from 1."""
        transform = classic_transform(self.augmentation, self.pixels.shape[1], self.mean, self.std)
        batches = DataLoader(
            SingleImages(self.pixels, self.labels, transform),
            batch_sampler=self._shares(epoch),
            num_workers=self.workers,
            pin_memory=self.pinned,
            # PyTorch draws the workers' seeds from it, else from the generator that dropout uses.
            generator=epoch_generator(self.seed, epoch),
        )
        for images, labels in batches:
            images = images.to(self.device, memory_format=self.layout, non_blocking=self.pinned)
            labels = labels.to(self.device, non_blocking=self.pinned)
            yield images, labels

    def _shares(self, epoch: int) -> list[list[Draw]]:
        """Return this rank's images of each batch."""
        generator = epoch_generator(self.seed, epoch)
        order = epoch_order(len(self.labels), self.shuffle, generator)
        seeds = torch.randint(2**32, (len(order),), generator=generator)
        draws = list(zip(order.tolist(), seeds.tolist(), strict=True))
        shares = []
        start = 0
        for size in self.sizes:
            batch = draws[start : start + size]
            start += size
            share = rank_share(len(batch), self.rank, self.world_size)
            shares.append(batch[share.start : share.stop])
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
