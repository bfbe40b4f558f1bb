"""The shape of a recipe's augmentation and mixing, key by key. Imports no torch."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag

from resray.study.strict import (
    LARGEST_COUNT,
    NUMBER,
    Count,
    Fraction,
    Mistake,
    NonNegative,
    Positive,
    Share,
    Size,
    Strict,
)

SignedShare = Annotated[float, Field(ge=-1, le=1), NUMBER]
Side = Annotated[float, Field(ge=1, le=LARGEST_COUNT), NUMBER]
"""Of a hole, in pixels."""
Step = Literal[
    "resized_crop", "shift_scale_rotate", "affine", "color_jitter", "brightness_contrast",
    "hue_saturation_value", "auto_augment", "rand_augment", "cutout",
]  # fmt: skip
"""What `Augmentation.order` can name, in the order in which it comes by default."""


def rising(ends: tuple[float, float]) -> tuple[float, float]:
    """Raise ValueError for a range whose larger end comes first."""
    first, second = ends
    if first > second:
        raise ValueError(f"[{first:g}, {second:g}] falls; write [{second:g}, {first:g}]")
    return ends


def _shape(value: object) -> str:
    return "range" if isinstance(value, list | tuple) else "single"


Single = TypeVar("Single")
End = TypeVar("End")
Range = Annotated[tuple[End, End], AfterValidator(rising)]
SingleOrRange = Annotated[
    Annotated[Single, Tag("single")] | Annotated[Range[End], Tag("range")], Discriminator(_shape)
]


class ShiftScaleRotate(Strict):
    """A random shift, zoom and rotation about the centre, bilinear.

    After albumentations' ShiftScaleRotate, whose default limits these are.
    """

    probability: Fraction = 0.5
    shift: SingleOrRange[Fraction, SignedShare] = 0.0625
    """Largest shift in each direction, as a share of the side; or a range of shifts to the right
    and down, of which two equal ends are a fixed shift."""
    whole_pixels: bool = False
    """Shifts lose their fractions of a pixel, as in albumentations 2."""
    scale: Share = 0.1
    """Largest relative zoom: the factor is drawn from 1 - scale to 1 + scale."""
    scale_by_axis: bool = False
    """Width and height are zoomed by factors of their own."""
    border: Literal["mirror", "black"] = "mirror"
    """What uncovered pixels show; mirror is OpenCV's BORDER_REFLECT_101."""
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
    """Holes at random places.

    Source: DeVries & Taylor (2017). With a range of sizes, ``inside`` and a fill it is
    albumentations' CoarseDropout.
    """

    probability: Fraction = 0.5
    size: SingleOrRange[Count, Side] = 8
    """Side of a hole in pixels; or a range from which each of its two sides is drawn, evenly, and
    rounded down to whole pixels."""
    holes: SingleOrRange[Count, Count] = 1
    """How many, or the fewest and the most, each number as likely."""
    inside: bool = False
    """False: a hole's centre lies anywhere, so holes may overlap the edge; True: holes lie wholly
    within the image, as large as it at most."""
    fill: Literal["mean"] | Annotated[int, Field(ge=0, le=255), NUMBER] = "mean"
    """The dataset's mean (zero after normalisation), or a pixel value before normalisation."""


class BrightnessContrast(Strict):
    """Pixel values (0 to 1) become contrast * value + brightness, as albumentations draws them."""

    probability: Fraction = 0.3
    brightness: Fraction = 0.2
    """Largest shift either way, as a share of the full range."""
    contrast: Fraction = 0.2
    """The factor is drawn from 1 - contrast to 1 + contrast."""


class ColorJitter(Strict):
    """torchvision's ColorJitter: its four changes, each drawn for itself, in a random order."""

    probability: Fraction = 1.0
    brightness: Fraction = 0.0
    """The factor is drawn from 1 - this to 1 + this, as are the next two."""
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5), NUMBER] = 0.0
    """Largest shift either way, as a share of the colour circle: 0.5 is all of it."""


class ResizedCrop(Strict):
    """torchvision's RandomResizedCrop: a random part, resized to the image's size, bilinear."""

    probability: Fraction = 1.0
    scale: Range[Positive] = (0.08, 1.0)
    """Range of the part's area, as a share of the image's; equal ends are a fixed size."""
    ratio: Range[Positive] = (0.75, 4 / 3)
    """Range of its width divided by its height, drawn evenly in its logarithm."""


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

    In this order, unless ``order`` says another: crop, flip, resized_crop, shift_scale_rotate,
    affine, color_jitter, brightness_contrast, hue_saturation_value, auto_augment, rand_augment,
    cutout.
    """

    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    crop_padding: Size = 4
    """Zero padding, in pixels, around a random crop back to the image's size; 0 is off."""
    crop_probability: Fraction = 1.0
    resized_crop: ResizedCrop | None = None
    shift_scale_rotate: ShiftScaleRotate | None = None
    affine: Affine | None = None
    color_jitter: ColorJitter | None = None
    brightness_contrast: BrightnessContrast | None = None
    hue_saturation_value: HueSaturationValue | None = None
    auto_augment: AutoAugment | None = None
    rand_augment: RandAugment | None = None
    cutout: Cutout | None = None
    order: tuple[Step, ...] = ()
    """Steps after crop and flip that are on, in the order in which they come; empty is the order
    above. A ``cutout`` filled with the mean comes last in any case."""

    def mistakes(self) -> Iterator[Mistake]:
        if not self.order:
            return
        for step in get_args(Step):
            if (getattr(self, step) is not None) != (self.order.count(step) == 1):
                on = "is on and must stand in it once" if getattr(self, step) else "is not on"
                yield Mistake(("order",), f"{step} {on}")


class Mixing(Strict):
    """Blending pairs of images and their labels; a strength of 0 is off.

    MixUp: Zhang et al. (2017); CutMix: Yun et al. (2019).
    """

    mixup_alpha: NonNegative = 0.0
    """The share of the first image is drawn from Beta(alpha, alpha), once for a batch."""
    cutmix_alpha: NonNegative = 0.0
    """The same for the area of the second image's rectangle."""
    cutmix_sides: Literal["whole", "even"] = "whole"
    """even: a rectangle's sides are twice the whole of their half, as in the authors' code."""
    probability: Fraction = 1.0
    """That a batch is mixed at all."""
    cutmix_chance: Fraction = 0.5
    """That a mixed batch is CutMix rather than MixUp, where both are on."""
