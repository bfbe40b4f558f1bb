"""RandAugment and AutoAugment: which operations an image gets, and how strong.

RandAugment: Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced
Search Space" (2019). AutoAugment: Cubuk et al., "AutoAugment: Learning Augmentation Policies from
Data" (2018). Operations, magnitudes and the CIFAR-10 policy are those of torchvision.
"""

import torch

from resray.data.augment.choices import SIGNED, Choice, Choices, magnitude_at
from resray.data.augment.operation import draw_chances
from resray.study import augmentation_spec

RAND_AUGMENT_OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness",
    "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip

RAND_AUGMENT_LEVELS = 31
AUTO_AUGMENT_LEVELS = 10

Step = tuple[str, float, int]
"""An operation, the probability that it is done, and its level (0 where it has none)."""

CIFAR10_POLICY: tuple[tuple[Step, Step], ...] = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)
"""The 25 pairs; an image gets one pair, whose two steps are done or left out independently."""


def both_signs(name: str, level: int, levels: int, height: int, width: int) -> list[Choice]:
    """Return two choices that are equally likely, equal ones if the operation has no sign."""
    magnitude = magnitude_at(name, level, levels, height, width)
    other = -magnitude if name in SIGNED else magnitude
    return [Choice(name, magnitude), Choice(name, other)]


class RandAugment:
    """See `augmentation_spec.RandAugment`: every operation is equally likely."""

    def __init__(
        self,
        spec: augmentation_spec.RandAugment,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.spec = spec
        choices = [
            choice
            for name in RAND_AUGMENT_OPERATIONS
            for choice in both_signs(name, spec.magnitude, RAND_AUGMENT_LEVELS, height, width)
        ]
        self.count = len(choices)
        self.choices = Choices(choices, height, width, device)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the number of each choice."""
        chances = draw_chances(count, self.spec.probability, generator)
        shape = (count, self.spec.operations)
        chosen = torch.randint(0, self.count, shape, generator=generator)
        return torch.cat([chances, chosen], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        for chosen in numbers.long().unbind(dim=1):
            images = self.choices.apply(images, chosen)
        return images


class AutoAugment:
    """See `augmentation_spec.AutoAugment`: every pair of the policy is equally likely."""

    def __init__(
        self,
        spec: augmentation_spec.AutoAugment,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.spec = spec
        choices = [
            choice
            for pair in CIFAR10_POLICY
            for name, _, level in pair
            for choice in both_signs(name, level, AUTO_AUGMENT_LEVELS, height, width)
        ]
        self.nothing = len(choices)
        self.choices = Choices([*choices, Choice("Identity")], height, width, device)
        self.probabilities = torch.tensor([[step[1] for step in pair] for pair in CIFAR10_POLICY])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the numbers of two choices."""
        chances = draw_chances(count, self.spec.probability, generator)
        pair = torch.randint(0, len(CIFAR10_POLICY), (count, 1), generator=generator)
        done = torch.rand(count, 2, generator=generator) < self.probabilities[pair.flatten()]
        sign = torch.randint(0, 2, (count, 2), generator=generator)
        chosen = 4 * pair + torch.tensor([0, 2]) + sign
        return torch.cat([chances, torch.where(done, chosen, self.nothing)], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        for chosen in numbers.long().unbind(dim=1):
            images = self.choices.apply(images, chosen)
        return images
