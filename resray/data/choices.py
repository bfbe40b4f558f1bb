"""What users choose about images of their own, known before torch is imported."""

from typing import Literal

from resray.errors import InputError, unknown

Order = Literal["hwc", "chw"]
"""How a flat row holds an image: pixel by pixel (hwc), or channel by channel as CIFAR does."""
ORDERS = ("hwc", "chw")

VIEWS = (1, 5, 10)
"""How many views there can be: the image; with shifts; with mirror images."""


def check_order(order: str | None) -> None:
    """Raise InputError for an order that there is not."""
    if order not in (None, *ORDERS):
        raise InputError(unknown("--order", order, ORDERS))
