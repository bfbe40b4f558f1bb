"""All augmentations of a recipe in their order, from what an epoch draws to finished batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import torch

from resray.data.augment.colour import BrightnessContrast, ColorJitter, HueSaturationValue
from resray.data.augment.crop_flip import crop_and_flip, draw_parameters
from resray.data.augment.cutout import Cutout
from resray.data.augment.geometry import Affine, ResizedCrop, ShiftScaleRotate
from resray.data.augment.operation import Operation, change_groups, move
from resray.data.augment.policies import AutoAugment, RandAugment
from resray.data.randomness import epoch_generator
from resray.study.augmentation_spec import Augmentation, Step

Normalise = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Drawn:
    """What was drawn for some images, on the CPU."""

    crop_and_flip: torch.Tensor
    """int64 (n, 3); see `resray.data.augment.crop_flip`."""
    numbers: tuple[torch.Tensor, ...]
    """For each operation float32 (n, k); see `resray.data.augment.operation.Operation.draw`."""
    holes: torch.Tensor | None
    """The same for a cutout filled with the mean, which is no operation on uint8 images."""

    def part(self, first: int, count: int) -> "Drawn":
        """Return what was drawn for ``count`` images from the ``first`` on."""
        rows = slice(first, first + count)
        holes = None if self.holes is None else self.holes[rows]
        return Drawn(self.crop_and_flip[rows], tuple(n[rows] for n in self.numbers), holes)


class Augmenter:
    """One augmentation, set up for images of one size."""

    def __init__(
        self, augmentation: Augmentation, normalise: Normalise, *, height: int, width: int
    ) -> None:
        """``normalise`` makes float32 images, whose mean is 0, of uint8 ones."""
        self.augmentation, self.normalise = augmentation, normalise
        self.operations = _operations(augmentation, height, width)
        spec = augmentation.cutout
        self.cutout = Cutout(spec, height, width) if spec and spec.fill == "mean" else None

    def draw(self, count: int, seed: int, epoch: int, generator: torch.Generator) -> Drawn:
        """Draw for all ``count`` images of an epoch; crop and flip go on with ``generator``.

        Every other operation has a stream of its own, so that turning one on or off leaves what
        the others draw as it is.
        """
        crops = draw_parameters(count, self.augmentation, generator)
        numbers = tuple(
            operation.draw(count, epoch_generator(seed, epoch, stream))
            for stream, operation in self.operations.items()
        )
        holes = None
        if self.cutout:
            stream, _ = _OPERATIONS["cutout"]
            holes = self.cutout.draw(count, epoch_generator(seed, epoch, stream))
        return Drawn(crops, numbers, holes)

    def __call__(self, images: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """Return uint8 images (n, 3, h, w), which may be changed in place, as augmented float32."""
        images = self._crop_and_flip(images, drawn.crop_and_flip)
        for operation, numbers in zip(self.operations.values(), drawn.numbers, strict=True):
            images = change_groups(images, numbers[:, 0].long(), [operation.apply], numbers[:, 1:])
        images = self.normalise(images)
        if self.cutout and drawn.holes is not None:
            self.cutout.cut(images, drawn.holes)
        return images

    def _crop_and_flip(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        padding = self.augmentation.crop_padding
        if padding > 0:
            return crop_and_flip(images, move(parameters, images.device), padding)
        return change_groups(images, parameters[:, 2], [_flip], parameters)


def _flip(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return images.flip(3)


def _operations(augmentation: Augmentation, height: int, width: int) -> dict[int, Operation]:
    """Return the operations on uint8 images after crop and flip, in their order, by stream."""
    specs = {step: getattr(augmentation, step) for step in augmentation.order or get_args(Step)}
    found = {}
    for step, spec in specs.items():
        stream, operation = _OPERATIONS[step]
        if spec is not None and getattr(spec, "fill", None) != "mean":
            found[stream] = operation(spec, height, width)
    return found


_OPERATIONS: dict[str, tuple[int, Callable[[Any, int, int], Operation]]] = {
    "shift_scale_rotate": (1, ShiftScaleRotate),
    "affine": (2, Affine),
    "brightness_contrast": (3, lambda spec, *_: BrightnessContrast(spec)),
    "hue_saturation_value": (4, lambda spec, *_: HueSaturationValue(spec)),
    "auto_augment": (5, AutoAugment),
    "rand_augment": (6, RandAugment),
    "cutout": (7, Cutout),
    "resized_crop": (8, ResizedCrop),
    "color_jitter": (9, lambda spec, *_: ColorJitter(spec)),
}
"""By the recipe's key: the number of a stream of its own, for good, and how it is set up."""
