"""All augmentations of a recipe in their order, from what an epoch draws to finished batches."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch

from resray.data.augment.colour import BrightnessContrast, ColorJitter, HueSaturationValue
from resray.data.augment.crop_flip import crop_and_flip, draw_parameters
from resray.data.augment.cutout import Cutout
from resray.data.augment.geometry import Affine, ResizedCrop, ShiftScaleRotate
from resray.data.augment.operation import Operation, change_groups
from resray.data.augment.policies import AutoAugment, RandAugment
from resray.data.randomness import epoch_generator
from resray.study.augmentation_spec import Augmentation, Step

Normalise = Callable[[torch.Tensor], torch.Tensor]

Drawn = tuple[torch.Tensor, ...]
"""What was drawn for n images, a row each: for crop and flip, int64 (n, 3), for each operation,
float32 (n, k), and for a cutout filled with the mean, which is no operation on uint8 images."""


class Augmenter:
    """One augmentation, set up for images of one size on one device."""

    def __init__(
        self,
        augmentation: Augmentation,
        normalise: Normalise,
        *,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """``normalise`` makes float32 images, whose mean is 0, of uint8 ones."""
        self.augmentation, self.normalise = augmentation, normalise
        self.operations = _operations(augmentation, height, width, torch.device(device))
        spec = augmentation.cutout
        self.cutout = Cutout(spec, height, width) if spec and spec.fill == "mean" else None

    def draw(self, count: int, seed: int, epoch: int, generator: torch.Generator) -> Drawn:
        """Draw for all ``count`` images of an epoch, on the CPU; crop and flip go on with
        ``generator``.

        Every other operation has a stream of its own, so that turning one on or off leaves what
        the others draw as it is.
        """
        drawn = [draw_parameters(count, self.augmentation, generator)]
        streams = dict(self.operations)
        if self.cutout:
            streams[_OPERATIONS["cutout"][0]] = self.cutout
        for stream, operation in streams.items():
            drawn.append(operation.draw(count, epoch_generator(seed, epoch, stream)))
        return tuple(drawn)

    def __call__(self, images: torch.Tensor, drawn: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return uint8 images (n, 3, h, w) as augmented float32; ``drawn`` is on their device."""
        parameters, *numbers = drawn
        images = self._crop_and_flip(images, parameters)
        for operation, rows in zip(self.operations.values(), numbers, strict=False):
            images = change_groups(images, rows[:, 0].long(), [operation.apply], rows[:, 1:])
        images = self.normalise(images)
        return images if self.cutout is None else self.cutout.cut(images, numbers[-1])

    def _crop_and_flip(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        padding = self.augmentation.crop_padding
        if padding > 0:
            return crop_and_flip(images, parameters, padding)
        return change_groups(images, parameters[:, 2], [_flip], parameters)


def _flip(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return images.flip(3)


def _operations(
    augmentation: Augmentation, height: int, width: int, device: torch.device
) -> dict[int, Operation]:
    """Return the operations on uint8 images after crop and flip, in their order, by stream."""
    specs = {step: getattr(augmentation, step) for step in augmentation.order or get_args(Step)}
    found = {}
    for step, spec in specs.items():
        stream, operation = _OPERATIONS[step]
        if spec is not None and getattr(spec, "fill", None) != "mean":
            found[stream] = operation(spec, height, width, device)
    return found


_OPERATIONS: dict[str, tuple[int, Callable[[Any, int, int, torch.device], Operation]]] = {
    "shift_scale_rotate": (1, lambda spec, h, w, _: ShiftScaleRotate(spec, h, w)),
    "affine": (2, lambda spec, h, w, _: Affine(spec, h, w)),
    "brightness_contrast": (3, lambda spec, *_: BrightnessContrast(spec)),
    "hue_saturation_value": (4, lambda spec, *_: HueSaturationValue(spec)),
    "auto_augment": (5, AutoAugment),
    "rand_augment": (6, RandAugment),
    "cutout": (7, lambda spec, h, w, _: Cutout(spec, h, w)),
    "resized_crop": (8, lambda spec, h, w, _: ResizedCrop(spec, h, w)),
    "color_jitter": (9, lambda spec, *_: ColorJitter(spec)),
}
"""By the recipe's key: the number of a stream of its own, for good, and how it is set up."""
