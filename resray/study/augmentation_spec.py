"""The shape of a recipe's augmentation and mixing, key by key. Imports no torch."""

from typing import Annotated

from pydantic import Field

from resray.study.strict import NUMBER, Count, Fraction, NonNegative, Positive, Share, Size, Strict


class ShiftScaleRotate(Strict):
    """A random shift, zoom and rotation about the centre; uncovered pixels mirror the image.

    After albumentations' ShiftScaleRotate, whose default limits these are; mirrored as
    BORDER_REFLECT_101.
    """

    probability: Fraction = 0.5
    shift: Fraction = 0.0625
    """Largest shift in each direction, as a share of the side."""
    scale: Share = 0.1
    """Largest relative zoom: the factor is drawn from 1 - scale to 1 + scale."""
    degrees: Annotated[float, Field(ge=0, le=180), NUMBER] = 45.0
    """Largest rotation either way."""


class Affine(Strict):
    """torchvision's RandomAffine: rotation, shift, zoom, shear along x, by the nearest pixel.

    What is uncovered is black.
    """

    probability: Fraction = 1.0
    degrees: Annotated[float, Field(ge=0, le=180), NUMBER] = 0.0
    translate: Fraction = 0.0
    """Largest shift in each direction, as a share of the side."""
    scale: tuple[Positive, Positive] = (1.0, 1.0)
    shear: Annotated[float, Field(ge=0, lt=90), NUMBER] = 0.0
    """Largest shear along x, in degrees, either way."""


class Cutout(Strict):
    """Square holes at random places, filled with the dataset's mean (zero after normalisation).

    Source: DeVries & Taylor (2017). A hole's centre lies anywhere, so holes may overlap the edge.
    """

    probability: Fraction = 0.5
    size: Count = 8
    """Side of a hole in pixels."""
    holes: Count = 1


class BrightnessContrast(Strict):
    """Pixel values (0 to 1) become contrast * value + brightness, as albumentations draws them."""

    probability: Fraction = 0.3
    brightness: Fraction = 0.2
    """Largest shift either way, as a share of the full range."""
    contrast: Fraction = 0.2
    """The factor is drawn from 1 - contrast to 1 + contrast."""


class HueSaturationValue(Strict):
    """Random shifts in HSV, in albumentations' (OpenCV's 8-bit) units and with its defaults.

    Grey pixels stay grey.
    """

    probability: Fraction = 0.3
    hue: Annotated[float, Field(ge=0, le=90), NUMBER] = 20.0
    """Largest shift either way, of 180 for the full circle."""
    saturation: Annotated[float, Field(ge=0, le=255), NUMBER] = 30.0
    value: Annotated[float, Field(ge=0, le=255), NUMBER] = 20.0


class RandAugment(Strict):
    """Cubuk et al., "RandAugment" (2019), with torchvision's operations and magnitudes."""

    probability: Fraction = 1.0
    operations: Count = 2
    """Operations for each image."""
    magnitude: Annotated[int, Field(ge=0, le=30), NUMBER] = 9


class AutoAugment(Strict):
    """The CIFAR-10 policy of Cubuk et al., "AutoAugment" (2018): 25 pairs of operations."""

    probability: Fraction = 1.0


class Augmentation(Strict):
    """What happens to training images, each drawing parameters of its own; null is off.

    In this order: crop, flip, shift_scale_rotate, affine, brightness_contrast,
    hue_saturation_value, auto_augment, rand_augment, cutout.
    """

    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    crop_padding: Size = 4
    """Zero padding, in pixels, around a random crop back to the image's size; 0 is off."""
    crop_probability: Fraction = 1.0
    shift_scale_rotate: ShiftScaleRotate | None = None
    affine: Affine | None = None
    brightness_contrast: BrightnessContrast | None = None
    hue_saturation_value: HueSaturationValue | None = None
    auto_augment: AutoAugment | None = None
    rand_augment: RandAugment | None = None
    cutout: Cutout | None = None


class Mixing(Strict):
    """Blending pairs of images and their labels; a strength of 0 is off.

    MixUp: Zhang et al. (2017); CutMix: Yun et al. (2019).
    """

    mixup_alpha: NonNegative = 0.0
    """The share of the first image is drawn from Beta(alpha, alpha), once for a batch."""
    cutmix_alpha: NonNegative = 0.0
    """The same for the area of the second image's rectangle."""
    probability: Fraction = 1.0
    """That a batch is mixed at all."""
    cutmix_chance: Fraction = 0.5
    """That a mixed batch is CutMix rather than MixUp, where both are on."""
