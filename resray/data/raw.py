"""What the readers of the single formats have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from resray.data.dataset import Images


@dataclass(frozen=True)
class Decoded:
    """A dataset fresh from its files, or from the cache that stands in for them."""

    train: Images
    test: Images
    class_names: tuple[str, ...]
    formats: tuple[str, ...]
    """Image formats met, e.g. ("JPEG",); empty where pixels were stored as they are."""
    resized: bool
    """Whether images were brought to the recipe's size while decoding."""


@dataclass(frozen=True)
class Reader:
    """A recognised dataset that has not been decoded."""

    kind: str
    """How it is stored, for people, e.g. ``Parquet folder``."""
    fingerprint: Callable[[], str]
    """Hash of the files; equal ones decode to the same pixels."""
    read: Callable[[], Decoded]
