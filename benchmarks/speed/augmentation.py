"""Throughput of resray's batched augmentation beside albumentations' and kornia's, on one core.

    uv pip install albumentations kornia
    uv run python benchmarks/speed/augmentation.py [--images 2560] [--rounds 7]

The pipeline is that of study 4's session 02: flip, shift-scale-rotate, brightness-contrast,
hue-saturation-value and one 8x8 hole, on random 32x32 images, from uint8 in memory to normalised
float32 batches in channels-last layout. All three take turns in one process with one thread;
CPU seconds count, so that other processes on the machine disturb little. albumentations is called
image by image, as in the published training; kornia gets its nearest equivalents.
"""

import argparse
import importlib
import importlib.metadata
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from resray.data.dataset import Images
from resray.data.loader import Normalise, TrainLoader
from resray.study.augmentation_spec import Augmentation

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761)
SESSION_02 = Augmentation.model_validate(
    {
        "flip": 0.5,
        "crop_padding": 0,
        "shift_scale_rotate": {"probability": 0.5},
        "brightness_contrast": {"probability": 0.3},
        "hue_saturation_value": {"probability": 0.3},
        "cutout": {"probability": 0.5, "size": 8},
    }
)

Epoch = Callable[[int], Iterator[torch.Tensor]]


def load(name: str) -> Any:
    """Import a peer, which resray does not depend on."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise SystemExit(f"{name} is missing: uv pip install albumentations kornia") from None


def ours(pixels: torch.Tensor, batch_size: int) -> Epoch:
    """Return resray's loader: order, draws and normalisation included."""
    loader = TrainLoader(
        Images(pixels, torch.zeros(len(pixels), dtype=torch.int64)),
        batch_size=batch_size,
        seed=0,
        device="cpu",
        augmentation=SESSION_02,
        mean=MEAN,
        std=STD,
        channels_last=True,
    )
    return lambda epoch: (loader.prepare(*inputs)[0] for inputs in loader.epoch(epoch))


def with_albumentations(pixels: torch.Tensor, batch_size: int) -> Epoch:
    """Return the pipeline of the published training, its batches normalised as ours are."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    albumentations, cv2 = load("albumentations"), load("cv2")
    cv2.setNumThreads(0)
    augment = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ShiftScaleRotate(border_mode=cv2.BORDER_REFLECT_101, p=0.5),
            albumentations.RandomBrightnessContrast(p=0.3),
            albumentations.HueSaturationValue(p=0.3),
            albumentations.CoarseDropout((1, 1), (8, 8), (8, 8), p=0.5),
        ]
    )
    images = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    normalise = Normalise(MEAN, STD, torch.device("cpu"), channels_last=True)

    def epoch(number: int) -> Iterator[torch.Tensor]:
        order = np.random.default_rng(number).permutation(len(images))
        for start in range(0, len(order), batch_size):
            batch = [augment(image=images[i])["image"] for i in order[start : start + batch_size]]
            yield normalise(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2))

    return epoch


def with_kornia(pixels: torch.Tensor, batch_size: int) -> Epoch:
    """Return kornia's nearest: factors instead of shifts for saturation, holes never cut off."""
    kornia = load("kornia.augmentation")
    augment = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(
            45,
            translate=(0.0625, 0.0625),
            scale=(0.9, 1.1),
            padding_mode="REFLECTION",
            align_corners=True,
            p=0.5,
        ),
        kornia.ColorJiggle(brightness=0.2, contrast=0.2, p=0.3),
        kornia.ColorJiggle(saturation=0.12, hue=20 / 180, p=0.3),
        kornia.RandomErasing(scale=(1 / 16, 1 / 16), ratio=(1, 1), p=0.5),
        kornia.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )

    def epoch(number: int) -> Iterator[torch.Tensor]:
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(number))
        for index in order.split(batch_size):
            batch = augment(pixels[index].float().div_(255))
            yield batch.contiguous(memory_format=torch.channels_last)

    return epoch


def images_per_second(epoch: Epoch, number: int) -> float:
    """Go through an epoch and return images per CPU second."""
    started = time.process_time()
    count = sum(len(batch) for batch in epoch(number))
    return count / (time.process_time() - started)


def measure(epochs: dict[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Let all take turns, once more than ``rounds``: the first warms up and does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            speeds[name].append(images_per_second(epoch, number))
    return {name: measured[1:] for name, measured in speeds.items()}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # albumentations advises against ShiftScaleRotate
    pixels = torch.randint(0, 256, (arguments.images, 3, 32, 32), dtype=torch.uint8)
    makers = {"resray": ours, "albumentations": with_albumentations, "kornia": with_kornia}
    epochs = {name: make(pixels, arguments.batch_size) for name, make in makers.items()}
    speeds = measure(epochs, arguments.rounds)
    print(f"resray: median {statistics.median(speeds['resray']):.0f} images/s")
    for name in ("albumentations", "kornia"):
        ratios = [own / peer for own, peer in zip(speeds["resray"], speeds[name], strict=True)]
        print(
            f"{name} {importlib.metadata.version(name)}: median "
            f"{statistics.median(speeds[name]):.0f} images/s; resray is "
            f"{statistics.median(ratios):.1f} times as fast "
            f"({min(ratios):.1f} to {max(ratios):.1f}, n = {len(ratios)})"
        )


if __name__ == "__main__":
    main()
