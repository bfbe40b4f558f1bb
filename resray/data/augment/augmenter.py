"""All augmentations of a recipe in their order, from what an epoch draws to finished batches."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from resray.data.augment.colour import BrightnessContrast, HueSaturationValue
from resray.data.augment.crop_flip import crop_and_flip, draw_parameters
from resray.data.augment.cutout import Cutout
from resray.data.augment.geometry import Affine, ShiftScaleRotate
from resray.data.augment.operation import Operation, change_groups, move
from resray.data.augment.policies import AutoAugment, RandAugment
from resray.data.randomness import epoch_generator
from resray.study.augmentation_spec import Augmentation

Change = Callable[[torch.Tensor], torch.Tensor]

_CUTOUT_STREAM = 7


@dataclass(frozen=True)
class Drawn:
    """What was drawn for some images, on the CPU."""

    crop_and_flip: torch.Tensor
    """int64 (n, 3); see `resray.data.augment.crop_flip`."""
    numbers: tuple[torch.Tensor, ...]
    """For each operation float32 (n, k); see `resray.data.augment.operation.Operation.draw`."""
    holes: torch.Tensor | None
    """float32 (n, k); see `resray.data.augment.cutout.Cutout.draw`."""

    def part(self, first: int, count: int) -> "Drawn":
        """Return what was drawn for ``count`` images from the ``first`` on."""
        rows = slice(first, first + count)
        holes = None if self.holes is None else self.holes[rows]
        return Drawn(self.crop_and_flip[rows], tuple(n[rows] for n in self.numbers), holes)


class Augmenter:
    """One augmentation, set up for images of one size."""

    def __init__(
        self, augmentation: Augmentation, normalise: Change, *, height: int, width: int
    ) -> None:
        """``normalise`` makes float32 images, whose mean is 0, of uint8 ones."""
        self.augmentation, self.normalise = augmentation, normalise
        self.operations = _operations(augmentation, height, width)
        spec = augmentation.cutout
        self.cutout = None if spec is None else Cutout(spec, height, width)

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
            holes = self.cutout.draw(count, epoch_generator(seed, epoch, _CUTOUT_STREAM))
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
    """Return the operations between flip and cutout in their order, by their stream."""
    on, size = augmentation, (height, width)
    every: dict[int, Operation | None] = {
        1: ShiftScaleRotate(on.shift_scale_rotate, *size) if on.shift_scale_rotate else None,
        2: Affine(on.affine, *size) if on.affine else None,
        3: BrightnessContrast(on.brightness_contrast) if on.brightness_contrast else None,
        4: HueSaturationValue(on.hue_saturation_value) if on.hue_saturation_value else None,
        5: AutoAugment(on.auto_augment, *size) if on.auto_augment else None,
        6: RandAugment(on.rand_augment, *size) if on.rand_augment else None,
    }
    return {stream: operation for stream, operation in every.items() if operation}
